//! A governance over a database of its own, and callers of its routes.
#![allow(dead_code, unreachable_pub, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use llm_governance::{
    Caller, Governance, Raw, Refusal, Settings,
    routes::{self, Content},
};
use llm_ledger::Ledger;
use llm_store::{Keyring, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A PostgreSQL server that may be filled with databases; `cargo xtask test` starts one and sets it.
const SERVER: &str = "INTERLINGUA_TEST_POSTGRES";

/// A governance and the folder it lives in.
pub struct Office {
    pub governance: Governance,
    _folder: TempDir,
}

impl Office {
    /// One over SQLite.
    pub async fn open() -> Self {
        Self::with(Settings::default()).await
    }

    /// One over SQLite that is governed by these rules.
    pub async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.db");
        Self::over(llm_store::Settings::sqlite(&file), folder, settings).await
    }

    /// One over each database there is.
    pub async fn each() -> Vec<Self> {
        Self::each_with(Settings::default()).await
    }

    /// One over each database there is, governed by these rules.
    pub async fn each_with(settings: Settings) -> Vec<Self> {
        let mut offices = vec![Self::with(settings.clone()).await];
        if let Some(database) = postgres().await {
            let folder = tempfile::tempdir().expect("a folder");
            offices.push(Self::over(database, folder, settings).await);
        }
        offices
    }

    async fn over(database: llm_store::Settings, folder: TempDir, settings: Settings) -> Self {
        let store = Store::open(&database).await.expect("a store");
        let journal = llm_ledger::Settings::new(folder.path().join("journal"));
        let ledger = Ledger::open(store.clone(), journal)
            .await
            .expect("a ledger");
        let keyring = Keyring::new(["salt"]);
        Self {
            governance: Governance::new(store, ledger, keyring, settings),
            _folder: folder,
        }
    }

    /// Makes a user with this role and a key of its own; answers the key.
    pub async fn user(&self, id: &str, role: &str) -> String {
        let body = json!({"user_id": id, "user_role": role});
        let made = self.post("/user/new", body).await.expect("a user");
        made["key"].as_str().expect("a key").to_owned()
    }

    /// Makes a key; answers it.
    pub async fn key(&self, body: Value) -> String {
        let made = self.post("/key/generate", body).await.expect("a key");
        made["key"].as_str().expect("a key").to_owned()
    }

    /// Calls a route as the admin, with a body.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Refusal> {
        self.call(Arc::new(Caller::master()), "POST", path, body)
            .await
    }

    /// Calls a route as the admin, with a query.
    pub async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.call(Arc::new(Caller::master()), "GET", path, json!({}))
            .await
    }

    /// Calls a route as whoever has this key.
    pub async fn by(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<Value, Refusal> {
        let caller = self.governance.caller(key).await?.expect("a known key");
        self.call(caller, method, path, body).await
    }

    /// Calls a route.
    pub async fn call(
        &self,
        caller: Arc<Caller>,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<Value, Refusal> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (route, parts) = routes::all()
            .filter(|route| route.method.method() == method)
            .find_map(|route| Some((route, parts(route.path, path)?)))
            .unwrap_or_else(|| panic!("no route {method} {path}"));
        let Value::Object(body) = body else {
            panic!("a body is an object");
        };
        let raw = Raw {
            path: parts,
            query: query.collect(),
            body,
            changed_by: None,
        };
        let answer = self.governance.answer(route, caller, raw).await?;
        match answer.body {
            Content::Json(value) => Ok(value),
            Content::Text(_, text) => Ok(text.into()),
        }
    }
}

/// A database of its own on the server, if there is a server.
async fn postgres() -> Option<llm_store::Settings> {
    let server = std::env::var(SERVER).ok()?;
    sqlx::any::install_default_drivers();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::AnyPool::connect(&server).await.expect("the server");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    let made = sqlx::query(create).execute(&admin).await;
    made.expect("a database");
    admin.close().await;
    let (address, _) = server.rsplit_once('/').expect("an address");
    Some(llm_store::Settings::new(format!("{address}/{name}")))
}

/// The parts of `path`, if it has the form of `pattern`.
fn parts(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(parts),
            (Some(name), Some(part)) => {
                match name.strip_prefix('{').and_then(|n| n.strip_suffix('}')) {
                    Some(name) => parts.push((name.to_owned(), part.to_owned())),
                    None if name == part => {}
                    None => return None,
                }
            }
            _ => return None,
        }
    }
}
