//! What would become of a request: its parameters, its tokens, and itself as its vendor would see it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json,
    body::Bytes,
    extract::Query,
    http::{HeaderMap, Request as HttpRequest, StatusCode},
    response::{IntoResponse, Response},
};
use llm_providers::{
    Client, Credential, Error, Kind, backends, lookup,
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_sdk::Request;
use llm_types::{JsonObject, Op};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::pages::{Keyed, Refused, detail};
use crate::{
    catalog, check,
    error::{Refusal, show},
};

/// What stands for a secret.
const MASK: &str = "*****";

/// The model that is asked about.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Of {
    #[serde(default)]
    model: String,
}

/// A request to be looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Transform {
    call_type: String,
    request_body: Map<String, Value>,
}

/// `GET /utils/supported_openai_params?model=`.
pub(crate) async fn supported_params(Keyed(live, _): Keyed, Query(of): Query<Of>) -> Response {
    let model = of.model;
    let routed = live.router.deployments(&model).first();
    let provider = match routed {
        Some(deployment) => Some(deployment.target.provider),
        None => model.split_once('/').and_then(|(name, _)| lookup(name)),
    };
    let Some(provider) = provider else {
        let known = backends::ALL.len();
        let message = format!(
            "Could not map model={}: none of {known} providers",
            show(&model)
        );
        return detail(StatusCode::BAD_REQUEST, &message);
    };
    Json(json!({"supported_openai_params": catalog::params(provider)})).into_response()
}

/// `POST /utils/token_counter`.
pub(crate) async fn count_tokens(
    Keyed(live, _): Keyed,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let body: Map<String, Value> = parsed(&body)?;
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let used = live
        .router
        .deployments(model)
        .first()
        .map_or(model, |deployment| deployment.target.model.as_str());
    let total = catalog::count_tokens(used, &body)
        .map_err(|message| Refused(Refusal::bad("messages", message)))?;
    Ok(Json(json!({
        "total_tokens": total, "request_model": model, "model_used": used,
        "tokenizer_type": "openai_tokenizer", "count_source": "local_estimate",
        "original_response": null, "error": false, "error_message": null, "status_code": null,
    })))
}

/// `POST /utils/transform_request`: the request as it would be sent, and without sending it.
pub(crate) async fn transform(Keyed(live, _): Keyed, body: Bytes) -> Result<Json<Value>, Refused> {
    let asked: Transform = parsed(&body)?;
    let op = operation(&asked.call_type)?;
    let mut body = JsonObject::from_serialize(&asked.request_body).map_err(Refusal::json)?;
    check::allowed(&body, false)?;
    check::strip(&mut body, false);
    let mut request = Request::from_object(op, body).map_err(Refusal::json)?;
    let deployment = live.router.deployments(&request.model).first();
    let deployment = deployment.ok_or_else(|| {
        let message = format!("no model is named '{}'", show(&request.model));
        Refusal::bad("model", message)
    })?;
    let mut target = deployment.target.clone();
    if target.model.contains('*') {
        let name = request.model.rsplit_once('/').map(|(_, name)| name);
        target.model = name.unwrap_or(&request.model).to_owned();
    }
    // No secret is there to be shown, and no token is fetched.
    target.credential = match target.credential {
        Credential::Key(_) => Credential::key(MASK),
        Credential::Token(_) => Credential::Token(llm_providers::Secret::new(MASK)),
        _ => Credential::None,
    };
    request.alone();
    let caught = Arc::new(Catcher::default());
    let client = Client::over(Arc::clone(&caught) as Arc<dyn Transport>)
        .fetching(live.settings.fetch.clone());
    let engine = live.engine.knowing_only(deployment, target, client)?;
    let outcome = engine.call(request).await;
    let request = caught
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    match (request, outcome) {
        (Some(request), _) => Ok(Json(shown(&request))),
        (None, Err(failure)) => Err(Refused(Refusal::broken(&failure.error))),
        (None, Ok(_)) => Err(Refused(Refusal::internal())),
    }
}

/// Keeps the first request, and sends none.
#[derive(Default)]
struct Catcher(Mutex<Option<HttpRequest<llm_providers::Outgoing>>>);

impl Transport for Catcher {
    fn send(
        &self,
        request: HttpRequest<llm_providers::Outgoing>,
    ) -> BoxFuture<'_, Result<http::Response<ByteStream>, Error>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(request);
        Box::pin(async { Err(Error::new(Kind::Unsupported, "this request is not sent")) })
    }
}

fn shown(request: &HttpRequest<llm_providers::Outgoing>) -> Value {
    let body = request.body().bytes().map_or(&[][..], |bytes| &bytes[..]);
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    json!({
        "raw_request_api_base": request.uri().to_string(),
        "raw_request_body": body,
        "raw_request_headers": headers(request.headers()),
    })
}

fn headers(all: &HeaderMap) -> Map<String, Value> {
    let text = |value: &http::HeaderValue| match value.is_sensitive() {
        true => MASK.to_owned(),
        false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    all.iter()
        .map(|(name, value)| (name.to_string(), text(value).into()))
        .collect()
}

/// LiteLLM's names of what is called.
fn operation(call_type: &str) -> Result<Op, Refusal> {
    let named = match call_type {
        "completion" | "acompletion" => Some(Op::Chat),
        "text_completion" | "atext_completion" => Some(Op::Completion),
        "embedding" | "aembedding" => Some(Op::Embedding),
        "anthropic_messages" => Some(Op::Messages),
        other => {
            let name = other.strip_prefix('a').unwrap_or(other);
            Op::all().find(|op| op.name() == other || op.name() == name)
        }
    };
    named.ok_or_else(|| {
        let message = format!("'{}' is no type of call", show(call_type));
        Refusal::bad("call_type", message)
    })
}

pub(super) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|e| {
        let message = format!("Invalid JSON payload: {e}");
        Refused(Refusal::bad("request_body", message))
    })
}
