//! Speech from a text. OpenAI's shape.

use serde_json::Value;

use crate::{JsonError, JsonObject, Map};

/// A request for speech, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechRequest {
    /// The model.
    pub model: String,
    /// What is said.
    pub input: String,
    /// Who says it: a name, or an object with an `id`.
    pub voice: Option<Value>,
    /// `mp3`, `opus`, `aac`, `flac`, `wav`, `pcm`, or the vendor's own.
    pub response_format: Option<String>,
    /// How fast, where 1 is usual.
    pub speed: Option<f64>,
    /// How it is to sound.
    pub instructions: Option<String>,
    /// Every other key of the body.
    pub extra: Map,
}

impl SpeechRequest {
    const FIELDS: &'static [&'static str] = &[
        "model",
        "input",
        "voice",
        "response_format",
        "speed",
        "instructions",
    ];

    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?.unwrap_or_default(),
            input: object.require("input")?,
            voice: object.get("voice")?,
            response_format: object.get("response_format")?,
            speed: object.get("speed")?,
            instructions: object.get("instructions")?,
            extra: object.rest(Self::FIELDS)?,
        })
    }

    /// The voice's name, or its id.
    pub fn voice(&self) -> Option<&str> {
        let voice = self.voice.as_ref()?;
        let named = ["id", "name", "voice_id"].iter();
        voice
            .as_str()
            .or_else(|| named.filter_map(|key| voice.get(key)?.as_str()).next())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_voice_is_a_name_or_an_object() {
        let read = |text: &'static str| {
            SpeechRequest::from_object(&JsonObject::parse(&Bytes::from_static(text.as_bytes()))?)
        };
        let named = read(r#"{"input":"Hi","voice":"alloy","speed":1.5,"x":1}"#).expect("a request");
        assert_eq!((named.voice(), named.speed), (Some("alloy"), Some(1.5)));
        assert_eq!(named.extra["x"], 1);
        let own = read(r#"{"input":"Hi","voice":{"id":"v-1"}}"#).expect("a request");
        assert_eq!(own.voice(), Some("v-1"));
        assert_eq!(
            read(r#"{"voice":"alloy"}"#).expect_err("an error").field,
            "input"
        );
    }
}
