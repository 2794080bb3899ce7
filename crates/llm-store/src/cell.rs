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
    /// Whether it is stored as text, or else as a whole number.
    const IS_TEXT: bool;

    /// The value to store.
    fn cell(&self) -> Cell;
    /// The same, not copied where that is possible.
    fn lend(&self) -> Lent<'_> {
        self.cell().into()
    }
    /// The value that was stored.
    fn of(cell: Cell) -> Result<Self, String>;
    /// The stored value at `index`.
    fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
        let cell = match Self::IS_TEXT {
            true => row.try_get(index).map(Cell::Text),
            false => row.try_get(index).map(Cell::Integer),
        };
        Self::of(cell.map_err(|error| error.to_string())?)
    }
}

/// PostgreSQL's texts cannot hold the character NUL, and clients can send it.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => Cow::Owned(text.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn text(cell: Cell) -> Result<Option<String>, String> {
    match cell {
        Cell::Text(text) => Ok(text),
        Cell::Integer(_) => Err("is a number".to_owned()),
    }
}

fn integer(cell: Cell) -> Result<Option<i64>, String> {
    match cell {
        Cell::Integer(number) => Ok(number),
        Cell::Text(_) => Err("is a text".to_owned()),
    }
}

fn present<T>(value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| "is null".to_owned())
}

/// A type that is stored as text: how it becomes one, and is read from one.
macro_rules! text_column {
    ($type:ty, $write:expr, $read:expr) => {
        impl Column for $type {
            const IS_TEXT: bool = true;

            fn cell(&self) -> Cell {
                let write: fn(&Self) -> Cow<'_, str> = $write;
                Cell::Text(Some(write(self).into_owned()))
            }
            fn lend(&self) -> Lent<'_> {
                let write: fn(&Self) -> Cow<'_, str> = $write;
                Lent::Text(write(self))
            }
            fn of(cell: Cell) -> Result<Self, String> {
                let read: fn(String) -> Result<Self, String> = $read;
                read(present(text(cell)?)?)
            }
        }

        impl Column for Option<$type> {
            const IS_TEXT: bool = true;

            fn cell(&self) -> Cell {
                self.as_ref().map_or(Cell::Text(None), Column::cell)
            }
            fn lend(&self) -> Lent<'_> {
                self.as_ref().map_or(Lent::Nothing, Column::lend)
            }
            fn of(cell: Cell) -> Result<Self, String> {
                let read: fn(String) -> Result<$type, String> = $read;
                text(cell)?.map(read).transpose()
            }
        }
    };
}

/// A type that is stored as a whole number.
macro_rules! integer_column {
    ($type:ty, $write:expr, $read:expr) => {
        impl Column for $type {
            const IS_TEXT: bool = false;

            fn cell(&self) -> Cell {
                let write: fn(&Self) -> i64 = $write;
                Cell::Integer(Some(write(self)))
            }
            fn of(cell: Cell) -> Result<Self, String> {
                let read: fn(i64) -> Self = $read;
                present(integer(cell)?).map(read)
            }
        }

        impl Column for Option<$type> {
            const IS_TEXT: bool = false;

            fn cell(&self) -> Cell {
                let write: fn(&$type) -> i64 = $write;
                Cell::Integer(self.as_ref().map(write))
            }
            fn of(cell: Cell) -> Result<Self, String> {
                let read: fn(i64) -> $type = $read;
                Ok(integer(cell)?.map(read))
            }
        }
    };
}

text_column!(String, |text| Cow::Borrowed(text), Ok);
text_column!(Sealed, |sealed| Cow::Borrowed(sealed.as_text()), |text| Ok(
    Sealed::from_text(text)
));
text_column!(Vec<String>, |list| json_list(list), from_json);
text_column!(serde_json::Value, |value| json(value), from_json);
text_column!(
    serde_json::Map<String, serde_json::Value>,
    |map| match map.is_empty() {
        true => Cow::Borrowed("{}"),
        false => json(map),
    },
    from_json
);
text_column!(Vec<crate::Account>, |list| json_list(list), from_json);
text_column!(crate::Json, |json| Cow::Borrowed(json.as_str()), |text| {
    crate::Json::from_text(text)
});
integer_column!(i64, |number| *number, |number| number);
integer_column!(bool, |flag| i64::from(*flag), |number| number != 0);
integer_column!(Moment, |moment| moment.0, Moment);
integer_column!(NanoDollars, |amount| amount.0, NanoDollars);

fn json<T: serde::Serialize>(value: &T) -> Cow<'static, str> {
    // Lists and maps with text keys always have a JSON form.
    Cow::Owned(serde_json::to_string(value).unwrap_or_default())
}

fn json_list<T: serde::Serialize>(list: &[T]) -> Cow<'static, str> {
    match list {
        [] => Cow::Borrowed("[]"),
        list => json(&list),
    }
}

fn from_json<T: serde::de::DeserializeOwned>(text: String) -> Result<T, String> {
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
