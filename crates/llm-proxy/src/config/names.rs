//! Names of models that a configuration mentions outside `model_list`, and where they lead. LiteLLM finds out at the
//! first failure.

use std::collections::{BTreeMap, BTreeSet};

use llm_sdk::nearest::hint;

use super::{node::At, problem::Problems};
use crate::settings::Settings;

/// What was mentioned, to be checked when all models are known.
#[derive(Debug, Default)]
pub(super) struct Names {
    aliases: Vec<Mention>,
    fallbacks: Vec<(Mention, String)>,
    conditions: Vec<Mention>,
}

/// One name in one place.
#[derive(Debug)]
struct Mention {
    key: &'static str,
    name: String,
    at: At,
}

impl Names {
    /// An alias leads to `name`.
    pub(super) fn alias(&mut self, key: &'static str, name: &str, at: At) {
        self.aliases.push(Mention::new(key, name, at));
    }

    /// Failures of `from` lead to `name`.
    pub(super) fn fallback(&mut self, key: &'static str, from: &str, name: &str, at: At) {
        self.fallbacks
            .push((Mention::new(key, name, at), from.to_owned()));
    }

    /// Something is said of `name`.
    pub(super) fn condition(&mut self, key: &'static str, name: &str, at: At) {
        self.conditions.push(Mention::new(key, name, at));
    }

    /// Notes every name that leads nowhere, or in a circle.
    pub(super) fn check(&self, settings: &Settings, problems: &mut Problems) {
        let known = Known(settings);
        for alias in &self.aliases {
            if known.model(&alias.name) {
                continue;
            }
            match settings.router.aliases.get(&alias.name) {
                Some(further) => problems.error(
                    alias.at,
                    format!(
                        "{}: '{}' is itself an alias, of '{further}': an alias leads to a model",
                        alias.key, alias.name
                    ),
                ),
                None => known.nowhere(alias, problems),
            }
        }
        for (to, from) in &self.fallbacks {
            if to.name == *from {
                problems.error(to.at, format!("{}: '{from}' falls back to itself", to.key));
            } else if !known.name(&to.name) {
                known.nowhere(to, problems);
            }
        }
        self.circles(problems);
        for mention in &self.conditions {
            if mention.name != "*" && !known.asked(&mention.name) {
                let message = known.unknown(mention, ", so this has no effect");
                problems.warn(mention.at, message);
            }
        }
    }

    /// A list that leads back to where it began.
    fn circles(&self, problems: &mut Problems) {
        let mut edges: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for (to, from) in self.fallbacks.iter().filter(|(to, from)| to.name != *from) {
            if let Some(way) = way(&edges, to.key, &to.name, from) {
                let names: Vec<String> = way.iter().map(|name| format!("'{name}'")).collect();
                problems.error(
                    to.at,
                    format!(
                        "{}: a circle: '{from}' falls back to {}",
                        to.key,
                        names.join(", that to ")
                    ),
                );
            }
            edges.entry((to.key, from)).or_default().insert(&to.name);
        }
    }
}

impl Mention {
    fn new(key: &'static str, name: &str, at: At) -> Self {
        Self {
            key,
            name: name.to_owned(),
            at,
        }
    }
}

/// The way from `start` to `end` over fallbacks of one kind.
fn way<'a>(
    edges: &BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
    key: &'a str,
    start: &'a str,
    end: &'a str,
) -> Option<Vec<&'a str>> {
    let mut open = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop() {
        let last = *way.last()?;
        if last == end {
            return Some(way);
        }
        if !seen.insert(last) {
            continue;
        }
        for next in edges.get(&(key, last)).into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(next);
            open.push(longer);
        }
    }
    None
}

/// The names that lead somewhere.
struct Known<'a>(&'a Settings);

impl Known<'_> {
    /// A model of `model_list`, by its name, a pattern, or its id.
    fn model(&self, name: &str) -> bool {
        let united = &self.0.router.routing_groups;
        united.iter().any(|group| group.name == name)
            || self.0.deployments.iter().any(|d| d.answers_for(name))
    }

    fn name(&self, name: &str) -> bool {
        self.model(name) || self.0.router.aliases.contains_key(name)
    }

    /// Lists of fallbacks also know a model by its name without the vendor.
    fn asked(&self, name: &str) -> bool {
        let bare = |group: &str| group.split_once('/').is_some_and(|(_, bare)| bare == name);
        self.name(name) || self.0.deployments.iter().any(|d| bare(&d.group))
    }

    fn nowhere(&self, mention: &Mention, problems: &mut Problems) {
        problems.error(mention.at, self.unknown(mention, ""));
    }

    fn unknown(&self, mention: &Mention, so: &str) -> String {
        let Mention { key, name, .. } = mention;
        let groups = self.0.deployments.iter().map(|d| d.group.as_str());
        format!(
            "{key}: no model is named '{name}'{so}{}",
            hint(name, groups)
        )
    }
}
