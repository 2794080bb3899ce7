//! Text completions: `/api/generate`.

use http::Request;
use llm_types::{CompletionChoice, CompletionResponse, Map, Prompt};
use serde_json::json;

use super::{endpoint, request, response, wire};
use crate::{
    Answer, Call, Chunks, Decoder, Error, Kind, Outgoing, Reply, error_table, frame::Frame,
    protocols::openai,
};

/// What stands beside `options` in the body.
const OWN: &[&str] = &[
    "model",
    "prompt",
    "suffix",
    "images",
    "format",
    "options",
    "system",
    "template",
    "context",
    "stream",
    "raw",
    "think",
    "keep_alive",
    "logprobs",
    "top_logprobs",
    "truncate",
    "shift",
];

pub(super) fn encode(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let mut body = call.fields().clone();
    body.set_str("model", call.model());
    let prompt = match body.take::<Prompt>("prompt")? {
        None => return Err(Error::bad_request("prompt", "'prompt' is missing")),
        Some(Prompt::Text(text)) => text,
        Some(Prompt::Texts(texts)) => match <[String; 1]>::try_from(texts) {
            Ok([text]) => text,
            Err(_) => {
                return Err(Error::bad_request(
                    "prompt",
                    "Ollama takes one prompt at a time",
                ));
            }
        },
        Some(_) => {
            return Err(Error::bad_request(
                "prompt",
                "Ollama takes text, not token ids",
            ));
        }
    };
    body.set_str("prompt", &prompt);
    for key in ["echo", "best_of", "n"] {
        let asked = body
            .raw(key)
            .is_some_and(|raw| !matches!(&raw[..], b"false" | b"1"));
        if asked {
            let mut error = Error::new(
                Kind::UnsupportedParams,
                format!("Ollama does not support '{key}' in text completions"),
            );
            error.param = Some(key.to_owned());
            return Err(error);
        }
        body.remove(key);
    }
    // OpenAI's is a count here; Ollama's is a switch with a count beside it.
    if let Some(top) = body.take::<u64>("logprobs").ok().flatten() {
        body.set("logprobs", &true);
        body.set("top_logprobs", &top);
    }
    request::shared(call, &mut body)?;
    request::gather_options(&mut body, OWN)?;
    openai::request(&endpoint(call.base_url(), "generate"), body.to_bytes())
}

pub(super) fn decode(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let name = call.target.provider.name;
    let mut line: wire::Line =
        serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    if !line.done {
        return Err(Error::decode(name, "the answer is not complete"));
    }
    let text = line.response.take().unwrap_or_default();
    let mut choice = choice(text, line.thinking.take(), &mut line);
    choice.finish_reason = Some(reason(&line).into());
    let mut answer = frame_of(&line, call.model(), vec![choice]);
    answer.usage = line.usage();
    let body = serde_json::to_vec(&answer).map_err(|e| Error::decode(name, e))?;
    Ok(Answer::raw(body.into(), answer.usage))
}

fn reason(line: &wire::Line) -> &'static str {
    response::finish_reason(line.done_reason.as_deref().unwrap_or("stop"), false)
}

fn choice(text: String, thinking: Option<String>, line: &mut wire::Line) -> CompletionChoice {
    let mut extra = Map::new();
    if let Some(thinking) = thinking.filter(|text| !text.is_empty()) {
        extra.insert("reasoning_content".into(), thinking.into());
    }
    CompletionChoice {
        text,
        logprobs: line
            .logprobs
            .take()
            .map(|entries| json!({ "content": entries })),
        extra,
        ..CompletionChoice::default()
    }
}

fn frame_of(line: &wire::Line, model: &str, choices: Vec<CompletionChoice>) -> CompletionResponse {
    CompletionResponse {
        id: line.id("cmpl-", 0),
        object: "text_completion".into(),
        created: wire::seconds(&line.created_at),
        model: model.to_owned(),
        choices,
        ..CompletionResponse::default()
    }
}

pub(super) struct TextStream {
    provider: &'static str,
    model: String,
    include_usage: bool,
    /// The first chunk without its choice: id and time are the same in all.
    frame: Option<CompletionResponse>,
    complete: bool,
}

impl TextStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
            model: call.model().to_owned(),
            include_usage: call.include_usage,
            frame: None,
            complete: false,
        }
    }

    fn emit(&self, choices: Vec<CompletionChoice>, out: &mut Chunks) -> Result<(), Error> {
        let mut chunk = self.frame.clone().unwrap_or_default();
        chunk.usage = out.usage.clone().filter(|_| choices.is_empty());
        chunk.choices = choices;
        let data = serde_json::to_vec(&chunk).map_err(|e| Error::decode(self.provider, e))?;
        out.raw(None, data.into());
        Ok(())
    }
}

impl Decoder for TextStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            return Ok(());
        }
        if let Some(error) = error_table::in_frame(self.provider, &frame.data) {
            return Err(error);
        }
        let mut line: wire::Line =
            serde_json::from_slice(&frame.data).map_err(|e| Error::decode(self.provider, e))?;
        if self.frame.is_none() {
            self.frame = Some(frame_of(&line, &self.model, Vec::new()));
        }
        let text = line.response.take().unwrap_or_default();
        let thinking = line.thinking.take();
        let mut choice = choice(text, thinking, &mut line);
        if line.done {
            choice.finish_reason = Some(reason(&line).into());
        }
        self.emit(vec![choice], out)?;
        if line.done {
            out.usage = line.usage();
            if self.include_usage {
                self.emit(Vec::new(), out)?;
            }
            self.complete = true;
            out.done = true;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            out.done = true;
            return Ok(());
        }
        Err(Error::cut(self.provider))
    }
}
