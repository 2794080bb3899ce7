//! Gemini: models that speak, and all of them listen.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use llm_types::{Map, Op, SpeechRequest, Usage};
use serde_json::{Value, json};

use super::{
    heard::{Form, Heard},
    speak::{called, kind_of, sound},
};
use crate::{
    Call, Error, Kind, Outgoing, Protocol, Reply, Step, error_table,
    protocols::{gemini, vertex},
};

/// The voice that stands for one of OpenAI's; its own stay as they are.
pub(crate) fn voice(asked: &str) -> &str {
    called(asked, VOICES)
}

/// Its voices, by OpenAI's names for voices.
const VOICES: &[(&str, &str)] = &[
    ("alloy", "Kore"),
    ("ash", "Orus"),
    ("coral", "Aoede"),
    ("echo", "Charon"),
    ("fable", "Puck"),
    ("nova", "Leda"),
    ("onyx", "Fenrir"),
    ("sage", "Callirrhoe"),
    ("shimmer", "Zephyr"),
];

/// What it samples by, where it does not say.
const RATE: u32 = 24_000;

const WRITE: &str = "Write down what is said in this recording, word for word, and nothing else.";
const TRANSLATE: &str = "Translate what is said in this recording into English. Write the translation and nothing else.";

/// Speech from Gemini.
#[derive(Debug)]
pub(crate) struct Speech;

impl Protocol for Speech {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let request = SpeechRequest::from_object(call.fields())?;
        if !matches!(
            request.response_format.as_deref(),
            None | Some("wav" | "pcm" | "pcm16")
        ) {
            return Err(Error::bad_request(
                "response_format",
                "Gemini speaks wav and pcm only",
            ));
        }
        // How it is to sound stands before what it is to say.
        let text = match &request.instructions {
            Some(how) => format!("{how}\n\n{}", request.input),
            None => request.input.clone(),
        };
        let name = voice(request.voice().unwrap_or("alloy"));
        let mut body = Map::from_iter([
            (
                "contents".to_owned(),
                json!([{"role": "user", "parts": [{"text": text}]}]),
            ),
            (
                "generationConfig".to_owned(),
                json!({
                    "responseModalities": ["AUDIO"],
                    "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}},
                }),
            ),
        ]);
        body.extend(request.extra);
        post(call, &body)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let read = answered(call, &reply)?;
        let provider = call.target.provider.name;
        let parts = read
            .pointer("/candidates/0/content/parts")
            .and_then(Value::as_array);
        let blob = parts
            .into_iter()
            .flatten()
            .find_map(|part| part.get("inlineData"));
        let data = blob.and_then(|blob| blob["data"].as_str()).ok_or_else(|| {
            let end = read.pointer("/candidates/0/finishReason");
            let end = end.and_then(Value::as_str).unwrap_or("no reason");
            Error::new(Kind::Upstream, format!("the model did not speak: {end}")).of(provider)
        })?;
        let kind = blob
            .and_then(|blob| blob["mimeType"].as_str())
            .unwrap_or_default();
        let rate = kind
            .split(';')
            .find_map(|part| part.trim().strip_prefix("rate="));
        let rate = rate.and_then(|rate| rate.parse().ok()).unwrap_or(RATE);
        let samples = STANDARD
            .decode(data)
            .map_err(|e| Error::decode(provider, e))?;
        let usage = Some(counted(call, &read));
        let step = match call.fields().str("response_format").as_deref() {
            Some("pcm" | "pcm16") => sound(kind_of("pcm").to_owned(), samples, usage),
            _ => sound(kind_of("wav").to_owned(), wav(&samples, rate), usage),
        };
        Ok(step.into())
    }
}

/// Transcripts by Gemini: it is told to write down what it hears, or what that means in English.
#[derive(Debug)]
pub(crate) struct Transcription;

impl Protocol for Transcription {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if Form::asked(call)?.needs_times() {
            return Err(Error::bad_request(
                "response_format",
                "Gemini does not say when it heard what: json and text only",
            ));
        }
        let file = call.body.file("file")?;
        let sounds = |kind: &&str| kind.starts_with("audio/") || kind.starts_with("video/");
        let said = file.content_type.as_deref().filter(sounds);
        let name = file.filename.as_deref().unwrap_or_default();
        let kind = said.or_else(|| gemini::by_extension(name).filter(sounds));
        let fields = call.fields();
        let mut task = match call.op {
            Op::Translation => TRANSLATE,
            _ => WRITE,
        }
        .to_owned();
        if let Some(language) = fields.str("language") {
            task.push_str(&format!(" The language is {language}."));
        }
        if let Some(prompt) = fields.str("prompt") {
            task.push_str(&format!(" For context: {prompt}"));
        }
        let data = STANDARD.encode(file.bytes()?);
        let mut body = Map::from_iter([(
            "contents".to_owned(),
            json!([{"role": "user", "parts": [
                {"text": task},
                {"inlineData": {"mimeType": kind.unwrap_or("audio/mpeg"), "data": data}},
            ]}]),
        )]);
        if let Some(temperature) = fields
            .str("temperature")
            .and_then(|t| t.parse::<f64>().ok())
        {
            body.insert(
                "generationConfig".into(),
                json!({"temperature": temperature}),
            );
        }
        post(call, &body)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let read = answered(call, &reply)?;
        let parts = read
            .pointer("/candidates/0/content/parts")
            .and_then(Value::as_array);
        let Some(parts) = parts else {
            let name = call.target.provider.name;
            return Err(Error::decode(name, "there is no transcript in it"));
        };
        let thought = |part: &&Value| part["thought"] != true;
        let texts = parts
            .iter()
            .filter(thought)
            .filter_map(|part| part["text"].as_str());
        let heard = Heard {
            text: texts.collect::<String>().trim().to_owned(),
            ..Heard::default()
        };
        Ok(heard.written(call, counted(call, &read))?.into())
    }
}

fn post(call: &Call<'_>, body: &Map) -> Result<Request<Outgoing>, Error> {
    let uri = match call.target.provider.name {
        "vertex_ai" => vertex::generate_address(call)?,
        _ => gemini::address(call, body, "generateContent")?,
    };
    gemini::post(&uri, body)
}

fn answered(call: &Call<'_>, reply: &Reply) -> Result<Value, Error> {
    let provider = call.target.provider.name;
    if let Some(error) = error_table::in_answer(provider, reply) {
        return Err(error);
    }
    serde_json::from_slice(&reply.body).map_err(|_| error_table::unreadable(provider, &reply.body))
}

fn counted(call: &Call<'_>, read: &Value) -> Usage {
    gemini::counted(call.model(), &read["usageMetadata"])
}

/// Samples of 16 bits, one channel, with the head of a WAV file.
fn wav(samples: &[u8], rate: u32) -> Vec<u8> {
    let length = u32::try_from(samples.len()).unwrap_or(u32::MAX - 36);
    let mut file = Vec::with_capacity(44 + samples.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + length).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16u32.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    file.extend_from_slice(&2u16.to_le_bytes());
    file.extend_from_slice(&16u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(samples);
    file
}
