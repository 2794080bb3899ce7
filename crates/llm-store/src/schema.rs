use sqlx::migrate::{MigrateError, Migrator};

use crate::{Dialect, Error, Store};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Any number will do, as long as it stays the same: only one process at a time changes the schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5064733921077421)";

/// Brings the schema up to date in one transaction: another process waits, and a kill leaves the old schema.
pub(crate) async fn migrate(store: &Store) -> Result<(), Error> {
    let mut transaction = store.begin().await?;
    let db = transaction.connection();
    if store.dialect() == Dialect::Postgres {
        sqlx::query(LOCK).execute(&mut *db).await?;
    }
    let mut migrator = Migrator {
        migrations: MIGRATIONS.migrations.clone(),
        ..Migrator::DEFAULT
    };
    // The lock above lasts until the commit; the library's own would end before it.
    migrator.set_locking(false);
    migrator
        .run_direct(None, db, false)
        .await
        .map_err(|error| match error {
            MigrateError::VersionMissing(version) => Error::NewerSchema(version),
            other => Error::Migration(other),
        })?;
    transaction.commit().await
}
