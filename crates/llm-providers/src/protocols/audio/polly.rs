//! Amazon Polly: the model is the engine.

use llm_types::Map;
use serde_json::Value;

use super::speak::{Speaker, voice};
use crate::{Error, auth::aws, path, protocols::openai};

/// Its voices, by OpenAI's names for voices.
const VOICES: &[(&str, &str)] = &[
    ("alloy", "Joanna"),
    ("ash", "Stephen"),
    ("coral", "Ruth"),
    ("echo", "Matthew"),
    ("fable", "Emma"),
    ("nova", "Amy"),
    ("onyx", "Brian"),
    ("shimmer", "Salli"),
];

pub(crate) const POLLY: Speaker = Speaker {
    request: |call, request| {
        let format = match request.response_format.as_deref() {
            None => "mp3",
            Some("opus") => "ogg_opus",
            Some("ogg") => "ogg_vorbis",
            Some(own @ ("mp3" | "pcm" | "ogg_opus" | "ogg_vorbis" | "json" | "mulaw" | "alaw")) => {
                own
            }
            Some(other) => {
                let message = format!("Polly does not speak '{other}': mp3, opus, ogg and pcm");
                return Err(Error::bad_request("response_format", message));
            }
        };
        let mut body = Map::from_iter([
            ("Engine".to_owned(), Value::from(call.model())),
            ("OutputFormat".to_owned(), format.into()),
            ("Text".to_owned(), request.input.as_str().into()),
            ("VoiceId".to_owned(), voice(&request, VOICES).into()),
        ]);
        body.extend(request.extra);
        let uri = path::join(&aws::in_region(call.target)?, "v1/speech");
        openai::request(&uri, Value::from(body).to_string().into())
    },
};
