//! What a gateway keeps for its clients: files, batches, responses.

mod batches;
mod files;
mod owned;
mod responses;
pub(crate) mod texts;

pub use batches::{Batch, LineAnswer, Tenure};
pub use files::File;

use crate::{Cell, Error};

/// Which files or batches are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Page<'a> {
    /// Files for this purpose.
    pub purpose: Option<&'a str>,
    /// Those of this owner, and those of nobody.
    pub owner: Option<&'a str>,
    /// Those behind this one.
    pub after: Option<&'a str>,
    /// The oldest first, rather than the newest.
    pub oldest_first: bool,
    /// As many at most.
    pub limit: i64,
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

fn number(number: i64) -> Cell {
    Cell::Integer(Some(number))
}

fn fault(table: &'static str) -> impl Fn(String) -> Error {
    move |reason| Error::Row {
        table,
        column: "",
        reason,
    }
}
