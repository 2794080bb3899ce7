//! The keys and variables that say who vouches for callers besides the gateway's own keys.

use std::time::Duration;

use llm_governance::identity::TokenRules;
use llm_providers::resolve::Surroundings;
use serde_json::{Map, Value};

use super::{
    file::{Values, known},
    keys::{ISSUER, JWT},
    node::Node,
    problem::Problems,
};
use crate::settings::{Issuer, Settings, Tokens, UserInfo};

/// What makes a discovery document of an issuer's address.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// How long what a provider said of a token is used again, where nobody says how long.
const INFORMED: Duration = Duration::from_secs(300);

pub(super) fn read(
    values: &mut Values,
    around: &dyn Surroundings,
    settings: &mut Settings,
    problems: &mut Problems,
) {
    let enabled = values.take_node("enable_jwt_auth");
    let node = values.take_node("litellm_jwtauth");
    let mut beside = Map::new();
    for key in ["enforce_rbac", "role_permissions"] {
        if let Some(node) = values.take_node(key) {
            beside.insert(key.to_owned(), node.to_json());
        }
    }
    let Some(enabled) = enabled.filter(|node| node.to_json() == Value::Bool(true)) else {
        if let Some(node) = node {
            let message = "'litellm_jwtauth' has no effect without 'enable_jwt_auth: true'";
            problems.warn(node.at, message);
        }
        return;
    };
    if settings.master_key.is_none() {
        let message =
            "'enable_jwt_auth' needs a master key: without one nobody is asked who they are";
        problems.error(enabled.at, message);
        return;
    }
    let read = Reading {
        at: &enabled,
        beside,
        around,
    };
    settings.identity.tokens = read.tokens(node.as_ref(), settings, problems);
}

struct Reading<'a> {
    at: &'a Node,
    /// What stands beside `litellm_jwtauth` and belongs to it.
    beside: Map<String, Value>,
    around: &'a dyn Surroundings,
}

impl Reading<'_> {
    fn tokens(
        &self,
        node: Option<&Node>,
        settings: &mut Settings,
        problems: &mut Problems,
    ) -> Option<Tokens> {
        let mut common = self.beside.clone();
        if let Some(node) = node {
            check(node, problems);
            common.extend(fields(node));
        }
        let mut issuers = Vec::new();
        for entry in node
            .and_then(|node| node.get("issuers"))
            .iter()
            .flat_map(|all| all.items())
        {
            issuers.extend(self.issuer(entry, &common, problems));
        }
        issuers.extend(self.unnamed(&common, node, settings, problems));
        let userinfo = node.and_then(|node| userinfo(node, &common, problems));
        if issuers.is_empty() && userinfo.is_none() {
            let message = "'enable_jwt_auth' needs JWT_PUBLIC_KEY_URL, or 'issuers' or 'oidc_userinfo_endpoint' in 'litellm_jwtauth'";
            problems.error(self.at.at, message);
            return None;
        }
        let usual = Tokens::of(issuers);
        let mut seconds = |name: &str, usual: Duration| {
            let given = node.and_then(|node| node.get(name));
            let Some(given) = given else { return usual };
            let seconds = given
                .number()
                .and_then(|s| Duration::try_from_secs_f64(s).ok());
            seconds.unwrap_or_else(|| {
                problems.error(given.at, format!("'{name}' must be a number of seconds"));
                usual
            })
        };
        Some(Tokens {
            leeway: seconds("leeway", usual.leeway),
            fresh: seconds("public_key_ttl", usual.fresh),
            stale: seconds("public_key_stale_ttl", usual.stale),
            refresh_every: seconds("public_key_refresh_interval", usual.refresh_every),
            userinfo: userinfo.map(|known| UserInfo {
                lasts: seconds("oidc_userinfo_cache_ttl", known.lasts),
                ..known
            }),
            ..usual
        })
    }

    /// The issuer whose keys the environment names.
    fn unnamed(
        &self,
        common: &Map<String, Value>,
        node: Option<&Node>,
        settings: &mut Settings,
        problems: &mut Problems,
    ) -> Option<Issuer> {
        let urls = self.list("JWT_PUBLIC_KEY_URL");
        if urls.is_empty() {
            return None;
        }
        let audiences = self.list("JWT_AUDIENCE");
        if audiences.is_empty() {
            settings.notices.push(
                "JWT_AUDIENCE is not set: tokens that were made for other services are taken, too"
                    .to_owned(),
            );
        }
        Some(Issuer {
            names: self.list("JWT_ISSUER"),
            audiences,
            urls,
            rules: rules(common, node.unwrap_or(self.at), problems)?,
        })
    }

    fn issuer(
        &self,
        entry: &Node,
        common: &Map<String, Value>,
        problems: &mut Problems,
    ) -> Option<Issuer> {
        let Some(name) = entry.get("issuer").and_then(Node::text) else {
            problems.error(entry.at, "an entry of 'issuers' needs its 'issuer'");
            return None;
        };
        let mut own = common.clone();
        for (key, node) in entry.entries() {
            if ISSUER.state(&key.name).is_some() {
                continue;
            }
            if JWT.state(&key.name).is_none() || key.name == "issuers" {
                let message = format!("unknown key '{}' in an entry of 'issuers'", key.name);
                problems.warn(key.at, message);
                continue;
            }
            own.insert(key.name.clone(), node.to_json());
        }
        let unchecked = entry.get("disable_audience_validation");
        let unchecked = unchecked.is_some_and(|node| node.to_json() == Value::Bool(true));
        let audiences = texts(entry.get("audience"));
        if audiences.is_empty() != unchecked {
            let message = "an entry of 'issuers' needs an 'audience', or else 'disable_audience_validation: true'";
            problems.error(entry.at, message);
            return None;
        }
        let url = entry.get("jwks_url").and_then(Node::text);
        let url = url.map_or_else(
            || format!("{}{DISCOVERY}", name.trim_end_matches('/')),
            str::to_owned,
        );
        Some(Issuer {
            names: vec![name.to_owned()],
            audiences,
            urls: vec![url],
            rules: rules(&own, entry, problems)?,
        })
    }

    fn list(&self, name: &str) -> Vec<String> {
        let given = self.around.var(name).unwrap_or_default();
        let items = given.split(',').map(str::trim);
        items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// Who is asked about tokens that say nothing themselves.
fn userinfo(node: &Node, common: &Map<String, Value>, problems: &mut Problems) -> Option<UserInfo> {
    let enabled = node.get("oidc_userinfo_enabled")?;
    if enabled.to_json() != Value::Bool(true) {
        return None;
    }
    let url = node.get("oidc_userinfo_endpoint").and_then(Node::text);
    // Whoever reads a token on the way has it.
    let is_safe = |url: &str| {
        let here = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let ends = |rest: &str| rest.is_empty() || rest.starts_with([':', '/']);
        let is_here = |start: &str| url.strip_prefix(start).is_some_and(ends);
        url.starts_with("https://") || here.into_iter().any(is_here)
    };
    let Some(url) = url.filter(|url| is_safe(url)) else {
        let message =
            "'oidc_userinfo_enabled' needs an 'oidc_userinfo_endpoint' that begins with https://";
        problems.error(enabled.at, message);
        return None;
    };
    Some(UserInfo {
        url: url.to_owned(),
        lasts: INFORMED,
        rules: rules(common, node, problems)?,
    })
}

fn check(node: &Node, problems: &mut Problems) {
    known(node, &JWT, problems);
    let forbidden = node
        .entries()
        .iter()
        .find(|(key, _)| key.name == "custom_validate");
    if let Some((key, _)) = forbidden {
        // To go on without it would let in whoever it keeps out.
        problems.error(
            key.at,
            "'custom_validate' names a function in Python: use 'custom_auth' with the address of a service",
        );
    }
}

fn fields(node: &Node) -> impl Iterator<Item = (String, Value)> {
    let entries = node.entries().iter();
    entries.map(|(key, node)| (key.name.clone(), node.to_json()))
}

fn rules(fields: &Map<String, Value>, at: &Node, problems: &mut Problems) -> Option<TokenRules> {
    // An absent value is no value.
    let given = fields.iter().filter(|(_, value)| !value.is_null());
    let given: Map<String, Value> = given
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let read = serde_path_to_error::deserialize::<_, TokenRules>(Value::Object(given));
    let checked = match read {
        Ok(rules) => rules.check().map(|()| rules),
        Err(error) => Err(format!("'{}': {}", error.path(), error.inner())),
    };
    match checked {
        Ok(rules) => Some(rules),
        Err(message) => {
            problems.error(at.at, message);
            None
        }
    }
}

/// A text, or a list of texts.
fn texts(node: Option<&Node>) -> Vec<String> {
    let Some(node) = node else { return Vec::new() };
    let one = node.text().map(str::to_owned);
    let items = node
        .items()
        .iter()
        .filter_map(Node::text)
        .map(str::to_owned);
    one.into_iter().chain(items).collect()
}
