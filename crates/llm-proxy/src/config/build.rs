//! From what a file says to what a gateway runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use llm_cost::PriceTable;
use llm_providers::{Credential, Secret, resolve::Surroundings};
use llm_router::{Fallback, Fallbacks, RetryPolicy};
use llm_sdk::deploy;
use llm_types::{JsonObject, Map};
use serde_json::Value;

use super::{
    file::{self, File, Values},
    problem::{Problem, Problems, nearest},
};
use crate::{discover, settings::Settings};

/// LiteLLM's strategies; the first is built.
const STRATEGIES: &[&str] = &[
    "simple-shuffle",
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
    "provider-budget-routing",
];

/// Reads `path`; every mistake in it at once. What is only worth knowing is among the settings' notices.
pub fn load(path: &Path, around: &dyn Surroundings) -> Result<Settings, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut file = file::read(path, &|name| around.var(name), &mut problems);
    let overlay = Overlay {
        own: std::mem::take(&mut file.environment),
        around,
    };
    let mut settings = build(path, file, &overlay, &mut problems);
    if problems.has_errors() {
        return Err(problems.all);
    }
    settings
        .notices
        .extend(problems.all.iter().map(Problem::to_string));
    Ok(settings)
}

/// `environment_variables` of the file, before the process's own.
struct Overlay<'a> {
    own: BTreeMap<String, String>,
    around: &'a dyn Surroundings,
}

impl Surroundings for Overlay<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.own
            .get(name)
            .cloned()
            .or_else(|| self.around.var(name))
    }

    fn file(&self, path: &str) -> Option<String> {
        self.around.file(path)
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        self.around.provider_of(model)
    }
}

fn build(path: &Path, mut file: File, around: &Overlay<'_>, problems: &mut Problems) -> Settings {
    problems.enter(&path.display().to_string());
    let mut settings = Settings::base(around);
    settings.file = Some(path.to_owned());
    settings.files = std::mem::take(&mut file.files);
    let defaults = Defaults::take(&mut file, problems);
    general(&mut file.general, &mut settings, problems);
    litellm(&mut file.litellm, &mut settings, problems);
    router(&mut file.router, &mut settings, problems);
    for model in std::mem::take(&mut file.models) {
        deployment(model, &defaults, around, &mut settings, problems);
    }
    infer(&mut file.general, around, &mut settings, problems);
    check_groups(&settings, problems);
    debug_assert_eq!(file.unread(), [""; 0], "an accepted key does something");
    settings
}

/// `infer_model_from_keys`: every vendor whose key is in the environment, beside the configured models.
fn infer(
    values: &mut Values,
    around: &dyn Surroundings,
    settings: &mut Settings,
    problems: &mut Problems,
) {
    if values.take("infer_model_from_keys", problems) != Some(true) {
        return;
    }
    let found = discover::vendors(around);
    let known: BTreeSet<String> = settings
        .deployments
        .iter()
        .map(|d| d.group.clone())
        .collect();
    settings.deployments.extend(
        found
            .deployments
            .into_iter()
            .filter(|d| !known.contains(&d.group)),
    );
}

/// Parameters that every deployment starts from.
struct Defaults {
    params: Map,
    drop_params: bool,
    modify_params: bool,
}

impl Defaults {
    fn take(file: &mut File, problems: &mut Problems) -> Self {
        Self {
            params: file
                .router
                .take("default_litellm_params", problems)
                .unwrap_or_default(),
            drop_params: file
                .litellm
                .take("drop_params", problems)
                .unwrap_or_default(),
            modify_params: file
                .litellm
                .take("modify_params", problems)
                .unwrap_or_default(),
        }
    }

    fn under(&self, params: &mut JsonObject) {
        for (key, value) in &self.params {
            if !params.contains(key) {
                params.set(key.clone(), value);
            }
        }
        for (key, on) in [
            ("drop_params", self.drop_params),
            ("modify_params", self.modify_params),
        ] {
            if on && !params.contains(key) {
                params.set(key, &true);
            }
        }
    }
}

fn deployment(
    model: file::Model,
    defaults: &Defaults,
    around: &Overlay<'_>,
    settings: &mut Settings,
    problems: &mut Problems,
) {
    let file::Model {
        name,
        mut params,
        info,
        file,
        at,
    } = model;
    let outer = problems.enter(&file);
    defaults.under(&mut params);
    match deploy::deployment(&name, params, info, PriceTable::embedded(), around) {
        // The same entry twice is the same deployment with twice the share.
        Ok(mut deployment) => {
            if let Credential::Missing(what) = &deployment.target.credential {
                problems.warn(
                    at,
                    format!("'{name}': {what}; until then its requests fail"),
                );
            }
            let twins = settings
                .deployments
                .iter()
                .filter(|other| other.id.starts_with(&deployment.id))
                .count();
            if twins > 0 {
                deployment.id = format!("{}-{}", deployment.id, twins + 1);
            }
            settings.deployments.push(deployment);
        }
        // As in LiteLLM: one that cannot work is left out, and the others serve.
        Err(e) => problems.warn(at, format!("'{name}' is left out: {}", e.message)),
    }
    problems.enter(&outer);
}

fn general(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    if let Some(key) = values.take::<String>("master_key", problems) {
        settings.master_key = Some(Secret::new(key));
    }
    if let Some(yes) = values.take("dangerously_permit_weak_or_unset_master_key", problems) {
        settings.permit_weak_master_key = yes;
    }
    if let Some(model) = values.take("completion_model", problems) {
        settings.default_model = Some(model);
    }
    if let Some(megabytes) = values.take::<f64>("max_request_size_mb", problems) {
        settings.limits.body = (megabytes * f64::from(1 << 20)).clamp(0.0, 4e9) as usize;
    }
    if let Some(most) = values.take("global_max_parallel_requests", problems) {
        settings.limits.requests = Some(most);
    }
    if let Some(name) = values.take("litellm_key_header_name", problems) {
        settings.key_header = Some(name);
    }
    if let Some(list) = values.take("allowed_ips", problems) {
        settings.allowed_ips = Some(list);
    }
    if let Some(always) = values.take("always_include_stream_usage", problems) {
        settings.always_stream_usage = always;
    }
}

fn litellm(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let router = &mut settings.router;
    if let Some(retries) = values.take("num_retries", problems) {
        router.num_retries = retries;
    }
    if let Some(timeout) = seconds("request_timeout", values, problems) {
        router.timeouts.total = Some(timeout);
    }
    fallback_lists(values, &mut router.fallbacks, problems);
    if let Some(most) = values.take("max_fallbacks", problems) {
        router.max_fallbacks = most;
    }
    router.aliases.extend(
        values
            .take::<BTreeMap<String, String>>("model_alias_map", problems)
            .unwrap_or_default(),
    );
    if let Some(json) = values.take("json_logs", problems) {
        settings.logs.json = json;
    }
    if let Some(need) = values.take("require_auth_for_metrics_endpoint", problems) {
        settings.metrics_need_key = need;
    }
    if let Some(every) = seconds("sse_keepalive_ping_interval_seconds", values, problems) {
        settings.pings.openai = Some(every);
    }
    if let Some(every) = seconds("anthropic_sse_ping_interval_seconds", values, problems) {
        settings.pings.anthropic = Some(every);
    }
    if let Some(explain) = values.take("expose_router_debug_in_errors", problems) {
        settings.explain_fallbacks = explain;
    }
    if let Some(guard) = values.take::<bool>("user_url_validation", problems) {
        settings.fetch.allow_private = !guard;
    }
    if let Some(hosts) = values.take("user_url_allowed_hosts", problems) {
        settings.fetch.allowed_hosts = hosts;
    }
    settings.discounts = values.take("cost_discount_config", problems);
    settings.margins = values.take("cost_margin_config", problems);
    tls(values, settings, problems);
    callbacks(values, problems);
}

fn tls(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    match values.take::<Value>("ssl_verify", problems) {
        Some(Value::Bool(verify)) => settings.transport.verify = verify,
        Some(Value::String(said)) => settings.transport.verify_as(&said),
        _ => {}
    }
}

/// Names of logging callbacks: Prometheus is always on, the others are not built yet.
fn callbacks(values: &mut Values, problems: &mut Problems) {
    for key in ["callbacks", "success_callback", "failure_callback"] {
        let place = values.place(key).map(|(at, file)| (at, file.to_owned()));
        let names = match values.take::<Value>(key, problems) {
            Some(Value::String(name)) => vec![Value::String(name)],
            Some(Value::Array(names)) => names,
            _ => continue,
        };
        let Some((at, file)) = place else { continue };
        let outer = problems.enter(&file);
        for name in names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "prometheus")
        {
            problems.warn(
                at,
                format!("'{name}' in '{key}' has no effect yet: logging callbacks are not built"),
            );
        }
        problems.enter(&outer);
    }
}

fn router(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let router = &mut settings.router;
    strategy(values, problems);
    if let Some(retries) = values.take("num_retries", problems) {
        router.num_retries = retries;
    }
    if let Some(timeout) = seconds("timeout", values, problems) {
        router.timeouts.total = Some(timeout);
    }
    if let Some(timeout) = seconds("stream_timeout", values, problems) {
        router.timeouts.stream = Some(timeout);
    }
    if let Some(wait) = seconds("retry_after", values, problems) {
        router.retry_after = wait;
    }
    if let Some(policy) = values.take::<BTreeMap<String, u32>>("retry_policy", problems) {
        router.retry_policy = retry_policy(&policy, problems, "retry_policy");
    }
    let groups: BTreeMap<String, BTreeMap<String, u32>> = values
        .take("model_group_retry_policy", problems)
        .unwrap_or_default();
    for (group, policy) in groups {
        let policy = retry_policy(&policy, problems, "model_group_retry_policy");
        router.group_retry_policy.insert(group, policy);
    }
    fallback_lists(values, &mut router.fallbacks, problems);
    if let Some(most) = values.take("max_fallbacks", problems) {
        router.max_fallbacks = most;
    }
    let aliases: BTreeMap<String, Value> = values
        .take("model_group_alias", problems)
        .unwrap_or_default();
    for (alias, target) in aliases {
        let group = target
            .as_str()
            .or_else(|| target.get("model")?.as_str())
            .unwrap_or_default();
        if target
            .get("hidden")
            .and_then(Value::as_bool)
            .unwrap_or_default()
        {
            settings.hidden.insert(alias.clone());
        }
        router.aliases.insert(alias, group.to_owned());
    }
}

fn strategy(values: &mut Values, problems: &mut Problems) {
    let Some((at, file)) = values
        .place("routing_strategy")
        .map(|(at, file)| (at, file.to_owned()))
    else {
        return;
    };
    let name: String = values
        .take("routing_strategy", problems)
        .unwrap_or_default();
    let outer = problems.enter(&file);
    match name.as_str() {
        "" | "simple-shuffle" => {}
        known if STRATEGIES.contains(&known) => {
            problems.warn(
                at,
                format!("routing_strategy '{known}' is not built yet: 'simple-shuffle' is used"),
            );
        }
        unknown => {
            let hint = nearest(unknown, STRATEGIES.iter().copied())
                .map(|near| format!(": did you mean '{near}'?"));
            problems.error(
                at,
                format!(
                    "unknown routing_strategy '{unknown}'{}",
                    hint.unwrap_or_default()
                ),
            );
        }
    }
    problems.enter(&outer);
}

/// LiteLLM's policy has one key for each exception class: `RateLimitErrorRetries`.
fn retry_policy(given: &BTreeMap<String, u32>, problems: &mut Problems, key: &str) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for (name, retries) in given {
        let field = match name.as_str() {
            "BadRequestErrorRetries" => &mut policy.bad_request,
            "AuthenticationErrorRetries" => &mut policy.authentication,
            "TimeoutErrorRetries" => &mut policy.timeout,
            "RateLimitErrorRetries" => &mut policy.rate_limit,
            "ContentPolicyViolationErrorRetries" => &mut policy.content_policy_violation,
            "InternalServerErrorRetries" => &mut policy.internal_server,
            "ServiceUnavailableErrorRetries" => &mut policy.service_unavailable,
            "NotFoundErrorRetries" => &mut policy.not_found,
            "DefaultRetries" => &mut policy.default,
            _ => {
                problems.warn(
                    super::At::default(),
                    format!("unknown key '{name}' in {key}: it has no effect"),
                );
                continue;
            }
        };
        *field = Some(*retries);
    }
    policy
}

fn fallback_lists(values: &mut Values, fallbacks: &mut Fallbacks, problems: &mut Problems) {
    for (key, list) in [
        ("fallbacks", &mut fallbacks.general),
        ("context_window_fallbacks", &mut fallbacks.context_window),
        ("content_policy_fallbacks", &mut fallbacks.content_policy),
    ] {
        let given: Vec<BTreeMap<String, Vec<Value>>> =
            values.take(key, problems).unwrap_or_default();
        for (group, targets) in given.into_iter().flatten() {
            list.insert(group, targets.into_iter().filter_map(fallback).collect());
        }
    }
    let default: Option<Vec<Value>> = values.take("default_fallbacks", problems);
    if let Some(targets) = default {
        fallbacks.general.insert(
            "*".to_owned(),
            targets.into_iter().filter_map(fallback).collect(),
        );
    }
}

fn fallback(value: Value) -> Option<Fallback> {
    match value {
        Value::String(group) => Some(Fallback::to(group)),
        Value::Object(mut map) => {
            let group = map.remove("model")?.as_str()?.to_owned();
            Some(Fallback {
                group,
                overrides: map,
            })
        }
        _ => None,
    }
}

/// Names that lead nowhere: LiteLLM finds out at the first failure.
fn check_groups(settings: &Settings, problems: &mut Problems) {
    let groups: Vec<&str> = settings
        .deployments
        .iter()
        .map(|d| d.group.as_str())
        .collect();
    let leads = |name: &str| {
        groups.contains(&name)
            || settings.router.aliases.contains_key(name)
            || groups.iter().any(|group| group.contains('*'))
            || settings.deployments.iter().any(|d| d.id == name)
    };
    let fallbacks = &settings.router.fallbacks;
    for (key, list) in [
        ("fallbacks", &fallbacks.general),
        ("context_window_fallbacks", &fallbacks.context_window),
        ("content_policy_fallbacks", &fallbacks.content_policy),
    ] {
        for target in list
            .values()
            .flatten()
            .filter(|target| !leads(&target.group))
        {
            problems.warn(super::At::default(), nowhere(key, &target.group, &groups));
        }
    }
    for target in settings
        .router
        .aliases
        .values()
        .filter(|target| !leads(target))
    {
        problems.warn(
            super::At::default(),
            nowhere("model_group_alias", target, &groups),
        );
    }
}

fn nowhere(key: &str, name: &str, groups: &[&str]) -> String {
    let hint =
        nearest(name, groups.iter().copied()).map(|near| format!(": did you mean '{near}'?"));
    format!(
        "{key}: no model is named '{name}'{}",
        hint.unwrap_or_default()
    )
}

fn seconds(key: &str, values: &mut Values, problems: &mut Problems) -> Option<Duration> {
    let (at, file) = values.place(key).map(|(at, file)| (at, file.to_owned()))?;
    let given: f64 = values.take(key, problems)?;
    match Duration::try_from_secs_f64(given) {
        Ok(duration) => Some(duration).filter(|duration| *duration > Duration::ZERO),
        Err(_) => {
            let outer = problems.enter(&file);
            problems.error(
                at,
                format!("'{key}' must be a number of seconds, and is {given}"),
            );
            problems.enter(&outer);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{SECTIONS, State};

    /// Nothing is known here.
    struct Nowhere;

    impl Surroundings for Nowhere {
        fn var(&self, _: &str) -> Option<String> {
            None
        }
        fn file(&self, _: &str) -> Option<String> {
            None
        }
        fn provider_of(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn loaded(text: &str) -> Result<Settings, Vec<Problem>> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        load(file.path(), &Nowhere)
    }

    #[test]
    fn every_key_that_is_built_is_read() {
        let mut text = String::new();
        for section in SECTIONS
            .iter()
            .filter(|section| section.name.ends_with("_settings"))
        {
            text.push_str(&format!("{}:\n", section.name));
            for (state, keys) in section.keys {
                for key in keys.iter().filter(|_| *state == State::Built) {
                    text.push_str(&format!("  {key}: null\n"));
                }
            }
        }
        // The loader itself asserts that nothing was left unread.
        assert!(loaded(&text).expect("settings").notices.is_empty());
    }

    #[test]
    fn settings_come_from_where_litellm_has_them() {
        let settings = loaded(
            "model_list:\n  - model_name: a\n    litellm_params: {model: openai/gpt-4o, api_key: k, rpm: 9, temperature: 0.5}\n\
             litellm_settings: {num_retries: 7, request_timeout: 8, default_fallbacks: [a]}\n\
             router_settings: {num_retries: 4, model_group_alias: {b: a, c: {model: a, hidden: true}}}\n\
             general_settings: {master_key: sk-x, max_request_size_mb: 2, allowed_ips: [127.0.0.1]}\n",
        )
        .expect("settings");
        assert_eq!(
            (settings.router.num_retries, settings.limits.body),
            (4, 2 << 20)
        );
        assert_eq!(settings.router.timeouts.total, Some(Duration::from_secs(8)));
        assert_eq!(settings.router.fallbacks.general["*"], [Fallback::to("a")]);
        assert_eq!(settings.router.aliases["c"], "a");
        assert!(settings.hidden.contains("c") && !settings.hidden.contains("b"));
        let deployment = &settings.deployments[0];
        assert_eq!(
            (
                deployment.quota.rpm,
                deployment.defaults.to_bytes().as_ref()
            ),
            (Some(9), br#"{"temperature":0.5}"#.as_ref())
        );
    }

    #[test]
    fn every_mistake_is_named_at_once_with_its_place() {
        let problems = loaded(
            "model_list:\n  - litellm_params: {model: openai/x}\n  - model_name: b\n    litellm_params: {api_key: k}\n\
             router_settings: {num_retries: many, timeout: -3}\ngeneral_setings: {}\n",
        )
        .expect_err("mistakes");
        let lines: Vec<_> = problems
            .iter()
            .map(|problem| (problem.at.line, problem.message.as_str()))
            .collect();
        for (line, words) in [
            (2, "model_name"),
            (4, "'model'"),
            (5, "num_retries"),
            (5, "timeout"),
            (6, "general_settings"),
        ] {
            assert!(
                lines
                    .iter()
                    .any(|(at, message)| *at == line && message.contains(words)),
                "{line} {words}: {lines:?}"
            );
        }
    }
}
