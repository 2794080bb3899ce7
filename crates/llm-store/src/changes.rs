//! Telling other instances what changed.

use uuid::Uuid;

use crate::{
    Cell, Column, Error, Moment, Store, Transaction, balances::fault, record::query, statements,
};

/// A row that an administrator changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The change.
    pub id: String,
    /// The row's table.
    pub table: String,
    /// The row's key.
    pub object: String,
}

impl Store {
    /// Every change since then.
    pub async fn changes_since(&self, since: Moment) -> Result<Vec<Change>, Error> {
        let rows = query(statements::CHANGES, [Cell::Integer(Some(since.0))])
            .fetch_all(&mut *self.reader().await?)
            .await?;
        let read = |row| {
            Ok::<_, String>(Change {
                id: String::read(row, 0)?,
                table: String::read(row, 1)?,
                object: String::read(row, 2)?,
            })
        };
        rows.iter().map(|row| read(row).map_err(fault)).collect()
    }

    /// Removes the changes before then: everybody knows them.
    pub async fn forget_changes(&self, before: Moment) -> Result<(), Error> {
        query(statements::FORGET_CHANGES, [Cell::Integer(Some(before.0))])
            .execute(&mut *self.writer().await?)
            .await?;
        Ok(())
    }
}

impl Transaction {
    /// Tells other instances, once this is committed, that a row changed.
    pub async fn tell(&mut self, table: &str, object: &str, now: Moment) -> Result<(), Error> {
        let text = |text: &str| Cell::Text(Some(text.to_owned()));
        let cells = [
            text(&Uuid::now_v7().to_string()),
            text(table),
            text(object),
            Cell::Integer(Some(now.0)),
        ];
        query(statements::TELL, cells)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
