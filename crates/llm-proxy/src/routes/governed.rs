//! The management routes, mounted: governance has them as data.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use http_body_util::{BodyExt, Limited};
use llm_governance::{
    Access, Caller, Raw, Route,
    routes::{Content, Verb},
};
use serde_json::{Map, Value};

use super::pages::{Refused, Shared, json_reply};
use crate::{
    auth,
    door::{Door, Peer, may_call},
    error::Refusal,
    pairs,
    state::Gateway,
};

/// The longest body of an administrative request.
const LONGEST: usize = 4 << 20;

/// What pages send without a script.
const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The header in which a client says for whom it changes something.
const CHANGED_BY: &str = "litellm-changed-by";

/// Every management route with its path.
pub(crate) fn all() -> impl Iterator<Item = (&'static Route, MethodRouter<Arc<Gateway>>)> {
    llm_governance::routes::all().map(|route| {
        let handler =
            move |State(gateway): Shared, request: Request| answer(gateway, route, request);
        (route, on(filter(route.method), handler))
    })
}

pub(super) fn filter(verb: Verb) -> MethodFilter {
    match verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Delete => MethodFilter::DELETE,
    }
}

async fn answer(
    gateway: Arc<Gateway>,
    route: &'static Route,
    request: Request,
) -> Result<Response, Refused> {
    let live = gateway.live();
    let (mut head, body) = request.into_parts();
    let Some(peer) = head.extensions.get::<Peer>().copied() else {
        return Err(Refusal::internal().into());
    };
    let door = Door {
        peer,
        method: &head.method,
        path: head.uri.path(),
        access: route.access,
    };
    let caller = match route.access {
        Access::Public => Arc::new(Caller::anyone()),
        _ => auth::caller(&gateway, &live, door, &head.headers, None).await?,
    };
    let from = Door {
        // Where it may come from. What it may call depends on its teams and organizations: governance looks there.
        access: Access::Public,
        ..door
    };
    may_call(&gateway, &caller, from)?;
    let Some(governance) = gateway.governance() else {
        let message = "keys, users and budgets are kept in a database: start the gateway with a master key, \
                       and with --db or DATABASE_URL to say where";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Refusal::new(status, "no_db_connection", message).into());
    };
    let path = RawPathParams::from_request_parts(&mut head, &())
        .await
        .map(|params| {
            let parts = params.iter();
            parts
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        })
        .unwrap_or_default();
    let kind = head.headers.get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(FORM));
    let changed_by = head.headers.get(CHANGED_BY);
    let changed_by = changed_by
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let raw = Raw {
        path,
        query: pairs::of(&head.uri).collect(),
        body: fields(body, is_form).await?,
        changed_by,
        peer: Some(peer.client),
    };
    let answer = governance
        .answer(route, caller, raw)
        .await
        .map_err(Refusal::from)?;
    let mut reply = match answer.body {
        Content::Json(value) => json_reply(answer.status, value.to_string()),
        Content::Written(text) => json_reply(answer.status, text),
        Content::Text(kind, text) => {
            (answer.status, [(header::CONTENT_TYPE, kind)], text).into_response()
        }
    };
    for (name, value) in answer.headers {
        let value = HeaderValue::try_from(value).map_err(|_| Refusal::internal())?;
        reply.headers_mut().append(name, value);
    }
    Ok(reply)
}

/// The body, which is an object or nothing.
async fn fields(body: axum::body::Body, is_form: bool) -> Result<Map<String, Value>, Refusal> {
    let read = Limited::new(body, LONGEST).collect().await;
    let bytes: Bytes = match read {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(crate::body::too_large(LONGEST as u64)),
    };
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    if is_form {
        let text = String::from_utf8_lossy(&bytes);
        let fields = pairs::read(&text).map(|(name, value)| (name, value.into()));
        return Ok(fields.collect());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad("request_body", format!("Invalid JSON payload: {error}")))
}
