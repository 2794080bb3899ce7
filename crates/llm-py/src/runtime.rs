//! The runtime and the engine, made when first needed and again after a fork.

use std::{fs::File, path::PathBuf, sync::Arc};

use arc_swap::ArcSwapOption;
use llm_providers::{Error, Kind};
use llm_sdk::{Clerk, Engine, LocalBatches};
use llm_types::JsonObject;
use tokio::runtime::{Builder, Runtime};

/// Without a lock: a lock that another thread holds during a fork stays locked in the child for ever.
static CORE: ArcSwapOption<Core> = ArcSwapOption::const_empty();

/// A few threads carry thousands of calls: they only move bytes.
const MOST_THREADS: usize = 4;

/// What makes calls.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) runtime: Runtime,
    pub(crate) engine: Engine,
    pid: u32,
    /// Held while this process keeps files and batches.
    _lock: Option<File>,
}

/// This process's core.
pub(crate) fn core() -> Result<Arc<Core>, Error> {
    let pid = std::process::id();
    let current = CORE.load();
    if let Some(core) = current.as_ref()
        && core.pid == pid
    {
        return Ok(Arc::clone(core));
    }
    let fresh = Arc::new(Core::new(pid)?);
    let before = CORE.compare_and_swap(&current, Some(Arc::clone(&fresh)));
    match before.as_ref() {
        // Another thread was quicker; its connections are to be shared.
        Some(theirs) if theirs.pid == pid => Ok(Arc::clone(theirs)),
        Some(inherited) => {
            // The parent's threads do not exist here: dropping its runtime would wait for them.
            std::mem::forget(Arc::clone(inherited));
            Ok(fresh)
        }
        None => Ok(fresh),
    }
}

impl Core {
    fn new(pid: u32) -> Result<Self, Error> {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("interlingua")
            .enable_all()
            .build()
            .map_err(|e| Error::new(Kind::Connection, "no threads can be started").because(e))?;
        let (engine, lock) = {
            let _inside = runtime.enter();
            keeping(Engine::direct()?)?
        };
        Ok(Self {
            runtime,
            engine,
            pid,
            _lock: lock,
        })
    }
}

/// Where files and batches are kept for vendors that have none.
const FOLDER: &str = "INTERLINGUA_DATA_FOLDER";

/// The engine with files and batches of its own, where a folder for them is named. One process at a time has them: the
/// others, and children of a fork, do without.
fn keeping(engine: Engine) -> Result<(Engine, Option<File>), Error> {
    let Some(folder) = std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) else {
        return Ok((engine, None));
    };
    let folder = PathBuf::from(folder);
    let unusable = |e: std::io::Error| {
        let message = format!("{FOLDER}: {} cannot be used", folder.display());
        Error::new(Kind::BadRequest, message).because(e)
    };
    std::fs::create_dir_all(&folder).map_err(unusable)?;
    let lock = File::create(folder.join("lock")).map_err(unusable)?;
    if lock.try_lock().is_err() {
        return Ok((engine, None));
    }
    let local = LocalBatches::open(&folder, Arc::new(Trusting)).map_err(unusable)?;
    local.attend(&engine);
    Ok((engine.batching(local), Some(lock)))
}

/// A program may ask in a file whatever it may ask in a call.
#[derive(Debug)]
struct Trusting;

impl Clerk for Trusting {
    fn check(&self, _: &mut JsonObject) -> Result<(), Error> {
        Ok(())
    }
}
