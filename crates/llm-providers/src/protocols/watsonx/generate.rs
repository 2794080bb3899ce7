//! Text completions: `/ml/v1/text/generation`.

use http::Request;
use llm_types::{CompletionChoice, CompletionResponse, JsonObject, Map, Prompt, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::{endpoint, place};
use crate::{
    Answer, Call, Chunks, Decoder, Error, Outgoing, Reply, error_table, frame::Frame,
    protocols::openai,
};

/// What stands in `parameters`; all else stands beside it.
const PARAMETERS: &[&str] = &[
    "decoding_method",
    "guided_choice",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "include_stop_sequence",
    "length_penalty",
    "max_new_tokens",
    "min_new_tokens",
    "prompt_variables",
    "random_seed",
    "repetition_penalty",
    "return_options",
    "stop_sequences",
    "temperature",
    "time_limit",
    "top_k",
    "top_p",
    "truncate_input_tokens",
    "typical_p",
];

/// OpenAI's names of parameters. A penalty for repeating is the nearest thing to one for frequency.
const RENAMED: [(&str, &str); 5] = [
    ("max_tokens", "max_new_tokens"),
    ("max_completion_tokens", "max_new_tokens"),
    ("stop", "stop_sequences"),
    ("seed", "random_seed"),
    ("frequency_penalty", "repetition_penalty"),
];

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    let input = match body.take::<Prompt>("prompt")? {
        None => return Err(Error::bad_request("prompt", "'prompt' is missing")),
        Some(Prompt::Text(text)) => text,
        Some(Prompt::Texts(texts)) => match <[String; 1]>::try_from(texts) {
            Ok([text]) => text,
            Err(_) => {
                return Err(Error::bad_request(
                    "prompt",
                    "watsonx.ai takes one prompt at a time",
                ));
            }
        },
        Some(_) => {
            return Err(Error::bad_request(
                "prompt",
                "watsonx.ai takes text, not token ids",
            ));
        }
    };
    body.set_str("input", &input);
    for key in ["stream", "stream_options", "user", "n"] {
        body.remove(key);
    }
    place(call, &mut body);
    for (from, to) in RENAMED {
        body.rename(from, to);
    }
    gather_parameters(&mut body)?;
    let name = if call.stream {
        "generation_stream"
    } else {
        "generation"
    };
    openai::request(&endpoint(call, name)?, body.to_bytes())
}

fn gather_parameters(body: &mut JsonObject) -> Result<(), Error> {
    let mut parameters = Map::new();
    for (key, raw) in body.iter().filter(|(key, _)| PARAMETERS.contains(key)) {
        let value: Value =
            serde_json::from_slice(raw).map_err(|e| Error::bad_request(key, e.to_string()))?;
        let value = match (key, value) {
            ("stop_sequences", Value::String(one)) => Value::from(vec![one]),
            (_, value) => value,
        };
        parameters.insert(key.to_owned(), value);
    }
    body.retain(|key, _| !PARAMETERS.contains(&key));
    parameters.extend(body.take::<Map>("parameters")?.unwrap_or_default());
    if !parameters.is_empty() {
        body.set("parameters", &parameters);
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Generated {
    #[serde(default)]
    model_id: String,
    results: Vec<One>,
}

#[derive(Debug, Deserialize)]
struct One {
    #[serde(default)]
    generated_text: String,
    #[serde(default)]
    generated_token_count: u64,
    #[serde(default)]
    input_token_count: u64,
    stop_reason: Option<String>,
}

pub(super) fn decode(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let name = call.target.provider.name;
    let generated: Generated =
        serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    let (mut usage, mut choices) = (Usage::default(), Vec::new());
    for one in generated.results {
        usage.add(&Usage::new(
            one.input_token_count,
            one.generated_token_count,
        ));
        choices.push(CompletionChoice {
            index: choices.len() as u64,
            finish_reason: one
                .stop_reason
                .as_deref()
                .and_then(finish_reason)
                .map(str::to_owned),
            text: one.generated_text,
            ..CompletionChoice::default()
        });
    }
    let answer = CompletionResponse {
        object: "text_completion".into(),
        model: generated.model_id,
        choices,
        usage: Some(usage.clone()),
        ..CompletionResponse::default()
    };
    let body = serde_json::to_vec(&answer).map_err(|e| Error::decode(name, e))?;
    Ok(Answer::raw(body.into(), Some(usage)))
}

/// `None` while it goes on.
fn finish_reason(native: &str) -> Option<&'static str> {
    match native.to_ascii_lowercase().as_str() {
        "not_finished" | "" => None,
        "max_tokens" | "token_limit" | "time_limit" => Some("length"),
        _ => Some("stop"),
    }
}

pub(super) struct TextStream {
    provider: &'static str,
    include_usage: bool,
    usage: Usage,
    model: String,
    complete: bool,
}

impl TextStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            usage: Usage::default(),
            model: call.model().to_owned(),
            complete: false,
        }
    }

    fn emit(
        &self,
        choices: Vec<CompletionChoice>,
        usage: Option<Usage>,
        out: &mut Chunks,
    ) -> Result<(), Error> {
        let chunk = CompletionResponse {
            object: "text_completion".into(),
            model: self.model.clone(),
            choices,
            usage,
            ..CompletionResponse::default()
        };
        let data = serde_json::to_vec(&chunk).map_err(|e| Error::decode(self.provider, e))?;
        out.raw(None, data.into());
        Ok(())
    }
}

impl Decoder for TextStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if frame.data.is_empty() || &frame.data[..] == b"[DONE]" {
            return Ok(());
        }
        if let Some(error) = error_table::in_frame(self.provider, &frame.data) {
            return Err(error);
        }
        let generated: Generated =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))?;
        for (index, one) in (0..).zip(generated.results) {
            // Counts are of everything so far, and the prompt's is in one event only.
            let input = self.usage.prompt_tokens.max(one.input_token_count);
            let output = self.usage.completion_tokens.max(one.generated_token_count);
            self.usage = Usage::new(input, output);
            out.usage = Some(self.usage.clone());
            let reason = one.stop_reason.as_deref().and_then(finish_reason);
            self.complete |= reason.is_some();
            let choice = CompletionChoice {
                index,
                text: one.generated_text,
                finish_reason: reason.map(str::to_owned),
                ..CompletionChoice::default()
            };
            self.emit(vec![choice], None, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        if !self.complete {
            return Err(Error::cut(self.provider));
        }
        if self.include_usage {
            self.emit(Vec::new(), Some(self.usage.clone()), out)?;
        }
        out.done = true;
        Ok(())
    }
}
