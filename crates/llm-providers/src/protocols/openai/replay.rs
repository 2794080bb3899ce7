//! A whole response, told as the stream of events that it might have been.

use bytes::Bytes;
use llm_types::{JsonError, JsonObject, Map};
use serde_json::{Value, json};

/// An event: its name and its data.
type Event = (&'static str, Bytes);

/// The events of `response`; its last one says how it ended.
pub(super) fn events(response: &JsonObject, last: &'static str) -> Result<Vec<Event>, JsonError> {
    let mut begun = response.clone();
    begun.set_str("status", "in_progress");
    begun.set_raw("output", "[]");
    begun.set_raw("usage", "null");
    let begun = begun.to_bytes();
    let mut told = Told::default();
    for kind in ["response.created", "response.in_progress"] {
        let mut event = JsonObject::new();
        event.set_raw("response", begun.clone());
        told.tell(kind, event);
    }
    let items: Vec<Map> = response.get("output")?.unwrap_or_default();
    for (index, item) in items.into_iter().enumerate() {
        told.item(index, item);
    }
    let mut event = JsonObject::new();
    event.set_raw("response", response.to_bytes());
    told.tell(last, event);
    Ok(told.events)
}

#[derive(Default)]
struct Told {
    events: Vec<Event>,
}

impl Told {
    fn tell(&mut self, kind: &'static str, rest: JsonObject) {
        let mut event = JsonObject::new();
        event.set_str("type", kind);
        event.set("sequence_number", &self.events.len());
        for (key, raw) in rest.iter() {
            event.set_raw(key.to_owned(), raw.clone());
        }
        self.events.push((kind, event.to_bytes()));
    }

    fn say(&mut self, kind: &'static str, of: &Map, more: &[(&'static str, &Value)]) {
        let mut event = JsonObject::new();
        for (key, value) in of {
            event.set(key.clone(), value);
        }
        for (key, value) in more {
            event.set(*key, value);
        }
        self.tell(kind, event);
    }

    /// An item; words of a message are said before it is done, as clients show them while they come.
    fn item(&mut self, index: usize, item: Map) {
        let mut of = Map::new();
        of.insert("output_index".into(), index.into());
        let parts = match item.get("content") {
            Some(Value::Array(parts)) if item.get("type") == Some(&"message".into()) => {
                parts.clone()
            }
            _ => Vec::new(),
        };
        let mut added = item.clone();
        if !parts.is_empty() {
            added.insert("content".into(), json!([]));
            added.insert("status".into(), "in_progress".into());
        }
        self.say(
            "response.output_item.added",
            &of,
            &[("item", &added.into())],
        );
        for (number, part) in parts.iter().enumerate() {
            let mut of = of.clone();
            of.insert("content_index".into(), number.into());
            let id = item.get("id").cloned().unwrap_or_default();
            of.insert("item_id".into(), id);
            self.part(&of, part);
        }
        self.say("response.output_item.done", &of, &[("item", &item.into())]);
    }

    fn part(&mut self, of: &Map, part: &Value) {
        let kinds = match part.get("type").and_then(Value::as_str) {
            Some("output_text") => (
                "text",
                "response.output_text.delta",
                "response.output_text.done",
            ),
            Some("refusal") => ("refusal", "response.refusal.delta", "response.refusal.done"),
            _ => return,
        };
        let (key, delta, done) = kinds;
        let mut empty = part.clone();
        empty[key] = "".into();
        self.say("response.content_part.added", of, &[("part", &empty)]);
        let words = part.get(key).cloned().unwrap_or_default();
        let none = json!([]);
        let scores = ("logprobs", &none);
        let scores = if key == "text" { &[scores][..] } else { &[] };
        self.say(delta, of, &[&[("delta", &words)], scores].concat());
        self.say(done, of, &[&[(key, &words)], scores].concat());
        self.say("response.content_part.done", of, &[("part", part)]);
    }
}
