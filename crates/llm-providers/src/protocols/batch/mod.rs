//! Batches: the lines of OpenAI's files in vendors' own formats, and what came of them in OpenAI's.

mod anthropic;
mod bedrock;
mod counted;
mod shown;
mod stored;
mod vertex;

use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderMap;
use llm_types::{ChatResponse, Content, JsonObject, Op, Usage};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{Call, CallOptions, Error, Reply, Step, Target, call::JSON_TOOL};

pub use anthropic::plain as plain_id;
pub(crate) use anthropic::{AnthropicBatches, AnthropicResults};
pub(crate) use bedrock::{BedrockBatches, BedrockFiles};
pub(crate) use counted::Counted;
pub(crate) use shown::Shown;
pub(crate) use vertex::{VertexBatches, VertexFiles};

/// Where the input of a batch is that goes out with the request for it.
pub const INPUT: &str = "input_file";

/// A line of an input, as OpenAI has it.
#[derive(Deserialize)]
struct Raw {
    custom_id: String,
    url: Option<String>,
    body: Box<RawValue>,
}

/// A line of an input in the vendor's own format.
pub(crate) struct Line {
    pub(crate) custom_id: String,
    /// What the vendor is asked.
    pub(crate) body: JsonObject,
    /// What it is asked with.
    pub(crate) headers: HeaderMap,
}

/// What vendors with a wire of their own do not keep of a batch.
pub(crate) fn settle(call: &mut Call<'_>) {
    for key in ["metadata", "output_expires_after"] {
        let body = call.fields_mut();
        if body.raw(key).is_some_and(|raw| &raw[..] != b"null") {
            body.remove(key);
            call.notice(key, "not kept: this provider's batches have none");
        }
    }
}

/// What an endpoint of a batch asks for, where a vendor has batches of conversations only.
pub(crate) fn op_of(endpoint: &str) -> Result<Op, Error> {
    match endpoint.strip_prefix("/v1").unwrap_or(endpoint) {
        "/chat/completions" => Ok(Op::Chat),
        "/messages" => Ok(Op::Messages),
        _ => Err(Error::bad_request(
            "endpoint",
            format!("'endpoint': batches do not answer {endpoint:?} here: /v1/chat/completions"),
        )),
    }
}

/// The lines of an input for `target`, each with a name of its own; the error says which line is wrong.
pub(crate) fn lines(
    call: &Call<'_>,
    input: &[u8],
    target: &Target,
    op: Op,
) -> Result<Vec<Line>, Error> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    for (number, text) in input.split(|byte| *byte == b'\n').enumerate() {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let line = line(call, text, target, op).map_err(|error| at(number + 1, error))?;
        if !seen.insert(line.custom_id.clone()) {
            let error = Error::bad_request("custom_id", "it is another line's, too");
            return Err(at(number + 1, error));
        }
        all.push(line);
    }
    if all.is_empty() {
        return Err(Error::bad_request(
            "input_file_id",
            "the input has no lines",
        ));
    }
    Ok(all)
}

fn line(call: &Call<'_>, text: &[u8], target: &Target, op: Op) -> Result<Line, Error> {
    let raw: Raw = serde_json::from_slice(text)
        .map_err(|e| Error::bad_request("input_file_id", e.to_string()))?;
    if let Some(url) = raw.url.as_deref()
        && op_of(url)? != op
    {
        return Err(Error::bad_request("url", "it is not the batch's endpoint"));
    }
    let mut body = JsonObject::parse(&Bytes::copy_from_slice(raw.body.get().as_bytes()))?;
    // A line has one answer.
    for key in ["stream", "stream_options"] {
        body.remove(key);
    }
    body.set_str("model", &target.model);
    let options = CallOptions {
        extra_body: Default::default(),
        ..call.options.clone()
    };
    let inner = Call::prepare(op, target, body, &options)?;
    if !inner.fetches().is_empty() {
        let message = "files are not fetched for batches: send them as base64";
        return Err(Error::bad_request("messages", message));
    }
    let request = inner.wire().encode(&inner)?;
    let (parts, sent) = request.into_parts();
    let sent = sent.bytes().ok_or_else(|| call.unsupported())?;
    Ok(Line {
        custom_id: raw.custom_id,
        body: JsonObject::parse(sent)?,
        headers: parts.headers,
    })
}

fn at(number: usize, mut error: Error) -> Error {
    let param = error.param.take().unwrap_or_default();
    error.message = format!("line {number}: {}", error.message);
    error.param = Some(
        format!("line {number}.{param}")
            .trim_end_matches('.')
            .to_owned(),
    );
    error
}

/// Who answers the lines: the deployment's model, or the first line's where it is an account without one.
pub(crate) fn answering(call: &Call<'_>, input: &[u8]) -> Target {
    let mut target = call.target.clone();
    let is_any = |model: &str| model.is_empty() || model == "any" || model.contains('*');
    if is_any(&target.model) {
        let first = input
            .split(|byte| *byte == b'\n')
            .find(|line| !line.trim_ascii().is_empty());
        let raw: Option<Raw> = first.and_then(|line| serde_json::from_slice(line).ok());
        let body: Option<Value> = raw.and_then(|raw| serde_json::from_str(raw.body.get()).ok());
        if let Some(model) = body.as_ref().and_then(|body| body["model"].as_str()) {
            let prefix = format!("{}/", target.provider.name);
            target.model = model.strip_prefix(&prefix).unwrap_or(model).to_owned();
        }
    }
    target
}

/// A line of an output: an answer.
pub(crate) fn answered(custom_id: &str, request_id: &str, status: u16, body: &RawValue) -> Bytes {
    let line = json!({
        "id": format!("batch_req_{custom_id}"),
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": request_id, "body": body},
        "error": null,
    });
    line.to_string().into()
}

/// A line of an output: the vendor answered with an error.
pub(crate) fn refused(custom_id: &str, status: u16, kind: &str, message: &str) -> Bytes {
    let error = json!({"message": message, "type": kind, "param": null, "code": null});
    let line = json!({
        "id": format!("batch_req_{custom_id}"),
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": "", "body": {"error": error}},
        "error": null,
    });
    line.to_string().into()
}

/// A line of an output: nobody answered.
pub(crate) fn unanswered(custom_id: &str, code: &str, message: &str) -> Bytes {
    let line = json!({
        "id": format!("batch_req_{custom_id}"),
        "custom_id": custom_id,
        "response": null,
        "error": {"code": code, "message": message},
    });
    line.to_string().into()
}

/// An answer in the vendor's own format as a chat answer. What its question was is not known any more.
pub(crate) fn chat(
    target: &Target,
    native: Bytes,
) -> Result<(Box<RawValue>, Option<Usage>), Error> {
    let (options, mut body) = (CallOptions::default(), JsonObject::new());
    body.set_str("model", &target.model);
    body.set_raw("messages", r#"[{"role":"user","content":""}]"#);
    let call = Call::prepare(Op::Chat, target, body, &options)?;
    let Step::Done(answer) = call.wire().decode(&call, Reply::ok(native))? else {
        return Err(call.unsupported());
    };
    let usage = answer.usage.clone();
    let mut response = answer.into_chat()?;
    unwrap_schema(&mut response);
    let text = serde_json::value::to_raw_value(&response);
    Ok((
        text.map_err(|e| Error::decode(target.provider.name, e))?,
        usage,
    ))
}

/// A schema that was made a forced tool: its arguments are the answer.
fn unwrap_schema(response: &mut ChatResponse) {
    for choice in &mut response.choices {
        let [only] = &choice.message.tool_calls[..] else {
            continue;
        };
        if only.function.name.as_deref() == Some(JSON_TOOL) {
            let arguments = only.function.arguments.clone();
            choice.message.content = Some(Content::Text(arguments));
            choice.message.tool_calls.clear();
            choice.finish_reason = Some("stop".into());
        }
    }
}
