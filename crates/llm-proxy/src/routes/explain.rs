//! What the router would do with a request. Nothing is sent, counted or held.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Query, RawQuery, State},
};
use llm_governance::Caller;
use llm_sdk::Request;
use llm_types::{JsonObject, Op};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::pages::{Keyed, Refused, Shared};
use crate::{check, door, error::Refusal, state::Gateway};

/// Which model.
#[derive(Debug, Deserialize)]
struct Which {
    model: String,
    #[serde(default)]
    stream: bool,
}

/// As whom: what a key and its team say of routing counts.
#[derive(Debug, Deserialize)]
struct As {
    /// A key, or better its hash: addresses are logged in many places.
    key: Option<String>,
    team_id: Option<String>,
}

/// `GET /v1/router/explain?model=`, as `&key=` or `&team_id=`, or else as whoever asks.
pub(crate) async fn model(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refused> {
    let Some(which) = read::<Which>(query.as_deref()) else {
        return Err(Refusal::bad("model", "the query must name a model: ?model=NAME").into());
    };
    let mut object = JsonObject::new();
    object.set_str("model", &which.model);
    if which.stream {
        object.set("stream", &true);
    }
    let mut ask = Request::from_object(Op::Chat, object).map_err(Refusal::json)?;
    let caller = whoever(&gateway, caller, query.as_deref()).await?;
    door::steer(&gateway, &live, &caller, &mut ask).await?;
    Ok(Json(shown(&live.engine.explain_route(&ask)?)?))
}

/// `POST /v1/router/explain` with a request's body: the same for that request, with what it may cost.
pub(crate) async fn request(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let mut object = JsonObject::parse(&body).map_err(Refusal::json)?;
    check::allowed(&object, false)?;
    check::strip(&mut object, false);
    let op = match (object.contains("prompt"), object.contains("input")) {
        (true, _) => Op::Completion,
        (_, true) => Op::Embedding,
        _ => Op::Chat,
    };
    let mut ask = Request::from_object(op, object).map_err(Refusal::json)?;
    let caller = whoever(&gateway, caller, query.as_deref()).await?;
    door::steer(&gateway, &live, &caller, &mut ask).await?;
    let engine = live.engine.clone();
    let explained = tokio::task::spawn_blocking(move || engine.explain(&ask)).await;
    let explained = explained.map_err(|_| Refused(Refusal::internal()))??;
    Ok(Json(shown(&explained)?))
}

/// As whom the request is looked at.
async fn whoever(
    gateway: &Gateway,
    caller: Arc<Caller>,
    query: Option<&str>,
) -> Result<Arc<Caller>, Refusal> {
    let named = read::<As>(query);
    let named = named.filter(|named| named.key.is_some() || named.team_id.is_some());
    let Some(named) = named else {
        return Ok(caller);
    };
    let Some(governance) = gateway.governance() else {
        let message = "this gateway keeps neither keys nor teams: it has no database";
        return Err(Refusal::bad("key", message));
    };
    Ok(match (&named.key, &named.team_id) {
        (Some(_), Some(_)) => {
            let message = "a key is of one team: name one of them";
            return Err(Refusal::bad("team_id", message));
        }
        (Some(key), None) => governance.stand_in_for_key(key).await?,
        (None, team) => {
            let team = team.as_deref().unwrap_or_default();
            governance.stand_in_for_team(team).await?
        }
    })
}

fn read<T: DeserializeOwned>(query: Option<&str>) -> Option<T> {
    let uri = format!("/?{}", query.unwrap_or_default()).parse().ok()?;
    let Query(read) = Query::try_from_uri(&uri).ok()?;
    Some(read)
}

fn shown(explained: &impl Serialize) -> Result<Value, Refused> {
    serde_json::to_value(explained).map_err(|_| Refused(Refusal::internal()))
}
