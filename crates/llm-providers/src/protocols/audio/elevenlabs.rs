//! ElevenLabs: speech, and Scribe's transcripts.

use http::Request;
use llm_types::{Map, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    heard::{Form, Heard, Word},
    speak::{Speaker, voice},
};
use crate::{
    Call, Error, Outgoing, Protocol, Reply, Step, error_table, form, path, protocols::openai,
};

/// Its stock voices, by OpenAI's names for voices.
const VOICES: &[(&str, &str)] = &[
    ("alloy", "21m00Tcm4TlvDq8ikWAM"),
    ("ash", "ErXwobaYiN019PkySvjV"),
    ("coral", "EXAVITQu4vr4xnSDxMaL"),
    ("echo", "TxGEqnHWrfWFTfGW9XjX"),
    ("fable", "VR6AewLTigWG4xSOukaG"),
    ("nova", "MF3mGyEYCl7XYWbV9V6O"),
    ("onyx", "pNInz6obpgDQGcFmaJgB"),
    ("sage", "yoZ06aMxZJJ28mfd3POQ"),
    ("shimmer", "AZnzlk1XvdvUeBnXmlld"),
];

pub(crate) const ELEVENLABS: Speaker = Speaker {
    request: |call, mut request| {
        let speaker = path::segment(voice(&request, VOICES))?;
        let format = match request.response_format.as_deref() {
            None | Some("mp3") => "mp3_44100_128",
            Some("opus") => "opus_48000_128",
            Some("pcm") => "pcm_24000",
            Some(own) if own.contains('_') => own,
            Some(other) => {
                let message = format!(
                    "ElevenLabs does not speak '{other}': mp3, opus and pcm, or one of its own"
                );
                return Err(Error::bad_request("response_format", message));
            }
        };
        let place = format!(
            "v1/text-to-speech/{speaker}?output_format={}",
            path::query(format)
        );
        let mut body = Map::from_iter([
            ("text".to_owned(), Value::from(&*request.input)),
            ("model_id".to_owned(), call.model().into()),
        ]);
        if let Some(speed) = request.speed {
            let mut settings = json!({"speed": speed});
            if let (Some(Value::Object(more)), Some(settings)) = (
                request.extra.shift_remove("voice_settings"),
                settings.as_object_mut(),
            ) {
                settings.extend(more);
            }
            body.insert("voice_settings".into(), settings);
        }
        body.extend(request.extra);
        openai::request(
            &path::join(path::unversioned(call.base_url()), &place),
            Value::from(body).to_string().into(),
        )
    },
};

/// Scribe.
#[derive(Debug)]
pub(crate) struct Listening;

impl Protocol for Listening {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        call.body.file("file")?;
        Form::asked(call)?;
        let mut fields = call.fields().clone();
        fields.remove("response_format");
        fields.set_str("model", call.model());
        fields.rename("model", "model_id");
        fields.rename("language", "language_code");
        // Words are what it always counts by.
        fields.remove("timestamp_granularities");
        fields.remove("timestamp_granularities[]");
        let uri = path::join(path::unversioned(call.base_url()), "v1/speech-to-text");
        form::request(&uri, &fields, &call.body, &call.boundary)
    }

    fn streams_files(&self, _: &Call<'_>) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let read: Transcript = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        let said = read.words.into_iter().filter(|word| word.kind != "spacing");
        let words: Vec<Word> = said
            .map(|word| Word {
                word: word.text,
                start: word.start.unwrap_or_default(),
                end: word.end.unwrap_or_default(),
                extra: word.extra,
            })
            .collect();
        let seconds = read
            .audio_duration_secs
            .or(words.last().map(|word| word.end));
        let mut usage = Usage::default();
        usage.units.seconds = seconds;
        let heard = Heard {
            text: read.text,
            language: read.language_code,
            duration: seconds,
            words,
            extra: read.extra,
            ..Heard::default()
        };
        Ok(heard.written(call, usage)?.into())
    }
}

#[derive(Deserialize)]
struct Transcript {
    text: String,
    language_code: Option<String>,
    audio_duration_secs: Option<f64>,
    #[serde(default)]
    words: Vec<Spoken>,
    #[serde(flatten)]
    extra: Map,
}

#[derive(Deserialize)]
struct Spoken {
    text: String,
    start: Option<f64>,
    end: Option<f64>,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(flatten)]
    extra: Map,
}
