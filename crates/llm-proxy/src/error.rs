//! What a client is told when it gets no answer, in the dialect it spoke.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use llm_providers::{Error, Kind};
use llm_sdk::Failure;
use llm_types::{JsonError, Op};
use serde_json::{Value, json};

/// A dialect's shape of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `{"error": {message, type, param, code}}`.
    OpenAi,
    /// `{"type": "error", "error": {type, message}}`.
    Anthropic,
    /// `{"error": {code, message, status}}`.
    Google,
}

impl Dialect {
    /// The dialect of an operation's clients.
    pub(crate) fn of(op: Op) -> Self {
        match op {
            Op::Messages | Op::CountTokens => Dialect::Anthropic,
            Op::GenerateContent => Dialect::Google,
            _ => Dialect::OpenAi,
        }
    }
}

/// A request that gets no answer: what its client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// OpenAI's `type`.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<Cow<'static, str>>,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
    /// The exception class of LiteLLM's SDK, for metrics.
    pub(crate) class: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// `detail`, where clients of OpenAI's routes get FastAPI's shape.
    pub(crate) detail: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
            class: "ProxyException",
            headers: Vec::new(),
            detail: None,
        }
    }

    /// A request that is wrong in `param`.
    pub(crate) fn bad(param: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
        }
    }

    /// A body that is not one JSON object, or has a field of the wrong type.
    pub(crate) fn json(error: JsonError) -> Self {
        if error.field.is_empty() {
            Self::bad(
                "request_body",
                format!("Invalid JSON payload: {}", error.message),
            )
        } else {
            Self::bad(error.field.clone(), error.to_string())
        }
    }

    /// Not now.
    pub(crate) fn later(message: &str) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "internal_server_error",
                message,
            )
        }
    }

    /// Something of ours broke.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_server_error",
            "Internal server error",
        )
    }

    /// What a failed request's client is told.
    pub(crate) fn failed(failure: &Failure, explain: bool) -> Self {
        let error = &failure.error;
        let asked = !failure.trace.attempts.is_empty();
        let mut message = if asked {
            describe(error)
        } else {
            error.message.clone()
        };
        if explain && asked {
            let name = show(&failure.requested);
            message.push_str(&format!(
                "\n\nInterlingua: model group '{name}' failed with the error above. "
            ));
            match &failure.fallback_error {
                None => message.push_str("No fallback was attempted."),
                Some(last) => {
                    let to = failure
                        .trace
                        .attempts
                        .last()
                        .map_or("", |attempt| attempt.group.as_str());
                    message.push_str(&format!(
                        "Fallback to {} also failed: {}",
                        show(to),
                        describe(last)
                    ));
                }
            }
        }
        Self::of(error, message)
    }

    /// What the client of a stream that broke is told.
    pub(crate) fn broken(error: &Error) -> Self {
        Self::of(error, describe(error))
    }

    fn of(error: &Error, message: String) -> Self {
        let status = error.status_code();
        Self {
            status,
            kind: kind(status),
            message,
            param: error.param.clone().map(Cow::Owned),
            retry_after: error.retry_after.map(|wait| wait.as_secs().max(1)),
            class: class(error.kind),
            headers: Vec::new(),
            detail: None,
        }
    }

    /// The body, in `dialect`.
    pub(crate) fn body(&self, dialect: Dialect, request_id: Option<&str>) -> Bytes {
        let json: Value = match dialect {
            Dialect::OpenAi if self.detail.is_some() => json!({"detail": self.detail}),
            Dialect::OpenAi => json!({"error": {
                "message": self.message, "type": self.kind, "param": self.param,
                "code": self.status.as_str(),
            }}),
            Dialect::Anthropic => {
                let mut body = json!({"type": "error", "error": {
                    "type": anthropic_kind(self.status), "message": self.message,
                }});
                if let Some(id) = request_id {
                    body["request_id"] = id.into();
                }
                body
            }
            Dialect::Google => json!({"error": {
                "code": self.status.as_u16(), "message": self.message,
                "status": google_status(self.status),
            }}),
        };
        json.to_string().into()
    }
}

impl From<llm_governance::Refusal> for Refusal {
    fn from(refusal: llm_governance::Refusal) -> Self {
        Self {
            param: refusal.param,
            retry_after: refusal.retry_after,
            headers: refusal.headers,
            detail: refusal.detail,
            class: match refusal.kind {
                "budget_exceeded" => "BudgetExceededError",
                "throttling_error" => "RateLimitError",
                _ => "ProxyException",
            },
            ..Self::new(refusal.status, refusal.kind, refusal.message)
        }
    }
}

/// OpenAI's `type` for a status, as LiteLLM has them.
fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 => "timeout_error",
        429 => "throttling_error",
        501 => "unsupported_operation",
        500.. => "internal_server_error",
        _ => "invalid_request_error",
    }
}

/// Anthropic's `type` for a status.
fn anthropic_kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Google's name for a status.
fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// LiteLLM's exception class.
pub(crate) fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::UnsupportedParams | Kind::Unsupported => "UnsupportedParamsError",
        Kind::Auth => "AuthenticationError",
        Kind::Denied => "PermissionDeniedError",
        Kind::NotFound => "NotFoundError",
        Kind::ContextWindow => "ContextWindowExceededError",
        Kind::ContentPolicy => "ContentPolicyViolationError",
        Kind::Unprocessable => "UnprocessableEntityError",
        Kind::RateLimit => "RateLimitError",
        Kind::Timeout => "Timeout",
        Kind::Connection => "APIConnectionError",
        Kind::Overloaded => "ServiceUnavailableError",
        Kind::BadGateway => "BadGatewayError",
        Kind::Upstream => "InternalServerError",
        Kind::Decode | Kind::PaymentRequired => "APIError",
        _ => "BadRequestError",
    }
}

/// `litellm.RateLimitError: OpenAIException - slow down`: the wording that LiteLLM's users match on.
fn describe(error: &Error) -> String {
    let class = class(error.kind);
    match error.provider {
        "" => format!("litellm.{class}: {}", error.message),
        provider => format!(
            "litellm.{class}: {}Exception - {}",
            vendor(provider),
            error.message
        ),
    }
}

fn vendor(name: &str) -> String {
    if name == "openai" {
        return "OpenAI".to_owned();
    }
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// A name from a request, fit for a message: no control characters, not endless.
pub(crate) fn show(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte);
    if name.len() <= 200 && name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    let mut shown: String = name
        .chars()
        .take(200)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    Cow::Owned(shown)
}
