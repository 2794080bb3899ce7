//! What a configuration file says: read, included, with the environment filled in, every mistake noted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use llm_sdk::{Beside, nearest::nearest};
use serde::de::DeserializeOwned;

use super::{
    beside,
    keys::{self, Section, State},
    model_list::{Model, credentials, models},
    node::{At, Key, Node, Value},
    problem::Problems,
};

/// A file and what it includes.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) models: Vec<Model>,
    /// Where `model_list` stands, if nothing is in it.
    pub(crate) empty_list: Option<At>,
    /// Deployments that are no models.
    pub(crate) beside: Vec<Model>,
    pub(crate) router: Values,
    pub(crate) litellm: Values,
    pub(crate) general: Values,
    /// `environment_variables`, which come before the process's own.
    pub(crate) environment: BTreeMap<String, String>,
    /// Every file that was read: what a watcher must watch.
    pub(crate) files: Vec<PathBuf>,
}

impl File {
    /// The keys of sections that nothing took.
    pub(crate) fn unread(&self) -> Vec<&str> {
        let sections = [&self.router, &self.litellm, &self.general];
        sections
            .into_iter()
            .flat_map(|section| section.0.keys().map(String::as_str))
            .collect()
    }
}

/// A section's values.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, Node>);

impl Values {
    /// The value of `key`; one of the wrong type is noted.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        key: &str,
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.take_node(key)?;
        match serde_json::from_value(node.to_json()) {
            Ok(value) => Some(value),
            Err(e) => {
                problems.error(node.at, format!("'{key}': {e}"));
                None
            }
        }
    }

    /// The value of `key` with its places.
    pub(crate) fn take_node(&mut self, key: &str) -> Option<Node> {
        self.0.remove(key).filter(|node| !node.is_null())
    }
}

/// Reads `path` and what it includes. `var` is the environment.
pub(crate) fn read(
    path: &Path,
    var: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> File {
    let mut file = File::default();
    let Some(mut root) = load(path, &mut Vec::new(), &mut file.files, problems) else {
        return file;
    };
    file.environment = environment(&root, var, problems);
    let overlaid = |name: &str| file.environment.get(name).cloned().or_else(|| var(name));
    fill(&mut root, &overlaid, problems);
    known(&root, &keys::ROOT, problems);
    for (key, section, into) in [
        ("router_settings", &keys::ROUTER, &mut file.router),
        ("litellm_settings", &keys::LITELLM, &mut file.litellm),
        ("general_settings", &keys::GENERAL, &mut file.general),
    ] {
        *into = values(&root, key, section, problems);
    }
    let credentials = credentials(&root, problems);
    file.models = models(&root, &credentials, problems);
    let list = root.get("model_list");
    let empty =
        |node: &&Node| node.is_null() || matches!(&node.value, Value::List(all) if all.is_empty());
    file.empty_list = list.filter(empty).map(|node| node.at);
    for kind in Beside::ALL {
        if let Some(list) = root.get(kind.key()) {
            file.beside.extend(beside::entries(kind, list, problems));
        }
    }
    // Tools may stand in a section, too.
    for section in [&mut file.general, &mut file.router] {
        if let Some(list) = section.take_node(Beside::SearchTool.key()) {
            let tools = beside::entries(Beside::SearchTool, &list, problems);
            file.beside.extend(tools);
        }
    }
    file
}

/// Reads one file and merges what it includes: lists are appended, other keys overwritten, as LiteLLM does.
fn load(
    path: &Path,
    chain: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
    problems: &mut Problems,
) -> Option<Node> {
    let file = problems.file(&path.display().to_string());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => {
            problems.error(At::start(file), format!("the file cannot be read: {e}"));
            return None;
        }
    };
    files.push(path.to_owned());
    let mut node = match Node::parse(&text, file) {
        Ok(node) if matches!(node.value, Value::Map(_) | Value::Null) => node,
        Ok(node) => {
            problems.error(
                node.at,
                format!("the file must be a mapping, and is {}", node.kind()),
            );
            return None;
        }
        Err((at, message)) => {
            problems.error(at, message);
            return None;
        }
    };
    chain.push(path.to_owned());
    let includes = node.get("include").cloned();
    for item in includes.iter().flat_map(|list| list.items()) {
        let Some(other) = item.text() else {
            problems.error(
                item.at,
                format!("'include' lists files, and this is {}", item.kind()),
            );
            continue;
        };
        let other = path.parent().unwrap_or(Path::new(".")).join(other);
        if chain.contains(&other) {
            problems.error(item.at, "this file includes itself");
            continue;
        }
        if let Some(included) = load(&other, chain, files, problems) {
            merge(&mut node, included);
        }
    }
    chain.pop();
    Some(node)
}

fn merge(into: &mut Node, from: Node) {
    let (Value::Map(ours), Value::Map(theirs)) = (&mut into.value, from.value) else {
        return;
    };
    for (key, node) in theirs {
        match ours.iter_mut().find(|(name, _)| name.name == key.name) {
            Some((
                _,
                Node {
                    value: Value::List(list),
                    ..
                },
            )) if matches!(node.value, Value::List(_)) => {
                if let Value::List(more) = node.value {
                    list.extend(more);
                }
            }
            Some((_, ours)) => *ours = node,
            None => ours.push((key, node)),
        }
    }
}

/// `environment_variables`, with references to the process's environment filled in.
fn environment(
    root: &Node,
    var: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, node) in root
        .get("environment_variables")
        .map(Node::entries)
        .unwrap_or_default()
    {
        let value = match &node.value {
            Value::Text(text) => match text.strip_prefix("os.environ/") {
                Some(name) => var(name),
                None => Some(text.clone()),
            },
            Value::Bool(_) | Value::Number(_) => Some(node.to_json().to_string()),
            _ => {
                problems.error(node.at, format!("'{}' must be a text", key.name));
                None
            }
        };
        all.extend(value.map(|value| (key.name.clone(), value)));
    }
    all
}

/// Replaces every `os.environ/NAME`; a variable that is not set gives nothing, and a warning.
fn fill(node: &mut Node, var: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) {
    match &mut node.value {
        Value::Text(text) => {
            let Some(name) = text.strip_prefix("os.environ/") else {
                return;
            };
            match var(name) {
                Some(value) => *text = value,
                None => {
                    problems.warn(node.at, format!("the environment has no variable '{name}'"));
                    node.value = Value::Null;
                }
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, var, problems)),
        Value::Map(entries) => entries
            .iter_mut()
            .for_each(|(_, node)| fill(node, var, problems)),
        _ => {}
    }
}

/// Names every key that nobody knows, and every one whose feature is not built yet.
pub(super) fn known(node: &Node, section: &Section, problems: &mut Problems) {
    for (key, _) in node.entries() {
        match section.state(&key.name) {
            Some(State::Built | State::Own(_) | State::Inert(_)) => {}
            Some(State::Later(feature)) => {
                problems.warn(
                    key.at,
                    format!("'{}' has no effect yet: {feature} is not built", key.name),
                );
            }
            None => {
                let names = section.names();
                problems.warn(key.at, unknown(key, section.name, names));
            }
        }
    }
}

/// What to say of a key that nobody knows.
fn unknown<'a>(key: &Key, place: &str, names: impl Iterator<Item = &'a str>) -> String {
    let place = match place {
        "" => String::new(),
        place => format!(" in {place}"),
    };
    match nearest(&key.name, names) {
        Some(near) => format!("unknown key '{}'{place}: did you mean '{near}'?", key.name),
        None => format!("unknown key '{}'{place}: it has no effect", key.name),
    }
}

fn values(root: &Node, name: &str, section: &Section, problems: &mut Problems) -> Values {
    let Some(node) = root.get(name) else {
        return Values::default();
    };
    if !matches!(node.value, Value::Map(_) | Value::Null) {
        problems.error(
            node.at,
            format!("'{name}' must be a mapping, and is {}", node.kind()),
        );
        return Values::default();
    }
    known(node, section, problems);
    let read = |key: &Key| matches!(section.state(&key.name), Some(State::Built | State::Own(_)));
    let entries = node.entries().iter().filter(|(key, _)| read(key));
    Values(
        entries
            .map(|(key, node)| (key.name.clone(), node.clone()))
            .collect(),
    )
}
