//! Bedrock's errors, in replies and inside streams.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{Error, Kind, Reply, error_table, frame::Frame};

/// The error that a reply with a bad status is.
pub(super) fn in_reply(provider: &'static str, reply: &Reply) -> Error {
    let mut error = error_table::classify(provider, reply);
    let header = reply.header("x-amzn-errortype");
    if let Some(name) = header.and_then(|text| text.split([':', ',']).next()) {
        named(&mut error, name);
    }
    said(&mut error, &reply.body);
    error
}

/// The error that an exception in a stream is.
pub(super) fn in_stream(provider: &'static str, frame: &Frame) -> Error {
    let name = frame.event();
    let reply = Reply {
        status: status(name, &frame.data),
        headers: HeaderMap::new(),
        body: frame.data.clone(),
    };
    let mut error = error_table::classify(provider, &reply);
    named(&mut error, name);
    said(&mut error, &frame.data);
    error
}

/// The status that the exception has outside of a stream.
fn status(name: &str, data: &[u8]) -> StatusCode {
    let said = serde_json::from_slice::<Value>(data).unwrap_or_default();
    let original = said.get("originalStatusCode").and_then(Value::as_u64);
    if let Some(status) = original
        .and_then(|code| u16::try_from(code).ok())
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|status| status.as_u16() >= 400)
    {
        return status;
    }
    match lower(name).as_str() {
        "validationexception" => StatusCode::BAD_REQUEST,
        "accessdeniedexception" => StatusCode::FORBIDDEN,
        "resourcenotfoundexception" => StatusCode::NOT_FOUND,
        "throttlingexception" | "servicequotaexceededexception" => StatusCode::TOO_MANY_REQUESTS,
        "modeltimeoutexception" => StatusCode::REQUEST_TIMEOUT,
        "serviceunavailableexception" | "modelnotreadyexception" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// AWS's own name for the error says more than its status.
fn named(error: &mut Error, name: &str) {
    if name.is_empty() {
        return;
    }
    let kind = match lower(name).as_str() {
        "throttlingexception" | "servicequotaexceededexception" => Some(Kind::RateLimit),
        "expiredtokenexception"
        | "unrecognizedclientexception"
        | "invalidsignatureexception"
        | "missingauthenticationtokenexception"
        | "incompletesignatureexception" => Some(Kind::Auth),
        "accessdeniedexception" => Some(Kind::Denied),
        "resourcenotfoundexception" => Some(Kind::NotFound),
        "modeltimeoutexception" => Some(Kind::Timeout),
        "serviceunavailableexception" | "modelnotreadyexception" | "internalserverexception" => {
            Some(Kind::Overloaded)
        }
        "modelerrorexception" | "modelstreamerrorexception" => Some(Kind::Upstream),
        _ => None,
    };
    if let Some(kind) = kind {
        error.kind = kind;
    }
    error.code = Some(name.to_owned());
}

/// What the words say, which no name does.
fn said(error: &mut Error, body: &[u8]) {
    if let Ok(Value::Object(body)) = serde_json::from_slice(body)
        && let Some(text) = body
            .get("message")
            .or_else(|| body.get("Message"))
            .and_then(Value::as_str)
    {
        error.message = text.to_owned();
    }
    let text = error.message.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let refused = matches!(
        error.kind,
        Kind::BadRequest | Kind::Unprocessable | Kind::Upstream
    );
    if refused
        && any(&[
            "too many input tokens",
            "input is too long",
            "prompt is too long",
            "expected maxlength:",
            "prompt: length: 1..",
            "maximum context length",
            "exceed context limit",
        ])
        || error.kind == Kind::BadRequest && any(&["too many tokens"])
    {
        error.kind = Kind::ContextWindow;
    } else if any(&[
        "security token included in the request is",
        "unable to locate credentials",
    ]) {
        error.kind = Kind::Auth;
    } else if error.status == Some(StatusCode::INTERNAL_SERVER_ERROR)
        && error.kind == Kind::Upstream
    {
        // LiteLLM: worth another try elsewhere.
        error.kind = Kind::Overloaded;
    }
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
