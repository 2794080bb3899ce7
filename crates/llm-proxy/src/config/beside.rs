//! `search_tools`, `files_settings` and `finetune_settings`: deployments that are no models.

use llm_sdk::Beside;
use serde_json::Value as Json;

use super::{
    file::known,
    keys,
    model_list::{Model, check_param},
    node::{Node, Value},
    problem::Problems,
};

/// Every entry of such a list that says enough.
pub(super) fn entries(kind: Beside, list: &Node, problems: &mut Problems) -> Vec<Model> {
    if !matches!(list.value, Value::List(_) | Value::Null) {
        let message = format!("'{}' must be a list, and is {}", kind.key(), list.kind());
        problems.error(list.at, message);
    }
    let items = list.items().iter();
    items
        .filter_map(|item| entry(kind, item, problems))
        .collect()
}

fn entry(kind: Beside, item: &Node, problems: &mut Problems) -> Option<Model> {
    let Json::Object(map) = item.to_json() else {
        let message = format!(
            "an entry of '{}' must be a mapping, and is {}",
            kind.key(),
            item.kind()
        );
        problems.error(item.at, message);
        return None;
    };
    let params = match kind {
        Beside::SearchTool => {
            known(item, &keys::TOOL, problems);
            item.get("litellm_params")
        }
        Beside::Files | Beside::FineTuning => Some(item),
    };
    let own = ["search_provider", "max_retries"];
    for (key, _) in params.map(Node::entries).unwrap_or_default() {
        if !own.contains(&key.name.as_str()) {
            check_param(key, problems);
        }
    }
    match kind.entry(&map) {
        Ok(entry) => Some(Model {
            name: entry.group,
            params: entry.params,
            info: entry.info,
            node: item.clone(),
        }),
        Err(error) => {
            problems.error(item.at, error.message);
            None
        }
    }
}
