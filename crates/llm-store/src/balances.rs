//! What accounts have spent and what is held on them.

use llm_cost::NanoDollars;
use serde::Serialize;
use sqlx::any::AnyRow;

use crate::{
    Account, Cell, Column, Dialect, Error, Moment, Store, Transaction, record::query, statements,
};

/// What an account has spent, and what is held on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Spent in the window that ends at `resets_at`.
    pub spent: NanoDollars,
    /// Held for requests under way.
    pub reserved: NanoDollars,
    /// Ever spent.
    pub total: NanoDollars,
    /// When the window ends; never, if there is none.
    pub resets_at: Option<Moment>,
}

/// The most that an account may have spent and held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The account.
    pub account: Account,
    /// The most.
    pub max: NanoDollars,
    /// When a window that began now would end; never, if there is none.
    pub until: Option<Moment>,
}

/// What is to be held on every limited account of a request, or on none.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    /// The hold's id.
    pub id: &'a str,
    /// The process it belongs to.
    pub owner: &'a str,
    /// When it ends in any case.
    pub deadline: Moment,
    /// How much.
    pub amount: NanoDollars,
    /// The least that will do, if there is not as much left.
    pub at_least: NanoDollars,
    /// The limited accounts.
    pub limits: &'a [Limit],
}

/// The answer to a [`Hold`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How much is held; nothing if it did not fit.
    pub granted: Option<NanoDollars>,
    /// The accounts as they were found.
    pub accounts: Vec<(Account, Balance)>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    scope: &'static str,
    id: &'a str,
    meter: &'a str,
    max: i64,
    until: Option<i64>,
}

impl Store {
    /// An account's counts as stored; one that nobody used has none.
    pub async fn balance(&self, account: &Account) -> Result<Balance, Error> {
        let row = query(statements::BALANCE, account_cells(account))
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        row.as_ref().map_or(Ok(Balance::default()), |row| {
            read_balance(row).map_err(fault)
        })
    }

    /// The counts of several accounts as stored, in their order.
    pub async fn balances(&self, accounts: &[Account]) -> Result<Vec<Balance>, Error> {
        let mut db = self.reader().await?;
        let mut all = Vec::with_capacity(accounts.len());
        if self.dialect() == Dialect::Sqlite {
            for account in accounts {
                let row = query(statements::BALANCE, account_cells(account))
                    .fetch_optional(&mut *db)
                    .await?;
                let balance = row.as_ref().map_or(Ok(Balance::default()), read_balance);
                all.push(balance.map_err(fault)?);
            }
            return Ok(all);
        }
        for some in accounts.chunks(1000) {
            let rows = query(statements::BALANCES, [json(&some)?])
                .fetch_all(&mut *db)
                .await?;
            let balances = rows.iter().map(|row| read_balance(row).map_err(fault));
            all.extend(balances.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(all)
    }

    /// Sets what an account has spent in its present window. The total stays.
    pub async fn set_spent(
        &self,
        account: &Account,
        spent: NanoDollars,
        resets_at: Option<Moment>,
    ) -> Result<(), Error> {
        let cells = account_cells(account)
            .into_iter()
            .chain([spent.cell(), resets_at.cell()]);
        query(statements::SET_SPENT, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Adds to what an account has spent in its present window. The total stays.
    pub async fn adjust_spent(
        &self,
        account: &Account,
        difference: NanoDollars,
    ) -> Result<(), Error> {
        let cells = account_cells(account)
            .into_iter()
            .chain([difference.cell()]);
        query(statements::ADJUST_SPENT, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Sets when an account's present window ends. What was spent in it stays.
    pub async fn set_window(
        &self,
        account: &Account,
        resets_at: Option<Moment>,
    ) -> Result<(), Error> {
        let cells = account_cells(account).into_iter().chain([resets_at.cell()]);
        query(statements::SET_WINDOW, cells)
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }

    /// Holds an amount on every limited account or on none, exactly also among several processes. PostgreSQL only.
    pub async fn hold(&self, hold: &Hold<'_>, now: Moment) -> Result<Held, Error> {
        let held = self.try_hold(hold, now).await?;
        if held.accounts.len() == hold.limits.len() {
            return Ok(held);
        }
        // An account's first request finds no row to lock.
        let mut db = self.writer().await?;
        for limit in hold.limits {
            query(statements::OPEN_BALANCE, account_cells(&limit.account))
                .execute(&mut *db)
                .await?;
        }
        drop(db);
        self.try_hold(hold, now).await
    }

    async fn try_hold(&self, hold: &Hold<'_>, now: Moment) -> Result<Held, Error> {
        let wanted: Vec<Wanted<'_>> = hold.limits.iter().map(wanted).collect();
        let accounts: Vec<&Account> = hold.limits.iter().map(|limit| &limit.account).collect();
        let cells = [
            json(&wanted)?,
            now.cell(),
            hold.amount.cell(),
            hold.at_least.cell(),
            Cell::Text(Some(hold.id.to_owned())),
            Cell::Text(Some(hold.owner.to_owned())),
            hold.deadline.cell(),
            json(&accounts)?,
        ];
        let rows = query(statements::HOLD, cells)
            .fetch_all(&mut *self.writer().await?)
            .await?;
        read_held(&rows, hold.limits)
    }

    /// Everything that is held on all accounts.
    pub async fn all_held(&self) -> Result<NanoDollars, Error> {
        let row = query(statements::ALL_HELD, [])
            .fetch_one(&mut *self.reader().await?)
            .await?;
        NanoDollars::read(&row, 0).map_err(fault)
    }

    /// What the spend rows of one key, or of all, add up to, and how many there are.
    pub async fn sum_of_rows(&self, api_key: Option<&str>) -> Result<(NanoDollars, i64), Error> {
        let row = query(
            statements::SUM_OF_ROWS,
            [Cell::Text(api_key.map(str::to_owned))],
        )
        .fetch_one(&mut *self.reader().await?)
        .await?;
        let sum = NanoDollars::read(&row, 0).map_err(fault)?;
        Ok((sum, i64::read(&row, 1).map_err(fault)?))
    }
}

impl Transaction {
    /// Sets everything that an account has spent: in its window, which ends at `resets_at`, and ever. What is held stays.
    pub async fn set_balance(
        &mut self,
        account: &Account,
        spent: NanoDollars,
        total: NanoDollars,
        resets_at: Option<Moment>,
    ) -> Result<(), Error> {
        let counts = [spent.cell(), total.cell(), resets_at.cell()];
        let cells = account_cells(account).into_iter().chain(counts);
        query(statements::SET_BALANCE, cells)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

pub(crate) fn account_cells(account: &Account) -> [Cell; 3] {
    [account.scope.name(), &account.id, &account.meter].map(|text| Cell::Text(Some(text.into())))
}

fn wanted(limit: &Limit) -> Wanted<'_> {
    Wanted {
        scope: limit.account.scope.name(),
        id: &limit.account.id,
        meter: &limit.account.meter,
        max: limit.max.0,
        until: limit.until.map(|end| end.0),
    }
}

fn read_held(rows: &[AnyRow], limits: &[Limit]) -> Result<Held, Error> {
    let mut granted = None;
    let mut accounts = Vec::with_capacity(rows.len());
    for row in rows {
        let text = |index| String::read(row, index).map_err(fault);
        let (scope, id, meter) = (text(0)?, text(1)?, text(2)?);
        let account = limits.iter().map(|limit| &limit.account).find(|account| {
            account.scope.name() == scope && account.id == id && account.meter == meter
        });
        let Some(account) = account else { continue };
        let balance = Balance {
            spent: NanoDollars::read(row, 3).map_err(fault)?,
            reserved: NanoDollars::read(row, 4).map_err(fault)?,
            total: NanoDollars(0),
            resets_at: Column::read(row, 5).map_err(fault)?,
        };
        if bool::read(row, 7).map_err(fault)? {
            granted = Some(NanoDollars::read(row, 6).map_err(fault)?);
        }
        accounts.push((account.clone(), balance));
    }
    Ok(Held { granted, accounts })
}

fn read_balance(row: &AnyRow) -> Result<Balance, String> {
    Ok(Balance {
        spent: Column::read(row, 0)?,
        reserved: Column::read(row, 1)?,
        total: Column::read(row, 2)?,
        resets_at: Column::read(row, 3)?,
    })
}

fn json<T: Serialize>(value: &T) -> Result<Cell, Error> {
    match serde_json::to_string(value) {
        Ok(text) => Ok(Cell::Text(Some(text))),
        Err(error) => Err(fault(error.to_string())),
    }
}

pub(crate) fn fault(reason: String) -> Error {
    Error::Row {
        table: "balances",
        column: "",
        reason,
    }
}
