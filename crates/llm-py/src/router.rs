//! `Router`: calls that find their own way among deployments.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use llm_providers::Error;
use llm_router::{Ask, Attempt, Attempts};
use llm_sdk::{Engine, Failure, Fleet, Plan, Request, router_settings};
use llm_types::Op;
use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::{
    asked::{Asked, PyFile},
    client::{self, Answer, Call},
    errors, runtime,
};

/// Makes calls over the deployments of a plan.
#[pyclass(frozen, module = "interlingua._native")]
pub(crate) struct Router {
    now: Arc<ArcSwap<Home>>,
    /// The process whose health checks are made in the background; 0: none.
    checking: Arc<AtomicU32>,
    /// Tells those who make them that something has changed.
    changed: Arc<Notify>,
}

/// A fleet, and the process that it belongs to.
struct Home {
    fleet: Fleet,
    pid: u32,
}

/// Of one deployment: its id, the milliseconds that it still rests, its requests and tokens of this minute, and its
/// requests under way.
type State = (String, u64, u64, u64, u64);

#[pymethods]
impl Router {
    /// A router of a plan: `model_list` and settings, as JSON.
    #[new]
    fn new(py: Python<'_>, plan: &[u8]) -> PyResult<Self> {
        let fleet = Plan::parse(plan).and_then(Fleet::new);
        let fleet = fleet.map_err(|e| errors::plain(py, &e))?;
        let router = Self {
            now: Arc::new(ArcSwap::from_pointee(Home::of(fleet))),
            checking: Arc::default(),
            changed: Arc::default(),
        };
        router.watch().map_err(|e| errors::plain(py, &e))?;
        Ok(router)
    }

    /// Goes on with another plan, and with what was learned so far. Calls under way end as they began.
    fn configure(&self, py: Python<'_>, plan: &[u8]) -> PyResult<()> {
        let fleet = self
            .home()
            .and_then(|home| home.fleet.succeeded_by(Plan::parse(plan)?));
        self.take(py, fleet)
    }

    /// Forgets what was learned.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        let fleet = self.home().and_then(|home| home.fleet.forgetful());
        self.take(py, fleet)
    }

    /// The id of each entry of the plan's model list; `None` of one that was left out.
    fn ids(&self, py: Python<'_>) -> PyResult<Vec<Option<String>>> {
        let home = self.home().map_err(|e| errors::plain(py, &e))?;
        Ok(home.fleet.ids())
    }

    /// What is worth knowing of the plan's settings: keys that have no effect.
    fn remarks(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let home = self.home().map_err(|e| errors::plain(py, &e))?;
        Ok(home.fleet.remarks())
    }

    /// The names of all settings.
    #[staticmethod]
    fn settings() -> Vec<&'static str> {
        let keys = router_settings::KEYS.iter().flat_map(|(_, keys)| *keys);
        keys.chain(Plan::SETTINGS).copied().collect()
    }

    /// Answers a request: `(text, bytes or Stream, Meta)`. Waits with the interpreter released. The deployment with the id
    /// `first` is asked first, if it can be.
    #[expect(clippy::too_many_arguments, reason = "Python's keywords")]
    #[pyo3(signature = (op, body, first=None, files=None, id=None, query=None))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        op: &str,
        body: &[u8],
        first: Option<String>,
        files: Option<Vec<PyFile>>,
        id: Option<String>,
        query: Option<Vec<(String, String)>>,
    ) -> PyResult<Answer<'py>> {
        self.start(py, op, body, first, files, id, query)?.wait(py)
    }

    /// Starts a request.
    #[expect(clippy::too_many_arguments, reason = "Python's keywords")]
    #[pyo3(signature = (op, body, first=None, files=None, id=None, query=None))]
    fn start(
        &self,
        py: Python<'_>,
        op: &str,
        body: &[u8],
        first: Option<String>,
        files: Option<Vec<PyFile>>,
        id: Option<String>,
        query: Option<Vec<(String, String)>>,
    ) -> PyResult<Call> {
        let router = self.router(py)?;
        let asked = Asked::named(op, body, files, id, query)?;
        client::start(py, asked, first, |direct| direct.routing(router))
    }

    /// The id of the deployment that a call to `model` goes to now. It counts as a request, and not as an answer.
    fn pick(&self, py: Python<'_>, model: &str) -> PyResult<String> {
        let router = self.router(py)?;
        let core = runtime::core().map_err(|e| errors::plain(py, &e))?;
        let ask = Ask {
            num_retries: Some(0),
            disable_fallbacks: true,
            ..Ask::new(model)
        };
        let picked = py.detach(|| core.runtime.block_on(router.run(&ask, &Picking)));
        match picked {
            Ok(routed) => Ok(routed.lease.deployment().id.clone()),
            Err(failed) => {
                let failure = Failure {
                    error: failed.error,
                    fallback_error: failed.fallback_error,
                    call_id: String::new(),
                    requested: model.to_owned(),
                    trace: failed.trace,
                };
                Err(errors::failure(py, &failure, true))
            }
        }
    }

    /// What would be done with a request, and what it may cost, as JSON. Nothing is sent, counted or held.
    fn explain(&self, py: Python<'_>, op: &str, body: &[u8]) -> PyResult<String> {
        let router = self.router(py)?;
        let core = runtime::core().map_err(|e| errors::plain(py, &e))?;
        let explained = py.detach(|| {
            let op = Op::all()
                .find(|known| known.name() == op)
                .unwrap_or(Op::Chat);
            let request = Request::parse(op, Bytes::copy_from_slice(body))?;
            let explained = core.engine.routing(router).explain(&request)?;
            serde_json::to_string(&explained).map_err(|e| Error::decode("", e))
        });
        explained.map_err(|e: Error| errors::plain(py, &e))
    }

    /// Asks the deployments of `name`, or all, for a word, and says what was found, as JSON. Waits with the interpreter
    /// released.
    #[pyo3(signature = (name=None))]
    fn check(&self, py: Python<'_>, name: Option<String>) -> PyResult<String> {
        let home = self.home().map_err(|e| errors::plain(py, &e))?;
        let core = runtime::core().map_err(|e| errors::plain(py, &e))?;
        let engine = core.engine.clone();
        let work = async move { home.fleet.check_up(&engine, name.as_deref()).await };
        let mut work = core.runtime.spawn(work);
        let found = loop {
            let soon = async { tokio::time::timeout(client::SIGNALS, &mut work).await };
            if let Ok(done) = py.detach(|| core.runtime.block_on(soon)) {
                break done;
            }
            py.check_signals().inspect_err(|_| work.abort())?;
        };
        let found = found.map_err(|e| errors::plain(py, &Error::decode("", e)))?;
        Ok(found.to_string())
    }

    /// How the deployments that answer for `model` are.
    fn states(&self, py: Python<'_>, model: &str) -> PyResult<Vec<State>> {
        let router = self.router(py)?;
        let state = |deployment: &Arc<llm_router::Deployment>| {
            let load = router.load(deployment);
            let rests = router.rests_for(deployment);
            let rests = rests.as_millis().try_into().unwrap_or(u64::MAX);
            let id = deployment.id.clone();
            (id, rests, load.requests, load.tokens, load.in_flight)
        };
        Ok(router.deployments(model).iter().map(state).collect())
    }
}

/// Attempts that nobody makes: only who would is asked for.
struct Picking;

impl Attempts for Picking {
    type Answer = ();

    async fn make(&self, _: Attempt<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl Router {
    /// The fleet of this process: a forked child makes its own.
    fn home(&self) -> Result<Arc<Home>, Error> {
        let home = self.now.load_full();
        if home.pid == std::process::id() {
            return Ok(home);
        }
        let own = Arc::new(Home::of(home.fleet.forgetful()?));
        let before = self.now.compare_and_swap(&home, Arc::clone(&own));
        // Another thread may have been quicker.
        Ok(if before.pid == own.pid {
            Arc::clone(&before)
        } else {
            own
        })
    }

    fn router(&self, py: Python<'_>) -> PyResult<Arc<llm_router::Router>> {
        let home = self.home().and_then(|home| self.watch().map(|()| home));
        let home = home.map_err(|e| errors::plain(py, &e))?;
        Ok(home.fleet.router())
    }

    fn take(&self, py: Python<'_>, fleet: Result<Fleet, Error>) -> PyResult<()> {
        let fleet = fleet.map_err(|e| errors::plain(py, &e))?;
        self.now.store(Arc::new(Home::of(fleet)));
        self.changed.notify_one();
        self.watch().map_err(|e| errors::plain(py, &e))
    }

    /// Has health checks made in the background, where the plan asks for them and nobody makes them yet.
    fn watch(&self) -> Result<(), Error> {
        let home = self.now.load();
        let pid = std::process::id();
        if home.fleet.check_every().is_none() || self.checking.swap(pid, Ordering::AcqRel) == pid {
            return Ok(());
        }
        let core = runtime::core()?;
        let watcher = Watcher {
            now: Arc::downgrade(&self.now),
            checking: Arc::clone(&self.checking),
            changed: Arc::clone(&self.changed),
        };
        core.runtime.spawn(watcher.run(core.engine.clone()));
        Ok(())
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Whoever waits for the next round sees that there is none.
        self.changed.notify_one();
    }
}

/// Makes health checks for as long as there is a router that wants them.
struct Watcher {
    now: Weak<ArcSwap<Home>>,
    checking: Arc<AtomicU32>,
    changed: Arc<Notify>,
}

impl Watcher {
    async fn run(self, engine: Engine) {
        let mut last: Option<Instant> = None;
        loop {
            let Some(home) = self.now.upgrade().map(|now| now.load_full()) else {
                return;
            };
            let Some(every) = home.fleet.check_every() else {
                self.checking.store(0, Ordering::Release);
                return;
            };
            let left = last.map(|last| every.saturating_sub(last.elapsed()));
            if let Some(left) = left.filter(|left| !left.is_zero()) {
                drop(home);
                let _ = tokio::time::timeout(left, self.changed.notified()).await;
                continue;
            }
            home.fleet.check_up(&engine, None).await;
            last = Some(Instant::now());
        }
    }
}

impl Home {
    fn of(fleet: Fleet) -> Self {
        let pid = std::process::id();
        Self { fleet, pid }
    }
}
