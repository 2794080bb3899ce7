//! Requests in vendors' own formats: whose they are, with which credential they go on, and what becomes of the reply.

mod endpoint;
mod headers;
mod mount;
mod spool;

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Request, request::Parts};
use hyper::body::Incoming;
use llm_governance::{Access, Caller};
use llm_providers::{Native, Outgoing};
use llm_router::Timeouts;
use llm_sdk::Passing;
use llm_types::JsonObject;

use crate::{
    body, controls,
    door::{Door, Foreign, Peer, admit, open_tab_for},
    error::{Dialect, Refusal},
    labels::Labels,
    metrics::Who,
    record::Recorder,
    respond::{self, Reply},
    state::{Gateway, Live},
};

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
    let call_id =
        controls::call_id(&head.headers).unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
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
    let body = match read.await {
        Ok(body) => body,
        Err(refusal) => return refuse(&caller, refusal),
    };
    let mut passing = prepare(live, &mount, &head, body);
    passing.call_id.clone_from(&call_id);
    let mut labels = Labels::of(&head.headers, &passing.fields, &live.settings.user_headers);
    let engine = match passing.rename {
        true => &live.engine,
        false => &live.passing,
    };
    let work = Foreign {
        model: &passing.native.model,
        call_id: &call_id,
        tags: &passing.tags,
        bound: engine.passing_bound(&passing),
        passed: Some((head.uri.path(), passing.below)),
    };
    let tab = match open_tab_for(gateway, live, &mut caller, work, &mut labels).await {
        Ok(tab) => tab,
        Err(refusal) => return refuse(&caller, refusal),
    };
    passing.observer = Some(Arc::new(Recorder {
        hub: Arc::clone(&gateway.hub),
        live: Arc::clone(live),
        route: ROUTE,
        caller,
        tab: tab.clone(),
        labels,
        address: Some(peer.client),
    }));
    match Box::pin(engine.pass(passing)).await {
        Ok(passed) => {
            let mut reply = respond::passed(passed, &call_id, started.elapsed());
            if let Some(tab) = &tab {
                tab.describe(reply.headers_mut());
            }
            reply.map(|body| body.paid_on(tab))
        }
        Err(failure) => respond::failure(&failure, dialect, false),
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

/// The request as it goes on.
fn prepare(live: &Live, mount: &Mount<'_>, head: &Parts, body: Outgoing) -> Passing {
    let parsed = body.bytes().filter(|bytes| bytes.starts_with(b"{"));
    let parsed = parsed.and_then(|bytes| JsonObject::parse(bytes).ok());
    let native = Native::read(&mount.whole_path(), parsed.as_ref());
    let fields = parsed.unwrap_or_default();
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
        tags: controls::tags(&head.headers, &fields),
        fields,
        flat: mount.cost(),
        timeouts: Timeouts::default(),
        observer: None,
    }
}
