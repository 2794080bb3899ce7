//! Deepgram: speech, and transcripts of sound that is sent as it is.

use http::{HeaderValue, Method, Request, header::CONTENT_TYPE};
use llm_types::{Map, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::{
    heard::{Form, Heard, Word},
    speak::{Speaker, voice},
};
use crate::{Call, Error, Outgoing, Protocol, Reply, Step, error_table, path, protocols::openai};

/// Its voices, by OpenAI's names for voices.
const VOICES: &[(&str, &str)] = &[
    ("alloy", "thalia"),
    ("ash", "apollo"),
    ("coral", "cora"),
    ("echo", "arcas"),
    ("fable", "draco"),
    ("nova", "luna"),
    ("onyx", "zeus"),
    ("sage", "athena"),
    ("shimmer", "asteria"),
];

pub(crate) const DEEPGRAM: Speaker = Speaker {
    request: |call, request| {
        let (encoding, container) = match request.response_format.as_deref() {
            None | Some("mp3") => ("mp3", None),
            Some("wav") => ("linear16", Some("wav")),
            Some("pcm") => ("linear16", Some("none")),
            Some(own @ ("opus" | "aac" | "flac" | "mulaw" | "alaw")) => (own, None),
            Some(other) => {
                let message = format!("Deepgram does not speak '{other}'");
                return Err(Error::bad_request("response_format", message));
            }
        };
        // A model is a voice; with a name alone it is that voice in English.
        let bare = call.model().matches('-').count() < 2;
        let model = match voice(&request, VOICES) {
            own if own.starts_with("aura") => own.to_owned(),
            name if bare => format!("{}-{name}-en", call.model()),
            _ => call.model().to_owned(),
        };
        let mut query = format!("model={}&encoding={encoding}", path::query(&model));
        if let Some(container) = container {
            query.push_str(&format!("&container={container}"));
        }
        let mut body = Map::from_iter([("text".to_owned(), Value::from(&*request.input))]);
        body.extend(request.extra);
        let uri = format!(
            "{}?{query}",
            path::join(path::unversioned(call.base_url()), "v1/speak")
        );
        openai::request(&uri, Value::from(body).to_string().into())
    },
};

/// Nova and its kin.
#[derive(Debug)]
pub(crate) struct Listening;

impl Protocol for Listening {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        const OURS: [&str; 6] = [
            "model",
            "file",
            "response_format",
            "timestamp_granularities",
            "timestamp_granularities[]",
            "stream",
        ];
        let file = call.body.file("file")?;
        Form::asked(call)?;
        let mut query = format!("model={}", path::query(call.model()));
        if !call.fields().contains("smart_format") {
            query.push_str("&smart_format=true");
        }
        for (key, value) in call.fields().to_map()? {
            if OURS.contains(&key.as_str()) {
                continue;
            }
            let values = match value {
                Value::Array(list) => list,
                one => vec![one],
            };
            for value in values {
                let text = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                query.push_str(&format!("&{}={}", path::query(&key), path::query(&text)));
            }
        }
        let uri = format!(
            "{}?{query}",
            path::join(path::unversioned(call.base_url()), "v1/listen")
        );
        let mut request = openai::empty(Method::POST, &uri)?;
        let kind = file
            .content_type
            .as_deref()
            .filter(|kind| kind.starts_with("audio/"));
        let kind = HeaderValue::from_str(kind.unwrap_or("audio/*"))
            .map_err(|_| Error::bad_request("file", "the file's type is not valid"))?;
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Outgoing::Pieces(vec![file.data.clone()]);
        Ok(request)
    }

    fn streams_files(&self, _: &Call<'_>) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let read: Listened = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        let channels = read.results.channels;
        let mut heard = Heard {
            duration: Some(read.metadata.duration),
            ..Heard::default()
        };
        let mut texts = Vec::new();
        for channel in channels {
            heard.language = channel.detected_language.or(heard.language);
            let Some(best) = channel.alternatives.into_iter().next() else {
                continue;
            };
            texts.push(best.transcript);
            heard.words.extend(best.words.into_iter().map(|word| Word {
                word: word.punctuated_word.unwrap_or(word.word),
                start: word.start,
                end: word.end,
                extra: word.extra,
            }));
        }
        if texts.is_empty() {
            return Err(Error::decode(provider, "there is no transcript in it"));
        }
        heard.text = texts.join("\n");
        let mut usage = Usage::default();
        usage.units.seconds = Some(read.metadata.duration);
        Ok(heard.written(call, usage)?.into())
    }
}

#[derive(Deserialize)]
struct Listened {
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    duration: f64,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    channels: Vec<Channel>,
}

#[derive(Deserialize)]
struct Channel {
    #[serde(default)]
    alternatives: Vec<Alternative>,
    detected_language: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    #[serde(default)]
    transcript: String,
    #[serde(default)]
    words: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    word: String,
    punctuated_word: Option<String>,
    #[serde(default)]
    start: f64,
    #[serde(default)]
    end: f64,
    #[serde(flatten)]
    extra: Map,
}
