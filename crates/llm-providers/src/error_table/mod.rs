//! Which class of error a vendor's refusal is: by its code, by its words, then by its status.
//!
//! The rules are data, in [`rules`]. Where LiteLLM's rules contradict a status that says it all, the status wins here:
//! 403 is always [`Kind::Denied`], 429 is always [`Kind::RateLimit`], and a 401 stays [`Kind::Auth`] though its body
//! says `invalid_request_error`.

mod rules;
mod said;
mod wait;

use http::StatusCode;
use serde_json::Value;

use crate::{Error, Kind, Reply};
use said::Said;

pub(crate) use said::cut;
pub(crate) use wait::rfc3339;

/// Headers in which vendors name a request.
const REQUEST_IDS: [&str; 9] = [
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "apim-request-id",
    "x-ms-request-id",
    "mistral-correlation-id",
    "x-databricks-request-id",
    "cf-ray",
];

/// Classifies a reply with a bad status.
pub fn classify(provider: &'static str, reply: &Reply) -> Error {
    let said = Said::read(&reply.body, reply.header("x-amzn-errortype"));
    let kind = rules::kind(provider, Some(reply.status), &said);
    let mut error = made(provider, kind, said, &reply.body);
    error.status = Some(reply.status);
    error.retry_after = wait::asked(reply);
    error.request_id = REQUEST_IDS
        .iter()
        .find_map(|name| reply.header(name))
        .map(str::to_owned)
        .or(error.request_id);
    if error.message.is_empty() {
        error.message = format!("the provider answered {} and said nothing", reply.status);
    }
    error.headers = Box::new(reply.headers.clone());
    error
}

/// The error that a reply of a good status is, if it is one: gateways answer 200 and say the rest in the body.
pub(crate) fn in_answer(provider: &'static str, reply: &Reply) -> Option<Error> {
    // Most answers are no errors, and need not be read twice to know that.
    let has = |word: &[u8]| memchr::memmem::find(&reply.body, word).is_some();
    if !has(b"\"error\"") && !has(b"\"base_resp\"") && !has(b"\"errors\"") {
        return None;
    }
    let mut error = in_frame(provider, &reply.body)?;
    error.headers = Box::new(reply.headers.clone());
    error.retry_after = wait::asked(reply);
    Some(error)
}

/// The error that one document is, if it is one: an event of a stream, or a body.
pub(crate) fn in_frame(provider: &'static str, body: &[u8]) -> Option<Error> {
    let json: Value = serde_json::from_slice(body).ok()?;
    if !said::is_error(&json) {
        return None;
    }
    let said = Said::of(&json, body, None);
    let status = said.status;
    let kind = match rules::kind(provider, status, &said) {
        // Without a status the fault is the vendor's until its words say otherwise.
        Kind::BadRequest if status.is_none() && !said.blames_request() => Kind::Upstream,
        kind => kind,
    };
    let mut error = made(provider, kind, said, body);
    error.status = status;
    Some(error)
}

/// An answer that is not what it must be: HTML, half a document, nothing.
pub(crate) fn unreadable(provider: &'static str, body: &[u8]) -> Error {
    let what = match body.trim_ascii() {
        b"" => "it is empty".to_owned(),
        text if text.starts_with(b"<") => format!("it is a page, not JSON: {}", start(text)),
        text => format!("it is not JSON: {}", start(text)),
    };
    let mut error = Error::decode(provider, what);
    error.body = Some(cut(body));
    error
}

fn start(body: &[u8]) -> String {
    const ENOUGH: usize = 200;
    String::from_utf8_lossy(&body[..body.len().min(ENOUGH)]).into_owned()
}

fn made(provider: &'static str, kind: Kind, said: Said, body: &[u8]) -> Error {
    let mut error = Error::new(kind, said.message).of(provider);
    error.param = said.param;
    error.code = said.code;
    error.request_id = said.request_id;
    error.body = Some(cut(body));
    error
}

/// What a status alone says.
fn by_status(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 => Kind::Auth,
        402 => Kind::PaymentRequired,
        403 => Kind::Denied,
        404 => Kind::NotFound,
        408 | 504 | 524 => Kind::Timeout,
        422 => Kind::Unprocessable,
        429 => Kind::RateLimit,
        502 => Kind::BadGateway,
        503 | 529 => Kind::Overloaded,
        500.. => Kind::Upstream,
        _ => Kind::BadRequest,
    }
}

#[cfg(test)]
mod tests;
