//! The whole life of a request, in order.

use std::{
    borrow::Cow, net::SocketAddr, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Instant,
};

use futures_util::FutureExt;
use http::{
    HeaderValue, Request, StatusCode, Uri, Version,
    header::{ALLOW, CONNECTION, ORIGIN},
    request::Parts,
};
use hyper::body::Incoming;
use llm_governance::{Access, Caller};
use llm_providers::{Body, Kind, Upload};
use llm_sdk::{Failure, Request as Ask};
use llm_types::{BodyKind, JsonObject, Op, Verb};
use tower::ServiceExt;

use crate::{
    body, check, controls, cors, counted,
    door::{Door, Peer, admit, open_tab},
    error::{Dialect, Refusal, show},
    form,
    labels::Labels,
    metrics::{Said, Who},
    own_key, pairs, passing, realtime,
    record::Recorder,
    required,
    respond::{self, Reply},
    route_record,
    routes::inference::{self, Action, Found, Way},
    settings::Settings,
    state::{Gateway, Live},
};

/// Answers one HTTP request, whatever it asks for. `pages` answers what is no operation.
pub(crate) async fn handle(
    gateway: Arc<Gateway>,
    pages: axum::Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Reply {
    let live = gateway.live();
    let peer = Peer::of(peer, request.headers(), &live.settings);
    let under_way = gateway.enter();
    let origin = request.headers().get(ORIGIN).cloned();
    let version = request.version();
    // Pinned where it is made: what catches panics would move it.
    let work = pin!(route(&gateway, &live, pages, peer, request));
    // Nothing here panics; if something does, it costs this request and no other.
    let mut reply = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(reply) => reply,
        Err(_) => {
            tracing::error!("a request met a defect of the gateway");
            respond::refusal(&Refusal::internal(), Dialect::OpenAi, "")
        }
    };
    let headers = reply.headers_mut();
    respond::secure(headers);
    if origin.is_some() {
        cors::decorate(&live.settings.cors, origin.as_ref(), headers);
    }
    // HTTP/2 knows no such header: its connections end by a message of their own.
    if version < Version::HTTP_2 && gateway.is_draining() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply.map(|body| body.holding(under_way))
}

async fn route(
    gateway: &Arc<Gateway>,
    live: &Arc<Live>,
    pages: axum::Router,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Reply {
    if cors::is_preflight(request.method(), request.headers()) {
        let mut reply = respond::detail(StatusCode::OK, "OK");
        *reply.status_mut() =
            cors::preflight(&live.settings.cors, request.headers(), reply.headers_mut());
        return reply;
    }
    let allowed = live.settings.allowed_ips.as_ref();
    if allowed.is_some_and(|list| !list.contain(peer.client)) {
        let message = format!("Access forbidden: IP address {} not allowed.", peer.client);
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "auth_error", message);
        return respond::refusal(&refusal, Dialect::OpenAi, "");
    }
    if !live.settings.root_path.is_empty() {
        below(&live.settings.root_path, request.uri_mut());
    }
    if realtime::is_asked_for(&request) {
        return Box::pin(realtime::serve(gateway, live, request, peer)).await;
    }
    let path = request.uri().path().to_owned();
    if let Some(mount) = passing::added(&live.settings.passing, request.method(), &path) {
        return Box::pin(passing::serve(gateway, live, mount, request, peer)).await;
    }
    let found = inference::find(request.method(), &path);
    if !matches!(found, Some(Way::To(_)))
        && let Some(mount) = passing::find(&path)
    {
        return Box::pin(passing::serve(gateway, live, mount, request, peer)).await;
    }
    match found {
        None => Box::pin(page(pages, request, peer)).await,
        Some(Way::To(found)) => serve(gateway, live, found, request, peer).await,
        Some(Way::Not(allowed)) => {
            let mut reply = respond::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            let allowed = HeaderValue::from_static(allowed);
            reply.headers_mut().insert(ALLOW, allowed);
            reply
        }
    }
}

/// What is no operation: lists of models, health, metrics, documents.
async fn page(pages: axum::Router, mut request: Request<Incoming>, peer: Peer) -> Reply {
    request.extensions_mut().insert(peer);
    let path = request.uri().path();
    if let Some(short) = path.strip_suffix('/').filter(|short| !short.is_empty()) {
        let short = short.to_owned();
        set_path(request.uri_mut(), &short);
    }
    match pages.oneshot(request.map(axum::body::Body::new)).await {
        Ok(reply) => reply.map(body::ReplyBody::page),
        Err(never) => match never {},
    }
}

/// One operation: who asks, what for, the engine, the reply.
async fn serve(
    gateway: &Arc<Gateway>,
    live: &Arc<Live>,
    found: Found<'_>,
    request: Request<Incoming>,
    peer: Peer,
) -> Reply {
    let started = Instant::now();
    let (op, dialect) = (found.op, Dialect::of(found.op));
    let (head, body) = request.into_parts();
    let call_id = controls::call_id(&head.headers).unwrap_or_else(controls::new_call_id);
    let refuse = |caller: &Caller, refusal: Refusal| {
        let who = Who::knocking(caller, peer.client, &head.headers);
        let took = started.elapsed();
        gateway
            .hub
            .refused(op.path(), &call_id, who, &refusal, took);
        respond::refusal(&refusal, dialect, &call_id)
    };
    // Google's clients put the key into the query.
    let query = head.uri.query().filter(|_| op == Op::GenerateContent);
    let key = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    let door = Door {
        peer,
        method: &head.method,
        path: head.uri.path(),
        access: Access::Model,
    };
    let mut caller = match admit(gateway, live, door, Some((&head.headers, key))).await {
        Ok(caller) => caller,
        Err(refusal) => {
            Box::pin(body::discard(body, &head.headers, &live.settings.limits)).await;
            return refuse(&Caller::anyone(), refusal);
        }
    };
    let action = found.action;
    let (mut ask, mut labels, said) = match prepare(live, &caller, found, &head, body).await {
        Ok(prepared) => prepared,
        Err(refusal) => return refuse(&caller, refusal),
    };
    let count = counted::by_us(live, op, action, &ask.model);
    if action == Some(Action::Count) {
        ask.op = Op::CountTokens;
    }
    ask.call_id.clone_from(&call_id);
    let explain = route_record::is_asked_for(&head.headers);
    ask.route.explain = explain;
    // On the heap, as a gateway without books has nothing to open.
    let opened = match gateway.governance().is_some() || said.is_some() {
        true => {
            let said = said.as_ref();
            let tab = open_tab(gateway, live, &mut caller, &mut ask, &mut labels, said);
            tab.boxed().await
        }
        false => Ok(None),
    };
    let tab = match opened {
        Ok(tab) => tab,
        Err(refusal) => return refuse(&caller, refusal),
    };
    if let Some(count) = count {
        return match Box::pin(count.of(ask, &call_id)).await {
            Ok(reply) => reply,
            Err(refusal) => refuse(&caller, refusal),
        };
    }
    let own = gateway.hub.metrics.own(&caller, said_of(&ask));
    ask.observer = Some(Arc::new(Recorder {
        hub: Arc::clone(&gateway.hub),
        live: Arc::clone(live),
        route: op.path(),
        caller: Arc::clone(&caller),
        tab: tab.clone(),
        labels,
        own,
        queued: Some(started.elapsed()),
        address: Some(peer.client),
    }));
    let alerts = gateway.hub.alerts.get();
    let waits = alerts.and_then(|alerts| alerts.waits(&call_id, &ask.model));
    // On the heap, as every layer of the server would copy it.
    let answered = Box::pin(live.engine.call(ask)).await.map(Box::new);
    drop(waits);
    match answered {
        Ok(response) => {
            gateway.hub.metrics.vendor(&response.meta, &caller);
            let whole = matches!(response.body, llm_sdk::Body::Whole { .. });
            if let Some(tab) = tab.as_ref().filter(|_| whole)
                && let Err(refusal) = tab.written().await
            {
                return refuse(&caller, refusal);
            }
            let compressed = match respond::worth_compressing(&response.body, &head.headers) {
                Some(bytes) => Box::pin(respond::compressed(bytes)).await,
                None => None,
            };
            let wanted = respond::Wanted {
                headers: &head.headers,
                compressed,
                whole_list: action == Some(Action::Stream) && !asks_for_events(&head.uri),
            };
            let mut reply = respond::answer(*response, wanted, &live.settings, started.elapsed());
            if let Some(tab) = &tab {
                tab.describe(reply.headers_mut());
            }
            reply.map(|body| body.paid_on(tab))
        }
        Err(failure) => {
            // The client learns of the failure either way; the row of it is written first.
            if let Some(tab) = &tab {
                let _ = tab.written().await;
            }
            let failure = explained(live, failure, op);
            let mut reply = respond::failure(&failure, dialect, live.settings.explain_fallbacks);
            if let Some(tab) = &tab {
                tab.describe(reply.headers_mut());
            }
            if explain {
                respond::show_way(reply.headers_mut(), &failure.trace);
            }
            reply
        }
    }
}

/// What a request says of itself, for labels of metrics.
pub(crate) fn said_of(ask: &Ask) -> Said<'_> {
    Said {
        metadata: &ask.route.metadata,
        body: &ask.body,
        tags: &ask.route.tags,
    }
}

/// Reads and checks the body, and makes of it what the engine takes; beside it the body as it was, where it is looked at
/// again.
async fn prepare(
    live: &Live,
    caller: &Caller,
    found: Found<'_>,
    head: &Parts,
    incoming: Incoming,
) -> Result<(Ask, Labels, Option<JsonObject>), Refusal> {
    let settings = &live.settings;
    let op = found.op;
    if op.body() == BodyKind::None {
        return Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "unsupported_operation",
            format!("{} is not supported by this gateway", op.path()),
        ));
    }
    let (mut object, files) = match found.verb.has_body() {
        true if takes_form(op) && form::is_form(&head.headers) => {
            let body = Box::pin(form::read(incoming, &head.headers, &settings.limits)).await?;
            (body.fields, body.files)
        }
        true => (read_json(incoming, head, settings).await?, Vec::new()),
        false => {
            Box::pin(body::discard(incoming, &head.headers, &settings.limits)).await;
            (JsonObject::new(), Vec::new())
        }
    };
    let is_placed = op.names_model() && op != Op::FineTuning;
    let is_made = found.verb == Verb::Create;
    let brought = is_placed && is_made && own_key::brought(live, found.model.as_deref(), &object)?;
    check::allowed(&object, brought)?;
    let labels = Labels::of(&head.headers, &object, &settings.user_headers);
    let provider = object.str("custom_llm_provider").map(Cow::into_owned);
    const MOCKS: &str = "allow_client_mock_response";
    let mocks = settings.allow_client_mock_response || caller.says(MOCKS);
    let keep = |object: &JsonObject| required::kept(live, caller, object).filter(|_| is_made);
    if !is_made || !is_placed {
        let said = keep(&object);
        check::strip(&mut object, mocks);
        let mut ask = resource(found, object, files, head)?;
        ask.provider = ask.provider.or(provider);
        controls::apply(&mut ask, &head.headers)?;
        return Ok((ask, labels, said));
    }
    let route = op.path();
    let named = check::model(&object)?;
    let wanted = match found.model {
        Some(tool) if op == Op::Search => {
            check::model_name(&tool)?;
            object.remove("model");
            object.set_str("search_tool_name", &tool);
            None
        }
        // Who searches is a tool's or a vendor's matter.
        None if op == Op::Search => None,
        Some(in_path) => {
            check::model_name(&in_path)?;
            Some(in_path.into_owned())
        }
        None if named.is_some() => None,
        None => Some(settings.default_model.clone().ok_or_else(|| {
            Refusal::bad(
                "model",
                format!("{route}: Missing required parameter: 'model'. Call `/v1/models` to view available models."),
            )
        })?),
    };
    if let Some(model) = wanted {
        object.set_str("model", &model);
    }
    match found.action {
        Some(Action::Stream) => object.set("stream", &true),
        Some(Action::Generate | Action::Count) => drop(object.remove("stream")),
        None => {}
    }
    let said = keep(&object);
    check::strip(&mut object, mocks);
    check::complete(op, route, &object)?;
    if settings.always_stream_usage
        && object.is_true("stream")
        && matches!(op, Op::Chat | Op::Completion)
    {
        let mut options: llm_types::Map = object
            .get("stream_options")
            .map_err(Refusal::json)?
            .unwrap_or_default();
        options.insert("include_usage".into(), true.into());
        object.set("stream_options", &options);
    }
    let mut ask = Ask::from_object(op, object).map_err(Refusal::json)?;
    // Whose key it is, and which team's, is found out from the key.
    ask.route.distrust();
    ask.files = files;
    ask.restamp = true;
    if settings.bare_names {
        ask.route_as = crate::catalog::with_vendor(&ask.model, &live.router);
    }
    controls::apply(&mut ask, &head.headers)?;
    if brought {
        own_key::lend(&mut ask);
    }
    Ok((ask, labels, said))
}

async fn read_json(
    incoming: Incoming,
    head: &Parts,
    settings: &Settings,
) -> Result<JsonObject, Refusal> {
    let bytes = body::read(incoming, &head.headers, &settings.limits).await?;
    if bytes.is_empty() {
        return Err(Refusal::bad(
            "request_body",
            "Invalid JSON payload: the body is empty",
        ));
    }
    JsonObject::parse_strictly(&bytes).map_err(Refusal::json)
}

/// Whether a request may be a form: all that upload something.
fn takes_form(op: Op) -> bool {
    op.body() == BodyKind::Form
}

/// A request for what is kept, or for something that no model makes. The query says where it goes, as LiteLLM's clients
/// do, and goes on to the vendor with the rest of what it says.
fn resource(
    found: Found<'_>,
    mut body: JsonObject,
    files: Vec<Upload>,
    head: &Parts,
) -> Result<Ask, Refusal> {
    let (mut query, mut provider) = (Vec::new(), found.provider.map(str::to_owned));
    for (name, value) in pairs::of(&head.uri) {
        match (name.as_str(), value) {
            ("custom_llm_provider" | "provider", value) => provider = Some(value),
            ("model", value) => body.set_str("model", &value),
            (name, value) => query.push((name.to_owned(), value)),
        }
    }
    if let Some(model) = check::model(&body)? {
        check::model_name(&model)?;
    }
    if found.verb == Verb::Create {
        check::complete(found.op, found.op.path(), &body)?;
    }
    let ask = match found.verb {
        Verb::Create => Ask::from_body(
            found.op,
            Body {
                fields: body,
                files,
            },
        ),
        verb => Ask::resource(found.op, verb, found.id, query, body),
    };
    let mut ask = ask.map_err(Refusal::json)?;
    if provider.is_some() {
        ask.provider = provider;
    }
    Ok(ask)
}

/// Google streams a list of answers, unless it is asked for events.
fn asks_for_events(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair.eq_ignore_ascii_case("alt=sse"))
}

/// An unknown model is explained with the names that are near it.
fn explained(live: &Live, mut failure: Box<Failure>, op: Op) -> Box<Failure> {
    let unknown = !failure.requested.is_empty()
        && failure.trace.attempts.is_empty()
        && failure.error.kind == Kind::BadRequest
        && failure.error.param.as_deref() != Some("search_tool_name")
        && live.router.deployments(&failure.requested).is_empty();
    if unknown {
        let near = crate::catalog::near(&failure.requested, &live.router);
        let mut message = format!(
            "{}: Invalid model name passed in model={}. Call `/v1/models` to view available models for your key.",
            op.path(),
            show(&failure.requested)
        );
        if live.settings.bare_names
            && let Some(hint) = crate::catalog::missing_key(&failure.requested)
        {
            message.push_str(&hint);
        } else if !near.is_empty() {
            message.push_str(&format!(" Did you mean {}?", near.join(", ")));
        }
        failure.error.message = message;
    }
    failure
}

/// Takes the gateway's own prefix off a path.
fn below(root: &str, uri: &mut Uri) {
    let rest = uri.path().strip_prefix(root);
    if let Some(rest) = rest.filter(|rest| rest.starts_with('/')) {
        let rest = rest.to_owned();
        set_path(uri, &rest);
    }
}

/// Another path with the same query.
fn set_path(uri: &mut Uri, path: &str) {
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}").parse(),
        None => path.parse(),
    };
    if let Ok(whole) = whole {
        *uri = whole;
    }
}
