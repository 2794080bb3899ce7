//! The schema: brought up to date once, by one, and never by an older version.

#![allow(clippy::unwrap_used)]

mod kit;

use llm_store::{Dialect, Error, Settings, Store, statements};
use sqlx::{AssertSqlSafe, Executor, Row, SqlSafeStr};

#[tokio::test]
async fn every_statement_is_understood_by_its_databases() {
    for database in kit::databases().await {
        let store = database.open().await;
        let here = store.dialect();
        drop(store);
        let raw = kit::raw(&database.settings).await;
        let mut connection = raw.acquire().await.unwrap();
        for statement in statements::all() {
            if statement.only.is_some_and(|only| only != here) {
                continue;
            }
            let text = AssertSqlSafe(statement.text).into_sql_str();
            let prepared = connection.prepare(text).await;
            let (name, text) = (statement.name, statement.text);
            assert!(
                prepared.is_ok(),
                "{}: {name}: {:?}\n{text}",
                database.name,
                prepared.err()
            );
        }
    }
}

#[tokio::test]
async fn what_cost_most_has_an_index_where_a_server_keeps_it() {
    for database in kit::databases().await {
        let store = database.open().await;
        let (dialect, names) = match store.dialect() {
            Dialect::Postgres => (
                Dialect::Postgres,
                "SELECT CAST(indexname AS TEXT) FROM pg_indexes",
            ),
            Dialect::Sqlite => (Dialect::Sqlite, "SELECT name FROM sqlite_master"),
        };
        drop(store);
        let raw = kit::raw(&database.settings).await;
        let rows = sqlx::query(names).fetch_all(&raw).await.unwrap();
        let has = rows
            .iter()
            .any(|row| row.get::<String, _>(0) == "spend_by_spend");
        assert_eq!(has, dialect == Dialect::Postgres);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_find_one_schema() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let starts = (0..8).map(|_| {
        let settings = Settings {
            max_connections: 1,
            ..database.settings.clone()
        };
        tokio::spawn(async move { Store::open(&settings).await.map(|_| ()) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_file_has_one_process() {
    let database = kit::sqlite();
    let first = database.open().await;
    let second = Store::open(&database.settings).await;
    assert!(matches!(second, Err(Error::InUse(_))), "{second:?}");
    drop(first);
    database.open().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    for database in kit::databases().await {
        drop(database.open().await);
        let raw = kit::raw(&database.settings).await;
        raw.execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9000, 'of tomorrow', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await
        .unwrap();
        let refused = Store::open(&database.settings).await.unwrap_err();
        assert!(matches!(refused, Error::NewerSchema(9000)), "{refused}");
    }
}

#[tokio::test]
async fn a_migration_that_was_killed_begins_again() {
    for database in kit::databases().await {
        // What a killed process leaves behind: an open transaction with a part of the schema in it.
        let url = match database.name {
            "SQLite" => format!("{}?mode=rwc", database.settings.url),
            _ => database.settings.url.clone(),
        };
        let raw = kit::raw(&Settings::new(url)).await;
        let mut half = raw.begin().await.unwrap();
        half.execute("CREATE TABLE keys (token TEXT NOT NULL PRIMARY KEY)")
            .await
            .unwrap();
        drop(half);
        raw.close().await;
        database.open().await.ping().await.unwrap();
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_named_without_its_password() {
    let refused = Store::open(&Settings::new("mysql://root:hunter2@host/db")).await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("mysql") && !message.contains("hunter2"),
        "{message}"
    );
    let memory = Store::open(&Settings::new("sqlite::memory:")).await;
    assert!(matches!(memory, Err(Error::Address(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_have_a_ceiling_and_waiting_ends() {
    for database in kit::databases().await {
        let settings = Settings {
            max_connections: 2,
            acquire_timeout: std::time::Duration::from_secs(2),
            ..database.settings.clone()
        };
        let store = Store::open(&settings).await.unwrap();
        let held = [store.begin().await, store.begin().await];
        let refused = store.begin().await;
        assert!(refused.is_err_and(|error| error.is_unavailable()));
        assert!(held[0].is_ok());
    }
}
