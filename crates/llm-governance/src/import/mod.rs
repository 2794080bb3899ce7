//! Taking over what a LiteLLM database knows: keys by their hashes, teams, members, users, organizations, customers,
//! budgets, tags, projects, access groups, credentials, models and what was spent.
//!
//! The source is read in one snapshot and never written to. Every row is read back and compared; what differs, what was
//! left out and what has no place here is named. A second run changes nothing.

mod decrypt;
mod report;
mod rows;
mod source;
mod tables;
mod transfer;

use llm_cost::NanoDollars;
use llm_store::{Error, Foreign, Keyring, Store};

pub use decrypt::Salt;
pub use report::{Report, TableReport};
use source::Source;
use transfer::Transfer;

/// Where from, where to, and how.
#[derive(Debug)]
pub struct Import<'a> {
    /// The address of the database to read.
    pub from: &'a str,
    /// What its secrets are encrypted with; without it models and credentials are left out.
    pub salt: Option<Salt>,
    /// The store to fill.
    pub store: &'a Store,
    /// What secrets are sealed with there.
    pub keyring: &'a Keyring,
    /// Only to say what would be done.
    pub dry_run: bool,
    /// Whether what this gateway has charged itself may be replaced.
    pub overwrite: bool,
}

/// Why nothing was imported, or not all of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// One of the databases failed.
    #[error("{0}")]
    Store(#[from] Error),
    /// The source is something else.
    #[error("the database has no table \"{0}\": it is not one of LiteLLM's")]
    NotOne(&'static str),
    /// The target has spend of its own.
    #[error(
        "this gateway has charged {0} requests itself: importing would replace what they cost. To do so all the same, \
         say --overwrite"
    )]
    InUse(i64),
}

impl Import<'_> {
    /// Imports, and proves that what is here now is what was there.
    pub async fn run(self) -> Result<Report, ImportError> {
        let (_, charged): (NanoDollars, i64) = self.store.sum_of_rows(None).await?;
        if charged > 0 && !self.overwrite && !self.dry_run {
            return Err(ImportError::InUse(charged));
        }
        let mut from = Foreign::open(self.from).await?;
        if !from.has_table(tables::KEYS).await? {
            return Err(ImportError::NotOne(tables::KEYS));
        }
        let source = Source::open(&mut from, self.salt).await?;
        let mut transfer = Transfer {
            from: &mut from,
            source: &source,
            store: self.store,
            keyring: self.keyring,
            dry_run: self.dry_run,
        };
        let mut report = Report {
            dry_run: self.dry_run,
            ..Report::default()
        };
        tables::all(&mut transfer, &mut report).await?;
        report.beside = tables::beside(&mut from).await?;
        from.close().await?;
        Ok(report)
    }
}
