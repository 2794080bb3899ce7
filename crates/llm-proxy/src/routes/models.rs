//! What the gateway answers for.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use llm_governance::Caller;
use llm_router::{Deployment, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Keyed, Refused, Shared, detail};
use crate::{
    catalog,
    door::groups_of,
    error::{Refusal, show},
    state::{Gateway, Live},
};

/// LiteLLM's date of every model.
const CREATED: u64 = 1_677_610_602;

/// Which models to list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    return_wildcard_routes: bool,
    #[serde(default)]
    include_metadata: bool,
    litellm_model_id: Option<String>,
    model_group: Option<String>,
}

/// `GET /v1/models`.
pub(crate) async fn list(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Refused> {
    let seen = visible(&gateway, &live, &caller).await?;
    let data: Vec<Value> = catalog::names(&live.router)
        .filter(|name| seen.contains(*name))
        .filter(|name| which.return_wildcard_routes || !name.contains('*'))
        .filter(|name| !live.settings.hidden.contains(*name))
        .map(|name| entry(name, &live.router, which.include_metadata))
        .collect();
    if headers.contains_key("anthropic-version") {
        return Ok(Json(anthropic(&data)));
    }
    Ok(Json(json!({"data": data, "object": "list"})))
}

/// `GET /v1/models/NAME`.
pub(crate) async fn one(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let known = !live.router.deployments(&id).is_empty();
    if !known || !may_see(&gateway, &live, &caller, &id).await? {
        let id = show(&id);
        let message = format!("The model `{id}` does not exist or is not accessible");
        return Ok(detail(StatusCode::NOT_FOUND, &message));
    }
    Ok(Json(entry(&id, &live.router, false)).into_response())
}

/// `GET /model/info`.
pub(crate) async fn info(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Refused> {
    let seen = visible(&gateway, &live, &caller).await?;
    let data: Vec<Value> = catalog::models(&live.router)
        .filter(|(name, _)| seen.contains(*name))
        .flat_map(|(_, deployments)| deployments)
        .filter(|d| which.litellm_model_id.as_ref().is_none_or(|id| *id == d.id))
        .map(|deployment| full(deployment))
        .collect();
    Ok(Json(json!({ "data": data })))
}

/// `GET /model_group/info`.
pub(crate) async fn groups(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Refused> {
    let seen = visible(&gateway, &live, &caller).await?;
    let data: Vec<Value> = catalog::models(&live.router)
        .filter(|(name, _)| seen.contains(*name))
        .filter(|(name, _)| {
            which
                .model_group
                .as_ref()
                .is_none_or(|wanted| wanted == name)
        })
        .map(|(name, deployments)| group(name, deployments))
        .collect();
    Ok(Json(json!({ "data": data })))
}

/// The models that the caller may ask, of all that there are.
pub(crate) async fn visible(
    gateway: &Gateway,
    live: &Live,
    caller: &Caller,
) -> Result<BTreeSet<String>, Refused> {
    let mut seen = BTreeSet::new();
    for name in catalog::names(&live.router) {
        if may_see(gateway, live, caller, name).await? {
            seen.insert(name.to_owned());
        }
    }
    Ok(seen)
}

/// Whether the caller may ask this model.
async fn may_see(
    gateway: &Gateway,
    live: &Live,
    caller: &Caller,
    model: &str,
) -> Result<bool, Refused> {
    let Some(governance) = gateway.governance() else {
        return Ok(true);
    };
    let groups = governance.groups_of(model, &groups_of(live, model)).await;
    let groups = groups.map_err(Refusal::from)?;
    Ok(governance.may_ask(caller, model, &groups).is_ok())
}

fn entry(name: &str, router: &Router, metadata: bool) -> Value {
    let mut entry =
        json!({"id": name, "object": "model", "created": CREATED, "owned_by": "openai"});
    if let Some(deployment) = router.deployments(name).first() {
        let facts = &deployment.target.facts;
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                entry[key] = value;
            }
        };
        add("mode", facts.mode.clone().map(Value::from));
        add("max_input_tokens", facts.max_input_tokens.map(Value::from));
        add(
            "max_output_tokens",
            facts.max_output_tokens.map(Value::from),
        );
    }
    if metadata {
        let fallbacks = router.settings().fallbacks.general.get(name);
        let names: Vec<&str> = fallbacks
            .into_iter()
            .flatten()
            .map(|fallback| fallback.group.as_str())
            .collect();
        entry["metadata"] = json!({ "fallbacks": names });
    }
    entry
}

fn anthropic(data: &[Value]) -> Value {
    let ids: Vec<&Value> = data.iter().filter_map(|model| model.get("id")).collect();
    let models: Vec<Value> = ids
        .iter()
        .map(|id| {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "2023-02-28T18:56:42Z"})
        })
        .collect();
    json!({"data": models, "has_more": false, "first_id": ids.first(), "last_id": ids.last()})
}

/// All that is public of a deployment.
pub(super) fn full(deployment: &Deployment) -> Value {
    let target = &deployment.target;
    let mut params = json!({
        "model": format!("{}/{}", target.provider.name, target.model),
        "custom_llm_provider": target.provider.name,
        "api_base": target.base_url.split('?').next(),
    });
    for (key, raw) in deployment.defaults.iter() {
        if let Ok(value) = serde_json::from_slice::<Value>(raw) {
            params[key] = value;
        }
    }
    let quota = &deployment.quota;
    let numbers = [
        ("rpm", quota.rpm),
        ("tpm", quota.tpm),
        ("itpm", quota.itpm),
        ("otpm", quota.otpm),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            params[key] = value.into();
        }
    }
    let mut info = Value::Object(deployment.model_info.clone());
    info["id"] = deployment.id.as_str().into();
    if info.get("db_model").is_none() {
        info["db_model"] = false.into();
    }
    info["key"] = target.model.as_str().into();
    info["litellm_provider"] = target.provider.name.into();
    let facts = &target.facts;
    for (key, value) in [
        ("max_input_tokens", facts.max_input_tokens),
        ("max_output_tokens", facts.max_output_tokens),
    ] {
        if info.get(key).is_none() {
            info[key] = value.into();
        }
    }
    json!({"model_name": deployment.group, "litellm_params": params, "model_info": info})
}

fn group(name: &str, deployments: &[std::sync::Arc<Deployment>]) -> Value {
    let providers: BTreeSet<&str> = deployments.iter().map(|d| d.target.provider.name).collect();
    let most =
        |get: fn(&Deployment) -> Option<u64>| deployments.iter().filter_map(|d| get(d)).max();
    let sum = |get: fn(&Deployment) -> Option<u64>| {
        let mut all = deployments.iter().filter_map(|d| get(d)).peekable();
        all.peek().is_some().then(|| all.sum::<u64>())
    };
    let supports = |what: &str| {
        deployments
            .iter()
            .any(|d| d.target.facts.supports(what) == Some(true))
    };
    let params = deployments
        .first()
        .map(|deployment| catalog::params(deployment.target.provider));
    json!({
        "model_group": name, "providers": providers,
        "max_input_tokens": most(|d| d.target.facts.max_input_tokens),
        "max_output_tokens": most(|d| d.target.facts.max_output_tokens),
        "mode": deployments.iter().find_map(|d| d.target.facts.mode.as_deref()).unwrap_or("chat"),
        "rpm": sum(|d| d.quota.rpm), "tpm": sum(|d| d.quota.tpm),
        "itpm": sum(|d| d.quota.itpm), "otpm": sum(|d| d.quota.otpm),
        "supports_parallel_function_calling": supports("parallel_function_calling"),
        "supports_vision": supports("vision"),
        "supports_web_search": supports("web_search"),
        "supports_reasoning": supports("reasoning"),
        "supports_function_calling": supports("function_calling"),
        "supported_openai_params": params,
        "is_public_model_group": false,
    })
}
