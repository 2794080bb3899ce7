//! A session's settings: what a client says of them, in either of OpenAI's versions, and what Gemini is set up with.

use llm_types::Map;
use serde_json::{Value, json};

use crate::{Error, protocols};

/// Gemini speaks 24 kHz, as OpenAI does; what it hears may have any rate.
pub(super) const RATE: u64 = 24_000;

/// A session's settings, as they were last updated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// Whether answers are spoken; otherwise they are written.
    pub(super) speaks: bool,
    pub(super) instructions: String,
    pub(super) tools: Vec<Value>,
    choice: String,
    voice: String,
    temperature: Option<f64>,
    max_tokens: Option<u64>,
    /// What the client is told about what it said; `None`: it does not want to know.
    pub(super) transcription: Option<Value>,
    /// How turns are told apart; null: the client says so itself.
    detection: Value,
    truncation: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            speaks: true,
            instructions: String::new(),
            tools: Vec::new(),
            choice: "auto".to_owned(),
            voice: "alloy".to_owned(),
            temperature: None,
            max_tokens: None,
            transcription: None,
            detection: json!({"type": "server_vad"}),
            truncation: "auto".to_owned(),
        }
    }
}

impl Settings {
    /// Takes over what an update says. Where something in it cannot be, nothing of it is; if `lenient`, the rest is.
    pub(super) fn updated(&self, given: &Value, lenient: bool) -> Result<Self, Error> {
        let mut next = self.clone();
        let Some(given) = given.as_object() else {
            return Err(wrong("session", "expected an object"));
        };
        next.read("session", given, lenient)?;
        Ok(next)
    }

    /// Whether the client says itself when a turn of its own begins and ends.
    pub(super) fn is_manual(&self) -> bool {
        self.detection.is_null()
    }

    fn read(&mut self, place: &str, given: &Map, lenient: bool) -> Result<(), Error> {
        for (key, value) in given {
            let place = format!("{place}.{key}");
            let groups = [
                "session.audio",
                "session.audio.input",
                "session.audio.output",
            ];
            let read = match value.as_object() {
                Some(group) if groups.contains(&place.as_str()) => {
                    self.read(&place, group, lenient)
                }
                _ => self.set(&place, value),
            };
            match read {
                Err(_) if lenient => {}
                read => read?,
            }
        }
        Ok(())
    }

    /// One setting, by its place in either version.
    fn set(&mut self, place: &str, value: &Value) -> Result<(), Error> {
        let text = || value.as_str().map(str::to_owned);
        match place {
            "session.type" => match value.as_str() {
                Some("realtime") => {}
                _ => return Err(wrong(place, "Gemini's sessions are of the type 'realtime'")),
            },
            // What the session is, and not how: clients repeat what they were told.
            "session.model" | "session.id" | "session.object" | "session.expires_at" => {}
            "session.instructions" => {
                self.instructions = text().ok_or_else(|| wrong(place, "expected a text"))?;
            }
            "session.modalities" | "session.output_modalities" => {
                self.speaks = speaks(place, value)?
            }
            "session.voice" | "session.audio.output.voice" => {
                self.voice = text().ok_or_else(|| wrong(place, "expected a voice's name"))?;
            }
            "session.input_audio_format"
            | "session.output_audio_format"
            | "session.audio.input.format"
            | "session.audio.output.format" => return format(place, value),
            "session.input_audio_transcription" | "session.audio.input.transcription" => {
                self.transcription = Some(value.clone()).filter(Value::is_object);
            }
            "session.turn_detection" | "session.audio.input.turn_detection" => {
                detection(place, value)?;
                self.detection = value.clone();
            }
            "session.temperature" => self.temperature = value.as_f64(),
            "session.max_output_tokens" | "session.max_response_output_tokens" => {
                self.max_tokens = value.as_u64();
            }
            "session.tools" => {
                let tools = value.as_array().cloned().unwrap_or_default();
                protocols::gemini::declared(&tools).map_err(|error| {
                    let place = error.param.clone().unwrap_or_default();
                    wrong(&format!("session.{place}"), error.message)
                })?;
                self.tools = tools;
            }
            "session.tool_choice" => match value.as_str() {
                Some(choice @ ("auto" | "none")) => self.choice = choice.to_owned(),
                _ => {
                    return Err(wrong(
                        place,
                        "Gemini chooses its tools itself: 'auto' or 'none'",
                    ));
                }
            },
            "session.truncation" => match value.as_str() {
                Some(how @ ("auto" | "disabled")) => self.truncation = how.to_owned(),
                _ => return Err(wrong(place, "Gemini knows 'auto' and 'disabled'")),
            },
            "session.speed" | "session.audio.output.speed" if value.as_f64() == Some(1.0) => {}
            _ if value.is_null() => {}
            _ => return Err(wrong(place, "Gemini's sessions have nothing like it")),
        }
        Ok(())
    }

    /// The session as a client is told of it. `early`: in the version before the general availability.
    pub(super) fn shown(&self, id: &str, model: &str, early: bool) -> Value {
        let limit = self.max_tokens.map_or(json!("inf"), Value::from);
        let modalities = match (self.speaks, early) {
            (true, true) => json!(["text", "audio"]),
            (true, false) => json!(["audio"]),
            (false, _) => json!(["text"]),
        };
        if early {
            return json!({
                "object": "realtime.session", "id": id, "model": model, "modalities": modalities,
                "instructions": self.instructions, "voice": self.voice,
                "input_audio_format": "pcm16", "output_audio_format": "pcm16",
                "input_audio_transcription": self.transcription, "turn_detection": self.detection,
                "tools": self.tools, "tool_choice": self.choice, "temperature": self.temperature,
                "max_response_output_tokens": limit,
            });
        }
        let format = json!({"type": "audio/pcm", "rate": RATE});
        json!({
            "type": "realtime", "object": "realtime.session", "id": id, "model": model,
            "output_modalities": modalities, "instructions": self.instructions,
            "tools": self.tools, "tool_choice": self.choice, "max_output_tokens": limit,
            "truncation": self.truncation, "tracing": null, "prompt": null,
            "audio": {
                "input": {
                    "format": format, "transcription": self.transcription, "noise_reduction": null,
                    "turn_detection": self.detection,
                },
                "output": {"format": format, "voice": self.voice, "speed": 1.0},
            },
        })
    }

    /// Gemini's first message, for the model at `model`.
    pub(super) fn setup(&self, model: &str) -> Result<Value, Error> {
        let mut generation = Map::new();
        let modality = if self.speaks { "AUDIO" } else { "TEXT" };
        generation.insert("responseModalities".into(), json!([modality]));
        if let Some(temperature) = self.temperature {
            generation.insert("temperature".into(), temperature.into());
        }
        if let Some(most) = self.max_tokens {
            generation.insert("maxOutputTokens".into(), most.into());
        }
        let mut setup = Map::from_iter([("model".to_owned(), model.into())]);
        if self.speaks {
            let name = protocols::audio::gemini_voice(&self.voice);
            let voice = json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}});
            generation.insert("speechConfig".into(), voice);
            setup.insert("outputAudioTranscription".into(), json!({}));
        }
        setup.insert("generationConfig".into(), generation.into());
        if !self.instructions.is_empty() {
            let text = json!({"parts": [{"text": self.instructions}]});
            setup.insert("systemInstruction".into(), text);
        }
        if !self.tools.is_empty() && self.choice != "none" {
            let tools = protocols::gemini::declared(&self.tools)?;
            setup.insert("tools".into(), tools.into());
        }
        if self.transcription.is_some() {
            setup.insert("inputAudioTranscription".into(), json!({}));
        }
        let input = self.input();
        if !input.is_empty() {
            setup.insert("realtimeInputConfig".into(), input.into());
        }
        if self.truncation == "auto" {
            let window = json!({"slidingWindow": {}});
            setup.insert("contextWindowCompression".into(), window);
        }
        Ok(json!({ "setup": setup }))
    }

    /// How turns are told apart, in Gemini's words.
    fn input(&self) -> Map {
        let mut input = Map::new();
        let mut detects = Map::new();
        if self.is_manual() {
            detects.insert("disabled".into(), true.into());
        }
        let of = |key: &str| self.detection.get(key).filter(|value| !value.is_null());
        for (key, theirs) in [
            ("prefix_padding_ms", "prefixPaddingMs"),
            ("silence_duration_ms", "silenceDurationMs"),
        ] {
            if let Some(value) = of(key) {
                detects.insert(theirs.into(), value.clone());
            }
        }
        if let Some(threshold) = of("threshold").and_then(Value::as_f64) {
            // OpenAI's own default lies in the middle of its range.
            let ease = if threshold > 0.5 { "LOW" } else { "HIGH" };
            let sensitivity = format!("START_SENSITIVITY_{ease}");
            detects.insert("startOfSpeechSensitivity".into(), sensitivity.into());
        }
        match of("eagerness").and_then(Value::as_str) {
            Some("low") => drop(detects.insert(
                "endOfSpeechSensitivity".into(),
                "END_SENSITIVITY_LOW".into(),
            )),
            Some("high") => drop(detects.insert(
                "endOfSpeechSensitivity".into(),
                "END_SENSITIVITY_HIGH".into(),
            )),
            _ => {}
        }
        if !detects.is_empty() {
            input.insert("automaticActivityDetection".into(), detects.into());
        }
        if of("interrupt_response") == Some(&Value::Bool(false)) {
            input.insert("activityHandling".into(), "NO_INTERRUPTION".into());
        }
        input
    }
}

fn speaks(place: &str, value: &Value) -> Result<bool, Error> {
    let all: Vec<&str> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match all.as_slice() {
        ["text"] => Ok(false),
        ["audio"] | ["audio", "text"] | ["text", "audio"] => Ok(true),
        _ => Err(wrong(place, "expected 'audio' or 'text'")),
    }
}

fn format(place: &str, value: &Value) -> Result<(), Error> {
    let is_pcm = match value {
        Value::Null => true,
        Value::String(name) => name == "pcm16",
        format => {
            let rate = format.get("rate").is_none_or(|rate| rate == &json!(RATE));
            format["type"] == "audio/pcm" && rate
        }
    };
    is_pcm
        .then_some(())
        .ok_or_else(|| wrong(place, "Gemini's sessions speak PCM of 24 kHz alone"))
}

fn detection(place: &str, value: &Value) -> Result<(), Error> {
    let Some(given) = value.as_object() else {
        return match value.is_null() {
            true => Ok(()),
            false => Err(wrong(place, "expected an object or null")),
        };
    };
    for (key, value) in given {
        let place = format!("{place}.{key}");
        match (key.as_str(), value) {
            (_, Value::Null) => {}
            ("type", value) if value == "server_vad" || value == "semantic_vad" => {}
            ("threshold" | "prefix_padding_ms" | "silence_duration_ms", value)
                if value.is_number() => {}
            ("interrupt_response", Value::Bool(_)) | ("eagerness", Value::String(_)) => {}
            ("create_response", Value::Bool(true)) => {}
            ("create_response", _) => {
                let message =
                    "Gemini answers every turn that it recognises: set turn_detection to null";
                return Err(wrong(&place, message));
            }
            _ => return Err(wrong(&place, "Gemini's sessions have nothing like it")),
        }
    }
    Ok(())
}

pub(super) fn wrong(place: &str, message: impl Into<String>) -> Error {
    Error::bad_request(place, format!("'{place}': {}", message.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(session: Value) -> Result<Settings, Error> {
        Settings::default().updated(&session, false)
    }

    #[test]
    fn both_versions_say_the_same() {
        let now = updated(json!({
            "type": "realtime", "output_modalities": ["audio"], "instructions": "Be brief.", "max_output_tokens": 50,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000}, "noise_reduction": null,
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300, "threshold": 0.8, "interrupt_response": false},
                },
                "output": {"voice": "coral", "speed": 1.0},
            },
        }))
        .unwrap();
        let early = updated(json!({
            "modalities": ["text", "audio"], "instructions": "Be brief.", "max_response_output_tokens": 50,
            "voice": "coral", "input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300, "threshold": 0.8, "interrupt_response": false},
        }))
        .unwrap();
        assert_eq!(now, early);
        assert_eq!(
            now.setup("models/m").unwrap(),
            json!({"setup": {
                "model": "models/m",
                "outputAudioTranscription": {},
                "generationConfig": {
                    "responseModalities": ["AUDIO"], "maxOutputTokens": 50,
                    "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Aoede"}}},
                },
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "inputAudioTranscription": {},
                "realtimeInputConfig": {
                    "automaticActivityDetection": {"silenceDurationMs": 300, "startOfSpeechSensitivity": "START_SENSITIVITY_LOW"},
                    "activityHandling": "NO_INTERRUPTION",
                },
                "contextWindowCompression": {"slidingWindow": {}},
            }})
        );
    }

    #[test]
    fn a_written_session_with_turns_of_its_own() {
        let settings = updated(json!({
            "output_modalities": ["text"], "truncation": "disabled",
            "audio": {"input": {"turn_detection": null}},
            "tools": [{"type": "function", "name": "clock", "description": "Tells the time", "parameters": {"type": "object", "properties": {}}}],
        }))
        .unwrap();
        assert_eq!(
            settings.setup("models/m").unwrap()["setup"],
            json!({
                "model": "models/m",
                "generationConfig": {"responseModalities": ["TEXT"]},
                "tools": [{"functionDeclarations": [{"name": "clock", "description": "Tells the time"}]}],
                "realtimeInputConfig": {"automaticActivityDetection": {"disabled": true}},
            })
        );
    }

    #[test]
    fn what_gemini_has_not_is_named() {
        for (session, place) in [
            (json!({"type": "transcription"}), "session.type"),
            (
                json!({"audio": {"input": {"format": {"type": "audio/pcmu"}}}}),
                "session.audio.input.format",
            ),
            (
                json!({"output_audio_format": "g711_ulaw"}),
                "session.output_audio_format",
            ),
            (
                json!({"audio": {"output": {"speed": 1.5}}}),
                "session.audio.output.speed",
            ),
            (
                json!({"audio": {"input": {"noise_reduction": {"type": "near_field"}}}}),
                "session.audio.input.noise_reduction",
            ),
            (
                json!({"turn_detection": {"type": "server_vad", "create_response": false}}),
                "session.turn_detection.create_response",
            ),
            (json!({"tools": [{"type": "mcp"}]}), "session.tools[0].type"),
            (json!({"tool_choice": "required"}), "session.tool_choice"),
            (json!({"tracing": "auto"}), "session.tracing"),
            (json!({"brand_new": 1}), "session.brand_new"),
            (json!(7), "session"),
        ] {
            let error = updated(session.clone()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(place), "{session}");
            if session.is_object() {
                let lenient = Settings::default().updated(&session, true).unwrap();
                assert!(lenient.setup("m").is_ok());
            }
        }
    }
}
