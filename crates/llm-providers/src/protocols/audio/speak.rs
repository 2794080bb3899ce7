//! Speech: vendors with one request of their own, and chat models that speak.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use llm_types::{SpeechRequest, Usage};
use serde_json::{Value, json};

use crate::{
    Answer, Call, Error, Framing, Kind, Outgoing, Payload, Protocol, Reply, Step, error_table,
    path,
    protocols::{openai, openai::OpenAi},
};

/// A vendor of speech that answers with sound.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(super) request: fn(&Call<'_>, SpeechRequest) -> Result<Request<Outgoing>, Error>,
}

impl Protocol for Speaker {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        (self.request)(call, SpeechRequest::from_object(call.fields())?)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let kind = reply.header("content-type").unwrap_or("audio/mpeg");
        Ok(sound(kind.to_owned(), reply.body.to_vec(), characters(call)).into())
    }

    fn framing(&self, _: &Call<'_>) -> Framing {
        Framing::Bytes
    }

    fn spent(&self, call: &Call<'_>) -> Option<Usage> {
        characters(call)
    }
}

/// What speech is billed by.
pub(crate) fn characters(call: &Call<'_>) -> Option<Usage> {
    let input = call.fields().str("input")?;
    let mut usage = Usage::default();
    usage.units.characters = Some(input.chars().count() as u64);
    Some(usage)
}

/// The vendor's voice for one of OpenAI's; any other name is the vendor's own.
pub(super) fn voice<'a>(
    request: &'a SpeechRequest,
    voices: &[(&'static str, &'static str)],
) -> &'a str {
    called(request.voice().unwrap_or("alloy"), voices)
}

/// A vendor's name for one of OpenAI's voices.
pub(super) fn called<'a>(asked: &'a str, voices: &[(&'static str, &'static str)]) -> &'a str {
    let theirs = voices.iter().find(|(ours, _)| *ours == asked);
    theirs.map_or(asked, |(_, theirs)| theirs)
}

pub(super) fn sound(content_type: String, bytes: Vec<u8>, usage: Option<Usage>) -> Answer {
    Answer {
        payload: Payload::Raw {
            body: bytes.into(),
            content_type,
        },
        usage,
    }
}

/// OpenAI: models for speech, and chat models that speak.
#[derive(Debug)]
pub(crate) struct Chat;

impl Protocol for Chat {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if !chats(call) {
            return OpenAi.encode(call);
        }
        let request = SpeechRequest::from_object(call.fields())?;
        let format = request.response_format.as_deref().unwrap_or("mp3");
        let format = if format == "pcm" { "pcm16" } else { format };
        let how = request
            .instructions
            .as_deref()
            .unwrap_or("Read the user's message aloud, word for word, and say nothing else.");
        let mut body = request.extra.clone();
        body.shift_remove("stream_format");
        body.insert("model".into(), call.model().into());
        body.insert("modalities".into(), json!(["text", "audio"]));
        let voice = voice(&request, &[]);
        body.insert("audio".into(), json!({"voice": voice, "format": format}));
        let messages = json!([
            {"role": "system", "content": how},
            {"role": "user", "content": request.input},
        ]);
        body.insert("messages".into(), messages);
        let base = call.base_url();
        let base = base.strip_suffix("/audio/speech").unwrap_or(base);
        let uri = path::join(base, "chat/completions");
        openai::request(&uri, Value::from(body).to_string().into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        if let Some(error) = error_table::in_answer(provider, &reply) {
            return Err(error);
        }
        let chat: Value = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        let data = chat
            .pointer("/choices/0/message/audio/data")
            .and_then(Value::as_str);
        let data = data.ok_or_else(|| {
            let text = chat
                .pointer("/choices/0/message/content")
                .and_then(Value::as_str);
            let text = text.unwrap_or_default();
            Error::new(
                Kind::Decode,
                format!("the model did not speak; it wrote: {text}"),
            )
            .of(provider)
        })?;
        let bytes = STANDARD
            .decode(data)
            .map_err(|e| Error::decode(provider, e))?;
        let usage = serde_json::from_value(chat["usage"].clone()).ok();
        let format = call.fields().str("response_format");
        let kind = kind_of(format.as_deref().unwrap_or("mp3"));
        Ok(sound(kind.to_owned(), bytes, usage).into())
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        match chats(call) {
            true => Framing::Whole,
            false => OpenAi.framing(call),
        }
    }

    fn spent(&self, call: &Call<'_>) -> Option<Usage> {
        match chats(call) {
            true => None,
            false => characters(call),
        }
    }
}

/// Any other name may be that of a speaker behind an address of one's own.
fn chats(call: &Call<'_>) -> bool {
    let name = call.model();
    name.starts_with("gpt-") && !name.contains("-tts")
}

/// The media type of a form of sound.
pub(super) fn kind_of(format: &str) -> &'static str {
    match format {
        "opus" => "audio/opus",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        "pcm" | "pcm16" => "audio/pcm",
        _ => "audio/mpeg",
    }
}
