use std::borrow::Cow;

use llm_cost::NanoDollars;
use sqlx::{Row, any::AnyRow};

use crate::{Moment, Sealed};

/// A value as both databases hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A text, or nothing.
    Text(Option<String>),
    /// A whole number, or nothing.
    Integer(Option<i64>),
}

/// A value as a database takes it, lent where that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lent<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// Nothing.
    Nothing,
}

impl From<Cell> for Lent<'_> {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Text(Some(text)) => Self::Text(Cow::Owned(text)),
            Cell::Integer(Some(number)) => Self::Integer(number),
            Cell::Text(None) | Cell::Integer(None) => Self::Nothing,
        }
    }
}

/// A type that a column can hold.
pub trait Column: Sized {
    /// The value to store.
    fn cell(&self) -> Cell;
    /// The same, not copied where that is possible.
    fn lend(&self) -> Lent<'_> {
        self.cell().into()
    }
    /// The stored value at `index`.
    fn read(row: &AnyRow, index: usize) -> Result<Self, String>;
}

/// PostgreSQL's texts cannot hold the character NUL, and clients can send it.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn text(row: &AnyRow, index: usize) -> Result<Option<String>, String> {
    row.try_get(index).map_err(|error| error.to_string())
}

fn integer(row: &AnyRow, index: usize) -> Result<Option<i64>, String> {
    row.try_get(index).map_err(|error| error.to_string())
}

fn present<T>(value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| "is null".to_owned())
}

/// A type that is stored as text: how it becomes one, and is read from one.
macro_rules! text_column {
    ($type:ty, $write:expr, $read:expr) => {
        impl Column for $type {
            fn cell(&self) -> Cell {
                let write: fn(&Self) -> String = $write;
                Cell::Text(Some(write(self)))
            }
            fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
                let read: fn(String) -> Result<Self, String> = $read;
                read(present(text(row, index)?)?)
            }
        }

        impl Column for Option<$type> {
            fn cell(&self) -> Cell {
                let write: fn(&$type) -> String = $write;
                Cell::Text(self.as_ref().map(write))
            }
            fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
                let read: fn(String) -> Result<$type, String> = $read;
                text(row, index)?.map(read).transpose()
            }
        }
    };
}

/// A type that is stored as a whole number.
macro_rules! integer_column {
    ($type:ty, $write:expr, $read:expr) => {
        impl Column for $type {
            fn cell(&self) -> Cell {
                let write: fn(&Self) -> i64 = $write;
                Cell::Integer(Some(write(self)))
            }
            fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
                let read: fn(i64) -> Self = $read;
                present(integer(row, index)?).map(read)
            }
        }

        impl Column for Option<$type> {
            fn cell(&self) -> Cell {
                let write: fn(&$type) -> i64 = $write;
                Cell::Integer(self.as_ref().map(write))
            }
            fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
                let read: fn(i64) -> $type = $read;
                Ok(integer(row, index)?.map(read))
            }
        }
    };
}

impl Column for String {
    fn cell(&self) -> Cell {
        Cell::Text(Some(self.clone()))
    }
    fn lend(&self) -> Lent<'_> {
        Lent::Text(Cow::Borrowed(self))
    }
    fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
        present(text(row, index)?)
    }
}

impl Column for Option<String> {
    fn cell(&self) -> Cell {
        Cell::Text(self.clone())
    }
    fn lend(&self) -> Lent<'_> {
        let text = self.as_deref();
        text.map_or(Lent::Nothing, |text| Lent::Text(Cow::Borrowed(text)))
    }
    fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
        text(row, index)
    }
}

text_column!(Sealed, |sealed| sealed.as_text().to_owned(), |text| Ok(
    Sealed::from_text(text)
));
text_column!(Vec<String>, |list| json(list), from_json);
text_column!(serde_json::Value, |value| json(value), from_json);
text_column!(
    serde_json::Map<String, serde_json::Value>,
    |map| json(map),
    from_json
);
text_column!(Vec<crate::Account>, |list| json(list), from_json);
text_column!(crate::Json, |json| json.as_str().to_owned(), |text| {
    crate::Json::from_text(text)
});
integer_column!(i64, |number| *number, |number| number);
integer_column!(bool, |flag| i64::from(*flag), |number| number != 0);
integer_column!(Moment, |moment| moment.0, Moment);
integer_column!(NanoDollars, |amount| amount.0, NanoDollars);

fn json<T: serde::Serialize>(value: &T) -> String {
    // Lists and maps with text keys always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

fn from_json<T: serde::de::DeserializeOwned>(text: String) -> Result<T, String> {
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
