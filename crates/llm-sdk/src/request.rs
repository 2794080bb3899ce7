//! A request, with our own keys taken out of its body.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use llm_providers::{Body, CallOptions, Kind, Upload};
use llm_router::{Fallback, RetryPolicy, StreamFailover, Timeouts};
use llm_types::{JsonError, JsonObject, Map, Op, Verb};
use serde_json::Value;

use crate::Observer;

/// What is asked of an [`Engine`](crate::Engine).
#[derive(Debug)]
pub struct Request {
    /// The operation, in the client's dialect.
    pub op: Op,
    /// What of it.
    pub verb: Verb,
    /// The thing it is for, where it is for one that is kept.
    pub id: Option<String>,
    /// What goes into the address: pages and filters of lists.
    pub query: Vec<(String, String)>,
    /// The vendor that is asked, where no model says it.
    pub provider: Option<String>,
    /// The model as the client names it.
    pub model: String,
    /// The name to route by, where it is not the client's.
    pub route_as: Option<String>,
    /// The id of the deployment that is asked first, if it can be.
    pub prefer: Option<String>,
    /// Whether the body may name a key and an address of its own, over the deployment's: a program's may, a gateway's
    /// client's may not.
    pub own_place: bool,
    /// The body, without our own keys.
    pub body: JsonObject,
    /// The files that the body refers to: see [`llm_providers::Body`].
    pub files: Vec<Upload>,
    /// How parameters are treated.
    pub options: CallOptions,
    /// How the request is routed.
    pub route: RouteOptions,
    /// An id for logs and headers; made up where the client gives none.
    pub call_id: String,
    /// Whether `model` in answers is the name that was asked for, as a gateway's clients expect.
    pub restamp: bool,
    /// Who is told how it ended, exactly once.
    pub observer: Option<Arc<dyn Observer>>,
}

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

/// Keys of ours that are accepted and have no effect on a call: they belong to callers above, or to LiteLLM's insides.
const OURS: &[&str] = &[
    "litellm_call_id",
    "litellm_trace_id",
    "litellm_logging_obj",
    "litellm_parent_otel_span",
    "logger_fn",
    "no-log",
    "proxy_server_request",
    "caching",
    "cache",
    "cache_key",
    "preset_cache_key",
    "ttl",
    "s-maxage",
    "client",
    "shared_session",
    "ssl_verify",
    "ssl_certificate",
    "guardrails",
    "disable_global_guardrails",
    "max_budget",
    "budget_duration",
    "prompt_id",
    "prompt_variables",
    "prompt_label",
    "prompt_version",
    "use_litellm_proxy",
    "use_in_pass_through",
    "use_chat_completions_api",
    "cooldown_time",
    "default_fallbacks",
    "max_fallbacks",
    "retry_strategy",
    "model_list",
    "deployment_id",
    "litellm_credential_name",
    "rpm",
    "tpm",
    "order",
    "weight",
    "max_parallel_requests",
];

/// Parameters of the vendors' APIs, sorted. A request that consists of them, as most do, has none of ours.
const USUAL: [&str; 35] = [
    "dimensions",
    "encoding_format",
    "frequency_penalty",
    "function_call",
    "functions",
    "input",
    "instructions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
];

impl Request {
    /// Reads a body. The error names the key that is wrong.
    pub fn parse(op: Op, body: Bytes) -> Result<Self, JsonError> {
        Self::from_object(op, JsonObject::parse(&body)?)
    }

    /// Takes our own keys out of `body`.
    pub fn from_object(op: Op, body: JsonObject) -> Result<Self, JsonError> {
        let model: String = body
            .get("model")?
            .ok_or_else(|| JsonError::new("model", "is missing"))?;
        Self::made(op, Verb::Create, model, body)
    }

    /// The same of a body with files. Operations that have no model in their bodies need none here.
    pub fn from_body(op: Op, body: Body) -> Result<Self, JsonError> {
        let Body { mut fields, files } = body;
        if op.names_model() {
            let request = Self::from_object(op, fields)?;
            return Ok(Self { files, ..request });
        }
        let model = fields.take("model")?.unwrap_or_default();
        let request = Self::made(op, Verb::Create, model, fields)?;
        Ok(Self { files, ..request })
    }

    /// A request for what is kept: the file, batch, video, response or job `id`, or a list of them. A model in the body
    /// only says where to ask.
    pub fn resource(
        op: Op,
        verb: Verb,
        id: Option<String>,
        query: Vec<(String, String)>,
        mut body: JsonObject,
    ) -> Result<Self, JsonError> {
        let model = match verb.has_body() && op.names_model() {
            true => body.get("model")?,
            false => body.take("model")?,
        };
        let request = Self::made(op, verb, model.unwrap_or_default(), body)?;
        Ok(Self {
            id,
            query,
            ..request
        })
    }

    fn made(op: Op, verb: Verb, model: String, mut body: JsonObject) -> Result<Self, JsonError> {
        let is_placed = op.names_model() && verb == Verb::Create && op != Op::FineTuning;
        let provider = match is_placed {
            // With a model it is one of the parameters that say where the model is.
            true => None,
            false => body.get("custom_llm_provider")?,
        };
        let (options, route, call_id) = if body.iter().all(|(key, _)| is_usual(key)) {
            Default::default()
        } else {
            take_ours(op, &mut body)?
        };
        Ok(Self {
            op,
            verb,
            id: None,
            query: Vec::new(),
            provider,
            files: Vec::new(),
            model,
            route_as: None,
            prefer: None,
            own_place: false,
            body,
            options,
            route,
            call_id: call_id.unwrap_or_else(new_call_id),
            restamp: false,
            observer: None,
        })
    }

    /// Whether the answer is to be streamed.
    pub fn is_stream(&self) -> bool {
        self.body.is_true("stream")
    }
}

type Ours = (CallOptions, RouteOptions, Option<String>);

fn take_ours(op: Op, body: &mut JsonObject) -> Result<Ours, JsonError> {
    let options = CallOptions::take(body)?;
    let route = RouteOptions::take(op, body)?;
    let call_id = body.take("litellm_call_id")?;
    body.retain(|key, _| !OURS.contains(&key));
    Ok((options, route, call_id))
}

/// A fresh id for a request.
pub(crate) fn new_call_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl RouteOptions {
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
        let (caller, strategy) = (said("user_api_key_hash"), said("routing_strategy"));
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
            session,
            strategy,
            region: body.take("allowed_model_region")?,
            user_agent: None,
        })
    }
}

fn is_usual(key: &str) -> bool {
    USUAL.binary_search(&key).is_ok()
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

    #[test]
    fn what_is_usual_is_not_ours() {
        assert!(USUAL.is_sorted());
        let mut body = JsonObject::new();
        for key in USUAL {
            body.set_raw(key, "null");
        }
        let before = body.to_bytes();
        CallOptions::take(&mut body).expect("options");
        RouteOptions::take(Op::Chat, &mut body).expect("options");
        body.retain(|key, _| !OURS.contains(&key));
        assert_eq!(body.to_bytes(), before);
    }

    #[test]
    fn ours_are_taken_out() {
        for key in ["no-log", "metadata", "num_retries", "input_cost_per_token"] {
            let mut body = JsonObject::new();
            body.set_str("model", "m");
            body.set_raw(key, "null");
            let request = Request::from_object(Op::Chat, body).expect("a request");
            assert!(!request.body.contains(key), "{key}");
        }
    }

    fn route(body: &str) -> Result<RouteOptions, JsonError> {
        let request = Request::parse(Op::Chat, Bytes::from(body.to_owned()))?;
        assert_eq!(request.body.len(), 1, "our keys do not go to the vendor");
        Ok(request.route)
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
