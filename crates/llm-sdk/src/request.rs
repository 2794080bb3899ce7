//! A request, with our own keys taken out of its body.

mod of_router;
mod route;

use std::sync::Arc;

use bytes::Bytes;
use llm_providers::{Body, CallOptions, Upload};
use llm_types::{JsonError, JsonObject, Op, Verb};

use crate::{Observer, beside};

pub use route::RouteOptions;
pub(crate) use route::{Mock, mock};

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
    /// Whether the body may name a key and an address of its own, over the deployment's.
    pub own_place: OwnPlace,
    /// The body, without our own keys.
    pub body: JsonObject,
    /// The files that the body refers to: see [`llm_providers::Body`].
    pub files: Vec<Upload>,
    /// How parameters are treated.
    pub options: CallOptions,
    /// How the request is routed.
    pub route: Box<RouteOptions>,
    /// An id for logs and headers; made up where the client gives none.
    pub call_id: String,
    /// Whether `model` in answers is the name that was asked for, as a gateway's clients expect.
    pub restamp: bool,
    /// Who is told how it ended, exactly once.
    pub observer: Option<Arc<dyn Observer>>,
}

/// What becomes of a key and an address that a body names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OwnPlace {
    /// They are no more than any other parameter.
    #[default]
    Refused,
    /// They go before the deployment's, word for word: nothing of this process can be named, and what comes of it says
    /// nothing of the deployment. So a stranger's are.
    Literal,
    /// They go before the deployment's, and may name variables and files of this process. So a program's own are.
    Trusted,
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
    pub fn from_object(op: Op, mut body: JsonObject) -> Result<Self, JsonError> {
        if let Some(model) = body.get::<String>("model")? {
            return Self::made(op, Verb::Create, model, body);
        }
        if op != Op::Search {
            return Err(JsonError::new("model", "is missing"));
        }
        let (model, route_as) = beside::searched(&mut body)?;
        body.set_str("model", &model);
        let request = Self::made(op, Verb::Create, model, body)?;
        Ok(Self {
            route_as,
            ..request
        })
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
            own_place: OwnPlace::Refused,
            body,
            options,
            route: Box::new(route),
            call_id: call_id.unwrap_or_else(new_call_id),
            restamp: false,
            observer: None,
        })
    }

    /// Whether the answer is to be streamed.
    pub fn is_stream(&self) -> bool {
        self.body.is_true("stream") || streams_again(self.op, self.verb, &self.query)
    }
}

/// Whether a response that was begun earlier is to be streamed once more.
pub(crate) fn streams_again(op: Op, verb: Verb, query: &[(String, String)]) -> bool {
    let asks = |(name, value): &(String, String)| name == "stream" && value == "true";
    op == Op::Responses && verb == Verb::Get && query.iter().any(asks)
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

fn is_usual(key: &str) -> bool {
    USUAL.binary_search(&key).is_ok()
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
}
