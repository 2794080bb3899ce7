//! What the router would do with a request. Nothing is sent, counted or held.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, RawQuery},
};
use llm_router::Ask;
use llm_sdk::Request;
use llm_types::{JsonObject, Op};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pages::{Keyed, Refused};
use crate::{check, error::Refusal};

/// Which model.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    model: String,
    #[serde(default)]
    stream: bool,
}

/// `GET /v1/router/explain?model=`.
pub(crate) async fn model(
    Keyed(live, _): Keyed,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refused> {
    let uri = format!("/?{}", query.unwrap_or_default());
    let which = uri
        .parse()
        .ok()
        .and_then(|uri| Query::<Which>::try_from_uri(&uri).ok());
    let Some(Query(which)) = which else {
        return Err(Refusal::bad("model", "the query must name a model: ?model=NAME").into());
    };
    let ask = Ask {
        stream: which.stream,
        ..Ask::new(which.model)
    };
    Ok(Json(shown(&live.router.explain(&ask)?)?))
}

/// `POST /v1/router/explain` with a request's body: the same for that request, with what it may cost.
pub(crate) async fn request(Keyed(live, _): Keyed, body: Bytes) -> Result<Json<Value>, Refused> {
    let mut object = JsonObject::parse(&body).map_err(Refusal::json)?;
    check::allowed(&object, false)?;
    check::strip(&mut object, false);
    let op = match (object.contains("prompt"), object.contains("input")) {
        (true, _) => Op::Completion,
        (_, true) => Op::Embedding,
        _ => Op::Chat,
    };
    let request = Request::from_object(op, object).map_err(Refusal::json)?;
    let engine = live.engine.clone();
    let explained = tokio::task::spawn_blocking(move || engine.explain(&request)).await;
    let explained = explained.map_err(|_| Refused(Refusal::internal()))??;
    Ok(Json(shown(&explained)?))
}

fn shown(explained: &impl Serialize) -> Result<Value, Refused> {
    serde_json::to_value(explained).map_err(|_| Refused(Refusal::internal()))
}
