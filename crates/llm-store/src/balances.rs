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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    /// The account.
    pub account: Account,
    /// The most.
    pub max: NanoDollars,
    /// When a window that began now would end; never, if there is none.
    pub until: Option<Moment>,
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

    /// The accounts of the entity that `account` is one of, as far as there are any.
    pub async fn accounts_of(&self, account: &Account) -> Result<Vec<Account>, Error> {
        let rows = query(statements::METERS, entity_cells(account))
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let meters = rows.iter().map(|row| {
            let meter = String::read(row, 0).map_err(fault)?;
            Ok(Account {
                meter,
                ..account.clone()
            })
        });
        meters.collect()
    }

    /// Sets what the entity of `account` has spent to nothing, in its windows and ever. What is held stays.
    pub async fn forget_spent(&self, account: &Account) -> Result<(), Error> {
        query(statements::FORGET_SPENT, entity_cells(account))
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
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

fn entity_cells(account: &Account) -> [Cell; 2] {
    [account.scope.name(), &account.id].map(|text| Cell::Text(Some(text.into())))
}

fn read_balance(row: &AnyRow) -> Result<Balance, String> {
    Ok(Balance {
        spent: Column::read(row, 0)?,
        reserved: Column::read(row, 1)?,
        total: Column::read(row, 2)?,
        resets_at: Column::read(row, 3)?,
    })
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<Cell, Error> {
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
