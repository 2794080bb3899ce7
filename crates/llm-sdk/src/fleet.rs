//! The deployments and settings that LiteLLM's `Router` is given, as a router that may change while requests run.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use llm_providers::{Error, resolve::Surroundings};
use llm_router::{Deployment, HealthChecks, Router, Settings};
use llm_types::{JsonObject, Map};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Beside, Engine, Round, deploy, nearest,
    router_settings::{self, CheckSettings, Remark, RouterSettings},
    surroundings::{self, Process},
};

/// Deployments and settings, resolved against the environment as it is now: what it says of keys and addresses is read
/// again where it has changed since.
pub struct Fleet {
    plan: Plan,
    now: ArcSwap<Built>,
}

/// For how long the finding of a health check counts, where nobody says.
const STALE: Duration = Duration::from_secs(600);
/// Between two rounds of health checks, where nobody says.
const CHECKED: Duration = Duration::from_secs(300);
/// Deployments that are checked at the same time.
const AT_ONCE: usize = 16;

/// What a [`Fleet`] is made of, by the names of LiteLLM's `Router`.
#[derive(Clone)]
pub struct Plan {
    model_list: Vec<Entry>,
    /// Leaves out entries that cannot work instead of refusing them all.
    ignore_invalid_deployments: bool,
    /// Between two rounds of health checks that nobody asks for; `None`: there are none.
    check_every: Option<Duration>,
    settings: Map,
}

/// A plan as it is written.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    model_list: Vec<Value>,
    #[serde(default)]
    ignore_invalid_deployments: bool,
    #[serde(default)]
    background_health_checks: bool,
    #[serde(default)]
    health_check_interval: Option<f64>,
    #[serde(flatten)]
    settings: Map,
}

/// One entry of a model list. Its limits may stand beside its parameters.
#[derive(Clone, Deserialize)]
struct Entry {
    model_name: String,
    litellm_params: Map,
    #[serde(default)]
    model_info: Map,
    #[serde(default)]
    rpm: Option<u64>,
    #[serde(default)]
    tpm: Option<u64>,
}

struct Built {
    router: Arc<Router>,
    /// The id of each entry; `None` of one that was left out.
    ids: Vec<Option<String>>,
    /// What is worth knowing of the settings.
    remarks: Vec<String>,
    checks: CheckSettings,
    /// What was read from the environment, and what it said.
    read: BTreeMap<String, Said>,
}

impl Plan {
    /// The settings of a plan that are not among the router's own.
    pub const SETTINGS: &[&str] = &["background_health_checks", "health_check_interval"];

    /// Reads a plan.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let refuse = |e: serde_json::Error| Error::bad_request("model_list", e.to_string());
        let written: Written = serde_json::from_slice(json).map_err(refuse)?;
        let entries = written.model_list.into_iter().enumerate();
        let entries = entries.map(|(i, entry)| {
            serde_json::from_value(entry)
                .map_err(|e| misplaced(i, Error::bad_request("", e.to_string())))
        });
        let interval = match written.health_check_interval {
            None => CHECKED,
            Some(seconds) => interval(seconds)?,
        };
        Ok(Self {
            model_list: entries.collect::<Result<_, _>>()?,
            ignore_invalid_deployments: written.ignore_invalid_deployments,
            check_every: written.background_health_checks.then_some(interval),
            settings: written.settings,
        })
    }

    fn build(&self, before: Option<&Router>) -> Result<Built, Error> {
        let around = Noted::default();
        let (mut settings, remarks) = self.settings()?;
        if settings.checks.routing == Some(true) {
            // A finding that the next round should have renewed says nothing.
            let usual = self.check_every.map_or(STALE, |every| every * 2);
            let staleness = settings.checks.staleness.unwrap_or(usual);
            let filter = Arc::new(HealthChecks { staleness });
            settings.router.filters.push(filter);
        }
        let checks = std::mem::take(&mut settings.checks);
        let mut deployments = Vec::with_capacity(self.model_list.len());
        let mut ids = Vec::with_capacity(self.model_list.len());
        let mut counts = BTreeMap::new();
        for (i, entry) in self.model_list.iter().enumerate() {
            match entry.deployment(&settings, &around) {
                Ok(mut deployment) => {
                    let named = entry.model_info.contains_key("id");
                    count(&mut deployment, named, &mut counts);
                    if named && counts.get(&deployment.id).is_some_and(|seen| *seen > 1) {
                        let message = format!("another deployment has the id '{}'", deployment.id);
                        return Err(misplaced(i, Error::bad_request("model_info.id", message)));
                    }
                    ids.push(Some(deployment.id.clone()));
                    deployments.push(deployment);
                }
                Err(_) if self.ignore_invalid_deployments => ids.push(None),
                Err(error) => return Err(misplaced(i, error)),
            }
        }
        for item in &settings.search_tools {
            let entry = Beside::SearchTool.entry(item)?;
            let table = surroundings::prices();
            let made = deploy::deployment(&entry.group, entry.params, entry.info, &table, &around);
            match made {
                Ok(mut deployment) => {
                    count(&mut deployment, false, &mut counts);
                    deployments.push(deployment);
                }
                Err(_) if self.ignore_invalid_deployments => {}
                Err(error) => return Err(error),
            }
        }
        let router = match before {
            None if self.ignore_invalid_deployments => {
                blank()?.succeeded_by(deployments, settings.router)
            }
            None => Router::new(deployments, settings.router),
            Some(before) => before.succeeded_by(deployments, settings.router),
        };
        let router = router.map_err(|e| Error::bad_request("model_list", e.to_string()))?;
        Ok(Built {
            router: Arc::new(router),
            ids,
            remarks,
            checks,
            read: around
                .0
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// The settings, and what is worth knowing of them. All that is wrong is one error.
    fn settings(&self) -> Result<(RouterSettings, Vec<String>), Error> {
        let mut given = self.settings.clone();
        let mut settings = RouterSettings::default();
        let said = settings.read(&mut given);
        let wrong: Vec<&Remark> = said.iter().filter(|remark| remark.mistake).collect();
        if let Some(first) = wrong.first() {
            let messages: Vec<&str> = wrong.iter().map(|wrong| wrong.message.as_str()).collect();
            return Err(Error::bad_request(
                first.place.to_string(),
                messages.join("; "),
            ));
        }
        if let Some(unknown) = given.keys().next() {
            let known = router_settings::KEYS.iter().flat_map(|(_, keys)| *keys);
            let hint = nearest::hint(unknown, known.chain(Self::SETTINGS).copied());
            let message = format!("unknown setting '{unknown}'{hint}");
            return Err(Error::bad_request(unknown, message));
        }
        let remarks = said.into_iter().map(|remark| remark.message);
        Ok((settings, remarks.collect()))
    }
}

impl Entry {
    fn deployment(
        &self,
        settings: &RouterSettings,
        around: &dyn Surroundings,
    ) -> Result<Deployment, Error> {
        let mut params = self.litellm_params.clone();
        for (key, limit) in [("rpm", self.rpm), ("tpm", self.tpm)] {
            if let Some(limit) = limit {
                params.entry(key).or_insert(limit.into());
            }
        }
        params.retain(|_, value| !value.is_null());
        let mut params = JsonObject::from_serialize(&params)?;
        settings.under(&mut params);
        let table = surroundings::prices();
        let info = self.model_info.clone();
        let made = deploy::deployment(&self.model_name, params, info, &table, around)?;
        match made.weight {
            Some(weight) if weight < 0.0 => {
                Err(Error::bad_request("weight", "a weight cannot be negative"))
            }
            _ => Ok(made),
        }
    }
}

/// A time between two rounds of health checks: each of them costs something.
fn interval(seconds: f64) -> Result<Duration, Error> {
    let interval = Duration::try_from_secs_f64(seconds).ok();
    interval.filter(|i| !i.is_zero()).ok_or_else(|| {
        let key = "health_check_interval";
        Error::bad_request(key, format!("'{key}' must be a number of seconds above 0"))
    })
}

/// What is wrong with the entry at `index`, and where.
fn misplaced(index: usize, mut error: Error) -> Error {
    let place = match error.param.take().unwrap_or_default().as_str() {
        "" => format!("model_list[{index}]"),
        inner if inner.starts_with("model_info") => format!("model_list[{index}].{inner}"),
        inner => format!("model_list[{index}].litellm_params.{inner}"),
    };
    error.message = format!("{place}: {}", error.message);
    error.param = Some(place);
    error
}

/// A router that has nobody and knows nothing.
fn blank() -> Result<Router, Error> {
    let blank = Router::new(Vec::new(), Settings::default());
    blank.map_err(|e| Error::bad_request("model_list", e.to_string()))
}

/// The same entry twice is the same deployment with twice the share; one whose id is its own is `named`.
fn count(deployment: &mut Deployment, named: bool, counts: &mut BTreeMap<String, u32>) {
    let seen = counts.entry(deployment.id.clone()).or_default();
    *seen += 1;
    if *seen > 1 && !named {
        deployment.id = format!("{}-{seen}", deployment.id);
    }
}

impl Fleet {
    /// Makes what a plan says; the error names the entry's parameter or the setting that cannot work.
    pub fn new(plan: Plan) -> Result<Self, Error> {
        let now = ArcSwap::from_pointee(plan.build(None)?);
        Ok(Self { plan, now })
    }

    /// The same after a change of plan: goes on with what this one has learned.
    pub fn succeeded_by(&self, plan: Plan) -> Result<Self, Error> {
        let now = ArcSwap::from_pointee(plan.build(Some(&self.now.load().router))?);
        Ok(Self { plan, now })
    }

    /// The same plan with nothing learned, and nothing of this one's held: a forked child, too, whose parent's locks may
    /// be held by threads that do not exist in it, can go on with it.
    pub fn forgetful(&self) -> Result<Self, Error> {
        let plan = self.plan.clone();
        let now = ArcSwap::from_pointee(plan.build(Some(&blank()?))?);
        Ok(Self { plan, now })
    }

    /// The router as things are now.
    pub fn router(&self) -> Arc<Router> {
        let built = self.now.load();
        if built
            .read
            .iter()
            .any(|(name, before)| said(name) != *before)
        {
            // An environment that makes no sense leaves everything as it was.
            if let Ok(fresh) = self.plan.build(Some(&built.router)) {
                self.now.store(Arc::new(fresh));
                return Arc::clone(&self.now.load().router);
            }
        }
        Arc::clone(&built.router)
    }

    /// The id of each entry of the model list; `None` of one that was left out.
    pub fn ids(&self) -> Vec<Option<String>> {
        self.now.load().ids.clone()
    }

    /// How often they are to be asked while nobody asks for it; `None`: never.
    pub fn check_every(&self) -> Option<Duration> {
        self.plan.check_every
    }

    /// Asks deployments for a word, tells the router, and reports what was found. `name`: a group or a deployment; where
    /// there is none, the groups that the settings name, or all.
    pub async fn check_up(&self, engine: &Engine, name: Option<&str>) -> Value {
        let router = self.router();
        let checks = self.now.load().checks.clone();
        let groups = checks.groups.unwrap_or_default();
        let wanted = |deployment: &Deployment| match name {
            Some(name) => deployment.group == name || deployment.id == name,
            None => groups.is_empty() || groups.contains(&deployment.group),
        };
        let models = router
            .groups()
            .filter(|(group, _)| Beside::of(group).is_none());
        let all = models.flat_map(|(_, deployments)| deployments.iter().cloned());
        let all: Vec<_> = all.filter(|deployment| wanted(deployment)).collect();
        let round = Round::over(engine, all, AT_ONCE).await;
        round.teach(&router, checks.ignore_transient.unwrap_or_default());
        round.report(true, |_| true)
    }

    /// What is worth knowing of the settings: keys that have no effect.
    pub fn remarks(&self) -> Vec<String> {
        self.now.load().remarks.clone()
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("ids", &self.ids())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Plan {
    /// Without the parameters: keys are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.model_list.iter().map(|entry| &entry.model_name);
        f.debug_list().entries(names).finish()
    }
}

/// What a variable said, without keeping it: it may be a key.
type Said = Option<u64>;

fn said(name: &str) -> Said {
    static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    Process.var(name).map(|value| HASH.hash_one(value))
}

/// This process, and what was asked of its environment.
#[derive(Default)]
struct Noted(Mutex<BTreeMap<String, Said>>);

impl Surroundings for Noted {
    fn var(&self, name: &str) -> Option<String> {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(name.to_owned(), said(name));
        Process.var(name)
    }

    fn file(&self, path: &str) -> Option<String> {
        Process.file(path)
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        Process.provider_of(model)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet(plan: serde_json::Value) -> Result<Fleet, Error> {
        Fleet::new(Plan::parse(plan.to_string().as_bytes()).expect("a plan"))
    }

    fn entry(model: &str) -> serde_json::Value {
        json!({"model_name": "m", "litellm_params": {"model": model, "api_key": "sk", "seed": null}})
    }

    #[test]
    fn the_same_entry_twice_has_twice_the_share() {
        let one = fleet(json!({"model_list": [entry("openai/a")]})).expect("sound");
        let two = fleet(json!({"model_list": [entry("openai/a"), entry("openai/a")]}));
        let ids = two.expect("sound").ids();
        assert_eq!(ids[..1], one.ids());
        assert_eq!(ids[1], ids[0].as_ref().map(|id| format!("{id}-2")));
    }

    #[test]
    fn entries_that_cannot_work_are_refused_or_left_out() {
        let list = json!([entry("nobody-knows/this"), entry("openai/a")]);
        assert!(fleet(json!({"model_list": list})).is_err());
        let rest = fleet(json!({"model_list": list, "ignore_invalid_deployments": true}));
        let rest = rest.expect("sound");
        assert_eq!(rest.ids().len(), 2);
        assert_eq!(rest.ids()[0], None);
        assert_eq!(rest.router().deployments("m").len(), 1);
    }

    #[test]
    fn limits_and_defaults_may_stand_beside_the_parameters() {
        let mut limited = entry("openai/a");
        limited["rpm"] = json!(7);
        let fleet = fleet(json!({
            "model_list": [limited], "default_litellm_params": {"temperature": 1, "tpm": 9}, "num_retries": 4,
        }));
        let router = fleet.expect("sound").router();
        let deployment = &router.deployments("m")[0];
        assert_eq!(
            (deployment.quota.rpm, deployment.quota.tpm),
            (Some(7), Some(9))
        );
        assert_eq!(deployment.defaults.str("temperature"), None);
        assert!(
            deployment.defaults.contains("temperature") && !deployment.defaults.contains("seed")
        );
        assert_eq!(router.settings().num_retries, 4);
    }

    #[test]
    fn settings_that_cannot_be_are_named() {
        let error = |settings| fleet(settings).expect_err("unsound").to_string();
        assert!(error(json!({"num_retrys": 1})).contains("num_retries"));
        let both = error(json!({"num_retries": "many", "timeout": -1}));
        assert!(both.contains("num_retries") && both.contains("timeout"));
        let later = fleet(json!({"cache_responses": true})).expect("sound");
        assert!(later.remarks()[0].contains("cache_responses"));
    }

    #[test]
    fn nothing_shows_a_key() {
        let plan = json!({"model_list": [entry("openai/a")]}).to_string();
        let plan = Plan::parse(plan.as_bytes()).expect("a plan");
        assert!(!format!("{plan:?}").contains("sk"));
        assert!(!format!("{:?}", Fleet::new(plan)).contains("sk"));
    }
}
