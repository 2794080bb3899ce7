use std::{borrow::Cow, fmt::Write};

use llm_cost::NanoDollars;
use sqlx::{Any, AnyConnection, any::AnyArguments, any::AnyRow, query::Query};

use crate::{Cell, Column, Error, Lent, Moment, cell::without_nul};

/// A row of a table, and what is known of the table.
pub trait Record: Sized + Send + Sync + 'static {
    /// The table's name.
    const TABLE: &'static str;
    /// Its columns, in the order of [`Record::cells`].
    const COLUMNS: &'static [&'static str];
    /// The columns of its key.
    const KEY: &'static [&'static str];
    /// The columns that a listing can be narrowed by.
    const FILTERS: &'static [&'static str];
    /// The scope whose account says what this entity has spent, and that account's id, in SQL.
    const SPENDS: Option<(&'static str, &'static str)>;

    /// The values to store.
    fn cells(&self) -> Vec<Cell>;
    /// The same, not copied where that is possible.
    fn lend(&self) -> Vec<Lent<'_>>;
    /// The row that a statement of [`Record::crud`] found.
    fn read(row: &AnyRow) -> Result<Self, Error>;
    /// The table's statements.
    fn crud() -> &'static Crud;
}

/// The statements that every table has.
#[derive(Debug)]
pub struct Crud {
    /// Adds a row.
    pub insert: &'static str,
    /// Adds a row unless there is one with its key.
    pub add: &'static str,
    /// Replaces a row.
    pub update: &'static str,
    /// Removes a row.
    pub delete: &'static str,
    /// Reads a row.
    pub get: &'static str,
    /// Reads a row and keeps others from changing it: PostgreSQL only, on SQLite a transaction is alone.
    pub lock: &'static str,
    /// Reads one page of the rows that match the filters.
    pub list: &'static str,
    /// Counts the rows that match the filters.
    pub count: &'static str,
}

impl Crud {
    /// The statements for one type of row, made once.
    pub fn of<R: Record>() -> Self {
        let table = R::TABLE;
        let columns = R::COLUMNS.join(", ");
        let places = places(1, R::COLUMNS.len());
        let key = equals(R::KEY, 1);
        let sets = R::COLUMNS
            .iter()
            .enumerate()
            .map(|(at, column)| format!("{column} = ${}", at + 1))
            .collect::<Vec<_>>()
            .join(", ");
        let select = select::<R>();
        let matching = matching(R::FILTERS);
        let (limit, offset) = (R::FILTERS.len() + 1, R::FILTERS.len() + 2);
        let order = order::<R>();
        let insert = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
        Self {
            add: format!("{insert} ON CONFLICT DO NOTHING").leak(),
            insert: insert.leak(),
            update: format!(
                "UPDATE {table} AS t SET {sets} WHERE {}",
                equals(R::KEY, R::COLUMNS.len() + 1)
            )
            .leak(),
            delete: format!("DELETE FROM {table} AS t WHERE {key}").leak(),
            get: format!("{select} WHERE {key}").leak(),
            lock: format!("{select} WHERE {key} FOR UPDATE OF t").leak(),
            list: format!(
                "{select} WHERE {matching} ORDER BY {order} LIMIT ${limit} OFFSET ${offset}"
            )
            .leak(),
            count: format!("SELECT COUNT(*) FROM {table} AS t WHERE {matching}").leak(),
        }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<R> {
    /// The rows, newest first.
    pub rows: Vec<R>,
    /// How many there are on all pages.
    pub total: i64,
}

/// `$from, ... ` for `count` values.
pub(crate) fn places(from: usize, count: usize) -> String {
    let mut text = String::new();
    for at in from..from + count {
        let comma = if at == from { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}${at}");
    }
    text
}

fn equals(columns: &[&str], from: usize) -> String {
    let parts = columns.iter().zip(from..);
    let parts: Vec<String> = parts
        .map(|(column, at)| format!("t.{column} = ${at}"))
        .collect();
    parts.join(" AND ")
}

fn matching(filters: &[&str]) -> String {
    let parts = filters.iter().zip(1..);
    let mut parts: Vec<String> = parts
        .map(|(column, at)| format!("(CAST(${at} AS TEXT) IS NULL OR t.{column} = ${at})"))
        .collect();
    parts.push("1 = 1".to_owned());
    parts.join(" AND ")
}

pub(crate) fn order<R: Record>() -> String {
    let time = ["created_at", "deleted_at", "start_time", "updated_at"]
        .into_iter()
        .find(|time| R::COLUMNS.contains(time))
        .map(|time| format!("t.{time} DESC"));
    let key = R::KEY.iter().map(|column| format!("t.{column}"));
    time.into_iter().chain(key).collect::<Vec<_>>().join(", ")
}

pub(crate) fn select<R: Record>() -> String {
    let columns: Vec<String> = R::COLUMNS.iter().map(|name| format!("t.{name}")).collect();
    let columns = columns.join(", ");
    let table = R::TABLE;
    match R::SPENDS {
        None => format!("SELECT {columns} FROM {table} AS t"),
        Some((scope, id)) => format!(
            "SELECT {columns}, b.spent, b.total, b.resets_at FROM {table} AS t \
             LEFT JOIN balances AS b ON b.scope = '{scope}' AND b.id = {id} AND b.meter = ''"
        ),
    }
}

/// What an entity has spent in its window and ever, and when the window ends.
pub(crate) struct Spending {
    pub(crate) spent: NanoDollars,
    pub(crate) total: NanoDollars,
    pub(crate) resets_at: Option<Moment>,
}

impl Spending {
    /// Reads the three columns behind a row's own. A window that is over has nothing spent in it.
    pub(crate) fn read(row: &AnyRow, index: usize) -> Result<Self, String> {
        let nothing = NanoDollars(0);
        let resets_at = Option::<Moment>::read(row, index + 2)?;
        let over = resets_at.is_some_and(|end| end <= Moment::now());
        let spent = Option::read(row, index)?.unwrap_or(nothing);
        Ok(Self {
            spent: if over { nothing } else { spent },
            total: Option::read(row, index + 1)?.unwrap_or(nothing),
            resets_at: resets_at.filter(|_| !over),
        })
    }
}

/// Binds the values of a statement, in order.
pub(crate) fn query(
    statement: &'static str,
    cells: impl IntoIterator<Item = Cell>,
) -> Query<'static, Any, AnyArguments> {
    let query = sqlx::query(statement);
    cells.into_iter().fold(query, |query, cell| match cell {
        Cell::Text(text) => query.bind(text.map(|text| match without_nul(&text) {
            Cow::Owned(clean) => clean,
            Cow::Borrowed(_) => text,
        })),
        Cell::Integer(number) => query.bind(number),
    })
}

fn key_cells(key: &[&str]) -> impl Iterator<Item = Cell> {
    key.iter().map(|part| Cell::Text(Some((*part).to_owned())))
}

pub(crate) async fn insert<R: Record>(db: &mut AnyConnection, row: &R) -> Result<(), Error> {
    let done = query(R::crud().insert, row.cells()).execute(db).await;
    done.map_err(|error| Error::from_driver(error, R::TABLE))?;
    Ok(())
}

pub(crate) async fn add<R: Record>(db: &mut AnyConnection, row: &R) -> Result<bool, Error> {
    let done = query(R::crud().add, row.cells()).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn update<R: Record>(
    db: &mut AnyConnection,
    key: &[&str],
    row: &R,
) -> Result<bool, Error> {
    let cells = row.cells().into_iter().chain(key_cells(key));
    let done = query(R::crud().update, cells).execute(db).await;
    let done = done.map_err(|error| Error::from_driver(error, R::TABLE))?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn delete<R: Record>(db: &mut AnyConnection, key: &[&str]) -> Result<bool, Error> {
    let done = query(R::crud().delete, key_cells(key)).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

pub(crate) async fn get<R: Record>(
    db: &mut AnyConnection,
    statement: &'static str,
    key: &[&str],
) -> Result<Option<R>, Error> {
    let row = query(statement, key_cells(key)).fetch_optional(db).await?;
    row.as_ref().map(R::read).transpose()
}

pub(crate) async fn list<R: Record>(
    db: &mut AnyConnection,
    filters: &[(&str, &str)],
    limit: i64,
    offset: i64,
) -> Result<Page<R>, Error> {
    let unknown = |(name, _): &&(&str, &str)| !R::FILTERS.contains(name);
    if let Some((name, _)) = filters.iter().find(unknown) {
        return Err(Error::Filter {
            table: R::TABLE,
            filter: (*name).to_owned(),
        });
    }
    let wanted = |column: &&str| {
        let found = filters.iter().find(|(name, _)| name == column);
        Cell::Text(found.map(|(_, value)| (*value).to_owned()))
    };
    let cells: Vec<Cell> = R::FILTERS.iter().map(wanted).collect();
    let total = query(R::crud().count, cells.clone())
        .fetch_one(&mut *db)
        .await?;
    let total = i64::read(&total, 0).map_err(|reason| Error::Row {
        table: R::TABLE,
        column: "count",
        reason,
    })?;
    let page = [Cell::Integer(Some(limit)), Cell::Integer(Some(offset))];
    let rows = query(R::crud().list, cells.into_iter().chain(page))
        .fetch_all(db)
        .await?;
    let rows = rows.iter().map(R::read).collect::<Result<_, _>>()?;
    Ok(Page { rows, total })
}

/// A row's type and its table in one place: a column that is read, written and selected is named once.
///
/// `spends "scope" of "id"` adds what the entity's account says: `spend`, `total_spend` and `budget_reset_at`.
///
/// `then complete` hands every row that was read to its method `complete`.
///
/// `brief as Brief of "Name"` adds a way to write a row without what is empty in it, which reads as the same row, and one to
/// make a row of its cells.
macro_rules! table {
    (
        $(#[$meta:meta])*
        $name:ident in $table:literal, key [$($key:ident),+], by [$($by:ident),*], then $then:ident,
        brief as $brief:ident of $remote:literal;
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    ) => {
        $crate::record::table! {
            $(#[$meta])*
            $name in $table, key [$($key),+], by [$($by),*], then $then;
            $($(#[$field_meta])* $field: $type,)*
        }

        impl $name {
            /// The row of these cells; what is missing at their end is as it is by default.
            pub(crate) fn of_cells(cells: Vec<$crate::Cell>) -> Result<Self, String> {
                let (mut row, mut cells) = (Self::default(), cells.into_iter());
                $(if let Some(cell) = cells.next() {
                    row.$field = $crate::record::of_cell(cell, stringify!($field))?;
                })*
                Ok(row)
            }
        }

        #[derive(serde::Serialize)]
        #[serde(remote = $remote)]
        pub(crate) struct $brief {
            $($(#[$field_meta])* #[serde(skip_serializing_if = "crate::record::is_default")] $field: $type,)*
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident in $table:literal, key [$($key:ident),+], by [$($by:ident),*] $(, then $then:ident)?;
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::Record for $name {
            const SPENDS: Option<(&'static str, &'static str)> = None;
            $crate::record::table!(@table $name in $table, key [$($key),+], by [$($by),*]; $($field)*);

            fn read(row: &sqlx::any::AnyRow) -> Result<Self, $crate::Error> {
                let mut columns = 0..;
                let row = Self { $($field: $crate::record::read_column::<Self, _>(row, &mut columns)?,)* };
                $(let row = row.$then();)?
                Ok(row)
            }
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident in $table:literal, key [$($key:ident),+], by [$($by:ident),*],
        spends $scope:literal of $id:literal;
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// What was spent in the present window of the budget. Read only: the ledger writes it.
            #[serde(with = "crate::dollars")]
            pub spend: llm_cost::NanoDollars,
            /// What was ever spent. Read only.
            #[serde(with = "crate::dollars")]
            pub total_spend: llm_cost::NanoDollars,
            /// When the present window ends. Read only.
            pub budget_reset_at: Option<$crate::Moment>,
        }

        impl $crate::Record for $name {
            const SPENDS: Option<(&'static str, &'static str)> = Some(($scope, $id));
            $crate::record::table!(@table $name in $table, key [$($key),+], by [$($by),*]; $($field)*);

            fn read(row: &sqlx::any::AnyRow) -> Result<Self, $crate::Error> {
                let spending = $crate::record::Spending::read(row, Self::COLUMNS.len())
                    .map_err(|reason| $crate::Error::Row { table: $table, column: "spend", reason })?;
                let mut columns = 0..;
                Ok(Self {
                    $($field: $crate::record::read_column::<Self, _>(row, &mut columns)?,)*
                    spend: spending.spent,
                    total_spend: spending.total,
                    budget_reset_at: spending.resets_at,
                })
            }
        }
    };
    (@table $name:ident in $table:literal, key [$($key:ident),+], by [$($by:ident),*]; $($field:ident)*) => {
        const TABLE: &'static str = $table;
        const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];
        const KEY: &'static [&'static str] = &[$(stringify!($key)),+];
        const FILTERS: &'static [&'static str] = &[$(stringify!($by)),*];

        fn cells(&self) -> Vec<$crate::Cell> {
            vec![$($crate::Column::cell(&self.$field)),*]
        }

        fn lend(&self) -> Vec<$crate::Lent<'_>> {
            vec![$($crate::Column::lend(&self.$field)),*]
        }

        fn crud() -> &'static $crate::Crud {
            static CRUD: std::sync::LazyLock<$crate::Crud> =
                std::sync::LazyLock::new($crate::Crud::of::<$name>);
            &CRUD
        }
    };
}
pub(crate) use table;

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a cell of this column says.
pub(crate) fn of_cell<T: Column>(cell: Cell, column: &str) -> Result<T, String> {
    // Nothing is of no type.
    let cell = match (cell, T::IS_TEXT) {
        (Cell::Text(None), false) => Cell::Integer(None),
        (cell, _) => cell,
    };
    T::of(cell).map_err(|reason| format!("{column} {reason}"))
}

/// Reads the next column of a row.
pub(crate) fn read_column<R: Record, T: Column>(
    row: &AnyRow,
    columns: &mut std::ops::RangeFrom<usize>,
) -> Result<T, Error> {
    let index = columns.next().unwrap_or_default();
    T::read(row, index).map_err(|reason| Error::Row {
        table: R::TABLE,
        column: R::COLUMNS.get(index).copied().unwrap_or_default(),
        reason,
    })
}
