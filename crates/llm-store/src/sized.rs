//! Statements for several rows.

use crate::{Dialect, record::places};

/// The same statement for several numbers of rows, the largest first: a call to the database costs more than a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sized {
    /// PostgreSQL numbers its values.
    postgres: Sizes,
    /// SQLite looks for each numbered value among all that are named.
    sqlite: Sizes,
}

pub(crate) type Sizes = [(usize, &'static str); 3];

/// What is written where the values go.
#[derive(Clone, Copy)]
pub(crate) struct Values {
    rows: usize,
    numbered: bool,
}

impl Sized {
    pub(crate) fn new(make: impl Fn(Values) -> String) -> Self {
        let sizes =
            |numbered| [64, 8, 1].map(|rows| (rows, &*make(Values { rows, numbered }).leak()));
        Self {
            postgres: sizes(true),
            sqlite: sizes(false),
        }
    }

    /// The statement for one row.
    pub(crate) fn of_one(self, dialect: Dialect) -> &'static str {
        let [.., (_, text)] = self.of(dialect);
        text
    }

    /// The largest statement for at most this many rows, and for how many it is.
    pub(crate) fn up_to(self, rows: usize, dialect: Dialect) -> Option<(usize, &'static str)> {
        self.of(dialect).into_iter().find(|(size, _)| *size <= rows)
    }

    pub(crate) fn of(self, dialect: Dialect) -> Sizes {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

impl Values {
    /// One value of each row.
    pub(crate) fn each(self) -> String {
        self.of(0, self.rows)
    }

    /// All rows, each of so many values.
    pub(crate) fn rows(self, columns: usize) -> String {
        let row = |at: usize| format!("({})", self.of(at * columns, columns));
        (0..self.rows).map(row).collect::<Vec<_>>().join(", ")
    }

    fn of(self, from: usize, count: usize) -> String {
        match self.numbered {
            true => places(from + 1, count),
            false => vec!["?"; count].join(", "),
        }
    }
}
