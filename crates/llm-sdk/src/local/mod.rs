//! Files and batches for models whose vendors have none: kept here, their lines answered by the engine.
//!
//! A batch outlives the process. Its answers are kept line by line, so what was answered is never asked again, and each
//! line of the input is in the output exactly once. Several instances over one store share the batches: each is worked on
//! by whoever holds its lease. Start reading at [`FileStore`] and [`BatchStore`].

mod batch;
mod files;
mod folder;
mod input;
mod run;
mod store;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use llm_providers::{
    BATCH_INPUT, Credential, Data, Download, Error, Kind, Provider, Target, Upload, lookup,
};
use llm_router::{Deployment, Router};
use llm_types::{JsonObject, Op, Verb};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
};

use crate::{Engine, Owner, Request};

pub use batch::Batch;
pub use folder::{FolderBatches, FolderFiles};
use run::Work;
pub use store::{
    ANSWERS, BATCHES_STAY, BatchStore, FileStore, KeptFile, LineAnswer, Listing, PIECE, Tenure,
    full,
};

/// Lines that are under way at the same time, of all batches together.
const AT_ONCE: usize = 8;
/// Batches that are worked on at the same time; the others wait.
const MOST_RUNNING: usize = 32;
/// How often it is looked whether a batch has no runner.
const LOOK: Duration = Duration::from_secs(3);
/// After so many looks what has expired is removed.
const SWEEP_EVERY: u64 = 200;

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
    /// `said` is the line's body as it came. A refusal that says when to ask again is asked again then; any other is the
    /// line's answer.
    async fn admit(
        &self,
        owner: Option<&str>,
        said: &JsonObject,
        request: &mut Request,
    ) -> Result<Receipt, Error> {
        let _ = (owner, said, request);
        Ok(None)
    }
}

/// What is waited for before a line's answer counts: that its charge lasts, say.
pub type Receipt = Option<BoxFuture<'static, Result<(), Error>>>;

/// Files and batches that are kept here.
#[derive(Debug)]
pub struct LocalBatches {
    files: Arc<dyn FileStore>,
    batches: Arc<dyn BatchStore>,
    clerk: Arc<dyn Clerk>,
    /// How long a batch stays when it is over, in seconds.
    stays: u64,
    /// Who answers the lines: always the newest engine.
    engine: ArcSwapOption<Engine>,
    room: Arc<Semaphore>,
    deployment: Arc<Deployment>,
    /// This process, among those that share the batches.
    runner: String,
    running: Mutex<HashMap<String, Running>>,
    /// There is a batch to be taken on.
    made: Arc<Notify>,
    /// Nothing is begun any more.
    resting: watch::Sender<bool>,
}

/// A batch that is worked on here.
#[derive(Debug)]
struct Running {
    work: Arc<Work>,
    task: JoinHandle<()>,
}

/// What is answered to a request.
pub(crate) enum Answer {
    Json(Value),
    File(Box<Download>),
}

impl LocalBatches {
    /// Files and batches in `folder`, which is made if it is not there and which one process at a time may use. Blocks.
    pub fn open(folder: impl Into<PathBuf>, clerk: Arc<dyn Clerk>) -> std::io::Result<Arc<Self>> {
        let folder = folder.into();
        let files = FolderFiles::open(folder.join("files"), u64::MAX)?;
        let batches = FolderBatches::open(folder.join("batches"))?;
        let (files, batches) = (Arc::new(files), Arc::new(batches));
        Ok(Self::over(files, batches, clerk, BATCHES_STAY))
    }

    /// Files and batches in these stores. Batches go so many seconds after they were over. Nothing runs before [`attend`](Self::attend).
    pub fn over(
        files: Arc<dyn FileStore>,
        batches: Arc<dyn BatchStore>,
        clerk: Arc<dyn Clerk>,
        stays: u64,
    ) -> Arc<Self> {
        let target = Target::new(&ROW, "local", Credential::None);
        Arc::new(Self {
            files,
            batches,
            clerk,
            stays,
            engine: ArcSwapOption::empty(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            deployment: Arc::new(Deployment::new("local", "local", target)),
            runner: uuid::Uuid::new_v4().simple().to_string(),
            running: Mutex::default(),
            made: Arc::default(),
            resting: watch::Sender::new(false),
        })
    }

    /// Has lines answered by `engine` from here on, and goes on with the batches that nobody works on.
    pub fn attend(self: &Arc<Self>, engine: &Engine) {
        let first = self.engine.swap(Some(Arc::new(engine.alone()))).is_none();
        if first {
            tokio::spawn(look(Arc::downgrade(self)));
        }
    }

    /// Begins no line any more, waits for those under way, and leaves the batches to other processes.
    pub async fn rest(&self) {
        self.resting.send_replace(true);
        self.made.notify_one();
        let running: Vec<_> = self.running().drain().map(|(_, one)| one.task).collect();
        for task in running {
            let _ = task.await;
        }
    }

    fn is_resting(&self) -> bool {
        *self.resting.borrow()
    }

    /// Waits until nothing is begun any more.
    async fn rested(&self) {
        // The sender is ours: it does not go before us.
        let _ = self.resting.subscribe().wait_for(|resting| *resting).await;
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who answers, in what is told of an answer.
    pub(crate) fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
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

    /// Puts the input of a batch that a vendor answers, and that is kept here, into the request for it.
    pub(crate) async fn lend(&self, request: &mut Request) -> Result<(), Error> {
        let id = request.body.str("input_file_id").unwrap_or_default();
        if !is_local(&id) {
            return Ok(());
        }
        let stored = self.copied(&id, &request.route.whose).await?;
        drop(id);
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

    /// Does what is asked for.
    pub(crate) async fn answer(&self, request: Request) -> Result<Answer, Error> {
        let id = request.id.as_deref().unwrap_or_default();
        let owner = &request.route.whose;
        let answer = match (request.op, request.verb) {
            (Op::File, Verb::Create) => self.keep(&request).await?,
            (Op::File, Verb::List) => self.list_files(&request).await?,
            (Op::File, Verb::Delete) => self.remove(id, owner).await?,
            (Op::File, Verb::Content) => {
                let content = self.content(id, owner).await?;
                return Ok(Answer::File(Box::new(content)));
            }
            (Op::File, _) => files::shown(&self.file(id, owner).await?),
            (_, Verb::Create) => self.begin(&request).await?.shown(),
            (_, Verb::List) => self.list_batches(&request).await?,
            (_, Verb::Cancel) => self.cancel(id, owner).await?.shown(),
            (_, _) => self.batch(id, owner).await?.shown(),
        };
        Ok(Answer::Json(answer))
    }

    /// A batch that `owner` may see.
    async fn batch(&self, id: &str, owner: &Owner) -> Result<Batch, Error> {
        let found = match is_local(id) {
            true => self.batches.get(id).await?,
            false => None,
        };
        let seen = found.filter(|batch| owner.sees(batch.whose.as_deref()));
        seen.ok_or_else(|| not_found(id))
    }

    async fn list_batches(&self, request: &Request) -> Result<Value, Error> {
        let mut listing = files::listing(request, 20, 100);
        let limit = listing.limit;
        listing.limit += 1;
        let batches = self.batches.list(&listing).await?;
        Ok(page(batches.iter().map(Batch::shown).collect(), limit))
    }

    /// Takes a batch on.
    async fn begin(&self, request: &Request) -> Result<Batch, Error> {
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
        self.file(&input, &request.route.whose).await?;
        let mut batch = Batch::new(endpoint, input);
        batch.metadata = request.body.get("metadata")?.unwrap_or_default();
        batch.output_stays = files::stays(request, "output_expires_after")?;
        batch.owner.clone_from(&request.route.owner);
        batch.whose.clone_from(&request.route.whose.name);
        self.batches.make(&batch).await?;
        self.made.notify_one();
        Ok(batch)
    }

    /// Asks a batch to stop.
    async fn cancel(&self, id: &str, owner: &Owner) -> Result<Batch, Error> {
        let batch = self.batch(id, owner).await?;
        if batch.is_over() {
            let status = json!(batch.shown_status());
            let message = format!("a batch with status {status} cannot be cancelled");
            return Err(Error::bad_request("batch_id", message));
        }
        self.batches.cancel(id, now()).await?;
        if let Some(here) = self.running().get(id) {
            here.work.cancelled.store(true, Ordering::Release);
        }
        self.batch(id, owner).await
    }

    /// Takes on what nobody works on.
    async fn take_on(self: &Arc<Self>) -> Result<(), Error> {
        while self.running().len() < MOST_RUNNING && !self.is_resting() {
            let Some(batch) = self.batches.claim(self.tenure()).await? else {
                break;
            };
            let (id, work) = (batch.id.clone(), Arc::new(Work::of(&batch)));
            let (own, of, its) = (Arc::clone(self), id.clone(), Arc::clone(&work));
            // Under the lock, or it could end before it is noted.
            let mut running = self.running();
            if running.contains_key(&id) {
                // Its lease ran out without anybody noticing, and is renewed now.
                continue;
            }
            let task = tokio::spawn(async move {
                own.run(batch, &its).await;
                own.running().remove(&of);
                own.made.notify_one();
            });
            running.insert(id, Running { work, task });
        }
        Ok(())
    }
}

impl LocalBatches {
    async fn sweep(&self) -> Result<(), Error> {
        self.files.sweep(now()).await?;
        self.batches.sweep(now().saturating_sub(self.stays)).await
    }
}

/// Looks for batches that nobody works on, and for what has expired, as long as there is anybody who wants to know.
async fn look(own: Weak<LocalBatches>) {
    for round in 0_u64.. {
        let Some(own) = own.upgrade().filter(|own| !own.is_resting()) else {
            return;
        };
        if let Err(error) = own.take_on().await {
            tracing::warn!(%error, "no batch can be taken on");
        }
        if round.is_multiple_of(SWEEP_EVERY)
            && let Err(error) = own.sweep().await
        {
            tracing::warn!(%error, "what has expired is not removed");
        }
        let made = Arc::clone(&own.made);
        // Between two looks nobody is kept alive, nor is a database open, for their sake.
        drop(own);
        tokio::select! {
            () = made.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
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

fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// Seconds since 1970.
fn now() -> u64 {
    since_1970().as_secs()
}

/// Milliseconds since 1970.
fn millis() -> u64 {
    since_1970().as_millis() as u64
}

/// A page of at most `limit`, of which one more is there if more follow.
fn page(mut all: Vec<Value>, limit: usize) -> Value {
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
