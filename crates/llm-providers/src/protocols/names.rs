//! Tool names and ids: Anthropic and OpenAI take letters, digits, `_` and `-` only, and not many of them.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The longest name that OpenAI and every host of Claude take.
const MAX: usize = 64;

/// The names in a request that had to change, and what they are called on the wire.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    /// Wire name, caller's name.
    changed: Vec<(String, String)>,
}

impl Names {
    /// Settles the wire names of the tools on offer.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut changed: Vec<(String, String)> = Vec::new();
        for name in names.clone().filter(|name| !fits(name)) {
            let mut wire = cleaned(name);
            let taken = names.clone().any(|other| other == wire)
                || changed.iter().any(|(other, _)| *other == wire);
            if taken {
                wire = hashed(&wire, name);
            }
            changed.push((wire, name.to_owned()));
        }
        Self { changed }
    }

    /// The same from a body's raw `tools`; what cannot be read was refused before it was sent.
    pub(crate) fn of_tools(raw: &Bytes) -> Self {
        let tools: Vec<Offered> = serde_json::from_slice(raw).unwrap_or_default();
        Self::of(tools.iter().filter_map(Offered::name))
    }

    /// What the caller's `name` is called on the wire.
    pub(crate) fn wire(&self, name: String) -> String {
        if fits(&name) {
            return name;
        }
        self.changed
            .iter()
            .find(|(_, own)| *own == name)
            .map_or_else(|| cleaned(&name), |(wire, _)| wire.clone())
    }

    /// What the caller calls the wire's `name`.
    pub(crate) fn own(&self, name: String) -> String {
        self.changed
            .iter()
            .find(|(wire, _)| *wire == name)
            .map_or(name, |(_, own)| own.clone())
    }
}

/// A call's id in the same alphabet. Gemini's thought signatures, which travel inside ids, stay here.
pub(crate) fn id(id: &str) -> String {
    let id = id.split("__thought__").next().unwrap_or(id);
    replaced(id).into_owned()
}

#[derive(Deserialize)]
struct Offered<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
}

impl Offered<'_> {
    fn name(&self) -> Option<&str> {
        match &self.function {
            Some(function) => Some(&function.name),
            None => self.name.as_deref(),
        }
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX && name.chars().all(allowed)
}

fn replaced(text: &str) -> Cow<'_, str> {
    if text.chars().all(allowed) {
        return text.into();
    }
    text.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

/// The characters replaced; a name that is cut keeps a mark of its own.
fn cleaned(name: &str) -> String {
    let clean = replaced(name);
    if clean.is_empty() || clean.len() > MAX {
        return hashed(&clean, name);
    }
    clean.into_owned()
}

fn hashed(clean: &str, name: &str) -> String {
    let mark = hex::encode(&Sha256::digest(name)[..4]);
    format!("{}_{mark}", &clean[..clean.len().min(MAX - 9)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_stay() {
        let names = Names::of(["get_weather", "a-b"].into_iter());
        assert!(names.changed.is_empty());
        assert_eq!(names.wire("get_weather".into()), "get_weather");
    }

    #[test]
    fn others_change_and_come_back() {
        let long = "x".repeat(70);
        let given = ["a.b", "a_b", "a b", "é", "", long.as_str()];
        let names = Names::of(given.into_iter());
        let wire: Vec<_> = given.iter().map(|n| names.wire((*n).to_owned())).collect();
        let unique: std::collections::BTreeSet<_> = wire.iter().collect();
        assert_eq!(unique.len(), given.len(), "{wire:?}");
        assert!(wire.iter().all(|name| fits(name)), "{wire:?}");
        for (own, wire) in given.iter().zip(wire) {
            assert_eq!(names.own(wire), **own);
        }
    }

    #[test]
    fn ids_lose_what_is_refused() {
        assert_eq!(id("call:1/2"), "call_1_2");
        assert_eq!(id("abc__thought__c2ln"), "abc");
    }
}
