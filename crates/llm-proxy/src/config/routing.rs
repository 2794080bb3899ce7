//! `router_settings`, and what `litellm_settings` say of the same: how requests find their way.

use llm_sdk::router_settings::{Place, Role, RouterSettings, Step};
use llm_types::Map;

use super::{
    file::Values,
    names::Names,
    node::{At, Key, Node},
    problem::Problems,
};

/// Keys of `litellm_settings` that are about routing.
pub(super) const LITELLM: &[&str] = &[
    "num_retries",
    "request_timeout",
    "allowed_fails",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "default_fallbacks",
    "max_fallbacks",
    "model_alias_map",
    "tag_budget_config",
];

/// Reads the `keys` of a section; what it says of models is noted in `names`.
pub(super) fn read(
    values: &mut Values,
    keys: &[&'static str],
    routing: &mut RouterSettings,
    names: &mut Names,
    problems: &mut Problems,
) {
    let nodes: Vec<(&str, Node)> = keys
        .iter()
        .filter_map(|key| Some((*key, values.take_node(key)?)))
        .collect();
    let mut map: Map = nodes
        .iter()
        .map(|(key, node)| ((*key).to_owned(), node.to_json()))
        .collect();
    let before = routing.mentions.len();
    for remark in routing.read(&mut map) {
        let at = at(&nodes, &remark.place);
        if remark.mistake {
            problems.error(at, remark.message);
        } else {
            problems.warn(at, remark.message);
        }
    }
    for mention in routing.mentions.iter().skip(before) {
        let (key, name, at) = (mention.key, &mention.name, at(&nodes, &mention.place));
        match &mention.role {
            Role::Alias => names.alias(key, name, at),
            Role::Fallback { from } => names.fallback(key, from, name, at),
            Role::Condition => names.condition(key, name, at),
        }
    }
}

/// Where in the file `place` is.
fn at(nodes: &[(&str, Node)], place: &Place) -> At {
    let mut steps = place.steps.iter();
    let top = steps.next().and_then(|step| match step {
        Step::Key(key) => nodes.iter().find(|(name, _)| name == key),
        Step::Item(_) => None,
    });
    let Some((_, mut node)) = top.map(|(key, node)| (key, node)) else {
        return At::default();
    };
    let mut at = node.at;
    for step in steps {
        let next: Option<(Option<&Key>, &Node)> = match step {
            Step::Key(name) => node
                .entries()
                .iter()
                .find(|(key, _)| key.name == *name)
                .map(|(key, node)| (Some(key), node)),
            Step::Item(index) => node.items().get(*index).map(|node| (None, node)),
        };
        let Some((key, below)) = next else {
            break;
        };
        node = below;
        at = match key.filter(|_| place.key_itself) {
            Some(key) => key.at,
            None => node.at,
        };
    }
    at
}
