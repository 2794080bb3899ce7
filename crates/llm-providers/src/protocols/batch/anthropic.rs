//! Anthropic's message batches. A batch's input goes out with the request for it, and its results go by the batch's own
//! id. <https://docs.anthropic.com/en/api/creating-message-batches>

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use llm_types::{JsonObject, Op, Usage, Verb, messages::MessagesResponse};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    INPUT, Line, Shown, answered, answering, chat, lines, op_of, refused, shown, unanswered,
};
use crate::{
    Answer, Call, Error, Framing, Outgoing, Protocol, Reply, Rewriter, Step, Target, path,
    protocols::{anthropic::address, openai},
    rewrite::Consumed,
};

/// `/v1/messages/batches`.
#[derive(Debug)]
pub(crate) struct AnthropicBatches;

/// What follows the id of a batch whose lines are Anthropic's own: so are its results.
const NATIVE: &str = ":messages";

/// The header of what is not generally available.
const BETA: &str = "anthropic-beta";

impl Protocol for AnthropicBatches {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::List, Verb::Get, Verb::Cancel]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let made_at = address(call.base_url(), "/messages/batches");
        match (call.verb, &call.id) {
            (Verb::Create, _) => create(call, &made_at),
            (Verb::List, _) => {
                let mut listed = call.clone();
                for (name, _) in &mut listed.query {
                    match name.as_str() {
                        "after" => "after_id".clone_into(name),
                        "before" => "before_id".clone_into(name),
                        _ => {}
                    }
                }
                openai::empty(Method::GET, &openai::resource_address(made_at, &listed)?)
            }
            (verb, id) => {
                let id = path::segment(plain(id.as_deref().unwrap_or_default()))?;
                match verb {
                    Verb::Cancel => openai::empty(Method::POST, &format!("{made_at}/{id}/cancel")),
                    _ => openai::empty(Method::GET, &format!("{made_at}/{id}")),
                }
            }
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let wrong = |e| Error::decode(call.target.provider.name, e);
        let shown = match call.verb {
            Verb::List => {
                let list: Batches = serde_json::from_slice(&reply.body).map_err(wrong)?;
                let all: Vec<Shown> = list.data.into_iter().map(|b| b.shown(false)).collect();
                shown::page(&all, list.has_more)
            }
            _ => {
                let batch: Batch = serde_json::from_slice(&reply.body).map_err(wrong)?;
                let native = match &call.id {
                    Some(id) => id.ends_with(NATIVE),
                    None => endpoint(call)?.1 == Op::Messages,
                };
                let mut shown = batch.shown(native);
                if call.verb == Verb::Create {
                    shown.input = call.fields().str("input_file_id").map(|id| id.into_owned());
                }
                shown.json()
            }
        };
        Ok(Answer::raw(shown.to_string().into(), None).into())
    }
}

fn endpoint(call: &Call<'_>) -> Result<(String, Op), Error> {
    let endpoint = call.fields().str("endpoint");
    let endpoint = endpoint
        .unwrap_or("/v1/chat/completions".into())
        .into_owned();
    let op = op_of(&endpoint)?;
    Ok((endpoint, op))
}

fn create(call: &Call<'_>, made_at: &str) -> Result<Request<Outgoing>, Error> {
    let input = call.body.file(INPUT).map_err(|_| {
        let message = "'input_file_id' must be a file that was uploaded for this provider";
        Error::bad_request("input_file_id", message)
    })?;
    let (_, op) = endpoint(call)?;
    let (target, mut betas) = (answering(call, input.bytes()?), Vec::new());
    let mut requests = Vec::new();
    for line in lines(call, input.bytes()?, &target, op)? {
        named(&line)?;
        let said = line.headers.get(BETA).and_then(|value| value.to_str().ok());
        for beta in said.into_iter().flat_map(|all| all.split(',')) {
            if !betas.iter().any(|known| known == beta) {
                betas.push(beta.to_owned());
            }
        }
        let mut request = JsonObject::new();
        request.set_str("custom_id", &line.custom_id);
        request.set_raw("params", line.body.to_bytes());
        requests.push(request);
    }
    let mut request = openai::request(made_at, written(&requests))?;
    if let Ok(value) = HeaderValue::from_str(&betas.join(","))
        && !betas.is_empty()
    {
        request.headers_mut().insert(BETA, value);
    }
    Ok(request)
}

fn written(requests: &[JsonObject]) -> Bytes {
    let mut text = br#"{"requests":["#.to_vec();
    for (at, request) in requests.iter().enumerate() {
        if at > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&request.to_bytes());
    }
    text.extend_from_slice(b"]}");
    text.into()
}

/// Anthropic takes fewer names than OpenAI does.
fn named(line: &Line) -> Result<(), Error> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let id = &line.custom_id;
    if (1..=64).contains(&id.len()) && id.bytes().all(fits) {
        return Ok(());
    }
    let message =
        format!("{id:?}: Anthropic takes names of 1 to 64 letters, digits, '_' and '-' in a batch");
    Err(Error::bad_request("custom_id", message))
}

/// A batch's id as its vendor has it, without what says that its lines are in the vendor's own format.
pub fn plain(id: &str) -> &str {
    id.strip_suffix(NATIVE).unwrap_or(id)
}

#[derive(Deserialize)]
struct Batches {
    #[serde(default)]
    data: Vec<Batch>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Batch {
    id: String,
    #[serde(default)]
    processing_status: String,
    #[serde(default)]
    request_counts: Counts,
    created_at: Option<String>,
    expires_at: Option<String>,
    cancel_initiated_at: Option<String>,
    ended_at: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    processing: u64,
    succeeded: u64,
    errored: u64,
    canceled: u64,
    expired: u64,
}

impl Batch {
    fn shown(self, native: bool) -> Shown {
        let counts = &self.request_counts;
        let lost = counts.errored + counts.canceled + counts.expired;
        let is_over = self.processing_status == "ended";
        let status = match self.processing_status.as_str() {
            "canceling" => "cancelling",
            "ended" if self.cancel_initiated_at.is_some() => "cancelled",
            "ended" if counts.expired > 0 && counts.succeeded == 0 => "expired",
            "ended" => "completed",
            _ => "in_progress",
        };
        let (mark, endpoint) = match native {
            true => (NATIVE, "/v1/messages"),
            false => ("", "/v1/chat/completions"),
        };
        let id = format!("{}{mark}", self.id);
        Shown {
            endpoint: endpoint.to_owned(),
            output: is_over.then(|| id.clone()),
            id,
            status,
            counts: Some((
                counts.processing + counts.succeeded + lost,
                counts.succeeded,
                lost,
            )),
            created: self.created_at,
            expires: self.expires_at,
            cancelling: self.cancel_initiated_at,
            ended: self.ended_at,
            ..Shown::default()
        }
    }
}

/// The results of a batch, as the file that OpenAI's clients look for.
#[derive(Debug)]
pub(crate) struct AnthropicResults;

impl Protocol for AnthropicResults {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Content]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let id = path::segment(plain(call.id.as_deref().unwrap_or_default()))?;
        let place = format!("/messages/batches/{id}/results");
        openai::empty(Method::GET, &address(call.base_url(), &place))
    }

    fn decode(&self, call: &Call<'_>, _: Reply) -> Result<Step, Error> {
        Err(call.unsupported())
    }

    fn framing(&self, _: &Call<'_>) -> Framing {
        Framing::Bytes
    }

    fn rewriter(&self, call: &Call<'_>) -> Option<Box<dyn Rewriter>> {
        Some(Box::new(Results {
            target: call.target.clone(),
            native: call.id.as_deref().is_some_and(|id| id.ends_with(NATIVE)),
            consumed: Consumed::default(),
        }))
    }
}

/// Makes OpenAI's lines of Anthropic's.
struct Results {
    target: Target,
    native: bool,
    consumed: Consumed,
}

#[derive(Deserialize)]
struct Outcome {
    custom_id: String,
    result: Ended,
}

#[derive(Deserialize)]
struct Ended {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Box<RawValue>>,
    #[serde(default)]
    error: Value,
}

impl Rewriter for Results {
    fn line(&mut self, line: &[u8]) -> Result<Option<Bytes>, Error> {
        let name = self.target.provider.name;
        let read: Outcome = serde_json::from_slice(line).map_err(|e| Error::decode(name, e))?;
        let (id, result) = (&read.custom_id, read.result);
        Ok(Some(match (result.kind.as_str(), result.message) {
            ("succeeded", Some(message)) => self.succeeded(id, &message)?,
            ("canceled", _) => {
                let message = "The batch was cancelled before this request was sent.";
                unanswered(id, "batch_cancelled", message)
            }
            ("expired", _) => {
                let message = "The batch expired before this request was sent.";
                unanswered(id, "batch_expired", message)
            }
            _ => {
                // The error stands inside an envelope of its own.
                let error = result.error.get("error").unwrap_or(&result.error);
                let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
                let kind = text("type");
                refused(id, status_of(&kind), &kind, &text("message"))
            }
        }))
    }

    fn consumed(&self) -> &[(String, Usage)] {
        self.consumed.all()
    }
}

impl Results {
    fn succeeded(&mut self, id: &str, message: &RawValue) -> Result<Bytes, Error> {
        let name = self.target.provider.name;
        let read: MessagesResponse =
            serde_json::from_str(message.get()).map_err(|e| Error::decode(name, e))?;
        let (model, request) = (read.model.clone(), read.id.clone());
        self.target.model.clone_from(&model);
        let native = Bytes::copy_from_slice(message.get().as_bytes());
        let (chat, usage) = chat(&self.target, native)?;
        if let Some(usage) = usage {
            self.consumed.add(&model, &usage);
        }
        let body = if self.native { message } else { &chat };
        Ok(answered(id, &request, 200, body))
    }
}

/// The status that a class of errors comes with.
fn status_of(kind: &str) -> u16 {
    match kind {
        "authentication_error" => 401,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "overloaded_error" => 529,
        "api_error" => 500,
        _ => 400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_anthropic_does_not_take_are_refused() {
        let line = |id: &str| Line {
            custom_id: id.to_owned(),
            body: JsonObject::new(),
            headers: Default::default(),
        };
        assert!(named(&line("request-1_a")).is_ok());
        for id in ["", "a b", "é", &"x".repeat(65)] {
            let error = named(&line(id)).expect_err("refused");
            assert_eq!(error.param.as_deref(), Some("custom_id"));
        }
    }
}
