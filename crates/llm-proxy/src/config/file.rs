//! What a configuration file says: read, included, with the environment filled in, every mistake noted.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use llm_types::{JsonObject, Map};
use serde::de::DeserializeOwned;

use super::{
    keys::{self, Section, State},
    node::{At, Key, Node, Value},
    problem::{Problems, nearest},
};

/// A file and what it includes.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) models: Vec<Model>,
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

/// An entry of `model_list`.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) params: JsonObject,
    pub(crate) info: Map,
    pub(crate) file: String,
    pub(crate) at: At,
}

/// A section's values.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<String, (serde_json::Value, At, String)>);

impl Values {
    /// The value of `key`; one of the wrong type is noted.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        key: &str,
        problems: &mut Problems,
    ) -> Option<T> {
        let (value, at, file) = self.0.remove(key)?;
        if value.is_null() {
            return None;
        }
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(e) => {
                let outer = problems.enter(&file);
                problems.error(at, format!("'{key}': {e}"));
                problems.enter(&outer);
                None
            }
        }
    }

    /// Where `key` stands, for a problem with its value.
    pub(crate) fn place(&self, key: &str) -> Option<(At, &str)> {
        self.0.get(key).map(|(_, at, file)| (*at, file.as_str()))
    }
}

/// Reads `path` and what it includes. `var` is the environment.
pub(crate) fn read(
    path: &Path,
    var: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> File {
    let mut file = File::default();
    let Some(root) = load(path, &mut Vec::new(), &mut file.files, problems) else {
        return file;
    };
    file.environment = environment(&root, var, problems);
    let overlaid = |name: &str| file.environment.get(name).cloned().or_else(|| var(name));
    let root = fill(root, &overlaid, problems);
    known(&root.node, &keys::ROOT, problems);
    for (key, section, into) in [
        ("router_settings", &keys::ROUTER, &mut file.router),
        ("litellm_settings", &keys::LITELLM, &mut file.litellm),
        ("general_settings", &keys::GENERAL, &mut file.general),
    ] {
        *into = values(&root, key, section, problems);
    }
    let credentials = credentials(&root.node, problems);
    file.models = models(&root, &credentials, problems);
    file
}

/// A document whose top-level entries may come from several files.
struct Document {
    node: Node,
    name: String,
}

/// Reads one file and merges what it includes: lists are appended, other keys overwritten, as LiteLLM does.
fn load(
    path: &Path,
    chain: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
    problems: &mut Problems,
) -> Option<Document> {
    let name = path.display().to_string();
    let outer = problems.enter(&name);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) => {
            problems.error(At::default(), format!("the file cannot be read: {e}"));
            return None;
        }
    };
    files.push(path.to_owned());
    chain.push(path.to_owned());
    let mut node = match Node::parse(&text) {
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
        let inner = problems.enter(&name);
        if let Some(included) = load(&other, chain, files, problems) {
            merge(&mut node, included.node);
        }
        problems.enter(&inner);
    }
    chain.pop();
    if !chain.is_empty() {
        problems.enter(&outer);
    }
    Some(Document { node, name })
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
    root: &Document,
    var: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, node) in root
        .node
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
fn fill(
    mut document: Document,
    var: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Document {
    fn walk(node: &mut Node, var: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) {
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
            Value::List(items) => items.iter_mut().for_each(|item| walk(item, var, problems)),
            Value::Map(entries) => entries
                .iter_mut()
                .for_each(|(_, node)| walk(node, var, problems)),
            _ => {}
        }
    }
    problems.enter(&document.name);
    walk(&mut document.node, var, problems);
    document
}

/// Names every key that nobody knows, and every one whose feature is not built yet.
fn known(node: &Node, section: &Section, problems: &mut Problems) {
    for (key, _) in node.entries() {
        match section.state(&key.name) {
            Some(State::Built | State::Inert(_)) => {}
            Some(State::Later(feature)) => {
                problems.warn(
                    key.at,
                    format!("'{}' has no effect yet: {feature} is not built", key.name),
                );
            }
            None => problems.warn(key.at, unknown(key, section)),
        }
    }
}

fn unknown(key: &Key, section: &Section) -> String {
    let place = if section.name.is_empty() {
        String::new()
    } else {
        format!(" in {}", section.name)
    };
    match nearest(&key.name, section.names()) {
        Some(near) => format!("unknown key '{}'{place}: did you mean '{near}'?", key.name),
        None => format!("unknown key '{}'{place}: it has no effect", key.name),
    }
}

fn values(root: &Document, name: &str, section: &Section, problems: &mut Problems) -> Values {
    let Some(node) = root.node.get(name) else {
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
    let built = node
        .entries()
        .iter()
        .filter(|(key, _)| section.state(&key.name) == Some(State::Built));
    Values(
        built
            .map(|(key, node)| {
                (
                    key.name.clone(),
                    (node.to_json(), node.at, root.name.clone()),
                )
            })
            .collect(),
    )
}

/// `credential_list`: named parameters that deployments refer to.
fn credentials(root: &Node, problems: &mut Problems) -> BTreeMap<String, Map> {
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

fn models(
    root: &Document,
    credentials: &BTreeMap<String, Map>,
    problems: &mut Problems,
) -> Vec<Model> {
    let Some(list) = root.node.get("model_list") else {
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
        .filter_map(|item| model(root, item, credentials, problems))
        .collect()
}

fn model(
    root: &Document,
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
        file: root.name.clone(),
        at: item.at,
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
            let near = nearest(name, credentials.keys().map(String::as_str));
            let hint = near
                .map(|near| format!(": did you mean '{near}'?"))
                .unwrap_or_default();
            problems.error(node.at, format!("there is no credential '{name}'{hint}"));
            Map::new()
        }
    }
}

/// Keys nobody knows go to the vendor; one that is nearly ours was probably meant to be it.
fn check_param(key: &Key, problems: &mut Problems) {
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
