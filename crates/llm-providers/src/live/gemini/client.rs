//! What a client says, on its way to Gemini.

use serde_json::{Value, json};

use super::{
    GeminiSession, Phase,
    said::{self, Event, Item},
    settings::wrong,
};
use crate::{Error, live::Says};

impl GeminiSession {
    pub(super) fn update(&mut self, event: &Event, says: &mut Says) -> Result<(), Error> {
        let next = self.settings.updated(&event.session, self.lenient)?;
        if !matches!(self.phase, Phase::Fresh) && next != self.settings && !self.lenient {
            let message = "Gemini's settings are fixed when the conversation begins";
            return Err(wrong("session", message));
        }
        if matches!(self.phase, Phase::Fresh) {
            self.settings = next;
        }
        let shown = self.shown();
        self.events.tell(&mut says.client, "session.updated", shown);
        Ok(())
    }

    pub(super) fn listen(&mut self, event: &Event, says: &mut Says) -> Result<(), Error> {
        self.begin_conversation(says)?;
        if self.settings.is_manual() && !self.heard.speaking {
            self.heard.speaking = true;
            self.say(says, json!({"realtimeInput": {"activityStart": {}}}))?;
        }
        // Base64 has four letters for three bytes.
        self.heard.bytes += event.audio.len() as u64 / 4 * 3;
        self.heard.uncommitted = true;
        self.say(says, said::sound(&event.audio))
    }

    /// Turns that came before the first sound are what it follows.
    fn begin_conversation(&mut self, says: &mut Says) -> Result<(), Error> {
        if self.turns.is_empty() {
            return Ok(());
        }
        let turns = std::mem::take(&mut self.turns);
        let content = json!({"clientContent": {"turns": turns, "turnComplete": false}});
        self.say(says, content)
    }

    pub(super) fn commit(&mut self, says: &mut Says) -> Result<(), Error> {
        if !self.heard.uncommitted {
            return Err(wrong("input_audio_buffer", "there is no sound in it"));
        }
        self.commit_heard(&mut says.client);
        match self.settings.is_manual() {
            // Gemini answers at the end of a turn: it ends when an answer is asked for.
            true => Ok(()),
            false => self.say(says, json!({"realtimeInput": {"audioStreamEnd": true}})),
        }
    }

    pub(super) fn add(&mut self, event: &Event, says: &mut Says) -> Result<(), Error> {
        let place = event.previous_item_id.as_deref();
        if place.is_some_and(|id| id != "root" && Some(id) != self.events.last.as_deref()) {
            let message = "Gemini's conversations grow at their ends only";
            return Err(wrong("previous_item_id", message));
        }
        if !event.item.is_object() {
            return Err(wrong("item", "expected an object"));
        }
        match said::item(&event.item)? {
            Item::Turn(turn) => self.turns.push(turn),
            Item::Call {
                call_id,
                name,
                turn,
            } => {
                self.told.insert(call_id, name);
                self.turns.push(turn);
            }
            Item::Instruction(words) if matches!(self.phase, Phase::Fresh) => {
                let instructions = &mut self.settings.instructions;
                if !instructions.is_empty() {
                    instructions.push_str("\n\n");
                }
                instructions.push_str(&words);
            }
            Item::Instruction(words) => self.turns.push(said::words(&words)),
            Item::Output { call_id, output } => self.return_output(call_id, output)?,
        }
        let mut item = event.item.clone();
        if item["id"].as_str().is_none_or(str::is_empty) {
            item["id"] = self.events.id("item").into();
        }
        item["object"] = "realtime.item".into();
        item["status"] = "completed".into();
        self.events.added(&mut says.client, &item);
        self.events.settled(&mut says.client, &item);
        Ok(())
    }

    /// An output that Gemini waits for, or one of a call that the client told of.
    fn return_output(&mut self, call_id: String, output: Value) -> Result<(), Error> {
        let response = |name| json!({"id": call_id, "name": name, "response": output});
        if let Some(name) = self.calls.remove(&call_id) {
            self.outputs.push(response(name));
            return Ok(());
        }
        let Some(name) = self.told.remove(&call_id) else {
            let message = format!("no call '{call_id}' waits for its output");
            return Err(wrong("item.call_id", message));
        };
        let part = json!({ "functionResponse": response(name) });
        self.turns.push(json!({"role": "user", "parts": [part]}));
        Ok(())
    }

    /// An answer is asked for: now what waits goes to Gemini.
    pub(super) fn create(&mut self, event: &Event, says: &mut Says) -> Result<(), Error> {
        let (instructions, metadata) = said::wishes(&event.response)?;
        if self.answer.is_some() {
            let message = "an answer is under way: cancel it, or wait for its end";
            return Err(wrong("response", message));
        }
        (self.metadata, self.muted) = (metadata, false);
        self.turns.extend(instructions.as_deref().map(said::words));
        let outputs = std::mem::take(&mut self.outputs);
        let returned = !outputs.is_empty();
        if returned {
            self.say(
                says,
                json!({"toolResponse": {"functionResponses": outputs}}),
            )?;
        }
        if std::mem::take(&mut self.heard.speaking) {
            self.begin_conversation(says)?;
            self.commit_heard(&mut says.client);
            return self.say(says, json!({"realtimeInput": {"activityEnd": {}}}));
        }
        if returned && self.turns.is_empty() {
            return Ok(());
        }
        let turns = std::mem::take(&mut self.turns);
        let content = json!({"clientContent": {"turns": turns, "turnComplete": true}});
        self.say(says, content)
    }

    /// Gemini cannot be stopped: what it still says of this answer is not told.
    pub(super) fn cancel(&mut self, says: &mut Says) -> Result<(), Error> {
        if self.answer.is_none() {
            return Err(wrong("response", "no answer is under way"));
        }
        self.muted = true;
        self.end(Some("client_cancelled"), &mut says.client);
        Ok(())
    }

    /// What Gemini heard cannot be taken back; it keeps in mind only what it had said when it was interrupted.
    pub(super) fn edit(&mut self, event: &Event, says: &mut Says) -> Result<(), Error> {
        match event.kind.as_str() {
            "input_audio_buffer.clear" if !self.heard.uncommitted => {
                let fields = json!({});
                self.events
                    .tell(&mut says.client, "input_audio_buffer.cleared", fields);
                Ok(())
            }
            "input_audio_buffer.clear" => Err(wrong("type", "Gemini has heard it already")),
            "conversation.item.truncate" => {
                let fields = json!({
                    "item_id": event.item_id, "content_index": event.content_index,
                    "audio_end_ms": event.audio_end_ms,
                });
                self.events
                    .tell(&mut says.client, "conversation.item.truncated", fields);
                Ok(())
            }
            other => {
                let message = format!("Gemini's sessions know no event '{other}'");
                Err(wrong("type", message))
            }
        }
    }
}
