use sqlx::{Any, AnyConnection};

use crate::{Dialect, Error, Page, Record, record};

/// Changes that happen together or not at all; dropped, they do not happen.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    dialect: Dialect,
}

impl Transaction {
    pub(crate) fn new(inner: sqlx::Transaction<'static, Any>, dialect: Dialect) -> Self {
        Self { inner, dialect }
    }

    /// Makes the changes.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.inner.commit().await?)
    }

    /// The row with this key; no other transaction changes it before this one ends.
    pub async fn get<R: Record>(&mut self, key: &[&str]) -> Result<Option<R>, Error> {
        let statement = match self.dialect {
            Dialect::Sqlite => R::crud().get,
            Dialect::Postgres => R::crud().lock,
        };
        record::get(&mut self.inner, statement, key).await
    }

    /// Every row whose columns have the values in `filters`, at most `limit`.
    pub async fn list<R: Record>(
        &mut self,
        filters: &[(&str, &str)],
        limit: i64,
    ) -> Result<Page<R>, Error> {
        record::list(&mut self.inner, filters, limit, 0).await
    }

    /// Adds a row; one with its key or another unique value is an error.
    pub async fn insert<R: Record>(&mut self, row: &R) -> Result<(), Error> {
        record::insert(&mut self.inner, row).await
    }

    /// Adds a row unless there is one like it; says whether it did.
    pub async fn add<R: Record>(&mut self, row: &R) -> Result<bool, Error> {
        record::add(&mut self.inner, row).await
    }

    /// Replaces the row with this key; says whether there was one.
    pub async fn update<R: Record>(&mut self, key: &[&str], row: &R) -> Result<bool, Error> {
        record::update(&mut self.inner, key, row).await
    }

    /// Removes the row with this key; says whether there was one.
    pub async fn delete<R: Record>(&mut self, key: &[&str]) -> Result<bool, Error> {
        record::delete::<R>(&mut self.inner, key).await
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
