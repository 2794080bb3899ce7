//! `pass_through_endpoints`: what an operator hands on to other services.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, Uri};
use llm_cost::Dollars;
use llm_providers::{Credential, Target, vendor_at};
use llm_router::{Deployment, Timeouts};

use super::{
    file::{Values, known},
    keys::{self, Section},
    node::{Node, Value},
    problem::Problems,
};
use crate::settings::{Endpoint, PassThrough};

pub(super) fn read(values: &mut Values, through: &mut PassThrough, problems: &mut Problems) {
    if let Some(node) = values.take_node("pass_through_request_timeout") {
        through.timeout =
            seconds(&node, "pass_through_request_timeout", problems).unwrap_or(through.timeout);
    }
    let list = values.take_node("pass_through_endpoints");
    for (n, node) in list.iter().flat_map(|list| list.items()).enumerate() {
        let section: &Section = &keys::ENDPOINT;
        known(node, section, problems);
        through
            .endpoints
            .extend(endpoint(node, n, through.timeout, problems));
    }
}

fn endpoint(node: &Node, n: usize, usual: Duration, problems: &mut Problems) -> Option<Endpoint> {
    let text = |key: &str, problems: &mut Problems| match node.get(key).and_then(Node::text) {
        Some(text) if !text.is_empty() => Some(text.to_owned()),
        _ => {
            problems.error(node.at, format!("this endpoint has no '{key}'"));
            None
        }
    };
    let path = text("path", problems);
    let target = text("target", problems).filter(|target| is_address(target, node, problems));
    let (path, target) = (path?, target?);
    let path = format!("/{}", path.trim_matches('/'));
    let (base, query) = match target.split_once('?') {
        Some((base, query)) => (base, Some(query.to_owned())),
        None => (target.as_str(), None),
    };
    let mut to = Target::new(vendor_at(base), "any", Credential::None);
    // A slash at its end may mean something there.
    to.base_url = base.to_owned();
    let mut named = BTreeMap::new();
    for (key, value) in node.get("headers").map(Node::entries).unwrap_or_default() {
        match shown(value) {
            Some(text) => named.insert(key.name.clone(), text),
            None => {
                problems.error(value.at, format!("'{}' must be a text", key.name));
                continue;
            }
        };
    }
    let key_header = named.remove("litellm_user_api_key");
    let key_header = key_header.and_then(|name| match name.parse::<HeaderName>() {
        Ok(name) => Some(name),
        Err(_) => {
            problems.error(node.at, "'litellm_user_api_key' must be a header's name");
            None
        }
    });
    basic(&mut named);
    for (name, value) in named {
        if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(&value).is_err() {
            problems.error(node.at, format!("'{name}' cannot be sent as a header"));
            continue;
        }
        to.headers.push((name, value));
    }
    let timeout = node
        .get("timeout")
        .and_then(|node| seconds(node, "timeout", problems));
    let mut deployment = Deployment::new(format!("endpoint-{n}"), format!("{path}#{n}"), to);
    deployment.timeouts = Timeouts {
        total: Some(timeout.unwrap_or(usual)),
        ..Timeouts::default()
    };
    let default_query = node.get("default_query_params").map(Node::entries);
    Some(Endpoint {
        subpaths: flag(node, "include_subpath", false, problems),
        methods: methods(node, problems),
        needs_key: flag(node, "auth", true, problems),
        forwards_headers: flag(node, "forward_headers", false, problems),
        merges_query: flag(node, "merge_query_params", false, problems),
        default_query: default_query
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, value)| Some((key.name.clone(), shown(value)?)))
            .collect(),
        cost: cost(node, problems),
        path,
        key_header,
        query,
        deployment,
    })
}

/// LiteLLM's two names for the halves of Langfuse's credential.
fn basic(named: &mut BTreeMap<String, String>) {
    let public = named.remove("LANGFUSE_PUBLIC_KEY");
    let secret = named.remove("LANGFUSE_SECRET_KEY");
    if let (Some(public), Some(secret)) = (public, secret) {
        let both = STANDARD.encode(format!("{public}:{secret}"));
        named.insert("authorization".into(), format!("Basic {both}"));
    }
}

fn is_address(target: &str, node: &Node, problems: &mut Problems) -> bool {
    let uri: Option<Uri> = target.parse().ok();
    let fits = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    if !fits {
        problems.error(
            node.at,
            format!("'target' must be an address, and is '{target}'"),
        );
    }
    fits
}

fn methods(node: &Node, problems: &mut Problems) -> Vec<Method> {
    let list = node.get("methods").map(Node::items).unwrap_or_default();
    let mut methods = Vec::new();
    for item in list {
        let name = item.text().map(str::to_ascii_uppercase).unwrap_or_default();
        match name.parse::<Method>() {
            Ok(method) => methods.push(method),
            Err(_) => problems.error(item.at, "a method is expected here: GET, POST, ..."),
        }
    }
    methods
}

/// What a request costs; zero is LiteLLM's word for "not said".
fn cost(node: &Node, problems: &mut Problems) -> Option<Dollars> {
    let node = node
        .get("cost_per_request")
        .filter(|node| !node.is_null())?;
    match Dollars::from_json(&node.to_json()) {
        Some(cost) => Some(cost).filter(|cost| !cost.is_zero()),
        None => {
            problems.error(node.at, "'cost_per_request' must be a number of dollars");
            None
        }
    }
}

fn flag(node: &Node, key: &str, usual: bool, problems: &mut Problems) -> bool {
    match node.get(key).map(|node| (&node.value, node.at)) {
        None | Some((Value::Null, _)) => usual,
        Some((Value::Bool(yes), _)) => *yes,
        Some((_, at)) => {
            problems.error(at, format!("'{key}' must be true or false"));
            usual
        }
    }
}

fn seconds(node: &Node, key: &str, problems: &mut Problems) -> Option<Duration> {
    let given = node
        .number()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    if given.is_none_or(|given| given.is_zero()) && !node.is_null() {
        problems.error(
            node.at,
            format!("'{key}' must be a number of seconds above 0"),
        );
    }
    given.filter(|given| !given.is_zero())
}

/// A text, or what can be written as one.
fn shown(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(node.to_json().to_string()),
        _ => None,
    }
}
