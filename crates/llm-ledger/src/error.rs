use llm_cost::NanoDollars;
use llm_store::{Account, Moment};

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A budget has not enough left.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Nobody knows the price, and requests without one are refused.
    #[error("the request's price is not known, and requests without a price are refused")]
    Unpriced,
    /// The journal is full: the database has been away for too long.
    #[error("the journal of spending is full: the database has been away for too long")]
    JournalFull,
    /// The journal cannot be written.
    #[error("the journal of spending cannot be written: {0}")]
    Journal(#[from] std::io::Error),
    /// Another process writes the journal.
    #[error("{0} belongs to another process")]
    JournalInUse(std::path::PathBuf),
    /// Another version wrote the journal. It stays as it is.
    #[error("the journal of spending cannot be read: {0}")]
    JournalVersion(llm_store::Unpacked),
    /// The database did not answer in time.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] llm_store::Error),
}

impl Error {
    /// Whether the same request may succeed later, without anybody's budget changing.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::TimedOut | Self::JournalFull => true,
            Self::Store(error) => error.is_unavailable(),
            _ => false,
        }
    }

    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Which budget has not enough left, and how much there was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {account} has not enough left")]
pub struct Refusal {
    /// Whose budget.
    pub account: Account,
    /// What it has spent.
    pub spent: NanoDollars,
    /// What is held for requests under way.
    pub reserved: NanoDollars,
    /// What it may spend.
    pub max: NanoDollars,
    /// What was asked for.
    pub wanted: NanoDollars,
    /// When it resets.
    pub resets_at: Option<Moment>,
}
