//! The runtime and the engine, made when first needed and again after a fork.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use llm_providers::{Error, Kind};
use llm_sdk::Engine;
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
        let engine = {
            let _inside = runtime.enter();
            Engine::direct()?
        };
        Ok(Self {
            runtime,
            engine,
            pid,
        })
    }
}
