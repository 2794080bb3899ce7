//! Replicate: a prediction is created and polled until it is done.
//!
//! A streamed request is answered by the address of another stream, on another host; it is polled like any other, and
//! the answer is replayed as one chunk.

use std::time::Duration;

use http::{HeaderValue, Method, Request};
use llm_types::{ChatResponse, Choice, ChunkChoice, Content, Map, Message, Op, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::{
    emit::{self, Emitter},
    openai,
    prompt::Template,
};
use crate::{
    Answer, Call, Chunks, Decoder, Error, Framing, Kind, Outgoing, Protocol, Reply, Step,
    error_table, frame::Frame, path,
};

/// How long to wait before asking again.
const POLL: Duration = Duration::from_millis(500);

/// What stands beside `input` in the body.
const OWN: [&str; 4] = ["input", "version", "webhook", "webhook_events_filter"];

/// Replicate's wire.
#[derive(Debug)]
pub struct Replicate;

impl Protocol for Replicate {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op != Op::Chat {
            return Err(call.unsupported());
        }
        let (uri, version) = endpoint(call)?;
        let mut body = input(call)?;
        if let Some(version) = version {
            body.insert("version".into(), version.into());
        }
        let bytes = serde_json::to_vec(&body).map_err(|e| Error::decode("", e))?;
        let mut request = openai::request(&uri, bytes.into())?;
        // Short predictions are answered at once, without a poll.
        request
            .headers_mut()
            .insert("prefer", HeaderValue::from_static("wait"));
        Ok(request)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let prediction = Prediction::read(call.target.provider.name, &reply.body)?;
        if prediction.is_over() {
            return Ok(prediction.answer(call).into());
        }
        let base = call.base_url().trim_end_matches('/');
        let base = base.split("/models/").next().unwrap_or(base);
        let base = base.split("/deployments/").next().unwrap_or(base);
        let base = base.strip_suffix("/predictions").unwrap_or(base);
        // Never the address that the answer names: the key goes with the request.
        let uri = path::join(
            base,
            &format!("predictions/{}", path::segment(&prediction.id)?),
        );
        let request = Request::builder()
            .method(Method::GET)
            .uri(&uri)
            .body(Outgoing::default())
            .map_err(|e| Error::decode(call.target.provider.name, e))?;
        Ok(Step::Again {
            request,
            after: POLL,
        })
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(Replay {
            provider: call.target.provider.name,
            include_usage: call.include_usage,
            emitter: Emitter::new(call),
            complete: false,
        }))
    }

    fn framing(&self, _call: &Call<'_>) -> Framing {
        Framing::Whole
    }
}

/// `owner/name` is an official model, `owner/name:version` or a bare version any other, `deployments/owner/name` one of
/// one's own.
fn endpoint(call: &Call<'_>) -> Result<(String, Option<String>), Error> {
    let (base, model) = (call.base_url().trim_end_matches('/'), call.model());
    if let Some((_, version)) = model.split_once(':') {
        return Ok((predictions(base), Some(version.to_owned())));
    }
    if base.ends_with("/predictions") {
        return Ok((base.to_owned(), None));
    }
    let place = match (model.starts_with("deployments/"), model.contains('/')) {
        (true, _) => path::segments(model)?,
        (false, true) => format!("models/{}", path::segments(model)?),
        (false, false) => return Ok((predictions(base), Some(model.to_owned()))),
    };
    Ok((path::join(base, &format!("{place}/predictions")), None))
}

fn predictions(base: &str) -> String {
    if base.ends_with("/predictions") {
        base.to_owned()
    } else {
        path::join(base, "predictions")
    }
}

fn input(call: &Call<'_>) -> Result<Map, Error> {
    let mut body = call.fields().to_map()?;
    for key in ["model", "stream", "stream_options", "user", "n"] {
        body.shift_remove(key);
    }
    let messages: Vec<Message> = call
        .fields()
        .get("messages")?
        .ok_or_else(|| Error::bad_request("messages", "'messages' is missing"))?;
    body.shift_remove("messages");
    let mut input = conversation(call.model(), &messages);
    if let Some(image) = image(&messages)? {
        input.insert("image".into(), image.into());
    }
    let mut own = Map::new();
    for (key, value) in body {
        if OWN.contains(&key.as_str()) {
            own.insert(key, value);
            continue;
        }
        let (key, value) = parameter(call.model(), key, value);
        input.insert(key, value);
    }
    if let Some(Value::Object(more)) = own.remove("input") {
        input.extend(more);
    }
    own.insert("input".into(), input.into());
    Ok(own)
}

fn parameter(model: &str, key: String, value: Value) -> (String, Value) {
    match key.as_str() {
        "max_tokens" | "max_completion_tokens" => {
            let short = ["vicuna", "flan"].iter().any(|name| model.contains(name));
            let name = if short {
                "max_length"
            } else {
                "max_new_tokens"
            };
            (name.into(), value)
        }
        // One string, its parts set apart by commas.
        "stop" => {
            let joined = match &value {
                Value::Array(list) => {
                    let parts: Vec<_> = list.iter().filter_map(Value::as_str).collect();
                    Value::from(parts.join(","))
                }
                _ => value,
            };
            ("stop_sequences".into(), joined)
        }
        _ => (key, value),
    }
}

/// One question goes as it is: Replicate's models put it into their own template. A longer conversation is put into the
/// template here, and the model is told to leave it alone.
fn conversation(model: &str, messages: &[Message]) -> Map {
    let text = |message: &Message| {
        message
            .content
            .as_ref()
            .map(Content::text)
            .unwrap_or_default()
    };
    let is_system = |message: &&Message| matches!(message.role.as_str(), "system" | "developer");
    let system: Vec<String> = messages.iter().filter(is_system).map(text).collect();
    let others: Vec<&Message> = messages.iter().filter(|m| !is_system(m)).collect();
    let mut input = Map::new();
    if let [one] = others[..]
        && one.role == "user"
    {
        input.insert("prompt".into(), text(one).into());
        if !system.is_empty() {
            input.insert("system_prompt".into(), system.join("\n\n").into());
        }
        return input;
    }
    let template = Template::of(model);
    input.insert("prompt".into(), template.render(messages).into());
    if template != Template::Plain {
        input.insert("prompt_template".into(), "{prompt}".into());
    }
    input
}

fn image(messages: &[Message]) -> Result<Option<String>, Error> {
    let mut found = None;
    for (i, message) in messages.iter().enumerate() {
        let Some(Content::Parts(parts)) = &message.content else {
            continue;
        };
        for (j, part) in parts.iter().enumerate() {
            let at = || format!("messages[{i}].content[{j}]");
            match (part.kind.as_str(), part.url()) {
                ("text", _) => {}
                ("image_url", Some(url)) if found.is_none() => found = Some(url.to_owned()),
                ("image_url", _) => {
                    return Err(Error::bad_request(
                        at(),
                        "Replicate takes one image a request",
                    ));
                }
                (kind, _) => {
                    let message = format!("Replicate does not take parts of type '{kind}'");
                    return Err(Error::bad_request(at(), message));
                }
            }
        }
    }
    Ok(found)
}

#[derive(Debug, Deserialize)]
struct Prediction {
    #[serde(default)]
    id: String,
    status: String,
    #[serde(default)]
    output: Value,
    #[serde(default)]
    metrics: Value,
}

impl Prediction {
    /// An error if there will never be an answer.
    fn read(provider: &'static str, body: &[u8]) -> Result<Self, Error> {
        let prediction: Self =
            serde_json::from_slice(body).map_err(|e| Error::decode(provider, e))?;
        match prediction.status.as_str() {
            "succeeded" | "starting" | "processing" | "queued" => Ok(prediction),
            status => Err(error_table::in_frame(provider, body).unwrap_or_else(|| {
                Error::new(Kind::Upstream, format!("the prediction has {status}")).of(provider)
            })),
        }
    }

    fn is_over(&self) -> bool {
        self.status == "succeeded"
    }

    fn text(&self) -> String {
        match &self.output {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(list) if list.iter().all(Value::is_string) => {
                list.iter().filter_map(Value::as_str).collect()
            }
            other => other.to_string(),
        }
    }

    fn usage(&self) -> Option<Usage> {
        let count = |key: &str| self.metrics[key].as_u64();
        let (input, output) = (count("input_token_count"), count("output_token_count"));
        (input.is_some() || output.is_some())
            .then(|| Usage::new(input.unwrap_or(0), output.unwrap_or(0)))
    }

    fn answer(self, call: &Call<'_>) -> Answer {
        let choice = Choice {
            message: Message {
                role: "assistant".into(),
                content: Some(Content::Text(self.text())),
                ..Message::default()
            },
            finish_reason: Some("stop".into()),
            ..Choice::default()
        };
        Answer::chat(ChatResponse {
            usage: self.usage(),
            id: self.id,
            object: "chat.completion".into(),
            model: call.model().to_owned(),
            choices: vec![choice],
            ..ChatResponse::default()
        })
    }
}

/// Replays a finished prediction as a stream.
struct Replay {
    provider: &'static str,
    include_usage: bool,
    emitter: Emitter,
    complete: bool,
}

impl Decoder for Replay {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let prediction = Prediction::read(self.provider, &frame.data)?;
        if !prediction.is_over() {
            return Err(
                Error::new(Kind::Connection, "the prediction is not finished").of(self.provider),
            );
        }
        self.emitter.id = prediction.id.clone();
        let mut first = emit::opening();
        first.content = Some(prediction.text());
        out.chat(self.emitter.delta(first));
        out.chat(self.emitter.choice(ChunkChoice {
            finish_reason: Some("stop".into()),
            ..ChunkChoice::default()
        }));
        out.usage = prediction.usage();
        if let Some(usage) = out.usage.clone().filter(|_| self.include_usage) {
            out.chat(self.emitter.usage(usage));
        }
        self.complete = true;
        out.done = true;
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if self.complete {
            out.done = true;
            return Ok(());
        }
        Err(Error::new(Kind::Connection, "there is no answer").of(self.provider))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_question_is_left_alone() {
        let messages: Vec<Message> = serde_json::from_value(json!([
            {"role": "system", "content": "S"}, {"role": "user", "content": "A"},
        ]))
        .expect("messages");
        let input = conversation("meta/llama-2-70b-chat", &messages);
        assert_eq!(json!(input), json!({"prompt": "A", "system_prompt": "S"}));
    }
}
