//! Two-way sessions: from a client's upgrade to the vendor's socket.

use std::{sync::Arc, time::Instant};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use llm_governance::{Access, Caller};
use llm_providers::transport::socket_limits;
use llm_sdk::{Denied, Live as Session, Opening, Request as Ask, Stop};
use llm_store::{Moment, rows::SpendRow};
use llm_types::{JsonObject, Map, Op};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{
    body::ReplyBody,
    check, controls,
    door::{Door, Peer, admit, open_tab},
    error::{Dialect, Refusal},
    labels::Labels,
    metrics::{Said, Who},
    pairs,
    record::Recorder,
    respond::{self, Reply},
    state::{Gateway, Live, UnderWay},
    till::Till,
};

/// The name of these routes in the log and the metrics.
const ROUTE: &str = "/realtime";
/// Where they are.
const PATHS: [&str; 3] = ["/realtime", "/v1/realtime", "/openai/v1/realtime"];
/// A sub-protocol that holds a key: browsers can set no header.
const KEY: &str = "openai-insecure-api-key.";
/// Where keys are in a query.
const KEYS_IN_QUERY: [&str; 2] = ["api_key", "key"];
/// A sub-protocol that stands for the header of the same meaning.
const BETA: &str = "openai-beta.";

/// Whether a request asks for a session.
pub(crate) fn is_asked_for<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let upgrade = request.headers().get(UPGRADE);
    PATHS.contains(&path.strip_suffix('/').unwrap_or(path))
        && request.method() == Method::GET
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a session. Whatever is wrong before it is open is said as JSON.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    live: &Arc<Live>,
    mut request: Request<Incoming>,
    peer: Peer,
) -> Reply {
    let started = Instant::now();
    let call_id = controls::call_id(request.headers()).unwrap_or_else(controls::new_call_id);
    let upgrade = hyper::upgrade::on(&mut request);
    let headers = request.headers().clone();
    let refuse = |caller: &Caller, refusal: Refusal| {
        let took = started.elapsed();
        let who = Who::knocking(caller, peer.client, &headers);
        gateway.hub.refused(ROUTE, &call_id, who, &refusal, took);
        respond::refusal(&refusal, Dialect::OpenAi, &call_id)
    };
    let offered = protocols(request.headers());
    let mut caller = match caller(gateway, live, &request, peer, &offered).await {
        Ok(caller) => caller,
        Err(refusal) => return refuse(&Caller::anyone(), refusal),
    };
    let asked = match Asked::read(&request, &offered) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&caller, refusal),
    };
    let mut labels = Labels::of(&headers, &asked.said, &live.settings.user_headers);
    let mut ask = match asked.request(&headers) {
        Ok(ask) => ask,
        Err(refusal) => return refuse(&caller, refusal),
    };
    ask.call_id.clone_from(&call_id);
    let said = Some(&asked.said);
    let opened = open_tab(gateway, live, &mut caller, &mut ask, &mut labels, said);
    let tab = match Box::pin(opened).await {
        Ok(tab) => tab,
        Err(refusal) => return refuse(&caller, refusal),
    };
    let metadata = asked.said.get("litellm_metadata").ok().flatten();
    let said = Said {
        metadata: &metadata.unwrap_or_default(),
        body: &asked.said,
        tags: &ask.route.tags,
    };
    let own = gateway.hub.metrics.own(&caller, said);
    let asked_for = ask.route_as.as_ref().unwrap_or(&ask.model);
    let noted = SpendRow {
        call_id: Some(call_id.clone()),
        model: asked_for.clone(),
        model_group: Some(asked_for.clone()),
        start_time: Moment::now(),
        ..SpendRow::default()
    };
    let opening = Opening {
        call_id: call_id.clone(),
        model: ask.model,
        query: asked.query,
        headers: asked.headers,
        route_as: ask.route_as,
        route: ask.route,
        allowance: tab.clone().map(|tab| Till::of(tab, noted)),
        observer: Some(Arc::new(Recorder {
            hub: Arc::clone(&gateway.hub),
            live: Arc::clone(live),
            route: ROUTE,
            caller: Arc::clone(&caller),
            tab: tab.clone(),
            labels,
            own,
            queued: Some(started.elapsed()),
            address: Some(peer.client),
        })),
    };
    match Box::pin(live.engine.open(opening)).await {
        Ok(session) => {
            let mut reply = switching(&asked.accept, &offered, &session, &call_id);
            if let Some(tab) = &tab {
                tab.describe(reply.headers_mut());
            }
            // Counted before the reply is out, and with it the request that asked.
            let under_way = gateway.enter();
            let gateway = Arc::clone(gateway);
            tokio::spawn(carry(gateway, caller, upgrade, session, under_way));
            reply
        }
        Err(failure) => {
            respond::failure(&failure, Dialect::OpenAi, live.settings.explain_fallbacks)
        }
    }
}

/// Carries the session until it ends. It is a request under way for all that time.
async fn carry(
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    upgrade: OnUpgrade,
    session: Session,
    under_way: UnderWay,
) {
    // A client that is gone before the upgrade has hung up: dropping the session says so.
    if let Ok(upgraded) = upgrade.await {
        let io = TokioIo::new(upgraded);
        let limits = Some(socket_limits());
        let client = WebSocketStream::from_raw_socket(io, Role::Server, limits).await;
        let told = Arc::clone(&gateway);
        let stop: Stop = Box::pin(async move {
            tokio::select! {
                () = told.drained() => None,
                denied = unwelcome(&told, &caller) => Some(denied),
            }
        });
        session.run(client, stop).await;
    }
    drop(under_way);
}

/// Waits until `caller` may not go on.
async fn unwelcome(gateway: &Gateway, caller: &Caller) -> Denied {
    let Some(governance) = gateway.governance() else {
        return std::future::pending().await;
    };
    let refusal = governance.until_unwelcome(caller).await;
    Denied {
        kind: refusal.kind,
        message: refusal.message,
        ends: true,
    }
}

/// What a client's opening says.
struct Asked {
    model: String,
    /// What goes on to the vendor.
    query: Vec<(String, String)>,
    /// All of the query, as a request's body would say it.
    said: JsonObject,
    headers: Vec<(String, String)>,
    accept: String,
}

impl Asked {
    fn read(request: &Request<Incoming>, offered: &[String]) -> Result<Self, Refusal> {
        let headers = request.headers();
        let is = |name, expected: &str| {
            let value = headers.get(name);
            value.is_some_and(|value| value.as_bytes() == expected.as_bytes())
        };
        if request.version() != Version::HTTP_11 || !is(SEC_WEBSOCKET_VERSION, "13") {
            return Err(Refusal::new(
                StatusCode::UPGRADE_REQUIRED,
                "invalid_request_error",
                "a session needs a WebSocket of version 13 over HTTP/1.1",
            ));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY);
        let key = key.ok_or_else(|| Refusal::bad("sec-websocket-key", "there is no key"))?;
        let accept = derive_accept_key(key.as_bytes());
        let (mut model, mut query, mut said) = (None, Vec::new(), JsonObject::new());
        for (name, value) in pairs::of(request.uri()) {
            if !KEYS_IN_QUERY.contains(&name.as_str()) {
                match (name.as_str(), serde_json::from_str::<Map>(&value)) {
                    ("metadata" | "litellm_metadata", Ok(map)) => said.set(name.clone(), &map),
                    _ => said.set_str(name.clone(), &value),
                }
            }
            match (name.as_str(), value) {
                ("model", value) => model = Some(value),
                ("deployment", value) => model = model.or(Some(value)),
                // Which version of the vendor's API is asked is the deployment's business.
                ("api-version" | "api_key" | "key", _) => {}
                // What is said of the request is for its records.
                ("user" | "metadata" | "litellm_metadata", _) => {}
                (name, value) => query.push((name.to_owned(), value)),
            }
        }
        let model = model.filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| {
            Refusal::bad("model", "Missing required parameter: 'model' in the query")
        })?;
        check::model_name(&model)?;
        Ok(Self {
            model,
            query,
            said,
            headers: onward(headers, offered),
            accept,
        })
    }
}

impl Asked {
    /// What is let in, and routed.
    fn request(&self, headers: &HeaderMap) -> Result<Ask, Refusal> {
        let mut body = JsonObject::new();
        body.set_str("model", &self.model);
        let mut ask = Ask::from_object(Op::Realtime, body).map_err(Refusal::json)?;
        ask.route.distrust();
        ask.route.tags = controls::tags(headers, &self.said);
        Ok(ask)
    }
}

/// The headers that mean something to the vendor.
fn onward(headers: &HeaderMap, offered: &[String]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let beta = headers
        .get("openai-beta")
        .and_then(|value| value.to_str().ok());
    let offered_beta = offered.iter().find_map(|name| name.strip_prefix(BETA));
    let offered_beta = offered_beta.and_then(|beta| beta.rsplit_once('-'));
    let offered_beta = offered_beta.map(|(name, version)| format!("{name}={version}"));
    if let Some(beta) = beta.map(str::to_owned).or(offered_beta) {
        all.push(("openai-beta".to_owned(), beta));
    }
    let safety = headers.get("openai-safety-identifier");
    if let Some(value) = safety.and_then(|value| value.to_str().ok()) {
        all.push(("openai-safety-identifier".to_owned(), value.to_owned()));
    }
    all
}

/// The sub-protocols that a client offers.
fn protocols(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let names = texts.flat_map(|text| text.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

/// Who asks. A refused handshake is a 403, as LiteLLM's is.
async fn caller(
    gateway: &Gateway,
    live: &Live,
    request: &Request<Incoming>,
    peer: Peer,
    offered: &[String],
) -> Result<Arc<Caller>, Refusal> {
    let headers = request.headers();
    let door = Door {
        peer,
        method: request.method(),
        path: request.uri().path(),
        access: Access::Model,
    };
    let in_protocol = offered.iter().find_map(|name| name.strip_prefix(KEY));
    let mut given = headers.clone();
    if let Some(key) = in_protocol.filter(|_| !headers.contains_key(AUTHORIZATION)) {
        let value = HeaderValue::try_from(format!("Bearer {key}"));
        given.extend(value.map(|value| (AUTHORIZATION, value)));
    }
    let admitted = admit(gateway, live, door, Some((&given, None))).await;
    admitted.map_err(|refusal| match refusal.status {
        StatusCode::UNAUTHORIZED => Refusal {
            status: StatusCode::FORBIDDEN,
            ..refusal
        },
        _ => refusal,
    })
}

/// The reply after which the connection is the session's. Of the sub-protocols the one that says nothing is taken: the
/// others hold keys, and a browser insists on one of its own.
fn switching(accept: &str, offered: &[String], session: &Session, call_id: &str) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(""));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if offered.iter().any(|name| name == "realtime") {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("realtime"));
    }
    respond::describe_session(headers, session, call_id);
    reply
}
