//! How a request says that it is to be routed.

use std::{collections::BTreeMap, time::Duration};

use llm_providers::Kind;
use llm_router::{Fallback, RetryPolicy, StreamFailover, Timeouts};
use llm_types::{JsonError, JsonObject, Map, Op};
use serde_json::Value;

use crate::Owner;

/// LiteLLM's keys that steer routing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteOptions {
    /// Attempts after the first.
    pub num_retries: Option<u32>,
    /// Attempts after the first by class of error.
    pub retry_policy: RetryPolicy,
    /// Where to go when the group fails.
    pub fallbacks: Option<Vec<Fallback>>,
    /// `context_window_fallback_dict`: where to go when the prompt is too long for a model.
    pub context_window_fallbacks: BTreeMap<String, String>,
    /// `context_window_fallbacks`: where to go when the prompt is too long for the group.
    pub window_fallbacks: Option<Vec<Fallback>>,
    /// `content_policy_fallbacks`: where to go when the content is refused.
    pub policy_fallbacks: Option<Vec<Fallback>>,
    /// No fallbacks at all.
    pub disable_fallbacks: bool,
    /// How long the request may take with all its attempts, waits and fallbacks.
    pub deadline: Option<Duration>,
    /// Lower goes first where requests wait in line.
    pub priority: Option<i64>,
    /// The first group fails in this way, for a rehearsal.
    pub rehearse: Option<Kind>,
    /// The trace says what each candidate was worth.
    pub explain: bool,
    /// `model_info`, with the prices and the `base_model` that the request itself names.
    pub model_info: Map,
    /// Time limits.
    pub timeouts: Timeouts,
    /// What happens to a stream that breaks after its first event.
    pub stream_failover: Option<StreamFailover>,
    /// A canned answer instead of a call.
    pub mock: Option<Mock>,
    /// `metadata` and `litellm_metadata`, for logs.
    pub metadata: Map,
    /// Tags for routing and spend.
    pub tags: Vec<String>,
    /// Those of them that come with the caller's key or team.
    pub inherited_tags: Vec<String>,
    /// `enable_tag_filtering`: tags decide even where the router's settings do not say so.
    pub tag_filtering: bool,
    /// Who calls, by a key or an account that nobody can make up.
    pub caller: Option<String>,
    /// The team that calls, where somebody vouches for it: `user_api_key_team_id` of the metadata.
    pub team: Option<String>,
    /// `_router_weights`: shares of the traffic for this request, by group and deployment.
    pub weights: BTreeMap<String, BTreeMap<String, f64>>,
    /// Who is asked for later, by what goes on after the request: the lines of a batch. In the words of whoever runs the
    /// engine, who reads them again (`Clerk::admit`).
    pub owner: Option<String>,
    /// Under whose name it keeps things here, and whose it may see.
    pub whose: Owner,
    /// `litellm_session_id`, or `session_id` of the metadata: the conversation it belongs to.
    pub session: Option<String>,
    /// `routing_strategy` of the metadata: another strategy for this request.
    pub strategy: Option<String>,
    /// `allowed_model_region`: where the answer must come from.
    pub region: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
}

/// A canned answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mock {
    /// `mock_response`: a text, a whole answer, or the name of an error.
    pub response: Option<Value>,
    /// `mock_tool_calls`.
    pub tool_calls: Option<Value>,
    /// `mock_timeout`: waits as long as the request may take, then fails.
    pub timeout: bool,
    /// `mock_delay`: waits first.
    pub delay: Option<Duration>,
}

impl Mock {
    /// What describes a canned answer.
    pub(crate) const KEYS: [&str; 4] = [
        "mock_response",
        "mock_tool_calls",
        "mock_timeout",
        "mock_delay",
    ];
}

impl RouteOptions {
    /// Whether other groups are named here.
    pub fn names_fallbacks(&self) -> bool {
        let lists = [
            &self.fallbacks,
            &self.window_fallbacks,
            &self.policy_fallbacks,
        ];
        lists.into_iter().any(Option::is_some) || !self.context_window_fallbacks.is_empty()
    }

    /// Nobody but the group that is asked for may answer.
    pub fn stay(&mut self) {
        self.disable_fallbacks = true;
        self.context_window_fallbacks.clear();
    }

    /// Takes the routing keys out of a body. `metadata` stays where it is part of the vendor's API.
    pub fn take(op: Op, body: &mut JsonObject) -> Result<Self, JsonError> {
        let timeout: Option<f64> = body.take("timeout")?;
        let request_timeout: Option<f64> = body.take("request_timeout")?;
        let retries: Option<u32> = body.take("num_retries")?;
        let mut metadata: Map = body.take("litellm_metadata")?.unwrap_or_default();
        if takes_metadata(op, body) {
            metadata.extend(body.take::<Map>("metadata")?.unwrap_or_default());
        }
        let said = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let list = |key: &str| serde_json::from_value(metadata.get(key)?.clone()).ok();
        let session = body.take("litellm_session_id")?;
        let session = session.or_else(|| said("session_id"));
        let (caller, team) = (said("user_api_key_hash"), said("user_api_key_team_id"));
        let strategy = said("routing_strategy");
        let inherited_tags = list("inherited_tags").unwrap_or_default();
        let tags: Option<Vec<String>> = body.take("tags")?;
        let tags = tags
            .or_else(|| serde_json::from_value(metadata.get("tags")?.clone()).ok())
            .unwrap_or_default();
        Ok(Self {
            num_retries: retries.or(body.take("max_retries")?),
            retry_policy: retry_policy(body)?,
            fallbacks: fallbacks("fallbacks", body)?,
            window_fallbacks: fallbacks("context_window_fallbacks", body)?,
            policy_fallbacks: fallbacks("content_policy_fallbacks", body)?,
            deadline: seconds("deadline", body.take("deadline")?)?,
            priority: body.take("priority")?,
            rehearse: rehearsal(body)?,
            explain: false,
            context_window_fallbacks: body
                .take("context_window_fallback_dict")?
                .unwrap_or_default(),
            model_info: model_info(body)?,
            disable_fallbacks: body.take("disable_fallbacks")?.unwrap_or_default(),
            timeouts: Timeouts {
                total: seconds("timeout", timeout.or(request_timeout))?,
                stream: seconds("stream_timeout", body.take("stream_timeout")?)?,
                first_byte: seconds("first_byte_timeout", body.take("first_byte_timeout")?)?,
                stall: seconds("stall_timeout", body.take("stall_timeout")?)?,
            },
            stream_failover: stream_failover(body)?,
            mock: mock(body)?,
            metadata,
            tags,
            inherited_tags,
            tag_filtering: body.take("enable_tag_filtering")?.unwrap_or_default(),
            caller,
            team,
            weights: weights(body)?,
            owner: None,
            whose: Owner::default(),
            session,
            strategy,
            region: body.take("allowed_model_region")?,
            user_agent: None,
        })
    }
}

impl RouteOptions {
    /// Forgets what the request says of its own key and team: for who finds that out better.
    pub fn distrust(&mut self) {
        self.caller = None;
        self.team = None;
        self.inherited_tags.clear();
    }
}

/// Whether a key has a price's name, whatever it is for.
fn is_price(key: &str) -> bool {
    key.len() > "cost_per_".len() && (key.contains("cost_per_") || key.contains("_token_cost"))
}

/// Whether `metadata` is LiteLLM's; elsewhere it is part of the vendor's API.
fn takes_metadata(op: Op, body: &JsonObject) -> bool {
    matches!(op, Op::Chat | Op::Completion | Op::Embedding) && !body.is_true("store")
}

fn retry_policy(body: &mut JsonObject) -> Result<RetryPolicy, JsonError> {
    let given: BTreeMap<String, Option<u32>> = body.take("retry_policy")?.unwrap_or_default();
    let mut policy = RetryPolicy::default();
    for (key, retries) in given {
        let class = key.strip_suffix("Retries").unwrap_or_default();
        match policy.of_class(class) {
            Some(field) => *field = retries,
            None => {
                let message = "is no class of errors with 'Retries' at its end";
                return Err(JsonError::new(format!("retry_policy.{key}"), message));
            }
        }
    }
    Ok(policy)
}

fn weights(body: &mut JsonObject) -> Result<BTreeMap<String, BTreeMap<String, f64>>, JsonError> {
    const KEY: &str = "_router_weights";
    let given: BTreeMap<String, BTreeMap<String, f64>> = body.take(KEY)?.unwrap_or_default();
    for (group, weights) in &given {
        if let Some((id, _)) = weights.iter().find(|(_, weight)| **weight < 0.0) {
            let message = "a weight cannot be negative";
            return Err(JsonError::new(format!("{KEY}.{group}.{id}"), message));
        }
    }
    Ok(given)
}

/// A list of fallbacks: names, objects with a `model` and what changes with it, or the lists of a configuration, of which
/// the asked model's counts.
fn fallbacks(key: &str, body: &mut JsonObject) -> Result<Option<Vec<Fallback>>, JsonError> {
    let Some(items) = body.take::<Vec<Value>>(key)? else {
        return Ok(None);
    };
    let model = body.str("model").unwrap_or_default();
    let mut all = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        let lists = match &item {
            Value::Object(map) if !map.contains_key("model") => map.clone(),
            _ => {
                all.push(fallback(item, || format!("{key}[{i}]"))?);
                continue;
            }
        };
        for (group, list) in lists {
            let place = format!("{key}[{i}].{group}");
            let Value::Array(list) = list else {
                return Err(JsonError::new(place, "expected a list of model names"));
            };
            if group != model && group != "*" {
                continue;
            }
            for (n, target) in list.into_iter().enumerate() {
                all.push(fallback(target, || format!("{place}[{n}]"))?);
            }
        }
    }
    Ok(Some(all))
}

fn fallback(value: Value, place: impl Fn() -> String) -> Result<Fallback, JsonError> {
    match value {
        Value::String(group) => Ok(Fallback::to(group)),
        Value::Object(mut map) => match map.remove("model") {
            Some(Value::String(group)) => Ok(Fallback {
                group,
                overrides: map,
            }),
            _ => Err(JsonError::new(
                format!("{}.model", place()),
                "expected a model name",
            )),
        },
        _ => Err(JsonError::new(
            place(),
            "expected a model name or an object with one",
        )),
    }
}

/// LiteLLM's rehearsals: the first group fails in this way without being asked.
fn rehearsal(body: &mut JsonObject) -> Result<Option<Kind>, JsonError> {
    let mut kind = None;
    for (key, named) in [
        ("mock_testing_fallbacks", Kind::Upstream),
        ("mock_testing_context_fallbacks", Kind::ContextWindow),
        ("mock_testing_content_policy_fallbacks", Kind::ContentPolicy),
        ("mock_testing_rate_limit_error", Kind::RateLimit),
    ] {
        if body.take::<bool>(key)? == Some(true) {
            kind = Some(named);
        }
    }
    Ok(kind)
}

fn stream_failover(body: &mut JsonObject) -> Result<Option<StreamFailover>, JsonError> {
    let name = body.take::<String>("stream_failover")?;
    let read = |name: String| {
        name.parse()
            .map_err(|e: String| JsonError::new("stream_failover", e))
    };
    name.map(read).transpose()
}

/// What the request says of its model: prices are named alike in LiteLLM's table, whatever they are for.
fn model_info(body: &mut JsonObject) -> Result<Map, JsonError> {
    let mut info: Map = body.take("model_info")?.unwrap_or_default();
    let prices: Vec<String> = body
        .iter()
        .map(|(key, _)| key)
        .filter(|key| matches!(*key, "base_model" | "tiered_pricing") || is_price(key))
        .map(str::to_owned)
        .collect();
    for key in prices {
        if let Some(value) = body.take::<Value>(&key)? {
            info.insert(key, value);
        }
    }
    Ok(info)
}

/// Takes what describes a canned answer.
pub(crate) fn mock(body: &mut JsonObject) -> Result<Option<Mock>, JsonError> {
    let mock = Mock {
        response: body.take("mock_response")?,
        tool_calls: body.take("mock_tool_calls")?,
        timeout: body.take("mock_timeout")?.unwrap_or_default(),
        delay: seconds("mock_delay", body.take("mock_delay")?)?,
    };
    Ok(Some(mock).filter(|mock| *mock != Mock::default()))
}

fn seconds(key: &str, value: Option<f64>) -> Result<Option<Duration>, JsonError> {
    match value.map(Duration::try_from_secs_f64) {
        None => Ok(None),
        Some(Ok(duration)) if duration > Duration::ZERO => Ok(Some(duration)),
        Some(_) => Err(JsonError::new(key, "expected a number of seconds above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    fn route(body: &str) -> Result<RouteOptions, JsonError> {
        let request = Request::parse(Op::Chat, bytes::Bytes::from(body.to_owned()))?;
        assert_eq!(request.body.len(), 1, "our keys do not go to the vendor");
        Ok(*request.route)
    }

    #[test]
    fn fallbacks_come_in_both_of_litellms_shapes() {
        let listed = route(
            r#"{"model":"a","fallbacks":["b",{"model":"c","seed":1}],"content_policy_fallbacks":[{"a":["d"]},{"x":["e"]}]}"#,
        )
        .unwrap();
        let fallbacks = listed.fallbacks.unwrap();
        assert_eq!((fallbacks[0].group.as_str(), fallbacks.len()), ("b", 2));
        assert_eq!(fallbacks[1].overrides["seed"], 1);
        assert_eq!(listed.policy_fallbacks, Some(vec![Fallback::to("d")]));
        for wrong in [
            r#"[7]"#,
            r#"[{"a":"b"}]"#,
            r#"[{"a":[{"seed":1}]}]"#,
            r#""b""#,
        ] {
            let body = format!(r#"{{"model":"a","fallbacks":{wrong}}}"#);
            assert!(route(&body).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_brings_its_own_weights_and_says_for_which_team_it_comes() {
        let mut route = route(
            r#"{"model":"a","_router_weights":{"a":{"x":0.5,"y":2}},
                "metadata":{"user_api_key_team_id":"t","user_api_key_hash":"k"}}"#,
        )
        .unwrap();
        assert_eq!(route.weights["a"]["y"], 2.0);
        assert_eq!(
            (route.team.as_deref(), route.caller.as_deref()),
            (Some("t"), Some("k"))
        );
        route.distrust();
        assert_eq!((route.team, route.caller), (None, None));
        let negative = super::tests::route(r#"{"model":"a","_router_weights":{"a":{"x":-1}}}"#);
        let error = negative.unwrap_err().to_string();
        assert!(error.contains("_router_weights.a.x"), "{error}");
    }

    #[test]
    fn rehearsals_and_limits_are_taken_out() {
        let route = route(
            r#"{"model":"a","mock_testing_content_policy_fallbacks":true,"mock_testing_fallbacks":false,"deadline":2.5,"priority":-1}"#,
        )
        .unwrap();
        assert_eq!(route.rehearse, Some(Kind::ContentPolicy));
        assert_eq!(route.deadline, Some(Duration::from_millis(2500)));
        assert_eq!(route.priority, Some(-1));
    }
}
