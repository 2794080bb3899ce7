//! OpenAI's events, in both of their versions.

use serde_json::{Value, json};

use crate::live::Said;

/// What is told to a client, in its version's names.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The version before the general availability.
    pub(super) early: bool,
    made: u64,
    /// The latest item of the conversation.
    pub(super) last: Option<String>,
}

/// Names that were others: now, and before.
const RENAMED: [(&str, &str); 8] = [
    ("response.output_audio.delta", "response.audio.delta"),
    ("response.output_audio.done", "response.audio.done"),
    (
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
    ),
    (
        "response.output_audio_transcript.done",
        "response.audio_transcript.done",
    ),
    ("response.output_text.delta", "response.text.delta"),
    ("response.output_text.done", "response.text.done"),
    ("conversation.item.added", "conversation.item.created"),
    // There was nothing like it.
    ("conversation.item.done", ""),
];

impl Events {
    /// Events in the version that a client speaks.
    pub(super) fn of(early: bool) -> Self {
        Self {
            early,
            ..Self::default()
        }
    }

    /// Tells the client of an event, if its version has one of this name.
    pub(super) fn tell(&mut self, out: &mut Vec<Said>, kind: &str, mut fields: Value) {
        let renamed = RENAMED.iter().find(|(now, _)| self.early && *now == kind);
        let kind = renamed.map_or(kind, |(_, before)| before);
        if kind.is_empty() {
            return;
        }
        fields["type"] = kind.into();
        fields["event_id"] = self.id("event").into();
        out.push(Said::Text(fields.to_string().into()));
    }

    /// An item that is new in the conversation.
    pub(super) fn added(&mut self, out: &mut Vec<Said>, item: &Value) {
        let id = item["id"].as_str().map(str::to_owned);
        let before = std::mem::replace(&mut self.last, id);
        let fields = json!({"previous_item_id": before, "item": item});
        self.tell(out, "conversation.item.added", fields);
    }

    /// An item that will not change any more.
    pub(super) fn settled(&mut self, out: &mut Vec<Said>, item: &Value) {
        self.tell(out, "conversation.item.done", json!({ "item": item }));
    }

    /// A new id, unlike all others of the session.
    pub(super) fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}_{:06}", self.made)
    }

    /// Something a model said, as a part of an item.
    pub(super) fn said(&self, spoken: bool, text: &str) -> Value {
        match (spoken, self.early) {
            (true, true) => json!({"type": "audio", "transcript": text}),
            (false, true) => json!({"type": "text", "text": text}),
            (true, false) => json!({"type": "output_audio", "transcript": text}),
            (false, false) => json!({"type": "output_text", "text": text}),
        }
    }
}
