//! A governance over a database of its own, and callers of its routes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../../../llm-store/tests/kit/mod.rs"]
mod database;
pub mod worked;

use std::sync::Arc;

use database::{Database, databases};

use llm_governance::{
    Caller, Governance, Raw, Refusal, Settings,
    routes::{self, Content},
};
use llm_ledger::Ledger;
use llm_store::Keyring;
use serde_json::{Value, json};

/// A governance and the database it lives in.
pub struct Office {
    pub governance: Governance,
    /// Which database it is.
    pub on: &'static str,
    database: Database,
}

impl Office {
    /// One over SQLite.
    pub async fn open() -> Self {
        Self::with(Settings::default()).await
    }

    /// One on each database there is.
    pub async fn everywhere() -> Vec<Self> {
        Self::everywhere_with(Settings::default()).await
    }

    pub async fn everywhere_with(settings: Settings) -> Vec<Self> {
        let mut all = Vec::new();
        for database in databases().await {
            all.push(Self::on(database, settings.clone()).await);
        }
        all
    }

    pub async fn with(settings: Settings) -> Self {
        Self::on(database::sqlite(), settings).await
    }

    async fn on(database: Database, settings: Settings) -> Self {
        let store = database.open().await;
        let journal = llm_ledger::Settings::new(database.folder().join("journal"));
        let ledger = Ledger::open(store.clone(), journal)
            .await
            .expect("a ledger");
        let keyring = Keyring::new(["salt"]);
        Self {
            governance: Governance::new(store, ledger, keyring, settings),
            on: database.name,
            database,
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

    /// The folder of the journal, and of an SQLite file.
    pub fn folder(&self) -> std::path::PathBuf {
        self.database.folder()
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
        match self.content(caller, method, path, body).await? {
            Content::Json(value) => Ok(value),
            Content::Written(text) => Ok(serde_json::from_str(&text).expect("JSON")),
            Content::Text(_, text) => Ok(text.into()),
        }
    }

    /// Calls a route as the admin; answers what goes to the client.
    pub async fn written(&self, path: &str) -> Result<String, Refusal> {
        let master = Arc::new(Caller::master());
        match self.content(master, "GET", path, json!({})).await? {
            Content::Json(value) => Ok(value.to_string()),
            Content::Written(text) | Content::Text(_, text) => Ok(text),
        }
    }

    async fn content(
        &self,
        caller: Arc<Caller>,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<Content, Refusal> {
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
            peer: None,
        };
        let answer = self.governance.answer(route, caller, raw).await?;
        Ok(answer.body)
    }
}

/// The parts of `path`, if it has the form of `pattern`.
fn parts(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        let name = pattern.next();
        if let Some(rest) = name.and_then(|n| n.strip_prefix("{*")) {
            let value: Vec<&str> = path.collect();
            parts.push((rest.trim_end_matches('}').to_owned(), value.join("/")));
            return Some(parts);
        }
        match (name, path.next()) {
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
