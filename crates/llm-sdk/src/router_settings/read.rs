//! Values out of a map, with every mistake named.

use std::time::Duration;

use llm_router::RetryPolicy;
use llm_types::Map;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    KEYS, Place, Remark, Role, RouterSettings, State,
    keys::{ALLOWED_FAILS, RETRIES},
    place::kind,
};
use crate::nearest::nearest;

/// Takes values out of a map.
pub(super) struct Reader<'a> {
    map: &'a mut Map,
    pub(super) remarks: Vec<Remark>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(map: &'a mut Map) -> Self {
        Self {
            map,
            remarks: Vec::new(),
        }
    }

    /// The value of `key`; nothing and null are the same.
    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// The value of `key` as a `T`.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.value(key)?;
        self.typed(key, value, Place::of(key))
    }

    fn typed<T: DeserializeOwned>(&mut self, key: &str, value: Value, place: Place) -> Option<T> {
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(e) => {
                self.mistake(place, format!("'{key}': {e}"));
                None
            }
        }
    }

    /// A length of time in seconds.
    pub(super) fn seconds(&mut self, key: &str) -> Option<Duration> {
        let value = self.value(key)?;
        let given = value.as_f64().map(Duration::try_from_secs_f64);
        if let Some(Ok(duration)) = given {
            return Some(duration);
        }
        let shown = match &value {
            Value::Number(number) => number.to_string(),
            other => kind(other).to_owned(),
        };
        self.mistake(
            Place::of(key),
            format!("'{key}' must be a number of seconds, and is {shown}"),
        );
        None
    }

    /// A time limit; zero is none.
    fn limit(&mut self, key: &str) -> Option<Duration> {
        self.seconds(key).filter(|limit| !limit.is_zero())
    }

    pub(super) fn mistake(&mut self, place: Place, message: String) {
        self.remark(place, true, message);
    }

    pub(super) fn notice(&mut self, place: Place, message: String) {
        self.remark(place, false, message);
    }

    fn remark(&mut self, place: Place, mistake: bool, message: String) {
        self.remarks.push(Remark {
            place,
            mistake,
            message,
        });
    }

    /// Names the keys whose feature is not built yet.
    pub(super) fn later(&mut self) {
        for (state, keys) in KEYS {
            for key in *keys {
                let there = match state {
                    State::Later(_) | State::Inert(_) => self.value(key),
                    _ => None,
                };
                if let (Some(_), State::Later(feature)) = (there, state) {
                    let message = format!("'{key}' has no effect yet: {feature} is not built");
                    self.notice(Place::of(key).itself(), message);
                }
            }
        }
    }
}

impl RouterSettings {
    pub(super) fn limits(&mut self, reader: &mut Reader<'_>) {
        let timeouts = &mut self.router.timeouts;
        // The first is the name in `litellm_settings`.
        if let Some(given) = reader.limit("request_timeout") {
            timeouts.total = Some(given);
        }
        for (key, limit) in [
            ("timeout", &mut timeouts.total),
            ("stream_timeout", &mut timeouts.stream),
            ("first_byte_timeout", &mut timeouts.first_byte),
            ("stall_timeout", &mut timeouts.stall),
            ("deadline", &mut self.router.deadline),
        ] {
            if let Some(given) = reader.limit(key) {
                *limit = Some(given);
            }
        }
    }

    pub(super) fn streams(&mut self, reader: &mut Reader<'_>) {
        let key = "stream_failover";
        if let Some(name) = reader.take::<String>(key) {
            match name.parse() {
                Ok(failover) => self.router.stream_failover = failover,
                Err(why) => reader.mistake(Place::of(key), format!("'{key}': {why}")),
            }
        }
        if let Some(events) = reader.take("malformed_events") {
            self.router.malformed_events = events;
        }
    }

    pub(super) fn retries(&mut self, reader: &mut Reader<'_>) {
        let router = &mut self.router;
        if let Some(retries) = reader.take("num_retries") {
            router.num_retries = retries;
        }
        if let Some(wait) = reader.seconds("retry_after") {
            router.retry_after = wait;
        }
        if let Some(failover) = reader.take("enable_weighted_failover") {
            router.failover_in_group = failover;
        }
        if let Some(value) = reader.value("retry_policy") {
            let key = "retry_policy";
            router.retry_policy = policy(key, RETRIES, &value, &Place::of(key), reader);
        }
        let key = "model_group_retry_policy";
        if let Some(groups) = reader.value(key) {
            let place = Place::of(key);
            for (group, value) in mapping(key, &groups, &place, reader) {
                let place = place.key(group);
                self.mention(key, group, place.clone().itself(), Role::Condition);
                let policy = policy(key, RETRIES, value, &place, reader);
                let policies = &mut self.router.group_retry_policy;
                policies.insert(group.clone(), policy);
            }
        }
    }

    pub(super) fn health(&mut self, reader: &mut Reader<'_>) {
        let health = &mut self.router.health;
        if let Some(disabled) = reader.take("disable_cooldowns") {
            health.disabled = disabled;
        }
        // No time at all is no rest.
        if let Some(time) = reader.seconds("cooldown_time") {
            health.cooldown = time;
        }
        if let Some(allowed) = reader.take("allowed_fails") {
            health.allowed_fails = Some(allowed);
        }
        let key = "allowed_fails_policy";
        if let Some(value) = reader.value(key) {
            let policy = policy(key, ALLOWED_FAILS, &value, &Place::of(key), reader);
            health.allowed_fails_policy = policy;
        }
        self.checks(reader);
    }

    fn checks(&mut self, reader: &mut Reader<'_>) {
        let checks = &mut self.checks;
        if let Some(on) = reader.take("enable_health_check_routing") {
            checks.routing = Some(on);
        }
        if let Some(time) = reader.seconds("health_check_staleness_threshold") {
            checks.staleness = Some(time);
        }
        if let Some(on) = reader.take("health_check_ignore_transient_errors") {
            checks.ignore_transient = Some(on);
        }
        let key = "background_health_check_model_groups";
        let Some(groups) = reader.take::<Vec<String>>(key) else {
            return;
        };
        for (i, group) in groups.iter().enumerate() {
            let place = Place::of(key).item(i).itself();
            self.mention(key, group, place, Role::Condition);
        }
        self.checks.groups = Some(groups);
    }
}

/// Numbers by class of error, under names that are LiteLLM's classes with a suffix.
fn policy(
    key: &str,
    names: &[&str],
    value: &Value,
    place: &Place,
    reader: &mut Reader<'_>,
) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for (name, value) in mapping(key, value, place, reader) {
        let place = place.key(name);
        let class = name
            .strip_suffix("Retries")
            .or(name.strip_suffix("AllowedFails"))
            .filter(|_| names.contains(&name.as_str()));
        let Some(field) = class.and_then(|class| policy.of_class(class)) else {
            reader.notice(place.itself(), unknown(name, key, names));
            continue;
        };
        if let Some(number) = reader.typed(name, value.clone(), place) {
            *field = number;
        }
    }
    policy
}

/// What to say of a key that nobody knows.
pub(super) fn unknown(name: &str, within: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("unknown key '{name}' in {within}: did you mean '{near}'?"),
        None => format!("unknown key '{name}' in {within}: it has no effect"),
    }
}

/// The entries of a mapping; none, and a mistake, where it is something else.
pub(super) fn mapping<'v>(
    key: &str,
    value: &'v Value,
    place: &Place,
    reader: &mut Reader<'_>,
) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
    if !matches!(value, Value::Object(_) | Value::Null) {
        let found = kind(value);
        let message = format!("{key}: expected a mapping, and found {found}");
        reader.mistake(place.clone(), message);
    }
    value.as_object().into_iter().flatten()
}

/// The items of a list; none, and a mistake, where it is something else.
pub(super) fn items<'v>(
    key: &str,
    value: &'v Value,
    place: &Place,
    reader: &mut Reader<'_>,
) -> &'v [Value] {
    if !matches!(value, Value::Array(_) | Value::Null) {
        let found = kind(value);
        let message = format!("{key}: expected a list, and found {found}");
        reader.mistake(place.clone(), message);
    }
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
