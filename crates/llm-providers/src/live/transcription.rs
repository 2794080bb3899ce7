//! What clients said, written down: by a model beside the session's own, or by a session that does nothing else.

use bytes::Bytes;
use llm_types::{Map, Usage};
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Value, json};

use super::openai::Consumed;
use crate::{Call, Error};

/// Whether a session is opened to write down what is said, and for nothing else.
pub(crate) fn is_transcription(call: &Call<'_>) -> bool {
    let mut query = call.query.iter();
    query.any(|(name, value)| name == "intent" && value == "transcription")
}

/// A session that only writes down what is said. Its model is not in the address but in its settings.
#[derive(Debug)]
pub(super) struct Transcription {
    /// The vendor's name of the model.
    model: String,
    /// The client's.
    named: String,
}

/// What was written down so far.
#[derive(Debug, Default)]
pub(super) struct Transcripts {
    /// The vendor's name of the model that writes.
    pub(super) model: String,
    /// What each model consumed.
    pub(super) heard: Vec<(String, Usage)>,
}

/// Of an event, what tells of transcriptions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    session: Option<Settings>,
    usage: Option<Billed>,
}

/// The two versions of the settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    audio: Option<Audio>,
    input_audio_transcription: Option<Writer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Audio {
    input: Option<Input>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    transcription: Option<Writer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Writer {
    model: Option<String>,
}

/// Models are billed by tokens or by time.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Billed {
    Tokens(Consumed),
    Duration {
        seconds: f64,
    },
    #[serde(other)]
    Otherwise,
}

impl Transcripts {
    /// Reads an event of the kind `kind`.
    pub(super) fn hear(&mut self, kind: &str, told: Told) {
        match kind {
            "session.created"
            | "session.updated"
            | "transcription_session.created"
            | "transcription_session.updated" => {
                if let Some(model) = told.session.and_then(Settings::writer) {
                    self.model = model;
                }
            }
            "conversation.item.input_audio_transcription.completed" => {
                if let Some(usage) = told.usage.and_then(Billed::usage) {
                    self.add(&usage);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, usage: &Usage) {
        match self.heard.iter_mut().find(|(of, _)| *of == self.model) {
            Some((_, sum)) => sum.add(usage),
            None => self.heard.push((self.model.clone(), usage.clone())),
        }
    }
}

impl Settings {
    fn writer(self) -> Option<String> {
        let input = self.audio.and_then(|audio| audio.input);
        let writer = input.and_then(|input| input.transcription);
        writer.or(self.input_audio_transcription)?.model
    }
}

impl Billed {
    fn usage(self) -> Option<Usage> {
        match self {
            Self::Tokens(consumed) => Some(consumed.into()),
            Self::Duration { seconds } => {
                let mut usage = Usage::default();
                usage.units.seconds = Some(seconds).filter(|s| s.is_finite() && *s >= 0.0);
                Some(usage)
            }
            Self::Otherwise => None,
        }
    }
}

impl Transcription {
    /// The one that `call` opens, if it does.
    pub(super) fn of(call: &Call<'_>, model: &str, named: &str) -> Option<Self> {
        is_transcription(call).then(|| Self {
            model: model.to_owned(),
            named: named.to_owned(),
        })
    }

    /// A client's event, with the vendor's name of the model in its settings.
    pub(super) fn named(&self, text: Bytes) -> Result<Bytes, Error> {
        // Most events are pieces of sound, and are not parsed.
        if memmem::find(&text, b"session.update").is_none() {
            return Ok(text);
        }
        // The vendor says what is wrong with what is no event.
        let Ok(mut event) = serde_json::from_slice::<Map>(&text) else {
            return Ok(text);
        };
        let way: &[&str] = match event.get("type").and_then(Value::as_str) {
            Some("session.update") => &["session", "audio", "input", "transcription"],
            Some("transcription_session.update") => &["session", "input_audio_transcription"],
            _ => return Ok(text),
        };
        let mut at = &mut event;
        for key in way {
            let next = at.entry(*key).or_insert_with(|| json!({}));
            // What is no object is the vendor's to refuse, and nothing there is nothing chosen.
            if next.is_null() {
                *next = json!({});
            }
            let Some(next) = next.as_object_mut() else {
                return Ok(text);
            };
            at = next;
        }
        match at.get("model").and_then(Value::as_str) {
            None => {}
            Some(said) if said == self.named || said == self.model => {}
            Some(said) => {
                let named = &self.named;
                let message = format!("this session is for '{named}', not for '{said}'");
                return Err(Error::bad_request(way.join(".") + ".model", message));
            }
        }
        at.insert("model".into(), self.model.clone().into());
        Ok(Value::Object(event).to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(transcripts: &mut Transcripts, event: &Value) {
        let told = serde_json::from_value(event.clone()).unwrap();
        transcripts.hear(event["type"].as_str().unwrap(), told);
    }

    #[test]
    fn each_models_transcripts_are_summed() {
        let mut all = Transcripts::default();
        let completed = "conversation.item.input_audio_transcription.completed";
        hear(
            &mut all,
            &json!({"type": "session.created", "session": {"audio": {"input": {"transcription": null}}}}),
        );
        hear(
            &mut all,
            &json!({"type": "session.updated", "session": {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}}),
        );
        let tokens = json!({"type": completed, "transcript": "Hi", "usage": {
            "type": "tokens", "total_tokens": 22, "input_tokens": 13, "output_tokens": 9,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 13},
        }});
        hear(&mut all, &tokens);
        hear(&mut all, &tokens);
        hear(
            &mut all,
            &json!({"type": "transcription_session.updated", "session": {"input_audio_transcription": {"model": "whisper-1"}}}),
        );
        hear(
            &mut all,
            &json!({"type": completed, "usage": {"type": "duration", "seconds": 2.5}}),
        );
        hear(
            &mut all,
            &json!({"type": completed, "usage": {"type": "new"}}),
        );
        hear(&mut all, &json!({"type": completed}));
        let [(first, tokens), (second, time)] = all.heard.as_slice() else {
            panic!("{:?}", all.heard);
        };
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("gpt-4o-transcribe", "whisper-1")
        );
        assert_eq!((tokens.prompt_tokens, tokens.completion_tokens), (26, 18));
        let details = tokens.prompt_tokens_details.as_ref().unwrap();
        assert_eq!(details.audio_tokens, 26);
        assert_eq!(time.units.seconds, Some(2.5));
    }

    #[test]
    fn the_model_of_the_address_is_put_in() {
        let session = Transcription {
            model: "gpt-4o-transcribe".into(),
            named: "ears".into(),
        };
        let said = |event: Value| {
            let text = session.named(event.to_string().into()).unwrap();
            serde_json::from_slice::<Value>(&text).unwrap()
        };
        let settings = |model: Value| json!({"type": "session.update", "session": {"type": "transcription", "audio": {"input": {"transcription": model, "turn_detection": null}}}});
        let model = json!({"model": "gpt-4o-transcribe"});
        let named = json!({"language": "de", "model": "gpt-4o-transcribe"});
        for (given, expected) in [
            (json!({"language": "de", "model": "ears"}), &named),
            (
                json!({"language": "de", "model": "gpt-4o-transcribe"}),
                &named,
            ),
            (json!({}), &model),
            (Value::Null, &model),
        ] {
            assert_eq!(said(settings(given)), settings(expected.clone()));
        }
        let before = json!({"type": "transcription_session.update", "session": {"input_audio_transcription": {"model": "ears"}}});
        assert_eq!(said(before)["session"]["input_audio_transcription"], model);
        let bare = json!({"type": "session.update"});
        assert_eq!(
            said(bare)["session"]["audio"]["input"]["transcription"],
            model
        );
        let wrong = settings(json!({"model": "other"}));
        let error = session.named(wrong.to_string().into()).unwrap_err();
        assert_eq!(
            error.param.as_deref(),
            Some("session.audio.input.transcription.model")
        );
        for other in [
            "session.update",
            r#"{"type":"session.update","session":7}"#,
            r#"{"type":"input_audio_buffer.append","audio":"session.update"}"#,
        ] {
            let text = Bytes::copy_from_slice(other.as_bytes());
            assert_eq!(session.named(text.clone()).unwrap(), text);
        }
    }
}
