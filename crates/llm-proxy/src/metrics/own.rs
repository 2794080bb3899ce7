//! Labels that the operator adds: what requests, keys and teams say in their metadata, and which tags a request has.

use std::borrow::Cow;

use llm_governance::Caller;
use llm_types::{JsonObject, Map};
use serde_json::Value;

use super::label::{Label, NONE};
use crate::error::show;

/// A label of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLabel {
    /// Its name.
    pub name: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// What stands at this path of the metadata.
    Metadata(String),
    /// Whether a request has this tag; a star at the end stands for whatever follows.
    Tag(String),
}

/// What a request says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) metadata: &'a Map,
    pub(crate) body: &'a JsonObject,
    pub(crate) tags: &'a [String],
}

impl OwnLabel {
    /// The label of a path (`metadata.team.name`), as `custom_prometheus_metadata_labels` has it.
    pub fn of_metadata(path: &str) -> Option<Self> {
        let path = path.strip_prefix("metadata.").unwrap_or(path);
        Self::named(
            format!("metadata_{path}"),
            Source::Metadata(path.to_owned()),
        )
    }

    /// The label of a tag, as `custom_prometheus_tags` has it.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::named(format!("tag_{tag}"), Source::Tag(tag.to_owned()))
    }

    /// With only the signs that a label's name may have; `None` where that is another label's.
    fn named(name: String, source: Source) -> Option<Self> {
        let (Source::Metadata(said) | Source::Tag(said)) = &source;
        if said.is_empty() {
            return None;
        }
        let fit = |sign: char| {
            if sign.is_ascii_alphanumeric() {
                sign
            } else {
                '_'
            }
        };
        let name: String = name.chars().map(fit).collect();
        let taken = Label::ALL.iter().any(|label| label.name() == name);
        (!taken).then_some(Self { name, source })
    }

    /// What a request of `caller` says for it: itself first, then its key and its team.
    pub(super) fn value(&self, caller: &Caller, said: Said<'_>) -> String {
        match &self.source {
            Source::Tag(tag) => {
                let inherited = caller.tags(said.tags);
                let has = inherited.iter().any(|one| fits(tag, one));
                has.to_string()
            }
            Source::Metadata(path) => {
                // Where `metadata` is a part of the vendor's API, it is still in the body.
                let body: Option<Map> = said.body.get("metadata").ok().flatten();
                let key = caller.key.as_ref().map(|key| &key.row.metadata);
                let team = caller.team.as_ref().map(|team| &team.row.metadata);
                let own = text(at(said.metadata, path));
                let own = own.or_else(|| text(at(body.as_ref()?, path)));
                let own = own.or_else(|| text(at(key?, path)));
                let own = own.or_else(|| text(at(team?, path)));
                own.unwrap_or_else(|| NONE.to_owned())
            }
        }
    }
}

fn fits(tag: &str, said: &str) -> bool {
    match tag.strip_suffix('*') {
        Some(start) => said.starts_with(start),
        None => said == tag,
    }
}

/// `a.b` as a pointer.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

fn at<'a>(map: &'a Map, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => map.get(path),
        Some((first, rest)) => map.get(first)?.pointer(&pointer(rest)),
    }
}

/// A text, a number or a yes or no, fit for a label.
fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(is) => Cow::Owned(is.to_string()),
        _ => return None,
    };
    (!text.is_empty()).then(|| show(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_label_is_what_is_said_nearest_to_the_request() {
        let metadata = json!({"team": {"name": "red"}, "n": 7, "list": [1]});
        let metadata = metadata.as_object().cloned().unwrap();
        let body = JsonObject::parse(&bytes::Bytes::from_static(
            br#"{"metadata": {"n": 8, "in_body": true}}"#,
        ))
        .unwrap();
        let tags = ["prod-eu".to_owned()];
        let said = Said {
            metadata: &metadata,
            body: &body,
            tags: &tags,
        };
        let value = |label: Option<OwnLabel>| {
            let label = label.unwrap();
            (label.value(&Caller::master(), said), label.name)
        };
        for (path, expected, name) in [
            ("metadata.team.name", "red", "metadata_team_name"),
            ("metadata.n", "7", "metadata_n"),
            ("in_body", "true", "metadata_in_body"),
            ("metadata.list", "None", "metadata_list"),
            ("metadata.n.x", "None", "metadata_n_x"),
        ] {
            let expected = (expected.to_owned(), name.to_owned());
            assert_eq!(value(OwnLabel::of_metadata(path)), expected);
        }
        for (tag, expected, name) in [
            ("prod-eu", "true", "tag_prod_eu"),
            ("prod-*", "true", "tag_prod__"),
            ("prod", "false", "tag_prod"),
        ] {
            let expected = (expected.to_owned(), name.to_owned());
            assert_eq!(value(OwnLabel::of_tag(tag)), expected);
        }
        assert_eq!(OwnLabel::of_metadata("metadata."), None);
    }
}
