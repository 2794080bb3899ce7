//! Holding money for requests, where several processes share a PostgreSQL.

use llm_cost::NanoDollars;
use serde::Serialize;
use sqlx::{Any, AnyConnection, any::AnyRow, pool::PoolConnection};

use crate::{
    Account, Balance, Cell, Column, Error, Limit, Moment, Store,
    balances::{account_cells, fault, json},
    record::query,
    shipping::{Sums, add_balances},
    statements,
};

/// What is to be held on every limited account of requests, or on none: for all of them or for none.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    /// The holds: the id of each, and how much it is.
    pub asks: &'a [(String, NanoDollars)],
    /// The process they belong to.
    pub owner: &'a str,
    /// When they end in any case.
    pub deadline: Moment,
    /// The least that will do for all of them together, if there is not as much left as they ask for. Less than that is one
    /// request's business: where there are several, it is their sum.
    pub at_least: NanoDollars,
    /// The limited accounts.
    pub limits: &'a [Limit],
}

/// The answer to a [`Hold`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How much is held for all of them; nothing if it did not fit.
    pub granted: Option<NanoDollars>,
    /// The accounts as they were found.
    pub accounts: Vec<(Account, Balance)>,
}

/// A connection that holds are made with, again and again: to take one from the pool and to give it back are two questions
/// to the database more.
#[derive(Debug)]
pub(crate) struct Teller {
    db: PoolConnection<Any>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    scope: &'static str,
    id: &'a str,
    meter: &'a str,
    max: i64,
    until: Option<i64>,
}

#[derive(Serialize)]
struct Asked<'a> {
    id: &'a str,
    amount: i64,
}

impl Store {
    /// Holds amounts on every limited account or on none, exactly also among several processes. PostgreSQL only.
    pub async fn hold(&self, hold: &Hold<'_>, now: Moment) -> Result<Held, Error> {
        let mut teller = self.teller().await?;
        let mut held = try_hold(&mut teller.db, hold, now).await?;
        if held.accounts.len() != hold.limits.len() {
            // An account's first request finds no row to lock.
            for limit in hold.limits {
                query(statements::OPEN_BALANCE, account_cells(&limit.account))
                    .execute(&mut *teller.db)
                    .await?;
            }
            held = try_hold(&mut teller.db, hold, now).await?;
        }
        // After an error, or where nobody waits any more, it goes back to the pool, which looks at it.
        self.keep(teller);
        Ok(held)
    }
}

#[derive(Serialize)]
struct Kept<'a> {
    id: &'a str,
    keep: i64,
}

impl Store {
    /// Leaves these holds no more than this much each, and returns the rest. One that has ended or is smaller stays as it is,
    /// so that it is the same to ask once or twice. PostgreSQL only.
    pub async fn shrink_holds(&self, holds: &[(String, NanoDollars)]) -> Result<(), Error> {
        let kept = holds.iter().map(|(id, keep)| Kept { id, keep: keep.0 });
        let kept: Vec<Kept<'_>> = kept.collect();
        let mut transaction = self.begin().await?;
        let db = transaction.connection();
        let shrunk = query(statements::SHRINK_HOLDS, [json(&kept)?]);
        let mut sums = Sums::new();
        for row in shrunk.fetch_all(&mut *db).await? {
            let less = NanoDollars::read(&row, 0).map_err(fault)?;
            for account in Vec::<Account>::read(&row, 1).map_err(fault)? {
                sums.entry((account, None)).or_default().reserved -= less.0;
            }
        }
        add_balances(db, sums).await?;
        transaction.commit().await?;
        Ok(())
    }
}

impl Teller {
    pub(crate) fn new(db: PoolConnection<Any>) -> Self {
        Self { db }
    }
}

async fn try_hold(db: &mut AnyConnection, hold: &Hold<'_>, now: Moment) -> Result<Held, Error> {
    let wanted: Vec<Wanted<'_>> = hold.limits.iter().map(wanted).collect();
    let accounts: Vec<&Account> = hold.limits.iter().map(|limit| &limit.account).collect();
    let asked = hold.asks.iter().map(|(id, amount)| Asked {
        id,
        amount: amount.0,
    });
    let asked: Vec<Asked<'_>> = asked.collect();
    let sum = hold.asks.iter().map(|(_, amount)| amount.0);
    let sum = sum.fold(0, i64::saturating_add);
    let cells = [
        json(&wanted)?,
        now.cell(),
        NanoDollars(sum).cell(),
        hold.at_least.cell(),
        json(&asked)?,
        Cell::Text(Some(hold.owner.to_owned())),
        hold.deadline.cell(),
        json(&accounts)?,
    ];
    let rows = query(statements::HOLD, cells).fetch_all(db).await?;
    read_held(&rows, hold.limits)
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
