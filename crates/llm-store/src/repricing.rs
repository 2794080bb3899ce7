//! Rows whose price turned out to be another.

use std::collections::BTreeMap;

use llm_cost::NanoDollars;
use sqlx::AnyConnection;

use crate::{
    Account, Cell, Column, Error, Store,
    balances::account_cells,
    days::{add_days, repriced},
    record::query,
    rows::SpendRow,
    statements,
};

/// What a row costs by other prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Repriced {
    /// The row as it is stored.
    pub row: SpendRow,
    /// What it costs.
    pub spend: NanoDollars,
    /// The digest of the prices.
    pub price_digest: Option<String>,
    /// Why a part of it has no price.
    pub price_gap: Option<String>,
}

impl Store {
    /// Sets what rows cost, and what their accounts and days have spent with it: all of them or none. A row that another
    /// process set meanwhile is left out. Answers how many were set.
    pub async fn reprice(&self, batch: &[Repriced]) -> Result<usize, Error> {
        let mut transaction = self.begin().await?;
        let db = transaction.connection();
        let mut sums = Differences::new();
        let mut days = Vec::new();
        let mut set = 0;
        // In the order of their ids: so does everybody who locks several.
        let mut batch: Vec<&Repriced> = batch.iter().collect();
        batch.sort_by(|a, b| a.row.id.cmp(&b.row.id));
        for one in batch {
            let cells = [
                Cell::Text(Some(one.row.id.clone())),
                one.spend.cell(),
                Cell::Text(one.price_digest.clone()),
                Cell::Text(one.price_gap.clone()),
                one.row.spend.cell(),
            ];
            let done = query(statements::REPRICE, cells).execute(&mut *db).await?;
            if done.rows_affected() == 0 {
                continue;
            }
            set += 1;
            let difference = one.spend.0.saturating_sub(one.row.spend.0);
            if difference == 0 {
                continue;
            }
            for account in &one.row.accounts {
                let name = account.scope.name();
                let place = (name, account.id.as_str(), account.meter.as_str());
                let sums = sums.entry(place).or_insert((account, BTreeMap::new()));
                *sums.1.entry(one.row.end_time.0).or_default() += difference;
            }
            days.extend(repriced(&one.row, difference));
        }
        adjust(db, sums).await?;
        add_days(db, days.into_iter()).await?;
        transaction.commit().await?;
        Ok(set)
    }
}

/// By account in the order of their stored names, in which all lock them: what is added, by the moment of the charge.
type Differences<'a> =
    BTreeMap<(&'static str, &'a str, &'a str), (&'a Account, BTreeMap<i64, i64>)>;

async fn adjust(db: &mut AnyConnection, sums: Differences<'_>) -> Result<(), Error> {
    for (account, differences) in sums.into_values() {
        for (at, difference) in differences {
            let amounts = [difference, at].map(|number| Cell::Integer(Some(number)));
            let cells = account_cells(account).into_iter().chain(amounts);
            query(statements::ADJUST_CHARGE, cells)
                .execute(&mut *db)
                .await?;
        }
    }
    Ok(())
}
