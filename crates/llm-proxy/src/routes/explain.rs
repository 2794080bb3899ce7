//! What the router would do with a request. Nothing is sent, counted or held.

use axum::{
    Json,
    body::Bytes,
    extract::{Query, RawQuery},
};
use llm_router::{Ask, Explanation};
use llm_sdk::Request;
use llm_types::{JsonObject, Op, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Keyed, Refused};
use crate::{catalog, check, error::Refusal, metrics::dollars, state::Live};

/// Which model.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    model: String,
    #[serde(default)]
    stream: bool,
}

/// `GET /v1/router/explain?model=`.
pub(crate) async fn model(
    Keyed(live): Keyed,
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
pub(crate) async fn request(Keyed(live): Keyed, body: Bytes) -> Result<Json<Value>, Refused> {
    let mut object = JsonObject::parse(&body).map_err(Refusal::json)?;
    check::allowed(&object)?;
    check::strip(&mut object, false);
    let op = match (object.contains("prompt"), object.contains("input")) {
        (true, _) => Op::Completion,
        (_, true) => Op::Embedding,
        _ => Op::Chat,
    };
    let request = Request::from_object(op, object).map_err(Refusal::json)?;
    let asked = request.body.to_map().map_err(Refusal::json)?;
    let used = live.router.deployments(&request.model).first();
    let used = used.map_or(request.model.clone(), |d| d.target.model.clone());
    let counting = tokio::task::spawn_blocking(move || catalog::count_tokens(&used, &asked));
    // What cannot be counted is explained all the same.
    let tokens = counting.await.ok().and_then(Result::ok);
    let explained = live.engine.explain(&request)?;
    let mut shown = shown(&explained)?;
    shown["expected"] = expected(&live, &explained, &request.body, tokens);
    Ok(Json(shown))
}

fn shown(explained: &Explanation) -> Result<Value, Refused> {
    serde_json::to_value(explained).map_err(|_| Refused(Refusal::internal()))
}

/// From what the prompt alone costs to what the longest answer costs; `null` where a number is not known.
fn expected(live: &Live, explained: &Explanation, body: &JsonObject, tokens: Option<u64>) -> Value {
    let deployment = explained.picked.as_deref();
    let deployment = deployment.and_then(|id| live.router.deployment(id));
    let (Some(deployment), Some(input)) = (deployment, tokens) else {
        return json!({"input_tokens": tokens, "max_output_tokens": null, "cost_usd": null});
    };
    let number = |key: &str| {
        let own = body.get::<u64>(key).ok().flatten();
        own.or_else(|| deployment.defaults.get(key).ok().flatten())
    };
    let longest = number("max_completion_tokens")
        .or_else(|| number("max_tokens"))
        .or(deployment.target.facts.max_output_tokens);
    let price = |output: u64| {
        let usage = Usage {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input.saturating_add(output),
            ..Usage::default()
        };
        let charge = live.engine.prices().expected(deployment, &usage);
        charge.total().map(dollars)
    };
    json!({
        "input_tokens": input, "max_output_tokens": longest,
        "cost_usd": {"least": price(0), "most": longest.and_then(price)},
    })
}
