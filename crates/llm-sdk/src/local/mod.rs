//! Files and batches for models whose vendors have none: kept in a folder, their lines answered by the engine.
//!
//! A batch outlives the process. Its answers are appended to their file line by line, so what was answered is never asked
//! again, and each line of the input is in the output exactly once.

mod batch;
mod run;
mod shelf;

use std::{fmt, path::PathBuf, sync::Arc};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use llm_providers::{
    BATCH_INPUT, Credential, Data, Error, Kind, Provider, Stored, Target, Upload, lookup,
};
use llm_router::{Deployment, Router};
use llm_types::{JsonObject, Op, Verb};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{Body, Charge, Engine, Meta, Request, Response};

pub(crate) use batch::Batch;
use batch::Batches;
use shelf::Shelf;

/// Lines that are under way at the same time, of all batches together.
const AT_ONCE: usize = 8;

/// Who answers, in what is told of an answer.
static ROW: Provider = Provider {
    name: "local",
    ..Provider::OPENAI_LIKE
};

/// Looks at each line before it is asked: what a client may not say in a request, it may not say in a line of a file.
#[async_trait]
pub trait Clerk: Send + Sync + fmt::Debug {
    /// Refuses a line's body, or changes it.
    fn check(&self, body: &mut JsonObject) -> Result<(), Error>;

    /// Lets a line of a batch that `owner` made in, and has the last word on its request: who is told how it ended, say.
    /// A refusal that says when to ask again is asked again then; any other is the line's answer.
    async fn admit(&self, owner: Option<&str>, request: &mut Request) -> Result<Receipt, Error> {
        let _ = (owner, request);
        Ok(None)
    }
}

/// What is waited for before a line's answer counts: that its charge lasts, say.
pub type Receipt = Option<BoxFuture<'static, Result<(), Error>>>;

/// Files and batches in a folder.
#[derive(Debug)]
pub struct LocalBatches {
    shelf: Shelf,
    batches: Batches,
    clerk: Arc<dyn Clerk>,
    /// Who answers the lines: always the newest engine.
    engine: ArcSwapOption<Engine>,
    room: Arc<Semaphore>,
    deployment: Arc<Deployment>,
}

impl LocalBatches {
    /// Files and batches in `folder`, which is made if it is not there. Blocks. Nothing runs before
    /// [`attend`](Self::attend).
    pub fn open(folder: impl Into<PathBuf>, clerk: Arc<dyn Clerk>) -> std::io::Result<Arc<Self>> {
        let folder = folder.into();
        let target = Target::new(&ROW, "local", Credential::None);
        Ok(Arc::new(Self {
            shelf: Shelf::open(folder.join("files"))?,
            batches: Batches::open(folder.join("batches"))?,
            clerk,
            engine: ArcSwapOption::empty(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            deployment: Arc::new(Deployment::new("local", "local", target)),
        }))
    }

    /// Has lines answered by `engine` from here on, and goes on with the batches that a former process began.
    pub fn attend(self: &Arc<Self>, engine: &Engine) {
        let first = self.engine.swap(Some(Arc::new(engine.alone()))).is_none();
        if first {
            for batch in self.batches.unfinished() {
                self.start(batch);
            }
        }
    }

    /// Whether `request` is for what is kept here: by its id, by its file, by its vendor's name, or because nobody else
    /// can do it.
    pub(crate) fn takes(&self, request: &Request, router: Option<&Router>) -> bool {
        if !matches!(request.op, Op::File | Op::Batch) {
            return false;
        }
        if let Some(id) = &request.id {
            return is_local(id);
        }
        if request.op == Op::Batch && request.verb == Verb::Create {
            let file = request.body.str("input_file_id");
            return file.is_some_and(|id| is_local(&id)) && !hands_on(request, router);
        }
        if request
            .query
            .iter()
            .any(|(key, id)| key == "after" && is_local(id))
        {
            return true;
        }
        let Some(router) = router else {
            return self.takes_direct(request);
        };
        let is_named = request.provider.is_some() || !request.model.is_empty();
        let does = |target: &Target| {
            let keeps_files = target.does(Op::File, Verb::Create);
            target.does(request.op, request.verb) && (is_named || keeps_files)
        };
        let mut asked = router
            .groups()
            .flat_map(|(_, deployments)| deployments)
            .chain(router.deployments(&request.model))
            .filter(
                |deployment| match (&request.provider, request.model.as_str()) {
                    (Some(name), _) => deployment.target.provider.name == name,
                    (None, "") => true,
                    (None, model) => deployment.group == model,
                },
            )
            .peekable();
        request.provider.as_deref() == Some(ROW.name)
            || (asked.peek().is_some() && !asked.any(|known| does(&known.target)))
    }

    /// The same where no router is: a vendor is known by its name alone.
    fn takes_direct(&self, request: &Request) -> bool {
        let Some(name) = request.provider.as_deref() else {
            return false;
        };
        let known = lookup(name);
        name == ROW.name || known.is_some_and(|row| !row.does(request.op, request.verb))
    }

    /// Puts the input of a batch that a vendor answers, and that is kept here, into the request for it. Blocks.
    pub(crate) fn lend(&self, request: &mut Request) -> Result<(), Error> {
        let id = request.body.str("input_file_id").unwrap_or_default();
        if !is_local(&id) {
            return Ok(());
        }
        let path = self.shelf.path(&id)?;
        self.shelf.get(&id)?;
        drop(id);
        let lent = std::fs::File::open(path).and_then(Stored::new);
        let stored = lent.map_err(broken("the file cannot be read"))?;
        let mut body = llm_providers::Body {
            fields: std::mem::take(&mut request.body),
            files: std::mem::take(&mut request.files),
        };
        body.attach(
            BATCH_INPUT,
            Upload {
                filename: None,
                content_type: None,
                data: Data::Disk(stored),
            },
        );
        (request.body, request.files) = (body.fields, body.files);
        Ok(())
    }

    /// Answers a request that it [`takes`](Self::takes).
    pub(crate) async fn answer(self: &Arc<Self>, request: Request) -> Result<Response, Error> {
        let (op, verb, call_id) = (request.op, request.verb, request.call_id.clone());
        let own = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || own.done(request));
        let (bytes, content_type) = match work.await {
            Ok(done) => done?,
            Err(_) => return Err(Error::new(Kind::Upstream, "the batch engine failed")),
        };
        Ok(Response {
            meta: Meta {
                call_id,
                op,
                verb,
                requested: String::new(),
                group: self.deployment.group.clone(),
                deployment: Arc::clone(&self.deployment),
                model: self.deployment.target.model.clone(),
                trace: Default::default(),
                notices: Vec::new(),
                room: None,
                headers: Default::default(),
                took: Default::default(),
                upstream: Default::default(),
            },
            body: Body::Whole {
                bytes,
                content_type,
                usage: None,
                charge: Charge::default(),
            },
        })
    }

    /// Does it. Blocks.
    fn done(self: &Arc<Self>, request: Request) -> Result<(Bytes, String), Error> {
        let id = request.id.as_deref().unwrap_or_default();
        let answer = match (request.op, request.verb) {
            (Op::File, Verb::Create) => self.shelf.keep(&request)?,
            (Op::File, Verb::List) => page(self.shelf.all(), &request.query),
            (Op::File, Verb::Delete) => self.shelf.remove(id)?,
            (Op::File, Verb::Content) => {
                let bytes = self.shelf.contents(id)?;
                return Ok((bytes, "application/octet-stream".into()));
            }
            (Op::File, _) => self.shelf.get(id)?,
            (_, Verb::Create) => self.begin(&request)?.shown(),
            (_, Verb::List) => {
                let all = self.batches.all();
                page(
                    all.iter().map(|batch| batch.shown()).collect(),
                    &request.query,
                )
            }
            (_, Verb::Cancel) => self.batches.get(id)?.cancel(&self.batches)?.shown(),
            (_, _) => self.batches.get(id)?.shown(),
        };
        Ok((answer.to_string().into(), "application/json".into()))
    }

    /// Takes a batch on.
    fn begin(self: &Arc<Self>, request: &Request) -> Result<Arc<Batch>, Error> {
        let said = |key: &str| request.body.str(key).map(|text| text.into_owned());
        let input = said("input_file_id").unwrap_or_default();
        let endpoint = said("endpoint").unwrap_or_default();
        if run::op_of(&endpoint).is_none() {
            let message = format!("'endpoint': batches do not answer {endpoint:?}");
            return Err(Error::bad_request("endpoint", message));
        }
        let window = said("completion_window").unwrap_or_else(|| "24h".into());
        if window != "24h" {
            let message = "'completion_window' must be '24h'";
            return Err(Error::bad_request("completion_window", message));
        }
        self.shelf.get(&input)?;
        let metadata = request.body.get("metadata")?.unwrap_or_default();
        let batch = self
            .batches
            .make(endpoint, input, metadata, request.route.owner.clone())?;
        self.start(Arc::clone(&batch));
        Ok(batch)
    }
}

/// Whether a batch whose input is kept here is answered by a vendor that is asked for by its name, or by its model's: one
/// that keeps no files itself takes the input with the request.
fn hands_on(request: &Request, router: Option<&Router>) -> bool {
    let Some(router) = router else {
        let row = request.provider.as_deref().and_then(lookup);
        return row.is_some_and(|row| {
            row.does(Op::Batch, Verb::Create) && !row.does(Op::File, Verb::Create)
        });
    };
    let takes = |known: &Deployment| {
        known.target.does(Op::Batch, Verb::Create) && !known.target.does(Op::File, Verb::Create)
    };
    let mut all = router.groups().flat_map(|(_, deployments)| deployments);
    match (&request.provider, request.model.as_str()) {
        (Some(name), _) => all.any(|known| known.target.provider.name == name && takes(known)),
        (None, "") => false,
        (None, model) => router.deployments(model).iter().any(|known| takes(known)),
    }
}

/// The ids of what is kept here, which nobody can guess.
fn fresh(kind: &str) -> String {
    format!("{kind}local-{}", uuid::Uuid::new_v4().simple())
}

/// Whether an id is one of ours. Such an id is a file's name, and nothing else is.
pub(crate) fn is_local(id: &str) -> bool {
    let rest = ["file-local-", "batch_local-"]
        .iter()
        .find_map(|prefix| id.strip_prefix(prefix));
    rest.is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn not_found(id: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("there is nothing with the id {id:?}"),
    )
}

fn broken(what: &str) -> impl Fn(std::io::Error) -> Error + '_ {
    move |error| Error::new(Kind::Upstream, what.to_owned()).because(error)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Some of `all`, the newest first.
fn page(mut all: Vec<serde_json::Value>, query: &[(String, String)]) -> serde_json::Value {
    let said = |name: &str| query.iter().find(|(key, _)| key == name);
    all.sort_by_key(|thing| std::cmp::Reverse(thing["created_at"].as_u64()));
    if let Some((_, purpose)) = said("purpose") {
        all.retain(|thing| thing["purpose"] == purpose.as_str());
    }
    if let Some((_, after)) = said("after")
        && let Some(at) = all.iter().position(|thing| thing["id"] == after.as_str())
    {
        all.drain(..=at);
    }
    let limit = said("limit").and_then(|(_, limit)| limit.parse().ok());
    let limit = limit.unwrap_or(20).clamp(1, 10_000);
    let has_more = all.len() > limit;
    all.truncate(limit);
    json!({
        "object": "list",
        "first_id": all.first().map(|thing| thing["id"].clone()),
        "last_id": all.last().map(|thing| thing["id"].clone()),
        "data": all,
        "has_more": has_more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_ids_are_names_of_files() {
        assert!(is_local(&fresh("file-")) && is_local(&fresh("batch_")));
        for other in [
            "file-1",
            "file-local-",
            "file-local-../../x",
            "batch_local-zz",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
