//! Keys and addresses that clients bring along, where the operator lets them: `allow_client_side_credentials`, and
//! `configurable_clientside_auth_params` of a model.

use std::{borrow::Cow, sync::Arc};

use llm_router::Deployment;
use llm_sdk::{OwnPlace, Request as Ask, deploy::LENT};
use llm_types::JsonObject;

use crate::{
    check::{banned, rejected},
    error::Refusal,
    state::Live,
};

/// Whether `body` brings a key or an address of its own, and may. What it must not bring, is brought by halves, or would
/// lead the gateway's own key elsewhere, is refused. `in_path` is the model that the path names.
pub(crate) fn brought(
    live: &Live,
    in_path: Option<&str>,
    body: &JsonObject,
) -> Result<bool, Refusal> {
    let is_own = |key: &str| LENT.contains(&key) && banned(key);
    let Some((first, _)) = body.iter().find(|(key, _)| is_own(key)) else {
        return Ok(false);
    };
    let named = in_path.map(Cow::Borrowed).or_else(|| body.str("model"));
    let model = named.unwrap_or_default();
    let deployments = live.router.deployments(&model);
    let has = |name: &str| body.raw(name).is_some();
    let address = body.str("base_url").or_else(|| body.str("api_base"));
    // One deployment that is not meant for it is enough to lead it astray.
    let vouched = address.as_ref().is_some_and(|address| {
        let leads = |d: &Arc<Deployment>| d.open.leads_to(address);
        !deployments.is_empty() && deployments.iter().all(leads)
    });
    let everything = live.settings.allow_client_credentials;
    let is_open = |name: &str| {
        let is_address = matches!(name, "api_base" | "base_url");
        let listed = || deployments.iter().all(|d| d.open.has(name));
        everything || (is_address && vouched) || (!deployments.is_empty() && listed())
    };
    if let Some((closed, _)) = body
        .iter()
        .find(|(key, _)| LENT.contains(key) && !is_open(key))
    {
        return Err(rejected(if banned(closed) { closed } else { first }));
    }
    if has("aws_access_key_id") != has("aws_secret_access_key") {
        let message = "'aws_access_key_id' and 'aws_secret_access_key' belong together";
        return Err(Refusal::bad("aws_secret_access_key", message));
    }
    let with_key = ["api_key", "azure_ad_token", "aws_access_key_id"];
    if address.is_some() && !vouched && !with_key.into_iter().any(has) {
        let message = "an address of your own needs an 'api_key' of your own: the gateway's key is not sent there";
        return Err(Refusal::bad("api_key", message));
    }
    if let Some(key) = [
        "fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
    ]
    .into_iter()
    .find(|key| has(key))
    {
        let message =
            format!("'{key}' would take your key to another vendor: leave one of the two out");
        return Err(Refusal::bad(key, message));
    }
    Ok(true)
}

/// Refuses a key of the client's own for a name that stands for another model: it was not looked at for that one.
pub(crate) fn stays(ask: &Ask) -> Result<(), Refusal> {
    if ask.own_place == OwnPlace::Refused {
        return Ok(());
    }
    let message = "a key of your own cannot be used for an alias: ask for the model by its name";
    Err(Refusal::bad("model", message))
}

/// Lets the request go where it says, and nowhere else.
pub(crate) fn lend(ask: &mut Ask) {
    ask.own_place = OwnPlace::Literal;
    ask.route.disable_fallbacks = true;
}
