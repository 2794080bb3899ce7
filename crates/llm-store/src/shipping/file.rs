//! Brings finished requests into an SQLite file, whose rows are bound without a layer over several databases: this is most
//! of what a request's books cost.

use std::{
    borrow::Cow,
    ops::RangeFrom,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::{
    CachedStatement, Connection, ToSql, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    Charged, Position,
    accounts::Accounts,
    noted::Noted,
    position_cells,
    sums::{Sums, rounds, spend},
};
use crate::{
    Cell, Dialect, Error, Lent, Store,
    balances::fault,
    cell::without_nul,
    days::{day_cells, days_of},
    open::{SQLITE, SQLITE_WRITER},
    sized::Sized,
    statements::{self, MADE},
};

/// The connection that requests are written with. Who uses it has the turn to write.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: PathBuf,
    /// Opened when it is needed, and again after an error.
    connection: Mutex<Option<Connection>>,
}

impl Store {
    pub(super) async fn ship_to_file(
        &self,
        batch: Vec<Arc<Charged>>,
        journal: &str,
        position: Option<Position>,
    ) -> Result<usize, Error> {
        let Some(writer) = self.file_writer() else {
            return Err(fault("this database is no file".to_owned()));
        };
        let turn = self.writer().await?;
        let journal = journal.to_owned();
        let shipping = tokio::task::spawn_blocking(move || {
            // Also where nobody waits any more, the turn lasts as long as the work.
            (writer.ship(&batch, &journal, position), turn)
        });
        match shipping.await {
            Ok((shipped, _turn)) => shipped,
            Err(_) => Err(Error::Unavailable(sqlx::Error::WorkerCrashed)),
        }
    }
}

impl FileWriter {
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            connection: Mutex::new(None),
        }
    }

    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn ship(
        &self,
        batch: &[Arc<Charged>],
        journal: &str,
        position: Option<Position>,
    ) -> Result<usize, Error> {
        let mut connection = self.lock();
        let mut db = match connection.take() {
            Some(db) => db,
            None => open(&self.file)?,
        };
        let shipped = ship(&mut db, batch, journal, position)?;
        // After an error nobody knows how it is.
        *connection = Some(db);
        Ok(shipped)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(file: &Path) -> Result<Connection, Error> {
    let db = Connection::open(file)?;
    db.execute_batch(SQLITE)?;
    db.execute_batch(SQLITE_WRITER)?;
    Ok(db)
}

fn ship(
    db: &mut Connection,
    batch: &[Arc<Charged>],
    journal: &str,
    position: Option<Position>,
) -> Result<usize, Error> {
    let (sent, ended): (Vec<&Charged>, Vec<&Charged>) = batch
        .iter()
        .map(Arc::as_ref)
        .partition(|charged: &&Charged| charged.under_way);
    let noted = Noted::of(&sent, &ended, journal)?;
    // Nearly always all of them are new. Where they are not, each is added alone, to see which are.
    for together in [usize::MAX, 1] {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(new) = add_rows(&transaction, &ended, together)? {
            settle(&transaction, &new, &noted, journal, position)?;
            transaction.commit()?;
            return Ok(new.len());
        }
    }
    Err(fault("the rows of a batch cannot be counted".to_owned()))
}

/// Adds what new rows mean for everything beside them.
fn settle(
    transaction: &Connection,
    new: &[&Charged],
    noted: &Noted,
    journal: &str,
    position: Option<Position>,
) -> Result<(), Error> {
    run(transaction, MADE.add_under_way, &noted.begun)?;
    run(transaction, MADE.end_under_way, &noted.gone)?;
    let mut sums = Sums::new();
    spend(&mut sums, new);
    for rows in rounds(sums) {
        run(transaction, MADE.add_balances, &rows)?;
    }
    let days = days_of(new.iter().map(|one| &one.row));
    for (statement, rows) in day_cells(days.into_iter()) {
        run(transaction, statement, &rows)?;
    }
    if let Some(position) = position {
        let mut statement = transaction.prepare_cached(statements::SET_POSITION)?;
        execute(&mut statement, &position_cells(journal, position))?;
    }
    Ok(())
}

/// Adds the rows that are not there, so many at a time, and answers them; nothing where some of several that went together are
/// there already.
fn add_rows<'a>(
    db: &Connection,
    ended: &[&'a Charged],
    together: usize,
) -> Result<Option<Vec<&'a Charged>>, Error> {
    let mut accounts = Accounts::default();
    let mut new = Vec::with_capacity(ended.len());
    let mut rest = ended;
    while let Some((size, text)) = MADE
        .add_spend_rows
        .up_to(rest.len().min(together), Dialect::Sqlite)
        && let Some((some, more)) = rest.split_at_checked(size)
    {
        let mut statement = db.prepare_cached(text)?;
        let mut places = 1..;
        for charged in some {
            bind(&mut statement, &mut places, &accounts.values(charged))?;
        }
        match statement.raw_execute()? {
            added if added == size => new.extend(some),
            _ if size > 1 => return Ok(None),
            _ => {}
        }
        rest = more;
    }
    Ok(Some(new))
}

/// Runs a statement for each row.
fn run(db: &Connection, statement: Sized, rows: &[Vec<Cell>]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = db.prepare_cached(statement.of_one(Dialect::Sqlite))?;
    for row in rows {
        execute(&mut statement, row)?;
    }
    Ok(())
}

/// Runs a statement with these values; answers how many rows changed.
fn execute(statement: &mut CachedStatement<'_>, values: &[impl ToSql]) -> Result<usize, Error> {
    bind(statement, &mut (1..), values)?;
    Ok(statement.raw_execute()?)
}

fn bind(
    statement: &mut CachedStatement<'_>,
    places: &mut RangeFrom<usize>,
    values: &[impl ToSql],
) -> Result<(), Error> {
    // The values come first: the next one's place would be lost.
    for (value, place) in values.iter().zip(places) {
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

impl ToSql for Lent<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => of_text(text),
            Self::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Nothing => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(Some(text)) => of_text(text),
            Self::Integer(Some(number)) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Text(None) | Self::Integer(None) => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

/// As the other database has it.
fn of_text(text: &str) -> ToSqlOutput<'_> {
    match without_nul(text) {
        Cow::Borrowed(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Cow::Owned(text) => ToSqlOutput::from(text),
    }
}
