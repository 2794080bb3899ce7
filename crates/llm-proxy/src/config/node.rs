//! YAML that remembers where everything stands.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;
use serde_saphyr::Spanned;

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
    /// Which of the files that were read; the first includes the others.
    pub(crate) file: u16,
}

impl At {
    /// The file as a whole.
    pub(crate) fn start(file: u16) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: At,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: At,
}

impl Node {
    /// Reads one YAML document, the text of `file`; an empty one is an empty mapping.
    pub(crate) fn parse(text: &str, file: u16) -> Result<Self, (At, String)> {
        if text.trim().is_empty() {
            return Ok(Self {
                value: Value::Map(Vec::new()),
                at: At::start(file),
            });
        }
        match serde_saphyr::from_str::<Spanned<Value>>(text) {
            Ok(spanned) => {
                let mut root = node(spanned);
                root.stands_in(file);
                Ok(root)
            }
            Err(e) => {
                let mut at = e.location().map_or_else(At::default, place);
                at.file = file;
                let message = e.to_string();
                // The first line says what is wrong; the rest is a drawing of where, which we print ourselves.
                Err((at, message.lines().next().unwrap_or_default().to_owned()))
            }
        }
    }

    fn stands_in(&mut self, file: u16) {
        self.at.file = file;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.stands_in(file)),
            Value::Map(entries) => {
                for (key, node) in entries {
                    key.at.file = file;
                    node.stands_in(file);
                }
            }
            _ => {}
        }
    }

    /// The value of `key`, where this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(name, _)| name.name == key)
            .map(|(_, node)| node)
    }

    /// The entries, where this is a mapping.
    pub(crate) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items, where this is a list.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, where this is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where this is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(number) => number.as_f64(),
            _ => None,
        }
    }

    /// Whether nothing stands here.
    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What kind of value this is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(yes) => Json::Bool(*yes),
            Value::Number(number) => Json::Number(number.clone()),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.name.clone(), node.to_json()))
                .collect(),
        }
    }
}

fn node(spanned: Spanned<Value>) -> Node {
    Node {
        at: place(spanned.referenced),
        value: spanned.value,
    }
}

fn place(location: serde_saphyr::Location) -> At {
    At {
        line: location.line(),
        column: location.column(),
        file: 0,
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
                Ok(Value::Bool(yes))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number.into()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Value, E> {
                Ok(Value::Text(text))
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Spanned<Value>>()? {
                    items.push(node(item));
                }
                Ok(Value::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<Value>>()? {
                    let key = Key {
                        at: place(key.referenced),
                        name: key_text(key.value),
                    };
                    entries.push((key, node(map.next_value::<Spanned<Value>>()?)));
                }
                Ok(Value::Map(entries))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// `1:` and `true:` are keys too.
fn key_text(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => "null".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_place() {
        let root =
            Node::parse("a: 1\nlist:\n  - x: yes\n    'y': 1.5\n  - null\n", 0).expect("yaml");
        let item = &root.get("list").expect("the list").items()[0];
        assert_eq!(
            item.get("x").expect("x"),
            &Node {
                value: Value::Bool(true),
                at: At {
                    line: 3,
                    column: 8,
                    file: 0
                }
            }
        );
        assert_eq!(
            item.entries()[1].0,
            Key {
                name: "y".into(),
                at: At {
                    line: 4,
                    column: 5,
                    file: 0
                }
            }
        );
        assert_eq!(
            root.to_json(),
            serde_json::json!({"a": 1, "list": [{"x": true, "y": 1.5}, null]})
        );
    }

    #[test]
    fn aliases_merge_and_empty_files_are_fine() {
        let root = Node::parse("base: &b {k: 1}\nuse: {<<: *b, m: 2}\n", 0).expect("yaml");
        assert_eq!(
            root.get("use").expect("use").to_json(),
            serde_json::json!({"k": 1, "m": 2})
        );
        assert!(Node::parse("", 0).expect("nothing").entries().is_empty());
        assert!(Node::parse("# only a comment\n", 0).is_ok());
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        let (at, message) = Node::parse("a: 1\nb: [1\nc: 2\n", 0).expect_err("refused");
        assert!(at.line >= 2, "{at:?} {message}");
    }
}
