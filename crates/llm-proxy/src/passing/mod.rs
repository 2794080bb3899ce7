//! Requests in vendors' own formats: whose they are, with which credential they go on, and what becomes of the reply.

mod endpoint;
mod entry;
mod form;
mod headers;
mod lines;
mod mount;
mod spool;

use std::{ops::Range, sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts};
use hyper::body::Incoming;
use llm_governance::{Access, Caller};
use llm_providers::{Native, Outgoing, Shown};
use llm_sdk::{Passing, RouteOptions};
use llm_types::JsonObject;

use crate::{
    body, controls,
    door::{Door, Peer, admit},
    error::{Dialect, Refusal},
    labels::Labels,
    metrics::{Said, Who},
    record::Recorder,
    respond::{self, Reply},
    state::{Gateway, Live},
};

use spool::Spooled;

pub use endpoint::{Endpoint, PassThrough};
pub(crate) use headers::offered;
pub(crate) use mount::{Mount, added, find, router, vendors};

/// The name of all these routes in the log and the metrics.
const ROUTE: &str = "pass_through_endpoint";
/// The header in which a client may name its key beside all that a vendor's client sends.
const OWN_KEY: &str = "litellm_user_api_key";

/// Answers one request.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    live: &Arc<Live>,
    mount: Mount<'_>,
    request: Request<Incoming>,
    peer: Peer,
) -> Reply {
    let started = Instant::now();
    let (head, incoming) = request.into_parts();
    let call_id = controls::call_id(&head.headers).unwrap_or_else(controls::new_call_id);
    let dialect = match Native::read(&mount.whole_path(), None).op {
        Some(op) => Dialect::of(op),
        None => Dialect::OpenAi,
    };
    let refuse = |caller: &Caller, refusal: Refusal| {
        let took = started.elapsed();
        let who = Who::knocking(caller, peer.client, &head.headers);
        gateway.hub.refused(ROUTE, &call_id, who, &refusal, took);
        respond::refusal(&refusal, dialect, &call_id)
    };
    let mut caller = match caller(gateway, live, &mount, &head, peer).await {
        Ok(caller) => caller,
        Err(refusal) => {
            let limits = &live.settings.limits;
            Box::pin(body::discard(incoming, &head.headers, limits)).await;
            return refuse(&Caller::anyone(), refusal);
        }
    };
    if let Err(refusal) = mount.is_open(live) {
        let limits = &live.settings.limits;
        Box::pin(body::discard(incoming, &head.headers, limits)).await;
        return refuse(&caller, refusal);
    }
    let read = Box::pin(spool::read(incoming, &head.headers, &live.settings.limits));
    let told = match read.await {
        Ok(spooled) => told(&mount, &head, spooled),
        Err(refusal) => Err(refusal),
    };
    let mut passing = match told {
        Ok(told) => prepare(live, &mount, &head, told),
        Err(refusal) => return refuse(&caller, refusal),
    };
    passing.call_id.clone_from(&call_id);
    let mut labels = Labels::of(&head.headers, &passing.fields, &live.settings.user_headers);
    let place = (&mount, head.uri.path());
    let opened = entry::open(gateway, live, &mut caller, place, &mut passing, &mut labels);
    let tab = match Box::pin(opened).await {
        Ok(tab) => tab,
        Err(refusal) => return refuse(&caller, refusal),
    };
    let metadata = passing.fields.get("litellm_metadata").ok().flatten();
    let said = Said {
        metadata: &metadata.unwrap_or_default(),
        body: &passing.fields,
        tags: &passing.route.tags,
    };
    let own = gateway.hub.metrics.own(&caller, said);
    passing.observer = Some(Arc::new(Recorder {
        hub: Arc::clone(&gateway.hub),
        live: Arc::clone(live),
        route: ROUTE,
        caller,
        tab: tab.clone(),
        labels,
        own,
        queued: Some(started.elapsed()),
        address: Some(peer.client),
    }));
    let alerts = gateway.hub.alerts.get();
    let waits = alerts.and_then(|alerts| alerts.waits(&call_id, &passing.native.model));
    let answered = Box::pin(entry::engine(live, &passing).pass(passing)).await;
    drop(waits);
    match answered {
        Ok(passed) => {
            let mut reply = respond::passed(passed, &call_id, started.elapsed());
            if let Some(tab) = &tab {
                tab.describe(reply.headers_mut());
            }
            reply.map(|body| body.paid_on(tab))
        }
        Err(failure) => {
            let mut reply = respond::failure(&failure, dialect, false);
            if let Some(tab) = &tab {
                tab.describe(reply.headers_mut());
            }
            reply
        }
    }
}

/// Who asks: a key is looked for wherever vendors' clients put theirs.
async fn caller(
    gateway: &Gateway,
    live: &Live,
    mount: &Mount<'_>,
    head: &Parts,
    peer: Peer,
) -> Result<Arc<Caller>, Refusal> {
    let door = Door {
        peer,
        method: &head.method,
        path: head.uri.path(),
        access: Access::Model,
    };
    if !mount.needs_key() {
        return admit(gateway, live, door, None).await;
    }
    let own = mount
        .key_header()
        .or(Some(HeaderName::from_static(OWN_KEY)))
        .and_then(|name| head.headers.get(name));
    let Some(own) = own else {
        let key = mount.key_in_query(head.uri.query());
        return admit(gateway, live, door, Some((&head.headers, key))).await;
    };
    let mut given = HeaderMap::new();
    let name = live.settings.key_header.as_deref();
    let name = name.and_then(|name| name.parse().ok());
    let name = name.unwrap_or(HeaderName::from_static("x-litellm-api-key"));
    given.insert(name, basic_user(own).unwrap_or_else(|| own.clone()));
    admit(gateway, live, door, Some((&given, None))).await
}

/// The user of `Basic` credentials: where a service has two keys, the public one is ours.
fn basic_user(value: &HeaderValue) -> Option<HeaderValue> {
    let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, _) = text.split_once(':')?;
    HeaderValue::from_str(user).ok()
}

/// A body, and what it tells of the request.
struct Told {
    body: Outgoing,
    native: Native,
    shown: Option<Shown>,
    fields: JsonObject,
    form_model: Option<Range<u64>>,
}

/// Reads what a request asks for. What cannot be read, and may ask for something, goes nowhere: neither what its caller may
/// do would be known, nor what it costs.
fn told(mount: &Mount<'_>, head: &Parts, spooled: Spooled) -> Result<Told, Refusal> {
    let Spooled { body, form } = spooled;
    let path = mount.whole_path();
    if mount.is_known() && Native::is_disguised(&head.method, &path) {
        let message = "write this path without percent-encoding";
        return Err(Refusal::bad("path", message));
    }
    let known = Native::read(&path, None).by(&head.method);
    let must_be_read = mount.is_known();
    let text = body.bytes().filter(|_| form.is_none());
    let text = text.filter(|bytes| bytes.trim_ascii_start().starts_with(b"{"));
    let mut form_model = None;
    let fields = match (form, text) {
        (Some(Ok(form)), _) => {
            form_model = form.model;
            form.fields
        }
        (Some(Err(why)), _) if must_be_read => {
            let message = format!("the form cannot be read: {why}");
            return Err(Refusal::bad("request_body", message));
        }
        (None, Some(text)) => match JsonObject::parse(text) {
            Ok(fields) => fields,
            Err(error) if must_be_read => {
                return Err(Refusal::bad("request_body", error.to_string()));
            }
            Err(_) => JsonObject::new(),
        },
        (None, None) if must_be_read && known.op.is_some() && !body.is_empty() => {
            let message = "the body must be a JSON object or a form";
            return Err(Refusal::bad("request_body", message));
        }
        _ => JsonObject::new(),
    };
    Ok(Told {
        native: Native::read(&path, Some(&fields)).by(&head.method),
        shown: Shown::at(&head.method, &path),
        body,
        fields,
        form_model,
    })
}

/// The request as it goes on.
fn prepare(live: &Live, mount: &Mount<'_>, head: &Parts, told: Told) -> Passing {
    let Told {
        body,
        native,
        shown,
        fields,
        form_model,
    } = told;
    let configured = mount.deployment_group(live, &native.model);
    Passing {
        call_id: String::new(),
        rename: configured.is_some(),
        group: configured.unwrap_or_else(|| mount.group()),
        method: head.method.clone(),
        path: mount.path().to_owned(),
        below: matches!(mount, Mount::Endpoint(..)),
        query: mount.query(head.uri.query()),
        headers: mount.onward(&head.headers, live.settings.key_header.as_deref()),
        body,
        native,
        shown,
        route: Box::new(RouteOptions {
            tags: controls::tags(&head.headers, &fields),
            ..RouteOptions::default()
        }),
        fields,
        form_model,
        flat: mount.cost(),
        observer: None,
    }
}
