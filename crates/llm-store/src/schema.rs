use sqlx::{
    AssertSqlSafe, SqlSafeStr,
    migrate::{MigrateError, Migration, Migrator},
};

use crate::{Dialect, Error, Store};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Any number will do, as long as it stays the same: only one process at a time changes the schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5064733921077421)";

/// Rows lie in the order of their key; on PostgreSQL they cannot.
const ONLY_SQLITE: &str = "/* SQLite: WITHOUT ROWID */";

/// An index that is worth its price where a server keeps it.
const ONLY_POSTGRES: &str = "/* PostgreSQL:";

/// Brings the schema up to date in one transaction: another process waits, and a kill leaves the old schema.
pub(crate) async fn migrate(store: &Store) -> Result<(), Error> {
    let mut transaction = store.begin().await?;
    let db = transaction.connection();
    if store.dialect() == Dialect::Postgres {
        sqlx::query(LOCK).execute(&mut *db).await?;
    }
    let migrations = MIGRATIONS.migrations.iter().cloned();
    let migrations = migrations.map(|one| in_dialect(one, store.dialect()));
    let mut migrator = Migrator {
        migrations: migrations.collect(),
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

/// What only one of them understands is a comment for the other.
fn in_dialect(mut migration: Migration, dialect: Dialect) -> Migration {
    let text = migration.sql.as_str();
    let own = match dialect {
        Dialect::Sqlite => text.replace(ONLY_SQLITE, "WITHOUT ROWID"),
        Dialect::Postgres => uncommented(text),
    };
    if own != text {
        migration.sql = AssertSqlSafe(own).into_sql_str();
    }
    migration
}

fn uncommented(text: &str) -> String {
    let mut parts = text.split(ONLY_POSTGRES);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole.push_str(&part.replacen("*/", "", 1));
    }
    whole
}
