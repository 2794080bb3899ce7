//! Databases to test on: a new SQLite file, and a new database on the PostgreSQL server that
//! `INTERLINGUA_TEST_POSTGRES` names (`cargo xtask test` starts one and sets it).

#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use llm_store::{Settings, Store};
use tempfile::TempDir;

const SERVER: &str = "INTERLINGUA_TEST_POSTGRES";

/// An empty database.
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) settings: Settings,
    folder: TempDir,
}

impl Database {
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.settings).await.unwrap()
    }

    /// A folder that ends with the database.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// One of each kind there is.
pub(crate) async fn databases() -> Vec<Database> {
    let postgres = postgres().await;
    [Some(sqlite()), postgres].into_iter().flatten().collect()
}

pub(crate) fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    Database {
        name: "SQLite",
        settings: Settings::sqlite(&folder.path().join("gateway.db")),
        folder,
    }
}

/// A database of its own on the server, if there is a server.
pub(crate) async fn postgres() -> Option<Database> {
    let Ok(server) = std::env::var(SERVER) else {
        eprintln!(
            "PostgreSQL is left out: set {SERVER} to postgres://user@host:port/postgres of a server that may be \
             filled with databases, or run `cargo xtask test --rust`"
        );
        return None;
    };
    sqlx::any::install_default_drivers();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::AnyPool::connect(&server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&admin).await.unwrap();
    admin.close().await;
    let address = server.rsplit_once('/').unwrap().0;
    Some(Database {
        name: "PostgreSQL",
        settings: Settings::new(format!("{address}/{name}")),
        folder: tempfile::tempdir().unwrap(),
    })
}

/// A connection past the store, for what the store does not offer.
pub(crate) async fn raw(settings: &Settings) -> sqlx::AnyPool {
    sqlx::any::install_default_drivers();
    sqlx::any::AnyPoolOptions::new()
        .max_connections(1)
        .connect(&settings.url)
        .await
        .unwrap()
}
