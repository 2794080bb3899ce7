//! What Gemini says, on its way to the client.

use serde_json::{Value, json};

use super::{
    GeminiSession,
    answer::{Answer, Piece},
    settings::RATE,
    text, wire,
};
use crate::{
    live::{Said, Says},
    protocols,
};

/// Sound is PCM of 16 bits.
const BYTES: u64 = 2;

impl GeminiSession {
    /// The answer that is under way, begun if there is none.
    fn answering(&mut self, out: &mut Vec<Said>) -> &mut Answer {
        if self.answer.is_none() {
            self.understood(out);
        }
        let metadata = &mut self.metadata;
        self.answer.get_or_insert_with(|| {
            let metadata = std::mem::take(metadata);
            Answer::begin(&mut self.events, self.settings.speaks, metadata, out)
        })
    }

    pub(super) fn end(&mut self, why: Option<&str>, out: &mut Vec<Said>) {
        let usage = self.usage.settle();
        if let Some(answer) = self.answer.take() {
            answer.end(&mut self.events, why, usage.as_ref(), out);
        }
    }

    /// What Gemini says and understands.
    pub(super) fn hear(&mut self, content: &wire::Content, out: &mut Vec<Said>) {
        if let Some(words) = &content.input_transcription {
            self.transcribe(&words.text, out);
        }
        for part in content.model_turn.iter().flat_map(|turn| &turn.parts) {
            let sound = part.inline_data.as_ref().map(|blob| &*blob.data);
            if let Some(sound) = sound.filter(|_| self.settings.speaks) {
                self.tell(&Piece::Sound(sound), out);
            }
            if let Some(words) = part.text.as_deref().filter(|_| !part.thought) {
                self.tell(&Piece::Words(words), out);
            }
        }
        if let Some(words) = &content.output_transcription {
            self.tell(&Piece::Words(&words.text), out);
        }
    }

    fn tell(&mut self, piece: &Piece<'_>, out: &mut Vec<Said>) {
        let (Piece::Sound(said) | Piece::Words(said)) = piece;
        if self.muted || said.is_empty() {
            return;
        }
        self.answering(out);
        if let Some(answer) = &mut self.answer {
            answer.say(&mut self.events, piece, out);
        }
    }

    fn transcribe(&mut self, words: &str, out: &mut Vec<Said>) {
        let id = self.heard_item(out);
        if let Some((_, transcript)) = &mut self.heard.item {
            transcript.push_str(words);
        }
        if self.settings.transcription.is_some() && !words.is_empty() {
            let fields = json!({"item_id": id, "content_index": 0, "delta": words});
            let kind = "conversation.item.input_audio_transcription.delta";
            self.events.tell(out, kind, fields);
        }
    }

    /// Something new that the client said cut the answer short.
    pub(super) fn interrupt(&mut self, out: &mut Vec<Said>) {
        self.muted = false;
        if self.answer.is_none() {
            return;
        }
        if self.heard.uncommitted {
            let id = self.heard_id();
            let at = self.heard.bytes * 1000 / (RATE * BYTES);
            let fields = json!({"item_id": id, "audio_start_ms": at});
            self.events
                .tell(out, "input_audio_buffer.speech_started", fields);
        }
        self.end(Some("turn_detected"), out);
    }

    /// Gemini calls functions, and waits for their outputs.
    pub(super) fn hear_calls(&mut self, calls: Vec<wire::FunctionCall>, says: &mut Says) {
        if calls.is_empty() {
            return;
        }
        if self.muted {
            // It would wait for them forever.
            let answers = calls.iter().map(|call| {
                let why = json!({"error": "the client cancelled the answer"});
                json!({"id": call.id, "name": call.name, "response": why})
            });
            let answers: Vec<Value> = answers.collect();
            let returned = json!({"toolResponse": {"functionResponses": answers}});
            says.vendor.push(text(&returned));
            return;
        }
        for call in calls {
            let name = self.client_name(&call.name);
            let arguments = match call.args {
                Value::Null => "{}".to_owned(),
                args => args.to_string(),
            };
            self.answering(&mut says.client);
            if let Some(answer) = &mut self.answer {
                let events = &mut self.events;
                answer.call(events, &call.id, &name, &arguments, &mut says.client);
            }
            self.calls.insert(call.id, call.name);
        }
    }

    /// A function's name as the client gave it.
    fn client_name(&self, name: &str) -> String {
        let names = self.settings.tools.iter().filter_map(|tool| {
            let function = tool.get("function").unwrap_or(tool);
            function.get("name")?.as_str()
        });
        let mut same = names.filter(|given| protocols::gemini::function_name(given) == name);
        same.next().unwrap_or(name).to_owned()
    }

    /// What was heard becomes an item.
    pub(super) fn commit_heard(&mut self, out: &mut Vec<Said>) {
        if !std::mem::take(&mut self.heard.uncommitted) {
            return;
        }
        let id = self.heard_item(out);
        let before = self.events.last.clone().filter(|last| *last != id);
        let fields = json!({"item_id": id, "previous_item_id": before});
        self.events
            .tell(out, "input_audio_buffer.committed", fields);
    }

    /// The item of what is being heard; the client knows it afterwards.
    fn heard_item(&mut self, out: &mut Vec<Said>) -> String {
        let id = self.heard_id();
        if std::mem::replace(&mut self.heard.told, true) {
            return id;
        }
        let item = json!({
            "id": id, "object": "realtime.item", "type": "message", "role": "user", "status": "completed",
            "content": [{"type": "input_audio", "transcript": null}],
        });
        self.events.added(out, &item);
        id
    }

    /// The id that the item will have.
    fn heard_id(&mut self) -> String {
        let events = &mut self.events;
        let made = || (events.id("item"), String::new());
        self.heard.item.get_or_insert_with(made).0.clone()
    }

    /// Nothing more will be understood of what was heard.
    fn understood(&mut self, out: &mut Vec<Said>) {
        self.commit_heard(out);
        let Some((id, transcript)) = self.heard.item.take() else {
            return;
        };
        let told = std::mem::take(&mut self.heard.told);
        if told && self.settings.transcription.is_some() {
            let fields = json!({"item_id": id, "content_index": 0, "transcript": transcript});
            let kind = "conversation.item.input_audio_transcription.completed";
            self.events.tell(out, kind, fields);
        }
    }
}
