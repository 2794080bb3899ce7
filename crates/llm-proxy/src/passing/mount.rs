//! Which paths are passed through, and on whose account.

use std::{borrow::Cow, collections::BTreeMap};

use anyhow::Result;
use http::{HeaderMap, HeaderName, Method};
use llm_cost::{Dollars, PriceTable};
use llm_providers::{
    Auth, Credential, ELSEWHERE, Provider, backends, lookup, resolve::Surroundings,
};
use llm_router::{Deployment, Router, Settings as RouterSettings, Timeouts};
use llm_sdk::{demo, deploy};
use llm_types::{JsonObject, Map};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    endpoint::{Endpoint, PassThrough},
    headers::{self, Rules},
};
use crate::{catalog, error::Refusal, state::Live};

/// A path that is passed through.
#[derive(Debug)]
pub(crate) enum Mount<'a> {
    /// `/vendor/...`: the rest of it.
    Vendor(&'static Provider, &'a str),
    /// One of the operator's, and what stands below its path.
    Endpoint(&'a Endpoint, &'a str),
}

/// Whose a path is; what the operator added comes first.
pub(crate) fn added<'a>(
    through: &'a PassThrough,
    method: &Method,
    path: &'a str,
) -> Option<Mount<'a>> {
    let takes =
        |endpoint: &&Endpoint| endpoint.methods.is_empty() || endpoint.methods.contains(method);
    let path = path.strip_suffix('/').unwrap_or(path);
    through.endpoints.iter().filter(takes).find_map(|endpoint| {
        let rest = path.strip_prefix(endpoint.path.as_str())?;
        if rest.is_empty() {
            return Some(Mount::Endpoint(endpoint, ""));
        }
        let below = rest.strip_prefix('/').filter(|_| endpoint.subpaths)?;
        Some(Mount::Endpoint(endpoint, below))
    })
}

/// The vendor whose path this is: `/vendor/...`.
pub(crate) fn find(path: &str) -> Option<Mount<'_>> {
    let (name, rest) = path.strip_prefix('/')?.split_once('/')?;
    let row = lookup(name).or_else(|| lookup(&name.replace('-', "_")))?;
    (row.name != demo::PROVIDER).then_some(Mount::Vendor(row, rest))
}

impl Mount<'_> {
    /// The vendor's path.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Vendor(_, rest) | Self::Endpoint(_, rest) => rest,
        }
    }

    /// The path from the service's host on: what it asks for can be seen in it.
    pub(super) fn whole_path(&self) -> Cow<'_, str> {
        match self {
            Self::Vendor(_, rest) => Cow::Borrowed(rest),
            Self::Endpoint(endpoint, rest) => {
                let base = endpoint.deployment.target.base_url.trim_end_matches('/');
                Cow::Owned([base, "/", rest].concat())
            }
        }
    }

    /// Whether the service behind it is one whose wire is known.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Vendor(..) => true,
            Self::Endpoint(endpoint, _) => *endpoint.deployment.target.provider != ELSEWHERE,
        }
    }

    /// The group of its deployment.
    pub(super) fn group(&self) -> String {
        match self {
            Self::Vendor(row, _) => row.name.to_owned(),
            Self::Endpoint(endpoint, _) => endpoint.deployment.group.clone(),
        }
    }

    /// Whether there is a credential for it.
    pub(super) fn is_open(&self, live: &Live) -> Result<(), Refusal> {
        let Self::Vendor(row, _) = self else {
            return Ok(());
        };
        let known = live.passing.router();
        if known.is_some_and(|router| !router.deployments(row.name).is_empty()) {
            return Ok(());
        }
        let names = [row.key_env, row.token_env, row.base_env]
            .concat()
            .join(" or ");
        let hint = match names.is_empty() {
            true => String::new(),
            false => format!(": set {names}, or add a model of it"),
        };
        let message = format!("the gateway has no credentials for {}{hint}", row.name);
        Err(Refusal::bad("path", message))
    }

    /// Whether callers need a key.
    pub(super) fn needs_key(&self) -> bool {
        match self {
            Self::Vendor(..) => true,
            Self::Endpoint(endpoint, _) => endpoint.needs_key,
        }
    }

    /// The header in which the key comes, where the operator named one.
    pub(super) fn key_header(&self) -> Option<HeaderName> {
        match self {
            Self::Vendor(..) => None,
            Self::Endpoint(endpoint, _) => endpoint.key_header.clone(),
        }
    }

    /// The key in the query, where the vendor's clients put theirs there.
    pub(super) fn key_in_query<'q>(&self, query: Option<&'q str>) -> Option<&'q str> {
        let pairs = query.filter(|_| self.has_key_in_query())?.split('&');
        pairs.into_iter().find_map(|pair| pair.strip_prefix("key="))
    }

    fn has_key_in_query(&self) -> bool {
        matches!(self, Self::Vendor(row, _) if row.auth == Auth::Google)
    }

    /// The query that goes on.
    pub(super) fn query(&self, query: Option<&str>) -> Option<String> {
        let given = query.unwrap_or_default();
        let Self::Endpoint(endpoint, _) = self else {
            let is_key = |pair: &&str| self.has_key_in_query() && pair.starts_with("key=");
            let kept = given.split('&').filter(|pair| !is_key(pair));
            let kept: Vec<&str> = kept.collect();
            return Some(kept.join("&")).filter(|query| !query.is_empty());
        };
        let mut pairs: Vec<String> = given
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(str::to_owned)
            .collect();
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let own = endpoint
            .query
            .iter()
            .filter(|_| endpoint.merges_query || given.is_empty());
        let own = own.flat_map(|own| own.split('&')).map(str::to_owned);
        let usual = endpoint.default_query.iter();
        let usual = usual.map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        for pair in own.chain(usual) {
            if !pairs.iter().any(|known| name(known) == name(&pair)) {
                pairs.push(pair);
            }
        }
        Some(pairs.join("&")).filter(|query| !query.is_empty())
    }

    /// The headers that go on.
    pub(super) fn onward(&self, headers: &HeaderMap, key: Option<&str>) -> HeaderMap {
        let own = self.key_header();
        let keys = [key, own.as_ref().map(HeaderName::as_str)];
        let rules = match self {
            Self::Vendor(..) => Rules {
                all: true,
                credentials: false,
                keys,
            },
            Self::Endpoint(endpoint, _) => Rules {
                all: endpoint.forwards_headers,
                credentials: true,
                keys,
            },
        };
        headers::onward(headers, rules)
    }

    /// What a request costs, whatever it brings.
    pub(super) fn cost(&self) -> Option<Dollars> {
        match self {
            Self::Vendor(..) => None,
            Self::Endpoint(endpoint, _) => endpoint.cost,
        }
    }

    /// The configured group that `model` names, where all of it is this vendor's.
    pub(super) fn deployment_group(&self, live: &Live, model: &str) -> Option<String> {
        let Self::Vendor(row, _) = self else {
            return None;
        };
        let deployments = live.router.deployments(model);
        let is_its =
            |d: &std::sync::Arc<Deployment>| d.group == model && d.target.provider.name == row.name;
        let all = !deployments.is_empty() && deployments.iter().all(is_its);
        all.then(|| model.to_owned())
    }
}

/// The vendors whose credentials the environment has.
pub(crate) fn vendors(around: &dyn Surroundings) -> Vec<Deployment> {
    let mut found = Vec::new();
    for row in backends::ALL
        .iter()
        .filter(|row| row.name != demo::PROVIDER)
    {
        let names = [row.key_env, row.token_env, row.base_env].concat();
        let is_set = |name: &&str| around.var(name).is_some_and(|value| !value.is_empty());
        if row.login.is_none() && !names.iter().any(is_set) {
            continue;
        }
        let mut params = JsonObject::new();
        params.set_str("model", &format!("{}/any", row.name));
        let table = PriceTable::embedded();
        let Ok(mut deployment) = deploy::deployment(row.name, params, Map::new(), table, around)
        else {
            continue;
        };
        if matches!(deployment.target.credential, Credential::Missing(_)) {
            continue;
        }
        deployment.id = format!("pass-through-{}", row.name);
        found.push(deployment);
    }
    found
}

/// The router of what is passed through. A vendor's account is the configured model's that says so, else the
/// environment's, else the first configured model's of that vendor.
pub(crate) fn router(through: &PassThrough, configured: &Router) -> Result<Router> {
    let mut vendors: BTreeMap<&str, Deployment> = BTreeMap::new();
    for deployment in &through.vendors {
        vendors.insert(deployment.target.provider.name, deployment.clone());
    }
    let all = catalog::models(configured).flat_map(|(_, all)| all);
    for deployment in all {
        let chosen = deployment.model_info.get("use_in_pass_through") == Some(&true.into());
        let name = deployment.target.provider.name;
        if name == demo::PROVIDER || (vendors.contains_key(name) && !chosen) {
            continue;
        }
        let id = format!("pass-through-{name}");
        let own = Deployment::new(id, name, deployment.target.clone());
        vendors.insert(name, own);
    }
    let mut deployments: Vec<Deployment> = vendors.into_values().collect();
    for deployment in &mut deployments {
        let usual = Timeouts {
            total: Some(through.timeout),
            ..Timeouts::default()
        };
        deployment.timeouts = deployment.timeouts.or(usual);
    }
    let added = through.endpoints.iter();
    deployments.extend(added.map(|endpoint| endpoint.deployment.clone()));
    let settings = RouterSettings {
        num_retries: 0,
        ..RouterSettings::default()
    };
    Ok(configured.beside(deployments, settings)?)
}
