//! Brings finished requests into the database: each once, its row, its sums and its charges in one transaction.

mod accounts;
mod file;
mod many;
mod noted;
mod packed;
mod server;
mod sums;
mod texts;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Account, Cell, Column, Dialect, Error, Moment, Store,
    balances::fault,
    record::query,
    rows::{SpendRow, spend::BriefRow},
    statements,
};
pub(crate) use file::FileWriter;
pub(crate) use many::run_in_chunks;
pub use packed::Unpacked;
pub(crate) use server::{add_balances, end_holds};
pub(crate) use sums::Sums;

/// An account that a request is charged to, and the end of the window it falls into: used if it is the first there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Charge {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// When the window ends; never, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A finished request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Charged {
    /// Its row; what it cost is charged to every account.
    #[serde(serialize_with = "BriefRow::serialize")]
    pub row: SpendRow,
    /// When it was charged: it belongs to the window of that moment.
    pub at: Moment,
    /// Whether it was only sent: how it ends is not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub under_way: bool,
    /// Whether it was noted before that it was sent: this takes the place of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renews: bool,
    /// Whether nothing was written of it before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_alone: bool,
    /// What was held for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Whom it is charged to.
    pub charges: Vec<Charge>,
}

/// How far a journal was shipped: all of the segments before, and this many bytes of this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment.
    pub segment: i64,
    /// Bytes of it.
    pub offset: i64,
}

impl Store {
    /// How far this journal was shipped.
    pub async fn position(&self, journal: &str) -> Result<Position, Error> {
        let row = query(statements::POSITION, [Cell::Text(Some(journal.to_owned()))])
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        let Some(row) = row else {
            return Ok(Position::default());
        };
        Ok(Position {
            segment: i64::read(&row, 0).map_err(fault)?,
            offset: i64::read(&row, 1).map_err(fault)?,
        })
    }

    /// Requests of this journal that were sent and are not known to have ended, 500 at most.
    pub async fn under_way(&self, journal: &str) -> Result<Vec<Charged>, Error> {
        let rows = query(
            statements::UNDER_WAY,
            [Cell::Text(Some(journal.to_owned()))],
        )
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let read = |row| {
            let text = String::read(row, 0)?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        };
        rows.iter().map(|row| read(row).map_err(fault)).collect()
    }

    /// Adds requests of a journal and notes how far it is shipped. One that is there already is left as it is, so a batch
    /// may come again. Answers how many finished ones were new.
    pub async fn ship(
        &self,
        batch: &[impl Clone + Into<Arc<Charged>>],
        journal: &str,
        position: Option<Position>,
    ) -> Result<usize, Error> {
        let batch: Vec<Arc<Charged>> = batch.iter().cloned().map(Into::into).collect();
        match self.dialect() {
            Dialect::Sqlite => self.ship_to_file(batch, journal, position).await,
            Dialect::Postgres => self.ship_to_server(&batch, journal, position).await,
        }
    }
}

fn position_cells(journal: &str, position: Position) -> [Cell; 3] {
    [
        Cell::Text(Some(journal.to_owned())),
        Cell::Integer(Some(position.segment)),
        Cell::Integer(Some(position.offset)),
    ]
}
