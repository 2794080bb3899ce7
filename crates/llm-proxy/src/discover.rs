//! Models without a configuration: the demo model, the vendors whose keys are at hand, one model from the command line.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_cost::PriceTable;
use llm_providers::{Credential, Error, Target, backends, lookup, resolve::Surroundings};
use llm_router::Deployment;
use llm_sdk::{demo, deploy};
use llm_types::{JsonObject, Map};

use crate::settings::Quick;

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The demo model and one `vendor/*` group for each vendor.
    pub(crate) deployments: Vec<Deployment>,
    /// Other names of the demo model.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// The demo model, and every vendor whose key is in the environment.
pub(crate) fn vendors(around: &dyn Surroundings) -> Found {
    let mut deployments = Vec::new();
    if let Some(row) = lookup(demo::PROVIDER) {
        let target = Target::new(row, "demo", Credential::None);
        deployments.push(Deployment::new("demo", "demo", target));
    }
    let aliases = BTreeMap::from([("demo/demo".to_owned(), "demo".to_owned())]);
    for row in backends::ALL
        .iter()
        .filter(|row| row.name != demo::PROVIDER)
    {
        let mut keys = row.key_env.iter().chain(row.token_env);
        if !keys.any(|name| around.var(name).is_some()) {
            continue;
        }
        let group = format!("{}/*", row.name);
        let mut params = JsonObject::new();
        params.set_str("model", &group);
        // A vendor that needs more than a key (an address, a project) is left to a configuration.
        if let Ok(mut deployment) =
            deploy::deployment(&group, params, Map::new(), PriceTable::embedded(), around)
        {
            deployment.id = row.name.to_owned();
            deployments.push(deployment);
        }
    }
    Found {
        deployments,
        aliases,
    }
}

/// The model of the command line, answering for `group`.
pub(crate) fn quick(
    group: &str,
    quick: &Quick,
    around: &dyn Surroundings,
) -> Result<Deployment, Error> {
    let mut params = JsonObject::new();
    params.set_str("model", &quick.model);
    let texts = [
        ("api_base", &quick.api_base),
        ("api_version", &quick.api_version),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            params.set_str(key, value);
        }
    }
    if !quick.headers.is_empty() {
        params.set("extra_headers", &quick.headers);
    }
    if let Some(temperature) = quick.temperature {
        params.set("temperature", &temperature);
    }
    if let Some(max_tokens) = quick.max_tokens {
        params.set("max_tokens", &max_tokens);
    }
    if let Some(timeout) = quick.request_timeout {
        params.set("timeout", &timeout);
    }
    if quick.drop_params {
        params.set_raw("drop_params", Bytes::from_static(b"true"));
    }
    deploy::deployment(group, params, Map::new(), PriceTable::embedded(), around)
}
