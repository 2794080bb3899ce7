//! `router_settings`, and the arguments of LiteLLM's `Router`: how requests find their way.

use std::{collections::BTreeMap, time::Duration};

use llm_providers::Error;
use llm_router::{Fallback, RetryPolicy, Settings};
use llm_types::Map;
use serde_json::Value;

/// Settings from their names in LiteLLM.
pub(crate) fn settings(given: &Map) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        one(&mut settings, key, value)?;
    }
    Ok(settings)
}

fn one(settings: &mut Settings, key: &str, value: &Value) -> Result<(), Error> {
    let lists = &mut settings.fallbacks;
    match key {
        "num_retries" => settings.num_retries = read(key, value)?,
        "max_fallbacks" => settings.max_fallbacks = read(key, value)?,
        "timeout" => settings.timeouts.total = Some(seconds(key, value)?),
        "stream_timeout" => settings.timeouts.stream = Some(seconds(key, value)?),
        "retry_after" => settings.retry_after = seconds(key, value)?,
        "cooldown_time" => settings.health.cooldown = seconds(key, value)?,
        "allowed_fails" => settings.health.allowed_fails = Some(read(key, value)?),
        "disable_cooldowns" => settings.health.disabled = read(key, value)?,
        "enable_weighted_failover" => settings.failover_in_group = read(key, value)?,
        "retry_policy" => settings.retry_policy = policy(key, value, "Retries")?,
        "allowed_fails_policy" => {
            settings.health.allowed_fails_policy = policy(key, value, "AllowedFails")?;
        }
        "model_group_retry_policy" => {
            for (group, value) in read::<Map>(key, value)? {
                let policy = policy(key, &value, "Retries")?;
                settings.group_retry_policy.insert(group, policy);
            }
        }
        "model_group_alias" => {
            for (alias, value) in read::<Map>(key, value)? {
                let group = value.get("model").unwrap_or(&value);
                settings.aliases.insert(alias, read(key, group)?);
            }
        }
        "fallbacks" => lists.general.extend(fallbacks(key, value)?),
        "context_window_fallbacks" => lists.context_window.extend(fallbacks(key, value)?),
        "content_policy_fallbacks" => lists.content_policy.extend(fallbacks(key, value)?),
        "default_fallbacks" => {
            lists.general.insert("*".to_owned(), targets(key, value)?);
        }
        _ => {}
    }
    Ok(())
}

fn fallbacks(key: &str, value: &Value) -> Result<BTreeMap<String, Vec<Fallback>>, Error> {
    let mut all = BTreeMap::new();
    for map in read::<Vec<Map>>(key, value)? {
        for (group, value) in map {
            all.insert(group, targets(key, &value)?);
        }
    }
    Ok(all)
}

fn targets(key: &str, value: &Value) -> Result<Vec<Fallback>, Error> {
    let one = |value: Value| match value {
        Value::String(group) => Ok(Fallback::to(group)),
        Value::Object(mut overrides) => Ok(Fallback {
            group: read(key, &overrides.remove("model").unwrap_or_default())?,
            overrides,
        }),
        _ => Err(Error::bad_request(key, "expected names of models")),
    };
    read::<Vec<Value>>(key, value)?
        .into_iter()
        .map(one)
        .collect()
}

fn policy(key: &str, value: &Value, suffix: &str) -> Result<RetryPolicy, Error> {
    let mut policy = RetryPolicy::default();
    for (name, value) in read::<Map>(key, value)? {
        let field = match name.strip_suffix(suffix).unwrap_or(&name) {
            "BadRequestError" => &mut policy.bad_request,
            "AuthenticationError" => &mut policy.authentication,
            "TimeoutError" => &mut policy.timeout,
            "RateLimitError" => &mut policy.rate_limit,
            "ContentPolicyViolationError" => &mut policy.content_policy_violation,
            "InternalServerError" => &mut policy.internal_server,
            "ServiceUnavailableError" => &mut policy.service_unavailable,
            "NotFoundError" => &mut policy.not_found,
            "Default" => &mut policy.default,
            _ => continue,
        };
        *field = read(key, &value)?;
    }
    Ok(policy)
}

fn seconds(key: &str, value: &Value) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(read(key, value)?)
        .map_err(|_| Error::bad_request(key, "expected a number of seconds"))
}

fn read<T: serde::de::DeserializeOwned>(key: &str, value: &Value) -> Result<T, Error> {
    serde_json::from_value(value.clone()).map_err(|e| Error::bad_request(key, e.to_string()))
}
