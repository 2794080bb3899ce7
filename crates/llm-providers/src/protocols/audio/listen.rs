//! Transcripts over OpenAI's wire.

use http::Request;
use llm_types::{JsonObject, Map, Usage, responses::ResponsesUsage};
use serde_json::Value;

use super::heard::{Form, Heard};
use crate::{
    Answer, Call, Decoder, Error, Outgoing, Payload, Protocol, Reply, Step, error_table, form,
    protocols::{openai, openai::OpenAi},
};

/// A service with OpenAI's wire that does not write every form itself.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The forms that it writes; none where it knows no `response_format`.
    forms: &'static [&'static str],
}

/// Groq writes no subtitles.
pub(crate) const GROQ: Listener = Listener {
    forms: &["json", "text", "verbose_json"],
};

/// Mistral writes one form of its own.
pub(crate) const VOXTRAL: Listener = Listener { forms: &[] };

impl Listener {
    /// What it is asked for, to be written anew here where that is not what the client wants.
    fn sent(&self, wanted: Form) -> Option<&'static str> {
        let knows = |form: &str| self.forms.contains(&form);
        match wanted.name() {
            form if knows(form) => Some(form),
            _ if wanted.needs_times() && knows("verbose_json") => Some("verbose_json"),
            _ => self.forms.first().copied(),
        }
    }
}

impl Protocol for Listener {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        call.body.file("file")?;
        let mut fields = openai::body(call)?;
        let wanted = Form::asked(call)?;
        match self.sent(wanted) {
            Some(form) => fields.set_str("response_format", form),
            None => {
                fields.remove("response_format");
                let asks = ["timestamp_granularities", "timestamp_granularities[]"];
                if wanted.needs_times() && !asks.iter().any(|key| fields.contains(key)) {
                    fields.set("timestamp_granularities", &["segment"]);
                }
            }
        }
        form::request(&openai::address(call), &fields, &call.body, &call.boundary)
    }

    fn streams_files(&self, _: &Call<'_>) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let wanted = Form::asked(call)?;
        if self.sent(wanted) == Some(wanted.name()) {
            return Ok(answer(call, reply)?.into());
        }
        let provider = call.target.provider.name;
        if let Some(error) = error_table::in_answer(provider, &reply) {
            return Err(error);
        }
        let object = JsonObject::parse(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        let heard: Heard = serde_json::from_slice(&reply.body)
            .map_err(|_| error_table::unreadable(provider, &reply.body))?;
        if object.raw("text").is_none() {
            return Err(Error::decode(provider, "there is no text in it"));
        }
        Ok(heard.written(call, usage(&object))?.into())
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        OpenAi.decoder(call)
    }
}

/// A whole answer in OpenAI's shape, which passes as it is: JSON, plain text or subtitles.
pub(crate) fn answer(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    if !reply.body.trim_ascii_start().starts_with(b"{") {
        let kind = reply.header("content-type").unwrap_or("text/plain");
        return Ok(Answer {
            payload: Payload::Raw {
                content_type: kind.to_owned(),
                body: reply.body,
            },
            usage: Some(Usage::default()),
        });
    }
    if let Some(error) = error_table::in_answer(provider, &reply) {
        return Err(error);
    }
    let object = JsonObject::parse(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    if object.raw("text").is_none() {
        return Err(Error::decode(provider, "there is no text in it"));
    }
    Ok(Answer::raw(reply.body, Some(usage(&object))))
}

/// Tokens or seconds, whichever the vendor counts.
pub(crate) fn usage(object: &JsonObject) -> Usage {
    let counts = object.get::<Map>("usage").ok().flatten();
    let mut counts = counts.unwrap_or_default();
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let counted = ["seconds", "prompt_audio_seconds"]
        .iter()
        .find_map(|key| counts.get(*key).and_then(number));
    let duration = || number(&object.get::<Value>("duration").ok()??);
    let seconds = counted.or_else(duration).filter(|seconds| *seconds >= 0.0);
    if let Some(details) = counts.shift_remove("input_token_details") {
        counts.insert("input_tokens_details".into(), details);
    }
    let tokens = Value::from(counts);
    let mut usage = match tokens.get("input_tokens") {
        Some(_) => serde_json::from_value::<ResponsesUsage>(tokens).map(ResponsesUsage::normalise),
        None => serde_json::from_value(tokens),
    }
    .unwrap_or_default();
    usage.units.seconds = seconds;
    usage
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn seconds_or_tokens_are_counted() {
        let read = |text: &'static str| {
            usage(&JsonObject::parse(&Bytes::from_static(text.as_bytes())).expect("an object"))
        };
        let seconds = read(r#"{"text":"","duration":1.7,"usage":{"type":"duration","seconds":2}}"#);
        assert_eq!(seconds.units.seconds, Some(2.0));
        assert_eq!(read(r#"{"duration":"1.5"}"#).units.seconds, Some(1.5));
        assert_eq!(
            read(r#"{"usage":{"prompt_audio_seconds":4}}"#)
                .units
                .seconds,
            Some(4.0)
        );
        let tokens = read(
            r#"{"usage":{"type":"tokens","input_tokens":17,"input_token_details":{"audio_tokens":17,"text_tokens":0},
            "output_tokens":11,"total_tokens":28}}"#,
        );
        assert_eq!((tokens.prompt_tokens, tokens.completion_tokens), (17, 11));
        assert_eq!(
            tokens.prompt_tokens_details.expect("details").audio_tokens,
            17
        );
    }
}
