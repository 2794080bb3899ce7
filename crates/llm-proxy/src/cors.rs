//! Which web pages may call: the browser asks first, and reads the answer's headers.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        ORIGIN, VARY,
    },
};

use crate::settings::Cors;

const METHODS: HeaderValue =
    HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-litellm-call-id, x-litellm-model-id, x-litellm-response-cost, x-litellm-semantic-filter, \
     x-litellm-semantic-filter-tools, x-litellm-adaptive-router-model, x-litellm-applied-guardrails, \
     x-litellm-guardrail-scan-id, x-litellm-guardrail-scan-metadata, x-litellm-cache-key",
);

/// Whether this is a browser's question before the request proper.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a browser's question.
pub(crate) fn preflight(cors: &Cors, asked: &HeaderMap, reply: &mut HeaderMap) -> StatusCode {
    let Some(origin) = allowed(cors, asked) else {
        return StatusCode::BAD_REQUEST;
    };
    grant(cors, origin, reply);
    reply.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    reply.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(headers) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        reply.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
    StatusCode::OK
}

/// Lets the page that asked read the answer.
pub(crate) fn decorate(cors: &Cors, origin: Option<&HeaderValue>, reply: &mut HeaderMap) {
    if let Some(origin) = origin.and_then(|origin| matching(cors, origin)) {
        grant(cors, origin, reply);
        reply.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn grant(cors: &Cors, origin: HeaderValue, reply: &mut HeaderMap) {
    if origin != "*" {
        reply.append(VARY, HeaderValue::from_static("Origin"));
    }
    reply.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if cors.credentials {
        reply.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
}

fn allowed(cors: &Cors, asked: &HeaderMap) -> Option<HeaderValue> {
    matching(cors, asked.get(ORIGIN)?)
}

/// What to allow for `origin`. A browser takes no `*` together with cookies, so then the page's own origin is named.
fn matching(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    if cors.origins.iter().any(|known| known == "*") {
        return Some(if cors.credentials {
            origin.clone()
        } else {
            HeaderValue::from_static("*")
        });
    }
    let known = cors.origins.iter().any(|known| origin == known.as_str());
    known.then(|| origin.clone())
}
