//! Finds spend rows and sums of days for reports, by the index that fits.

mod asked;
mod days;
mod names;
mod packed;
mod requests;
mod sum_texts;
mod texts;

use sqlx::any::AnyRow;

use crate::{
    Cell, Column, Error, Record, Store,
    balances::fault,
    record::query,
    rows::{Key, User},
};

use packed::{Line, Lines};

pub use asked::{Find, Narrow, Requests, Sort};
pub use days::{Days, Grouping};
pub(crate) use names::NAMES;
pub use names::{KeyName, Named};
pub use packed::{DaySum, Failures};
pub(crate) use texts::REPORTS;

impl Store {
    async fn lines<T: Line>(
        &self,
        statement: &'static str,
        cells: impl IntoIterator<Item = Cell>,
    ) -> Result<Vec<T>, Error> {
        let row = query(statement, cells)
            .fetch_one(&mut *self.reader().await?)
            .await?;
        let text = Option::<String>::read(&row, 0).map_err(fault)?;
        let lines = Lines::of(text.as_deref().unwrap_or_default());
        let unreadable = || fault("lines of a report that are not such".to_owned());
        lines.all().ok_or_else(unreadable)
    }

    /// The keys that spent most in their window.
    pub async fn keys_by_spend(&self, limit: i64) -> Result<Vec<Key>, Error> {
        self.by_spend(REPORTS.keys_by_spend, limit).await
    }

    /// The users that spent most in their window.
    pub async fn users_by_spend(&self, limit: i64) -> Result<Vec<User>, Error> {
        self.by_spend(REPORTS.users_by_spend, limit).await
    }

    async fn by_spend<R: Record>(
        &self,
        statement: &'static str,
        limit: i64,
    ) -> Result<Vec<R>, Error> {
        let rows = query(statement, [Cell::Integer(Some(limit))])
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(R::read).collect()
    }

    async fn count(&self, statement: &'static str, cells: Vec<Cell>) -> Result<i64, Error> {
        let row: AnyRow = query(statement, cells)
            .fetch_one(&mut *self.reader().await?)
            .await?;
        i64::read(&row, 0).map_err(fault)
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}
