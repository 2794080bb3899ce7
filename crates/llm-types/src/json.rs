//! One JSON object of which only the top level is taken apart.

use std::{borrow::Cow, fmt};

use bytes::{BufMut, Bytes, BytesMut};
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    extra::Key,
    scan::{self, Fault},
};

/// An object whose values are still JSON text.
///
/// Reading one key or replacing one never touches the rest, and keys nobody here has heard of survive
/// untouched and in order. Values are slices of the body they were parsed from, so parsing copies nothing
/// but the keys. While nothing was changed, [`to_bytes`](Self::to_bytes) returns the very body that came in.
#[derive(Clone, Default)]
pub struct JsonObject {
    fields: Vec<(Cow<'static, str>, Bytes)>,
    /// The text this was parsed from, until the first change.
    source: Option<Bytes>,
}

/// Why a body, or one field of it, could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct JsonError {
    /// The field at fault, as a path (`messages[0].content`); empty for the body as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl JsonError {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    fn describe(&self) -> String {
        if self.field.is_empty() {
            self.message.clone()
        } else {
            format!("'{}': {}", self.field, self.message)
        }
    }
}

impl JsonObject {
    /// Takes the top level of `body` apart.
    ///
    /// Refuses anything that is not one whole JSON object, and an object that has a key twice: two `model`s
    /// could pass one check and bill another.
    pub fn parse(body: &Bytes) -> Result<Self, JsonError> {
        Self::read(body, false)
    }

    /// The same for a body of an unknown client: refuses also what a parser that skips values lets through, and readers
    /// behind us would not: nesting deeper than recursion can follow, and escapes of half a character.
    pub fn parse_strictly(body: &Bytes) -> Result<Self, JsonError> {
        Self::read(body, true)
    }

    fn read(body: &Bytes, strict: bool) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(body)
            .map_err(|e| JsonError::new("", format!("the body is not UTF-8: {e}")))?;
        match scan::fields(text, strict) {
            Ok(found) => {
                let fields = found.into_iter().map(|(key, value)| {
                    let key = text.get(key).unwrap_or_default();
                    Ok((unescaped(key)?, body.slice(value)))
                });
                Self::of(body, fields)
            }
            Err(Fault::Deep) => Err(JsonError::new("", "the body is nested too deeply")),
            Err(Fault::Half) => Err(JsonError::new(
                "",
                "half a character: a \\u escape of a surrogate without its other half",
            )),
            // Slower, and it can say what is wrong and where.
            Err(Fault::Unclear) => {
                let Fields(fields) =
                    serde_json::from_str(text).map_err(|e| JsonError::new("", e.to_string()))?;
                let slice = |raw: &RawValue| body.slice_ref(raw.get().as_bytes());
                let fields = fields.into_iter().map(|(key, raw)| Ok((key, slice(raw))));
                Self::of(body, fields)
            }
        }
    }

    fn of<'a>(
        body: &Bytes,
        found: impl ExactSizeIterator<Item = Result<(Cow<'a, str>, Bytes), JsonError>>,
    ) -> Result<Self, JsonError> {
        let mut fields: Vec<(Cow<'static, str>, Bytes)> = Vec::with_capacity(found.len() + 2);
        for field in found {
            let (key, value) = field?;
            if fields.iter().any(|(seen, _)| *seen == key) {
                return Err(JsonError::new(key, "the key is there twice"));
            }
            let name = match well_known(&key) {
                Some(name) => Cow::Borrowed(name),
                None => Cow::Owned(key.into_owned()),
            };
            fields.push((name, value));
        }
        Ok(Self {
            fields,
            source: Some(body.clone()),
        })
    }

    /// An object without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The object that `value` serialises to; an error if it is no object.
    pub fn from_serialize(value: &impl Serialize) -> Result<Self, JsonError> {
        let bytes = serde_json::to_vec(value).map_err(|e| JsonError::new("", e.to_string()))?;
        Self::parse(&Bytes::from(bytes))
    }

    /// The value of `key`, decoded; `None` if it is absent or `null`. The error names the path inside the value.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, JsonError> {
        match self.raw(key) {
            None => Ok(None),
            Some(raw) => decode(key, raw).map(Some),
        }
    }

    /// The value of `key`, decoded; an error where it is absent or `null`.
    pub fn require<T: DeserializeOwned>(&self, key: &str) -> Result<T, JsonError> {
        self.get(key)?
            .ok_or_else(|| JsonError::new(key, "is missing"))
    }

    /// Every key that is not among `known`, decoded, without those that are `null`.
    pub fn rest(&self, known: &[&str]) -> Result<crate::Map, JsonError> {
        self.iter()
            .filter(|(key, raw)| !known.contains(key) && &raw[..] != b"null")
            .map(|(key, raw)| Ok((key.to_owned(), decode(key, raw)?)))
            .collect()
    }

    /// The text of `key`'s value; `None` if it is absent or `null`.
    pub fn raw(&self, key: &str) -> Option<&Bytes> {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
            .filter(|value| &value[..] != b"null")
    }

    /// The value of `key` when it is a string without escapes, borrowed; what routing reads on the hot path.
    pub fn str(&self, key: &str) -> Option<Cow<'_, str>> {
        let raw = self.raw(key)?;
        let text = std::str::from_utf8(raw).ok()?;
        let inner = text.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(text).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// Whether `key` is `true`.
    pub fn is_true(&self, key: &str) -> bool {
        // In a form everything is text.
        self.raw(key)
            .is_some_and(|raw| matches!(&raw[..], b"true" | b"\"true\""))
    }

    /// Whether `key` is there, `null` included.
    pub fn contains(&self, key: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == key)
    }

    /// Sets `key` to JSON text, in place if it is there, else at the end.
    pub fn set_raw(&mut self, key: impl Into<Cow<'static, str>>, json: impl Into<Bytes>) {
        self.source = None;
        let (key, json) = (key.into(), json.into());
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some((_, value)) => *value = json,
            None => self.fields.push((key, json)),
        }
    }

    /// Sets `key` to a string.
    pub fn set_str(&mut self, key: impl Into<Cow<'static, str>>, text: &str) {
        self.set(key, &text);
    }

    /// Sets `key` to what `value` serialises to (`null` for the few values JSON cannot hold).
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: &impl Serialize) {
        let json = serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec());
        self.set_raw(key, json);
    }

    /// Gives `from` another name, unless the new name is taken.
    pub fn rename(&mut self, from: &str, to: impl Into<Cow<'static, str>>) {
        let to = to.into();
        if self.contains(&to) {
            self.remove(from);
        } else if let Some((name, _)) = self.fields.iter_mut().find(|(name, _)| name == from) {
            *name = to;
            self.source = None;
        }
    }

    /// Takes `key` out and returns its text (`null` included).
    pub fn remove(&mut self, key: &str) -> Option<Bytes> {
        let at = self.fields.iter().position(|(name, _)| name == key)?;
        self.source = None;
        Some(self.fields.remove(at).1)
    }

    /// Takes `key` out and decodes it; `None` if it is absent or `null`.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, JsonError> {
        match self.remove(key) {
            None => Ok(None),
            Some(raw) if &raw[..] == b"null" => Ok(None),
            Some(raw) => decode(key, &raw).map(Some),
        }
    }

    /// Keeps only the fields for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Bytes) -> bool) {
        let before = self.fields.len();
        self.fields.retain(|(name, value)| keep(name, value));
        if self.fields.len() != before {
            self.source = None;
        }
    }

    /// The keys and the text of their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_ref(), value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The object as JSON text: the original body if nothing was changed, else a splice of the values.
    pub fn to_bytes(&self) -> Bytes {
        if let Some(source) = &self.source {
            return source.clone();
        }
        let size = self
            .fields
            .iter()
            .map(|(key, value)| key.len() + value.len() + 6)
            .sum::<usize>()
            + 2;
        let mut out = BytesMut::with_capacity(size);
        out.put_u8(b'{');
        for (i, (key, value)) in self.fields.iter().enumerate() {
            if i > 0 {
                out.put_u8(b',');
            }
            put_key(&mut out, key);
            out.put_u8(b':');
            out.put_slice(value);
        }
        out.put_u8(b'}');
        out.freeze()
    }

    /// The object as a tree.
    pub fn to_map(&self) -> Result<crate::Map, JsonError> {
        self.fields
            .iter()
            .map(|(key, raw)| Ok((key.to_string(), decode(key, raw)?)))
            .collect()
    }
}

impl fmt::Debug for JsonObject {
    /// Keys only: values may be prompts or secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.fields.iter().map(|(key, _)| key))
            .finish()
    }
}

/// The keys of nearly every request, which need not be allocated to be kept and copied.
fn well_known(key: &str) -> Option<&'static str> {
    macro_rules! same {
        ($($name:literal)*) => {
            match key {
                $($name => Some($name),)*
                _ => None,
            }
        };
    }
    same! {
        "model" "messages" "stream" "stream_options" "temperature" "top_p" "n" "stop" "seed" "user" "metadata"
        "max_tokens" "max_completion_tokens" "presence_penalty" "frequency_penalty" "response_format" "reasoning_effort"
        "tools" "tool_choice" "parallel_tool_calls" "logprobs" "top_logprobs" "store" "service_tier"
        "input" "dimensions" "encoding_format" "prompt" "instructions" "system" "thinking" "stop_sequences"
    }
}

/// A key that was between quotes.
fn unescaped(key: &str) -> Result<Cow<'_, str>, JsonError> {
    if !key.contains('\\') {
        return Ok(Cow::Borrowed(key));
    }
    serde_json::from_str(&format!("\"{key}\""))
        .map(Cow::Owned)
        .map_err(|e| JsonError::new("", e.to_string()))
}

fn put_key(out: &mut BytesMut, key: &str) {
    if key.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.put_u8(b'"');
        out.put_slice(key.as_bytes());
        out.put_u8(b'"');
    } else if let Ok(escaped) = serde_json::to_vec(key) {
        out.put_slice(&escaped);
    }
}

/// Decodes fast, and only where that fails decodes again to learn the path of the fault.
fn decode<T: DeserializeOwned>(key: &str, raw: &[u8]) -> Result<T, JsonError> {
    serde_json::from_slice(raw).map_err(|plain| {
        let mut reader = serde_json::Deserializer::from_slice(raw);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Err(e) => {
                let path = e.path().to_string();
                let field = match path.as_str() {
                    "." | "" => key.to_owned(),
                    path if path.starts_with('[') => format!("{key}{path}"),
                    path => format!("{key}.{path}"),
                };
                JsonError::new(field, without_position(&e.inner().to_string()))
            }
            Ok(_) => JsonError::new(key, without_position(&plain.to_string())),
        }
    })
}

/// A position inside one field's text says nothing to who sent the whole body.
fn without_position(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(head, _)| head)
        .to_owned()
}

struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(12);
                while let Some(Key(key)) = map.next_key()? {
                    fields.push((key, map.next_value::<&RawValue>()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> JsonObject {
        JsonObject::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("an object")
    }

    #[test]
    fn unchanged_is_the_same_bytes() {
        let body = Bytes::from_static(b" { \"a\" : 1 ,\"b\":[ 2 ] } ");
        assert_eq!(
            JsonObject::parse(&body).expect("an object").to_bytes(),
            body
        );
    }

    #[test]
    fn a_change_touches_one_value() {
        let mut o = object(r#"{"z":{"k" : [1, 2]},"model":"a","y":"\u00e9"}"#);
        o.set_str("model", "b\"c");
        assert_eq!(
            o.to_bytes(),
            r#"{"z":{"k" : [1, 2]},"model":"b\"c","y":"\u00e9"}"#
        );
    }

    #[test]
    fn rename_keeps_the_place_and_yields_to_an_existing_key() {
        let mut o = object(r#"{"a":1,"b":2}"#);
        o.rename("a", "c");
        assert_eq!(o.to_bytes(), r#"{"c":1,"b":2}"#);
        o.rename("c", "b");
        assert_eq!(o.to_bytes(), r#"{"b":2}"#);
    }

    #[test]
    fn twice_the_same_key_is_refused_even_in_another_spelling() {
        let body = Bytes::from_static(br#"{"model":"a","m\u006fdel":"b"}"#);
        assert_eq!(
            JsonObject::parse(&body).expect_err("refused").field,
            "model"
        );
    }

    #[test]
    fn clients_are_read_strictly_whatever_their_keys_look_like() {
        let deep = format!("{{\"\\u0061\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for (body, what) in [(deep.as_str(), "nested"), (r#"{"\n":"\ud800"}"#, "half")] {
            let body = Bytes::copy_from_slice(body.as_bytes());
            let error = JsonObject::parse_strictly(&body).expect_err("refused");
            assert!(error.message.contains(what), "{error}");
            assert!(JsonObject::parse(&body).is_ok());
        }
    }

    #[test]
    fn errors_name_the_path() {
        let o = object(r#"{"messages":[{"role":"user"},{"role":7}]}"#);
        let error = o
            .get::<Vec<crate::Message>>("messages")
            .expect_err("refused");
        assert_eq!(error.field, "messages[1].role");
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for body in [
            "",
            "[]",
            "1",
            "{\"a\":1",
            "{}x",
            "{\"a\":}",
            "{\"a\":nul}",
            "null",
        ] {
            assert!(
                JsonObject::parse(&Bytes::copy_from_slice(body.as_bytes())).is_err(),
                "{body}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_skipped_without_recursion() {
        let body = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        let o = object(&body);
        assert!(
            o.get::<serde_json::Value>("a").is_err(),
            "and refused where somebody looks inside"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes: Vec<u8>) {
            let body = Bytes::from(bytes);
            if let Ok(o) = JsonObject::parse(&body) {
                proptest::prop_assert_eq!(o.to_bytes(), body);
            }
        }

        #[test]
        fn edits_round_trip(keys in proptest::collection::btree_map(".*", -5i64..5, 0..6)) {
            let mut o = JsonObject::new();
            for (key, value) in &keys {
                o.set(key.clone(), value);
            }
            let back = JsonObject::parse(&o.to_bytes()).expect("our own text");
            for (key, value) in &keys {
                proptest::prop_assert_eq!(back.get::<i64>(key).expect("a number"), Some(*value));
            }
        }
    }
}
