//! `model_list` and `credential_list`: which deployments there are, as they stand in the file.

use std::collections::BTreeMap;

use llm_sdk::nearest::{hint, nearest};
use llm_types::{JsonObject, Map};

use super::{
    file::known,
    keys,
    node::{At, Key, Node, Value},
    problem::Problems,
};

/// An entry of `model_list`.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) params: JsonObject,
    pub(crate) info: Map,
    pub(super) node: Node,
}

impl Model {
    /// Where the entry stands.
    pub(crate) fn at(&self) -> At {
        self.node.at
    }

    /// What stands at `key` of `section`, where something does.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&Node> {
        self.node.get(section)?.get(key)
    }
}

/// `credential_list`: named parameters that deployments refer to.
pub(super) fn credentials(root: &Node, problems: &mut Problems) -> BTreeMap<String, Map> {
    let mut all = BTreeMap::new();
    for item in root
        .get("credential_list")
        .map(Node::items)
        .unwrap_or_default()
    {
        let name = item.get("credential_name").and_then(Node::text);
        let values = item.get("credential_values").map(Node::to_json);
        match (name, values) {
            (Some(name), Some(serde_json::Value::Object(values))) => {
                all.insert(name.to_owned(), values);
            }
            _ => problems.error(
                item.at,
                "a credential needs a 'credential_name' and 'credential_values'",
            ),
        }
    }
    all
}

/// Every entry of `model_list` that says enough.
pub(super) fn models(
    root: &Node,
    credentials: &BTreeMap<String, Map>,
    problems: &mut Problems,
) -> Vec<Model> {
    let Some(list) = root.get("model_list") else {
        return Vec::new();
    };
    if !matches!(list.value, Value::List(_) | Value::Null) {
        problems.error(
            list.at,
            format!("'model_list' must be a list, and is {}", list.kind()),
        );
    }
    list.items()
        .iter()
        .filter_map(|item| model(item, credentials, problems))
        .collect()
}

fn model(
    item: &Node,
    credentials: &BTreeMap<String, Map>,
    problems: &mut Problems,
) -> Option<Model> {
    if !matches!(item.value, Value::Map(_)) {
        problems.error(
            item.at,
            format!(
                "an entry of 'model_list' must be a mapping, and is {}",
                item.kind()
            ),
        );
        return None;
    }
    known(item, &keys::MODEL, problems);
    let Some(name) = item
        .get("model_name")
        .and_then(Node::text)
        .filter(|name| !name.is_empty())
    else {
        problems.error(item.at, "this model has no 'model_name'");
        return None;
    };
    let Some(params) = item
        .get("litellm_params")
        .filter(|node| matches!(node.value, Value::Map(_)))
    else {
        problems.error(item.at, format!("'{name}' has no 'litellm_params'"));
        return None;
    };
    let model = params.get("model");
    if model.and_then(Node::text).is_none_or(str::is_empty) {
        problems.error(
            model.map_or(params.at, |node| node.at),
            format!("'{name}': 'litellm_params' has no 'model'"),
        );
        return None;
    }
    let mut all = expand(params, credentials, problems);
    for (key, node) in params.entries() {
        check_param(key, problems);
        all.insert(key.name.clone(), node.to_json());
    }
    all.remove("litellm_credential_name");
    all.retain(|key, value| {
        !value.is_null() && !keys::PARAMS_LATER.iter().any(|(later, _)| later == key)
    });
    let info = match item.get("model_info").map(Node::to_json) {
        Some(serde_json::Value::Object(info)) => info,
        _ => Map::new(),
    };
    let params = JsonObject::from_serialize(&all).ok()?;
    Some(Model {
        name: name.to_owned(),
        params,
        info,
        node: item.clone(),
    })
}

/// The parameters of the credential that this deployment names.
fn expand(params: &Node, credentials: &BTreeMap<String, Map>, problems: &mut Problems) -> Map {
    let Some(node) = params.get("litellm_credential_name") else {
        return Map::new();
    };
    let name = node.text().unwrap_or_default();
    match credentials.get(name) {
        Some(values) => values.clone(),
        None => {
            let hint = hint(name, credentials.keys().map(String::as_str));
            problems.error(node.at, format!("there is no credential '{name}'{hint}"));
            Map::new()
        }
    }
}

/// Keys nobody knows go to the vendor; one that is nearly ours was probably meant to be it.
pub(super) fn check_param(key: &Key, problems: &mut Problems) {
    if let Some((_, feature)) = keys::PARAMS_LATER
        .iter()
        .find(|(later, _)| *later == key.name)
    {
        return problems.warn(
            key.at,
            format!("'{}' has no effect yet: {feature} is not built", key.name),
        );
    }
    if keys::PARAMS.contains(&key.name.as_str())
        || llm_types::ChatRequest::FIELDS.contains(&key.name.as_str())
    {
        return;
    }
    if key.name.len() > 4
        && let Some(near) = nearest(&key.name, keys::PARAMS.iter().copied())
    {
        problems.warn(
            key.at,
            format!(
                "'{}' goes to the vendor as it is: did you mean '{near}'?",
                key.name
            ),
        );
    }
}
