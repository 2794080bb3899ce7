//! Another product's database: read as it was at one moment, and never written to.

use futures_util::TryStreamExt;
use sqlx::{Any, AnyPool, any::AnyPoolOptions};

use crate::{Cell, Column, Error, balances::fault, open::options, record::query};

/// How long it is tried to reach a database that does not answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// A PostgreSQL database of somebody else. Everything that is read of it is of the moment it was opened at.
pub struct Foreign {
    snapshot: sqlx::Transaction<'static, Any>,
    pool: AnyPool,
}

impl Foreign {
    /// Opens the database at `url`, `postgres://...`, to be read.
    pub async fn open(url: &str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            let message = "it is not one of PostgreSQL: postgres://user:password@host/name";
            return Err(Error::Address(message.to_owned()));
        }
        let pool = AnyPoolOptions::new()
            .acquire_timeout(PATIENCE)
            .max_connections(1)
            .connect_with(options(url)?)
            .await?;
        let snapshot = pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        Ok(Self { snapshot, pool })
    }

    /// Whether there is a table of this name.
    pub async fn has_table(&mut self, name: &str) -> Result<bool, Error> {
        let cells = [Cell::Text(Some(format!("\"{name}\"")))];
        let statement = "SELECT CAST(to_regclass($1) IS NOT NULL AS INT)";
        let row = query(statement, cells)
            .fetch_one(&mut *self.snapshot)
            .await?;
        bool::read(&row, 0).map_err(fault)
    }

    /// The whole numbers that a statement answers in one row.
    pub async fn numbers<const N: usize>(
        &mut self,
        statement: &'static str,
    ) -> Result<[i64; N], Error> {
        let row = query(statement, []).fetch_one(&mut *self.snapshot).await?;
        let mut numbers = [0; N];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = i64::read(&row, index).map_err(fault)?;
        }
        Ok(numbers)
    }

    /// Hands the texts that a statement answers, its first column, to `take`, a batch at a time.
    pub async fn texts<E: From<Error>>(
        &mut self,
        statement: &'static str,
        batch: usize,
        mut take: impl AsyncFnMut(Vec<String>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = query(statement, []).fetch(&mut *self.snapshot);
        let mut texts = Vec::with_capacity(batch);
        while let Some(row) = rows.try_next().await.map_err(Error::from)? {
            texts.push(String::read(&row, 0).map_err(fault)?);
            if texts.len() >= batch {
                take(std::mem::take(&mut texts)).await?;
            }
        }
        match texts.is_empty() {
            true => Ok(()),
            false => take(texts).await,
        }
    }

    /// Lets the database go.
    pub async fn close(self) -> Result<(), Error> {
        self.snapshot.rollback().await?;
        self.pool.close().await;
        Ok(())
    }
}
