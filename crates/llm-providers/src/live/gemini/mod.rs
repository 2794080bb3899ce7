//! Gemini Live behind OpenAI's events.
//!
//! Gemini is set up once, before anything else. So the setup waits for the client's first words: until then the client
//! may update its session. What it says before Gemini is ready waits, too.

mod answer;
mod client;
mod consumed;
mod events;
mod said;
mod settings;
mod vendor;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use llm_types::Usage;
use serde_json::{Value, json};

use super::{Said, Says, Session, is_transcription};
use crate::{Call, Error, Kind, protocols};
use answer::Answer;
use consumed::Consumed;
use events::Events;
use said::Event;
use settings::{Settings, wrong};

/// How much may wait for Gemini to be ready.
const WAITING: usize = 8 << 20;

/// A session with Gemini.
#[derive(Debug)]
pub(crate) struct GeminiSession {
    /// The model as Gemini's setup names it.
    place: String,
    /// The model as clients see it.
    model: String,
    id: String,
    /// Settings that Gemini has not are left out, instead of refused.
    lenient: bool,
    settings: Settings,
    phase: Phase,
    events: Events,
    answer: Option<Answer>,
    /// The client does not want to hear the rest of this answer.
    muted: bool,
    /// Turns that wait for an answer to be asked for.
    turns: Vec<Value>,
    /// Outputs of functions that do.
    outputs: Vec<Value>,
    /// Calls that are not answered: their functions' names.
    calls: BTreeMap<String, String>,
    /// The same of calls that the client told of: Gemini does not wait for them.
    told: BTreeMap<String, String>,
    metadata: Value,
    heard: Heard,
    usage: Consumed,
}

#[derive(Debug)]
enum Phase {
    /// The client has not said anything yet.
    Fresh,
    /// Gemini is being set up.
    Preparing {
        waiting: Vec<Said>,
        bytes: usize,
    },
    Ready,
}

/// What the client says aloud.
#[derive(Debug, Default)]
struct Heard {
    /// Bytes of sound so far.
    bytes: u64,
    /// Some of it belongs to no item yet.
    uncommitted: bool,
    /// The client's own turn is under way.
    speaking: bool,
    /// The item that it becomes, and what Gemini understood of it.
    item: Option<(String, String)>,
    /// The client knows that item.
    told: bool,
}

impl GeminiSession {
    /// A session with the model at `place`.
    pub(crate) fn new(call: &Call<'_>, place: String) -> Result<Self, Error> {
        if is_transcription(call) {
            let message = "Gemini has no sessions that only transcribe";
            return Err(Error::bad_request("intent", message));
        }
        let headers = &call.options.extra_headers;
        let early = headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("openai-beta") && value.contains("realtime=v1")
        });
        let mut events = Events::of(early);
        Ok(Self {
            place,
            model: call.model().to_owned(),
            id: events.id("sess"),
            lenient: call.options.drop_params,
            settings: Settings::default(),
            phase: Phase::Fresh,
            events,
            answer: None,
            muted: false,
            turns: Vec::new(),
            outputs: Vec::new(),
            calls: BTreeMap::new(),
            told: BTreeMap::new(),
            metadata: Value::Null,
            heard: Heard::default(),
            usage: Consumed::default(),
        })
    }

    fn shown(&self) -> Value {
        let early = self.events.early;
        let session = self.settings.shown(&self.id, &self.model, early);
        json!({ "session": session })
    }

    /// Says `value` to Gemini, or keeps it until Gemini is ready.
    fn say(&mut self, says: &mut Says, value: Value) -> Result<(), Error> {
        if matches!(self.phase, Phase::Fresh) {
            says.vendor.push(text(&self.settings.setup(&self.place)?));
            self.phase = Phase::Preparing {
                waiting: Vec::new(),
                bytes: 0,
            };
        }
        let said = text(&value);
        let Phase::Preparing { waiting, bytes } = &mut self.phase else {
            says.vendor.push(said);
            return Ok(());
        };
        if let Said::Text(json) = &said {
            *bytes += json.len();
        }
        if *bytes > WAITING {
            let message = "Gemini is not ready yet, and too much waits for it";
            return Err(Error::new(Kind::Overloaded, message));
        }
        waiting.push(said);
        Ok(())
    }
}

impl Session for GeminiSession {
    fn opening(&mut self) -> Says {
        let mut says = Says::default();
        let shown = self.shown();
        self.events.tell(&mut says.client, "session.created", shown);
        let conversation = json!({"id": self.events.id("conv"), "object": "realtime.conversation"});
        let fields = json!({ "conversation": conversation });
        self.events
            .tell(&mut says.client, "conversation.created", fields);
        says
    }

    fn client_said(&mut self, said: Said) -> Result<Says, Error> {
        let (Said::Text(json) | Said::Binary(json)) = &said;
        let event: Event = serde_json::from_slice(json)
            .map_err(|e| wrong("event", format!("this is no event: {e}")))?;
        let mut says = Says::default();
        match event.kind.as_str() {
            "session.update" => self.update(&event, &mut says)?,
            "input_audio_buffer.append" => self.listen(&event, &mut says)?,
            "input_audio_buffer.commit" => self.commit(&mut says)?,
            "conversation.item.create" => self.add(&event, &mut says)?,
            "response.create" => self.create(&event, &mut says)?,
            "response.cancel" => self.cancel(&mut says)?,
            _ => self.edit(&event, &mut says)?,
        }
        Ok(says)
    }

    fn vendor_said(&mut self, said: Said) -> Result<Says, Error> {
        // Gemini's JSON comes in binary messages, too.
        let (Said::Text(json) | Said::Binary(json)) = &said;
        let message: wire::Message =
            serde_json::from_slice(json).map_err(|e| Error::decode("gemini", e))?;
        let mut says = Says::default();
        if message.setup_complete.is_some()
            && let Phase::Preparing { waiting, .. } =
                std::mem::replace(&mut self.phase, Phase::Ready)
        {
            says.vendor.extend(waiting);
        }
        let content = message.server_content.unwrap_or_default();
        self.hear(&content, &mut says.client);
        let calls = message.tool_call.unwrap_or_default().function_calls;
        // Gemini waits for the outputs; the client waits for the answer's end before it gives them.
        let ends = content.turn_complete || !calls.is_empty();
        self.hear_calls(calls, &mut says);
        if let Some(counts) = &message.usage_metadata {
            let usage = protocols::gemini::counted(&self.model, counts);
            self.usage.count(usage, self.answer.is_some());
        }
        if content.interrupted {
            self.interrupt(&mut says.client);
        }
        if ends {
            self.end(None, &mut says.client);
        }
        if content.turn_complete {
            self.muted = false;
        }
        for id in message
            .tool_call_cancellation
            .into_iter()
            .flat_map(|cancelled| cancelled.ids)
        {
            self.calls.remove(&id);
        }
        Ok(says)
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.total()
    }

    /// What was heard is part of the model's own prompt.
    fn heard(&self) -> &[(String, Usage)] {
        &[]
    }

    fn is_answering(&self) -> bool {
        self.answer.is_some()
    }
}

fn text(value: &Value) -> Said {
    Said::Text(value.to_string().into())
}
