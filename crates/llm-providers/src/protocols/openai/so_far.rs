//! A streamed response whose end mark does not come, though all of it has been said.

use bytes::Bytes;
use llm_types::JsonObject;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Call;

pub(super) const COMPLETED: &str = "response.completed";

/// How far a stream is.
#[derive(Default)]
pub(super) struct SoFar {
    /// Nothing follows a message where the model has no tools.
    may_call: bool,
    begun: Option<Bytes>,
    /// The events that ended the items.
    items: Vec<Bytes>,
    open: usize,
    number: u64,
}

#[derive(Deserialize)]
struct Ended<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    status: Option<std::borrow::Cow<'a, str>>,
}

impl SoFar {
    pub(super) fn new(call: &Call<'_>) -> Self {
        let says = |key: &str| {
            let raw = call.fields().raw(key);
            raw.is_some_and(|raw| !matches!(&raw[..], b"null" | b"[]"))
        };
        Self {
            may_call: says("tools") || says("prompt"),
            ..Self::default()
        }
    }

    /// Takes note of an event.
    pub(super) fn event(&mut self, kind: &str, number: Option<u64>, data: &Bytes) {
        self.number = number.unwrap_or(self.number.saturating_add(1));
        match kind {
            "response.created" => self.begun = Some(data.clone()),
            "response.output_item.added" => self.open += 1,
            "response.output_item.done" => {
                self.open = self.open.saturating_sub(1);
                self.items.push(data.clone());
            }
            _ => {}
        }
    }

    /// The end mark of an answer that is whole; `None` if it is not, or if nobody can tell.
    pub(super) fn end(&self) -> Option<Bytes> {
        if self.may_call || self.open > 0 {
            return None;
        }
        let items: Vec<Ended<'_>> = self
            .items
            .iter()
            .map(|data| serde_json::from_slice(data).ok())
            .collect::<Option<_>>()?;
        let last: Item<'_> = serde_json::from_str(items.last()?.item.get()).ok()?;
        if last.kind != "message" || last.status.as_deref() != Some("completed") {
            return None;
        }
        let begun = JsonObject::parse(self.begun.as_ref()?).ok()?;
        let mut response = JsonObject::parse(begun.raw("response")?).ok()?;
        let output: Vec<&RawValue> = items.iter().map(|ended| ended.item).collect();
        response.set_str("status", "completed");
        response.set("output", &output);
        let mut event = JsonObject::new();
        event.set_str("type", COMPLETED);
        event.set("sequence_number", &self.number.saturating_add(1));
        event.set_raw("response", response.to_bytes());
        Some(event.to_bytes())
    }
}
