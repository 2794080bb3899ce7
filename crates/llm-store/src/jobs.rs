//! Work that one instance does at a time, and what it finds.

use crate::{
    Account, Balance, Cell, Column, Error, Moment, Scope, Store,
    balances::fault,
    days::{add_days, begun},
    record::query,
    statements,
};

/// An account, what it has spent, and when it was charged last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBalance {
    /// The account.
    pub account: Account,
    /// Its counts.
    pub balance: Balance,
    /// When it was charged last.
    pub charged_at: Moment,
}

impl Store {
    /// Takes on a piece of work until a moment; says whether it is due and nobody else does it.
    pub async fn begin_job(
        &self,
        name: &str,
        owner: &str,
        until: Moment,
        now: Moment,
    ) -> Result<bool, Error> {
        let cells = [text(name), text(owner), until.cell(), now.cell()];
        let done = query(statements::BEGIN_JOB, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Says that the work is done, and when it is due again.
    pub async fn end_job(&self, name: &str, owner: &str, next: Moment) -> Result<(), Error> {
        let cells = [text(name), text(owner), next.cell()];
        query(statements::END_JOB, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Removes the oldest spend rows that began before a moment, `limit` of them at most. Sums and balances stay; how many
    /// requests there are of an hour is of the rows.
    pub async fn forget_spend(&self, before: Moment, limit: i64) -> Result<u64, Error> {
        let cells = [before.cell(), Cell::Integer(Some(limit))];
        let mut transaction = self.begin().await?;
        let db = transaction.connection();
        let gone = query(statements::FORGET_SPEND, cells)
            .fetch_all(&mut *db)
            .await?;
        let starts = gone.iter().map(|row| Moment::read(row, 0));
        let starts = starts.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        add_days(db, begun(starts.into_iter(), -1).into_iter()).await?;
        transaction.commit().await?;
        Ok(gone.len() as u64)
    }

    /// Notes that an alert is raised; says whether it is the first time.
    pub async fn raise(&self, name: &str, now: Moment) -> Result<bool, Error> {
        let cells = [text(name), now.cell()];
        let done = query(statements::RAISE, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets the alerts raised before a moment.
    pub async fn forget_alerts(&self, before: Moment) -> Result<(), Error> {
        query(statements::FORGET_ALERTS, [before.cell()])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Accounts that were charged after a moment, the longest ago first.
    pub async fn charged_since(
        &self,
        since: Moment,
        limit: i64,
    ) -> Result<Vec<AccountBalance>, Error> {
        let cells = [since.cell(), Cell::Integer(Some(limit))];
        let rows = query(statements::CHARGED_SINCE, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let read = |row| {
            let scope = String::read(row, 0)?;
            let scope = Scope::ALL.into_iter().find(|one| one.name() == scope);
            Ok::<_, String>(AccountBalance {
                account: Account {
                    scope: scope.ok_or("an unknown scope")?,
                    id: String::read(row, 1)?,
                    meter: String::read(row, 2)?,
                },
                balance: Balance {
                    spent: Column::read(row, 3)?,
                    reserved: Column::read(row, 4)?,
                    total: Column::read(row, 5)?,
                    resets_at: Column::read(row, 6)?,
                },
                charged_at: Column::read(row, 7)?,
            })
        };
        rows.iter().map(|row| read(row).map_err(fault)).collect()
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}
