//! Brings finished requests to a server's database.

use std::{collections::BTreeMap, sync::Arc};

use llm_cost::NanoDollars;
use sqlx::AnyConnection;

use super::{
    Charged, Position,
    many::run_in_chunks,
    noted::Noted,
    position_cells,
    sums::{Sums, rounds, spend},
    texts::Texts,
};
use crate::{
    Account, Cell, Column, Error, Store,
    balances::{fault, json},
    days::{add_days, days_of},
    record::query,
    statements::{self, MADE},
};

/// Rows that one statement takes.
const TOGETHER: usize = 1000;

impl Store {
    pub(super) async fn ship_to_server(
        &self,
        batch: &[Arc<Charged>],
        journal: &str,
        position: Option<Position>,
    ) -> Result<usize, Error> {
        // Nearly always all of them are new, and to ask which are would cost as much as to add them.
        for known in [Known::None, Known::Some] {
            let shipped = self.ship_if(known, batch, journal, position).await?;
            if let Some(new) = shipped {
                return Ok(new);
            }
        }
        Err(fault("somebody else adds the same rows".to_owned()))
    }

    /// Ships a batch, or nothing where `known` turns out to be wrong.
    async fn ship_if(
        &self,
        known: Known,
        batch: &[Arc<Charged>],
        journal: &str,
        position: Option<Position>,
    ) -> Result<Option<usize>, Error> {
        let (sent, batch): (Vec<&Charged>, Vec<&Charged>) = batch
            .iter()
            .map(Arc::as_ref)
            .partition(|charged: &&Charged| charged.under_way);
        let mut transaction = self.begin().await?;
        let db = transaction.connection();
        let Some(new) = add_rows(db, known, &batch).await? else {
            return Ok(None);
        };
        let noted = Noted::of(&sent, &batch, journal)?;
        run_in_chunks(db, MADE.add_under_way, noted.begun).await?;
        run_in_chunks(db, MADE.end_under_way, noted.gone).await?;
        // A hold ends also if its row is there already: a release may have failed after the row was shipped.
        let holds: Vec<String> = batch.iter().filter_map(|one| one.hold.clone()).collect();
        let (_, mut sums) = end_holds(db, &holds).await?;
        spend(&mut sums, &new);
        add_balances(db, sums).await?;
        let days = days_of(new.iter().map(|one| &one.row));
        add_days(db, days.into_iter()).await?;
        if let Some(position) = position {
            let cells = position_cells(journal, position);
            query(statements::SET_POSITION, cells).execute(db).await?;
        }
        let count = new.len();
        transaction.commit().await?;
        Ok(Some(count))
    }
}

/// Which rows of a batch the database has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    None,
    Some,
}

/// Ends holds; answers how many there were, and what their accounts no longer hold.
pub(crate) async fn end_holds(
    db: &mut AnyConnection,
    ids: &[String],
) -> Result<(usize, Sums), Error> {
    let (mut count, mut sums) = (0, Sums::new());
    for some in ids.chunks(TOGETHER) {
        let ended = query(statements::END_HOLDS, [json(&some)?]);
        for row in ended.fetch_all(&mut *db).await? {
            let amount = NanoDollars::read(&row, 0).map_err(fault)?;
            let accounts = Vec::<Account>::read(&row, 1).map_err(fault)?;
            count += i64::read(&row, 2).map_err(fault)?;
            for account in accounts {
                sums.entry((account, None)).or_default().reserved -= amount.0;
            }
        }
    }
    Ok((usize::try_from(count).unwrap_or_default(), sums))
}

/// Adds sums to accounts.
pub(crate) async fn add_balances(db: &mut AnyConnection, sums: Sums) -> Result<(), Error> {
    for rows in rounds(sums) {
        run_in_chunks(db, MADE.add_balances, rows).await?;
    }
    Ok(())
}

/// Adds the rows that are not there, and answers them; nothing, if some are there that were not expected.
async fn add_rows<'a>(
    db: &mut AnyConnection,
    known: Known,
    batch: &[&'a Charged],
) -> Result<Option<Vec<&'a Charged>>, Error> {
    // One statement cannot meet the same row twice.
    let mut new: BTreeMap<&str, &Charged> = batch
        .iter()
        .map(|one| (one.row.id.as_str(), *one))
        .collect();
    if known == Known::Some {
        let ids: Vec<&str> = new.keys().copied().collect();
        let known = query(statements::KNOWN_SPEND, [json(&ids)?]);
        for row in known.fetch_all(&mut *db).await? {
            new.remove(String::read(&row, 0).map_err(fault)?.as_str());
        }
    }
    let mut added = 0;
    let mut rest: &[&Charged] = &new.values().copied().collect::<Vec<_>>();
    while let Some((some, more)) = rest.split_at_checked(rest.len().min(TOGETHER))
        && !some.is_empty()
    {
        let Texts { common, rows } = Texts::of(some);
        let cells = [common, rows].map(|text| Cell::Text(Some(text)));
        let rows = query(MADE.add_spend_json, cells);
        added += rows.execute(&mut *db).await?.rows_affected();
        rest = more;
    }
    let all = added == new.len() as u64;
    Ok(all.then(|| new.into_values().collect()))
}
