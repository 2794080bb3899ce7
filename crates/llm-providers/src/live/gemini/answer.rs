//! An answer that is under way, as OpenAI's events tell of it.

use llm_types::Usage;
use serde_json::{Value, json};

use super::events::Events;
use crate::live::Said;

/// An answer that is under way.
#[derive(Debug)]
pub(super) struct Answer {
    id: String,
    spoken: bool,
    metadata: Value,
    /// Those that are finished.
    items: Vec<Value>,
    open: Option<Open>,
}

/// What the model is saying now.
#[derive(Debug)]
struct Open {
    id: String,
    /// What it has said or written so far.
    text: String,
}

/// A piece of what a model says.
pub(super) enum Piece<'a> {
    /// Sound, in base64.
    Sound(&'a str),
    /// What is said in the sound, or written.
    Words(&'a str),
}

impl Answer {
    pub(super) fn begin(
        events: &mut Events,
        spoken: bool,
        metadata: Value,
        out: &mut Vec<Said>,
    ) -> Self {
        let answer = Self {
            id: events.id("resp"),
            spoken,
            metadata,
            items: Vec::new(),
            open: None,
        };
        let response = answer.shown(events, "in_progress", Value::Null, None);
        events.tell(out, "response.created", json!({ "response": response }));
        answer
    }

    /// The model says more.
    pub(super) fn say(&mut self, events: &mut Events, piece: &Piece<'_>, out: &mut Vec<Said>) {
        self.open(events, out);
        let (at, spoken) = (self.place(), self.spoken);
        let (kind, delta) = match piece {
            Piece::Sound(sound) => ("response.output_audio.delta", *sound),
            Piece::Words(words) if spoken => ("response.output_audio_transcript.delta", *words),
            Piece::Words(words) => ("response.output_text.delta", *words),
        };
        if let (Piece::Words(words), Some(open)) = (piece, &mut self.open) {
            open.text.push_str(words);
        }
        events.tell(out, kind, with(at, json!({ "delta": delta })));
    }

    /// The model calls a function.
    pub(super) fn call(
        &mut self,
        events: &mut Events,
        call_id: &str,
        name: &str,
        arguments: &str,
        out: &mut Vec<Said>,
    ) {
        self.close(events, "completed", out);
        let id = events.id("item");
        let mut item = json!({
            "id": id, "object": "realtime.item", "type": "function_call", "status": "in_progress",
            "call_id": call_id, "name": name, "arguments": "",
        });
        let at = json!({"response_id": self.id, "output_index": self.items.len()});
        let begun = with(at.clone(), json!({ "item": item }));
        events.tell(out, "response.output_item.added", begun);
        events.added(out, &item);
        let of_item = with(at.clone(), json!({"item_id": id, "call_id": call_id}));
        let delta = with(of_item.clone(), json!({ "delta": arguments }));
        events.tell(out, "response.function_call_arguments.delta", delta);
        let done = with(of_item, json!({"name": name, "arguments": arguments}));
        events.tell(out, "response.function_call_arguments.done", done);
        item["status"] = "completed".into();
        item["arguments"] = arguments.into();
        events.tell(
            out,
            "response.output_item.done",
            with(at, json!({ "item": item })),
        );
        events.settled(out, &item);
        self.items.push(item);
    }

    /// The answer is over: `why` says what cut it short, if something did.
    pub(super) fn end(
        mut self,
        events: &mut Events,
        why: Option<&str>,
        usage: Option<&Usage>,
        out: &mut Vec<Said>,
    ) {
        let (item, status) = match why {
            None => ("completed", "completed"),
            Some(_) => ("incomplete", "cancelled"),
        };
        self.close(events, item, out);
        let details = why.map_or(
            Value::Null,
            |why| json!({"type": "cancelled", "reason": why}),
        );
        let response = self.shown(events, status, details, usage);
        events.tell(out, "response.done", json!({ "response": response }));
    }

    /// Begins an item, unless one is open.
    fn open(&mut self, events: &mut Events, out: &mut Vec<Said>) {
        if self.open.is_some() {
            return;
        }
        let id = events.id("item");
        let item = message(&id, "in_progress", Vec::new());
        let at = json!({"response_id": self.id, "output_index": self.items.len(), "item": item});
        events.tell(out, "response.output_item.added", at);
        events.added(out, &item);
        self.open = Some(Open {
            id,
            text: String::new(),
        });
        let part = json!({ "part": self.part("") });
        let at = with(self.place(), part);
        events.tell(out, "response.content_part.added", at);
    }

    /// Finishes the open item.
    fn close(&mut self, events: &mut Events, status: &str, out: &mut Vec<Said>) {
        let at = self.place();
        let Some(Open { id, text }) = self.open.take() else {
            return;
        };
        if self.spoken {
            events.tell(out, "response.output_audio.done", at.clone());
            let done = with(at.clone(), json!({ "transcript": text }));
            events.tell(out, "response.output_audio_transcript.done", done);
        } else {
            let done = with(at.clone(), json!({ "text": text }));
            events.tell(out, "response.output_text.done", done);
        }
        let part = json!({ "part": self.part(&text) });
        events.tell(out, "response.content_part.done", with(at, part));
        let item = message(&id, status, vec![events.said(self.spoken, &text)]);
        let at = json!({"response_id": self.id, "output_index": self.items.len(), "item": item});
        events.tell(out, "response.output_item.done", at);
        events.settled(out, &item);
        self.items.push(item);
    }

    /// Where the open item's content is.
    fn place(&self) -> Value {
        let item = self.open.as_ref().map(|open| &open.id);
        json!({
            "response_id": self.id, "item_id": item, "output_index": self.items.len(), "content_index": 0,
        })
    }

    fn part(&self, text: &str) -> Value {
        match self.spoken {
            true => json!({"type": "audio", "transcript": text}),
            false => json!({"type": "text", "text": text}),
        }
    }

    fn shown(&self, events: &Events, status: &str, details: Value, usage: Option<&Usage>) -> Value {
        let modality = if self.spoken { "audio" } else { "text" };
        let key = if events.early {
            "modalities"
        } else {
            "output_modalities"
        };
        let mut shown = json!({
            "object": "realtime.response", "id": self.id, "status": status, "status_details": details,
            "output": self.items, "metadata": self.metadata, "usage": usage.map(counted),
        });
        shown[key] = json!([modality]);
        shown
    }
}

fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({
        "id": id, "object": "realtime.item", "type": "message", "role": "assistant", "status": status,
        "content": content,
    })
}

/// Both objects in one.
fn with(mut all: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

/// A usage as OpenAI's sessions tell it.
fn counted(usage: &Usage) -> Value {
    let prompt = usage.prompt_tokens_details.clone().unwrap_or_default();
    let answer = usage.completion_tokens_details.clone().unwrap_or_default();
    let others = prompt.audio_tokens + prompt.image_tokens + prompt.video_tokens;
    let text = prompt
        .text_tokens
        .unwrap_or(usage.prompt_tokens.saturating_sub(others));
    let written = answer
        .text_tokens
        .unwrap_or(usage.completion_tokens.saturating_sub(answer.audio_tokens));
    json!({
        "total_tokens": usage.total_tokens,
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "input_token_details": {
            "text_tokens": text, "audio_tokens": prompt.audio_tokens,
            "image_tokens": prompt.image_tokens + prompt.video_tokens, "cached_tokens": prompt.cached_tokens,
        },
        "output_token_details": {"text_tokens": written, "audio_tokens": answer.audio_tokens},
    })
}
