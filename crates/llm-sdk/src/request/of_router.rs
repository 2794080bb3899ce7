//! What a router's settings say of a single call: those of a key or a team, where a gateway keeps such.

use llm_router::strategy;
use llm_types::{JsonError, JsonObject, Map, Op};
use serde_json::Value;

use super::RouteOptions;

/// The keys of `router_settings` that a single call may have of its own, sorted; and whether a request's body may have
/// them, too.
const KEYS: [(&str, bool); 16] = [
    ("content_policy_fallbacks", true),
    ("context_window_fallbacks", true),
    ("deadline", true),
    ("enable_tag_filtering", true),
    ("fallbacks", true),
    ("first_byte_timeout", true),
    ("max_retries", true),
    ("model_group_alias", false),
    ("model_group_retry_policy", false),
    ("num_retries", true),
    ("retry_policy", true),
    ("routing_strategy", false),
    ("stall_timeout", true),
    ("stream_failover", true),
    ("stream_timeout", true),
    ("timeout", true),
];

const LISTS: [&str; 3] = [
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
];

impl RouteOptions {
    /// Takes over what `settings` say of calls to `model`, where the request says nothing. What a router does for all
    /// calls together is passed over.
    pub fn fill(&mut self, model: &str, settings: &Map) -> Result<(), JsonError> {
        let own = Self::said_of(model, settings)?;
        if self.num_retries.is_none() && self.retry_policy == Default::default() {
            self.retry_policy = own.retry_policy;
        }
        self.num_retries = self.num_retries.or(own.num_retries);
        if self.timeouts.total.is_none() {
            self.timeouts = self.timeouts.or(own.timeouts);
        } else {
            // A time limit of the request holds for its streams, too.
            let stream = self.timeouts.stream;
            self.timeouts = self.timeouts.or(own.timeouts);
            self.timeouts.stream = stream;
        }
        self.deadline = self.deadline.or(own.deadline);
        self.stream_failover = self.stream_failover.or(own.stream_failover);
        self.tag_filtering |= own.tag_filtering;
        if self.strategy.is_none() {
            self.strategy = own.strategy;
        }
        for (list, own) in [
            (&mut self.fallbacks, own.fallbacks),
            (&mut self.window_fallbacks, own.window_fallbacks),
            (&mut self.policy_fallbacks, own.policy_fallbacks),
        ] {
            if list.is_none() {
                *list = own;
            }
        }
        Ok(())
    }

    /// The model that a name stands for by `settings` (`model_group_alias`).
    pub fn alias<'a>(name: &str, settings: &'a Map) -> Option<&'a str> {
        let target = settings.get("model_group_alias")?.get(name)?;
        target.as_str().or_else(|| target.get("model")?.as_str())
    }

    /// What is wrong with `settings`, or else which of their keys say nothing of a single call.
    pub fn check(settings: &Value) -> Result<Vec<String>, JsonError> {
        let Some(settings) = settings.as_object() else {
            return Err(JsonError::new("", "expected an object"));
        };
        Self::said_of("", settings)?;
        let lists = LISTS
            .iter()
            .filter_map(|key| settings.get(*key)?.as_array());
        let groups = lists.flatten().filter_map(Value::as_object).flatten();
        for (group, _) in groups {
            Self::said_of(group, settings)?;
        }
        check_aliases(settings)?;
        let policies = settings.get("model_group_retry_policy");
        for group in policies.and_then(Value::as_object).into_iter().flatten() {
            Self::said_of(group.0, settings)?;
        }
        let idle = settings
            .iter()
            .filter(|(key, value)| !value.is_null() && in_body(key).is_none());
        Ok(idle
            .map(|(key, _)| {
                format!("'router_settings.{key}' has no effect: it is no setting of a single call")
            })
            .collect())
    }

    fn said_of(model: &str, settings: &Map) -> Result<Self, JsonError> {
        let mut body = JsonObject::new();
        body.set_str("model", model);
        for (key, value) in settings {
            if in_body(key) == Some(true) && !value.is_null() {
                body.set(key.clone(), value);
            }
        }
        match settings.get("model_group_retry_policy") {
            None | Some(Value::Null) => {}
            Some(Value::Object(policies)) => {
                if let Some(policy) = policies.get(model) {
                    body.set("retry_policy", policy);
                }
            }
            Some(_) => return Err(JsonError::new("model_group_retry_policy", "expected a map")),
        }
        let mut said = Self::take(Op::Chat, &mut body)?;
        said.strategy = match settings.get("routing_strategy") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) if strategy::named(name, &Map::new()).is_ok() => {
                Some(name.clone())
            }
            Some(_) => {
                let message = format!("expected one of {}", strategy::NAMES.join(", "));
                return Err(JsonError::new("routing_strategy", message));
            }
        };
        Ok(said)
    }
}

/// Whether a body may have this key of `router_settings`; `None` if a single call may not have it.
fn in_body(key: &str) -> Option<bool> {
    let at = KEYS.binary_search_by_key(&key, |(name, _)| name);
    at.ok().map(|at| KEYS[at].1)
}

fn check_aliases(settings: &Map) -> Result<(), JsonError> {
    let aliases = match settings.get("model_group_alias") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(aliases)) => aliases,
        Some(_) => return Err(JsonError::new("model_group_alias", "expected a map")),
    };
    for name in aliases.keys() {
        if RouteOptions::alias(name, settings).is_none() {
            let place = format!("model_group_alias.{name}");
            return Err(JsonError::new(place, "expected a model's name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_is_said_first_holds() {
        let key = map(
            json!({"num_retries": 1, "fallbacks": [{"a": ["b"]}], "routing_strategy": "least-busy"}),
        );
        let team = map(
            json!({"num_retries": 2, "timeout": 3, "fallbacks": [{"a": ["c"]}], "stream_failover": "off"}),
        );
        let mut route = RouteOptions::default();
        route.fill("a", &key).unwrap();
        route.fill("a", &team).unwrap();
        assert_eq!(route.num_retries, Some(1));
        assert_eq!(route.timeouts.total, Some(Duration::from_secs(3)));
        assert_eq!(route.fallbacks.unwrap()[0].group, "b");
        assert_eq!(route.strategy.as_deref(), Some("least-busy"));
        assert!(route.stream_failover.is_some());
    }

    #[test]
    fn what_a_request_says_is_not_undone_by_a_narrower_word() {
        let settings =
            map(json!({"stream_timeout": 60, "retry_policy": {"TimeoutErrorRetries": 5}}));
        let mut route = RouteOptions {
            num_retries: Some(0),
            ..RouteOptions::default()
        };
        route.timeouts.total = Some(Duration::from_secs(5));
        route.fill("a", &settings).unwrap();
        assert_eq!(route.timeouts.stream, None);
        assert_eq!(route.retry_policy, Default::default());
    }

    #[test]
    fn each_mistake_is_named_by_its_place() {
        assert!(KEYS.is_sorted());
        for (wrong, place) in [
            (json!([]), ""),
            (json!({"num_retries": "x"}), "num_retries"),
            (json!({"timeout": -1}), "timeout"),
            (json!({"routing_strategy": "fastest"}), "routing_strategy"),
            (json!({"fallbacks": [{"a": "b"}]}), "fallbacks[0].a"),
            (json!({"fallbacks": [{"a": [7]}]}), "fallbacks[0].a[0]"),
            (
                json!({"model_group_alias": {"a": 7}}),
                "model_group_alias.a",
            ),
            (
                json!({"model_group_retry_policy": {"a": {"xRetries": 1}}}),
                "retry_policy.xRetries",
            ),
        ] {
            let error = RouteOptions::check(&wrong).unwrap_err();
            assert_eq!(error.field, place, "{wrong}");
        }
        let notices =
            RouteOptions::check(&json!({"cooldown_time": 5, "num_retries": null, "timeout": 1}))
                .unwrap();
        assert_eq!(notices.len(), 1);
        assert!(notices[0].contains("router_settings.cooldown_time"));
    }
}
