//! Answers and refusals as HTTP responses, with the headers that LiteLLM's clients read.

use std::{io::Write, sync::LazyLock, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH,
        CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, VARY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use llm_router::Trace;
use llm_sdk::{Body, Charge, Failure, Live as Session, Meta, Passed, PassedBody};

use crate::{
    body::ReplyBody,
    error::{Dialect, Refusal},
    passing, route_record,
    settings::Settings,
    sse::Events,
};

/// A reply to a client.
pub(crate) type Reply = Response<ReplyBody>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
/// Shorter answers are not worth compressing.
const WORTH_COMPRESSING: usize = 500;

/// How a client wants its answer.
pub(crate) struct Wanted<'a> {
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// The answer's body, compressed, where the client takes that.
    pub(crate) compressed: Option<Bytes>,
    /// A streamed answer as one JSON list.
    pub(crate) whole_list: bool,
}

/// An answer. `took` is the time so far.
pub(crate) fn answer(
    response: llm_sdk::Response,
    wanted: Wanted<'_>,
    settings: &Settings,
    took: Duration,
) -> Reply {
    let llm_sdk::Response { meta, body } = response;
    let explain = route_record::is_asked_for(wanted.headers);
    match body {
        Body::Whole {
            bytes,
            content_type,
            charge,
            ..
        } => {
            let is_compressed = wanted.compressed.is_some();
            let mut reply = Response::new(ReplyBody::whole(wanted.compressed.unwrap_or(bytes)));
            let headers = reply.headers_mut();
            describe(headers, &meta, &charge, took);
            if explain {
                show_way(headers, &meta.trace);
            }
            let content_type = match content_type.as_str() {
                "application/json" => JSON,
                other => HeaderValue::from_str(other).unwrap_or(JSON),
            };
            headers.insert(CONTENT_TYPE, content_type);
            if is_compressed {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
            }
            reply
        }
        Body::Bytes(bytes) => {
            let content_type = HeaderValue::from_str(bytes.content_type());
            let charge = bytes.charge().clone();
            let mut reply = Response::new(ReplyBody::bytes(bytes));
            let headers = reply.headers_mut();
            describe(headers, &meta, &charge, took);
            if explain {
                show_way(headers, &meta.trace);
            }
            let unknown = HeaderValue::from_static("application/octet-stream");
            headers.insert(CONTENT_TYPE, content_type.unwrap_or(unknown));
            if let Some(name) = meta.headers.get(CONTENT_DISPOSITION) {
                headers.insert(CONTENT_DISPOSITION, name.clone());
            }
            reply
        }
        Body::Stream(stream) => {
            let every = match Dialect::of(meta.op) {
                Dialect::Anthropic => settings.pings.anthropic,
                Dialect::OpenAi | Dialect::Google => settings.pings.openai,
            };
            let mut events = Events::new(stream, meta.op, meta.call_id.clone(), every);
            let mut content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
            if wanted.whole_list {
                events = events.in_a_list();
                content_type = JSON;
            }
            let mut reply = Response::new(ReplyBody::events(events));
            let headers = reply.headers_mut();
            describe(headers, &meta, &Charge::default(), took);
            if explain {
                show_way(headers, &meta.trace);
            }
            headers.insert(CONTENT_TYPE, content_type);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            reply
        }
    }
}

/// A vendor's own reply, whatever it says.
pub(crate) fn passed(passed: Passed, call_id: &str, took: Duration) -> Reply {
    let offered = passing::offered(&passed.headers);
    let length = passed.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let (body, charge) = match passed.body {
        PassedBody::Whole(bytes, charge) => (ReplyBody::whole(bytes), charge),
        PassedBody::Relay(relay, charge) => (ReplyBody::relay(relay, length), charge),
    };
    let mut reply = Response::new(body);
    *reply.status_mut() = passed.status;
    let headers = reply.headers_mut();
    *headers = offered;
    let base = &passed.deployment.target.base_url;
    let base = base.split('?').next().unwrap_or_default();
    text(headers, CALL_ID, call_id);
    for (name, value) in [
        ("x-litellm-model-id", passed.deployment.id.as_str()),
        ("x-litellm-model-name", passed.model.as_str()),
        ("x-litellm-model-api-base", base),
    ] {
        text(headers, HeaderName::from_static(name), value);
    }
    headers.insert(VERSION, version());
    if let Some(total) = charge.total() {
        text(headers, COST, &total.to_string());
        bill(headers, &charge);
    }
    let overhead = took.saturating_sub(passed.upstream);
    duration(headers, "x-litellm-response-duration-ms", took);
    duration(headers, "x-litellm-overhead-duration-ms", overhead);
    reply
}

/// Who a session is with.
pub(crate) fn describe_session(headers: &mut HeaderMap, session: &Session, call_id: &str) {
    text(headers, CALL_ID, call_id);
    for (name, value) in [
        ("x-litellm-model-id", session.deployment().id.as_str()),
        ("x-litellm-model-name", session.model()),
        ("x-litellm-model-group", session.group()),
    ] {
        text(headers, HeaderName::from_static(name), value);
    }
    headers.insert(VERSION, version());
}

/// A request that nobody answered.
pub(crate) fn failure(failure: &Failure, dialect: Dialect, explain: bool) -> Reply {
    let mut reply = refusal(
        &Refusal::failed(failure, explain),
        dialect,
        &failure.call_id,
    );
    let headers = reply.headers_mut();
    let trace = &failure.trace;
    number(headers, "x-litellm-attempted-retries", trace.retries());
    number(headers, "x-litellm-attempted-fallbacks", trace.fallbacks);
    number(headers, "x-litellm-max-retries", trace.max_retries);
    vendors(headers, &failure.error.headers);
    reply
}

/// The way a request went, for who asked for it.
pub(crate) fn show_way(headers: &mut HeaderMap, trace: &Trace) {
    if let Some(value) = route_record::header(trace) {
        headers.insert(HeaderName::from_static("x-interlingua-route"), value);
    }
}

/// A request that gets no answer.
pub(crate) fn refusal(refusal: &Refusal, dialect: Dialect, call_id: &str) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(refusal.body(dialect, Some(call_id))));
    *reply.status_mut() = refusal.status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    text(headers, CALL_ID, call_id);
    headers.insert(COST, HeaderValue::from_static("0"));
    headers.insert(VERSION, version());
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    for (name, value) in &refusal.headers {
        text(headers, HeaderName::from_static(name), value);
    }
    reply
}

/// A whole answer of our own.
pub(crate) fn json(body: &serde_json::Value, call_id: &str) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(body.to_string()));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    text(headers, CALL_ID, call_id);
    headers.insert(VERSION, version());
    reply
}

/// FastAPI's shape for what is no request at all: `{"detail": "Not Found"}`.
pub(crate) fn detail(status: StatusCode, detail: &str) -> Reply {
    let body = serde_json::json!({ "detail": detail }).to_string();
    let mut reply = Response::new(ReplyBody::whole(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// What every reply says to browsers.
pub(crate) fn secure(headers: &mut HeaderMap) {
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("frame-ancestors 'none'"));
}

/// Who answered, at what price, after which detours.
fn describe(headers: &mut HeaderMap, meta: &Meta, charge: &Charge, took: Duration) {
    headers.reserve(24 + 2 * meta.headers.len());
    let deployment = &meta.deployment;
    text(headers, CALL_ID, &meta.call_id);
    text(
        headers,
        HeaderName::from_static("x-litellm-model-id"),
        &deployment.id,
    );
    text(
        headers,
        HeaderName::from_static("x-litellm-model-name"),
        &meta.model,
    );
    text(
        headers,
        HeaderName::from_static("x-litellm-model-group"),
        &meta.group,
    );
    let base = &deployment.target.base_url;
    let base = base.split('?').next().unwrap_or_default();
    text(
        headers,
        HeaderName::from_static("x-litellm-model-api-base"),
        base,
    );
    headers.insert(VERSION, version());
    if let Some(total) = charge.total() {
        text(headers, COST, &total.to_string());
        bill(headers, charge);
    }
    let overhead = took.saturating_sub(meta.upstream);
    duration(headers, "x-litellm-response-duration-ms", took);
    duration(headers, "x-litellm-overhead-duration-ms", overhead);
    number(headers, "x-litellm-attempted-retries", meta.trace.retries());
    number(
        headers,
        "x-litellm-attempted-fallbacks",
        meta.trace.fallbacks,
    );
    if !meta.notices.is_empty() {
        let all: Vec<String> = meta
            .notices
            .iter()
            .map(|notice| format!("{}: {}", notice.param, notice.message))
            .collect();
        text(
            headers,
            HeaderName::from_static("x-interlingua-notices"),
            &all.join("; "),
        );
    }
    for (name, value) in meta.limits() {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    vendors(headers, &meta.headers);
}

/// What the price was before discount and margin, where there are any.
fn bill(headers: &mut HeaderMap, charge: &Charge) {
    let Some(adjusted) = &charge.adjusted else {
        return;
    };
    let (discount, margin) = (adjusted.discount_amount, adjusted.margin_total_amount);
    if discount.is_zero() && margin.is_zero() {
        return;
    }
    for (name, amount) in [
        ("x-litellm-response-cost-original", adjusted.original_cost),
        ("x-litellm-response-cost-discount-amount", discount),
        ("x-litellm-response-cost-margin-amount", margin),
    ] {
        text(headers, HeaderName::from_static(name), &amount.to_string());
    }
}

/// A vendor's header as one of ours. The usual names are made once: a name that is made anew is checked byte by byte.
fn marked(name: &HeaderName) -> Option<HeaderName> {
    const USUAL: [&str; 21] = [
        "alt-svc",
        "cf-cache-status",
        "cf-ray",
        "connection",
        "content-length",
        "content-type",
        "date",
        "openai-organization",
        "openai-processing-ms",
        "openai-version",
        "request-id",
        "server",
        "strict-transport-security",
        "transfer-encoding",
        "x-content-type-options",
        "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "x-request-id",
    ];
    static MARKED: LazyLock<[Option<HeaderName>; USUAL.len()]> = LazyLock::new(|| USUAL.map(mark));
    match USUAL.binary_search(&name.as_str()) {
        Ok(at) => MARKED.get(at).cloned().flatten(),
        Err(_) => mark(name.as_str()),
    }
}

fn mark(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(format!("llm_provider-{name}")).ok()
}

/// The vendor's own headers, marked as its own; its rate limits and request id also bare.
fn vendors(headers: &mut HeaderMap, theirs: &HeaderMap) {
    for (name, value) in theirs {
        if name == SET_COOKIE {
            continue;
        }
        let plain = name.as_str();
        if let Some(marked) = marked(name) {
            headers.append(marked, value.clone());
        }
        if plain.starts_with("x-ratelimit-") || plain == "request-id" {
            headers.append(name.clone(), value.clone());
        }
    }
}

fn text(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if value.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn number(headers: &mut HeaderMap, name: &'static str, value: u32) {
    let value = match value {
        0 => HeaderValue::from_static("0"),
        value => HeaderValue::from(value),
    };
    headers.insert(HeaderName::from_static(name), value);
}

fn duration(headers: &mut HeaderMap, name: &'static str, value: Duration) {
    if let Some(value) = millis(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Milliseconds with three digits after the point. Every reply has two of them, and a format string costs ten times as
/// much as dividing.
fn millis(value: Duration) -> Option<HeaderValue> {
    let mut rest = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
    // A `u64` has twenty digits at most.
    let mut text = [b'.'; 21];
    let mut from = text.len();
    for place in 1.. {
        from -= 1;
        if place == 4 {
            continue;
        }
        text[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 && place > 4 {
            break;
        }
    }
    HeaderValue::from_bytes(&text[from..]).ok()
}

fn version() -> HeaderValue {
    HeaderValue::from_static(env!("CARGO_PKG_VERSION"))
}

/// The bytes of an answer that is worth compressing, for a client that takes that. `asked` are the request's headers.
pub(crate) fn worth_compressing(body: &Body, asked: &HeaderMap) -> Option<Bytes> {
    let accept = asked.get(ACCEPT_ENCODING)?;
    match body {
        Body::Whole { bytes, .. } if bytes.len() >= WORTH_COMPRESSING => {
            takes_gzip(accept.as_bytes()).then(|| bytes.clone())
        }
        _ => None,
    }
}

/// The bytes, compressed.
pub(crate) async fn compressed(bytes: Bytes) -> Option<Bytes> {
    /// Longer ones would hold up the other requests of their thread.
    const LONG: usize = 256 << 10;
    if bytes.len() <= LONG {
        return gzip(&bytes);
    }
    let work = tokio::task::spawn_blocking(move || gzip(&bytes));
    work.await.ok().flatten()
}

fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let out = Vec::with_capacity(bytes.len() / 2);
    // The fastest level: a network that gains from a better one is slower than any gateway.
    let mut encoder = GzEncoder::new(out, Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// `gzip` in an `accept-encoding`, unless its quality is 0.
fn takes_gzip(accept: &[u8]) -> bool {
    let text = std::str::from_utf8(accept).unwrap_or_default();
    text.split(',').any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        let refused = quality
            .trim()
            .trim_start_matches("q=")
            .trim_matches(['0', '.', ' '])
            .is_empty();
        matches!(name.trim(), "gzip" | "*") && (quality.is_empty() || !refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_milliseconds() {
        for (micros, text) in [
            (0, "0.000"),
            (7, "0.007"),
            (999, "0.999"),
            (1000, "1.000"),
            (1_234_567, "1234.567"),
        ] {
            assert_eq!(millis(Duration::from_micros(micros)).unwrap(), text);
        }
        assert!(millis(Duration::MAX).is_some());
    }

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        for (accept, yes) in [
            ("gzip, deflate", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accept.as_bytes()), yes, "{accept}");
        }
    }
}
