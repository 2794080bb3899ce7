//! Which processes live, and what those that do not were holding.

use sqlx::AnyConnection;

use crate::{
    Cell, Column, Error, Moment, Store, Transaction, balances::fault, record::query, shipping,
    statements,
};

impl Store {
    /// Says that `owner` lives until then.
    pub async fn renew_lease(&self, owner: &str, until: Moment) -> Result<(), Error> {
        query(statements::RENEW_LEASE, [text(owner), until.cell()])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Returns what `owner` holds and forgets it: it is known to be dead, or says good-bye.
    pub async fn end_lease(&self, owner: &str) -> Result<(), Error> {
        while self.return_some(statements::HELD_BY, text(owner)).await? > 0 {}
        query(statements::END_LEASE, [text(owner)])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Returns holds whose time is up or whose owner is dead; says how many.
    pub async fn return_abandoned(&self, now: Moment) -> Result<usize, Error> {
        let mut returned = 0;
        loop {
            match self.return_some(statements::ABANDONED, now.cell()).await? {
                0 => break,
                some => returned += some,
            }
        }
        // A dead process's lease stays for a day, for whoever looks.
        query(statements::FORGET_LEASES, [now.plus(-86_400_000).cell()])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(returned)
    }

    /// Ends these holds and returns what they held. One that has ended already is left out.
    pub async fn return_holds(&self, ids: &[String]) -> Result<usize, Error> {
        let mut transaction = self.begin().await?;
        let returned = end_holds(&mut transaction, ids).await?;
        transaction.commit().await?;
        Ok(returned)
    }

    async fn return_some(&self, which: &'static str, value: Cell) -> Result<usize, Error> {
        let mut transaction = self.begin().await?;
        let rows = query(which, [value])
            .fetch_all(transaction.connection())
            .await?;
        let ids = rows.iter().map(|row| String::read(row, 0));
        let ids = ids.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        if ids.is_empty() {
            return Ok(0);
        }
        end_holds(&mut transaction, &ids).await?;
        transaction.commit().await?;
        // Another process may have ended them first: they are gone all the same.
        Ok(ids.len())
    }
}

async fn end_holds(transaction: &mut Transaction, ids: &[String]) -> Result<usize, Error> {
    let db = transaction.connection();
    let (ended, sums) = shipping::end_holds(db, ids).await?;
    shipping::add_balances(db, sums).await?;
    Ok(ended)
}

/// The tokens that led to a replaced key lead to its new one.
pub(crate) async fn forward_retired(
    db: &mut AnyConnection,
    old: &str,
    new: &str,
) -> Result<(), Error> {
    query(statements::FORWARD_RETIRED, [text(old), text(new)])
        .execute(db)
        .await?;
    Ok(())
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}
