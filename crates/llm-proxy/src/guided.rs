//! What keys and teams say of routing (`router_settings`): before the configuration's word, behind the request's.

use llm_governance::{Caller, Governance};
use llm_router::Fallback;
use llm_sdk::{Request as Ask, RouteOptions};
use llm_types::Map;

use crate::{door::groups_of, error::Refusal, state::Live};

/// The model that the caller's key or team has `name` stand for.
pub(crate) fn alias<'a>(caller: &'a Caller, name: &str) -> Option<&'a str> {
    let mut settings = caller.router_settings();
    settings.find_map(|settings| RouteOptions::alias(name, settings))
}

/// Fills in what a request for `model` leaves open. Who may not ask a model does not fall back to it, whoever wrote that.
pub(crate) async fn guide(
    governance: &Governance,
    live: &Live,
    caller: &Caller,
    ask: &mut Ask,
    model: &str,
) -> Result<(), Refusal> {
    let route = &mut ask.route;
    let own = [
        route.fallbacks.is_some(),
        route.window_fallbacks.is_some(),
        route.policy_fallbacks.is_some(),
    ];
    for settings in caller.router_settings() {
        fill(route, model, settings)?;
    }
    let lists = [
        &mut route.fallbacks,
        &mut route.window_fallbacks,
        &mut route.policy_fallbacks,
    ];
    for (list, own) in lists.into_iter().zip(own) {
        if let Some(all) = list.take() {
            *list = Some(match own {
                true => all,
                false => allowed(governance, live, caller, all).await?,
            });
        }
    }
    Ok(())
}

/// Fills in what `router_settings` say of a request in a vendor's own format: how long it may take, and which deployment of
/// its model answers. Nobody else is asked, as nobody else has its format.
pub(crate) fn time(caller: &Caller, route: &mut RouteOptions, model: &str) -> Result<(), Refusal> {
    for settings in caller.router_settings() {
        fill(route, model, settings)?;
    }
    Ok(())
}

fn fill(route: &mut RouteOptions, model: &str, settings: &Map) -> Result<(), Refusal> {
    route.fill(model, settings).map_err(|error| {
        let place = format!("router_settings.{}", error.field);
        Refusal::bad(
            place.clone(),
            format!("{place} of this key: {}", error.message),
        )
    })
}

async fn allowed(
    governance: &Governance,
    live: &Live,
    caller: &Caller,
    all: Vec<Fallback>,
) -> Result<Vec<Fallback>, Refusal> {
    let mut allowed = Vec::with_capacity(all.len());
    for fallback in all {
        let model = &fallback.group;
        let groups = governance.groups_of(model, &groups_of(live, model)).await?;
        if governance.may_ask(caller, model, &groups).is_ok() {
            allowed.push(fallback);
        }
    }
    Ok(allowed)
}
