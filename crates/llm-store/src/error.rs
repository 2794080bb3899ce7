use std::path::PathBuf;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be reached, or all its connections stayed busy.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not answer when it was asked last, a moment ago.
    #[error("the database is away")]
    Away,
    /// A row with this key, alias or name exists.
    #[error("{table}: a row with this key or name exists")]
    Exists {
        /// The table that has it.
        table: &'static str,
    },
    /// A listing cannot be narrowed by this.
    #[error("{table}: rows cannot be listed by {filter:?}")]
    Filter {
        /// The table.
        table: &'static str,
        /// What was asked for.
        filter: String,
    },
    /// The schema was written by a newer version.
    #[error(
        "the database's schema has version {0}, which this version does not know: run the version that wrote it, or a newer one"
    )]
    NewerSchema(i64),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A stored value does not have the form it was written in.
    #[error("{table}.{column}: {reason}")]
    Row {
        /// The table it is in.
        table: &'static str,
        /// The column it is in.
        column: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A secret cannot be read with the keys there are.
    #[error("{table}.{column}: the secret cannot be read: {reason}")]
    Sealed {
        /// The table it is in.
        table: &'static str,
        /// The column it is in.
        column: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The address of the database is not one.
    #[error("the database's address is not understood: {0}")]
    Address(String),
    /// Another process uses the SQLite file.
    #[error("{0} is used by another process: SQLite serves one gateway, PostgreSQL several")]
    InUse(PathBuf),
    /// The database refused a statement.
    #[error("the database refused a statement: {0}")]
    Database(#[source] sqlx::Error),
}

impl Error {
    /// Whether the same call may succeed when the database is back.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Away)
    }

    /// Sorts a driver's error; `table` is what was written, for a row that exists.
    pub fn from_driver(error: sqlx::Error, table: &'static str) -> Self {
        match error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Exists { table },
            sqlx::Error::Database(inner) if is_passing(inner.code().as_deref()) => {
                Self::Unavailable(sqlx::Error::Database(inner))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            other => Self::Database(other),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        let is_passing = is_passing(code.map(|code| code.to_string()).as_deref());
        let error = sqlx::Error::AnyDriverError(Box::new(error));
        match is_passing {
            true => Self::Unavailable(error),
            false => Self::Database(error),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::from_driver(error, "")
    }
}

/// Codes that pass: PostgreSQL's classes of lost connections, full servers, stopping servers and conflicts between
/// transactions; SQLite's busy, locked, full disk and input/output.
fn is_passing(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 {
        return ["08", "40", "53", "57"].contains(&&code[..2]);
    }
    // The low byte of SQLite's extended codes is the primary one.
    code.parse::<u32>()
        .is_ok_and(|code| [5, 6, 10, 13].contains(&(code & 0xff)))
}
