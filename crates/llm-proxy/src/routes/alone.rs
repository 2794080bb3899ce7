//! One deployment, around the router: for what is asked of it and nobody else.

use std::sync::Arc;

use llm_providers::{Client, Error, Target};
use llm_router::{Deployment, Router, Settings};
use llm_sdk::{Engine, Request};

use crate::state::Live;

/// The group that the deployment answers for.
const NAME: &str = "alone";

/// An engine that knows `deployment` alone, with another target: no retry and no fallback may hide what becomes of it.
pub(super) fn engine(
    live: &Live,
    deployment: &Deployment,
    target: Target,
    client: Client,
) -> Result<Engine, Error> {
    let mut only = Deployment::new(deployment.id.clone(), NAME, target);
    only.defaults = deployment.defaults.clone();
    only.options = deployment.options.clone();
    only.timeouts = deployment.timeouts;
    let settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    let router = Router::new(vec![only], settings)
        .map_err(|e| Error::bad_request("model", e.to_string()))?;
    let prices = Arc::clone(live.engine.prices());
    Ok(Engine::routed(Arc::new(router), client, prices))
}

/// Leads `request` to that deployment.
pub(super) fn name(request: &mut Request) {
    request.route_as = Some(NAME.to_owned());
    request.route.num_retries = Some(0);
    request.route.disable_fallbacks = true;
}
