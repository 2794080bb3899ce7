//! Counting tokens: of a request in Google's own format, or in Anthropic's.

use bytes::Bytes;
use llm_types::{Map, Op};
use serde_json::{Value, json};

use super::{native, request, request::Service};
use crate::{Answer, Call, CallOptions, Error, Reply, bridges};

/// What is counted of a request.
const COUNTED: [&str; 3] = ["contents", "systemInstruction", "tools"];

/// The body of countTokens.
pub(crate) fn body(call: &Call<'_>, service: Service) -> Result<Bytes, Error> {
    if is_google(call) {
        return native::body(call);
    }
    let mut asked = call.fields().clone();
    // Anthropic's clients ask for no answer here.
    if !asked.contains("max_tokens") {
        asked.set("max_tokens", &1);
    }
    let chat = match bridges::over_chat(Op::Messages) {
        Some(bridge) => bridge.request(&asked, &CallOptions::default())?,
        None => return Err(call.unsupported()),
    };
    let chat = Call {
        op: Op::Chat,
        body: chat.into(),
        ..call.clone()
    };
    let mut body: Map = request::body(&chat, service)?;
    body.retain(|key, _| COUNTED.contains(&key.as_str()));
    if service == Service::Studio {
        let model = call.model().trim_start_matches("models/");
        body.insert("model".into(), format!("models/{model}").into());
        body = Map::from_iter([("generateContentRequest".to_owned(), Value::from(body))]);
    }
    Ok(Value::from(body).to_string().into())
}

/// The answer, in the format of the request.
pub(crate) fn answer(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    if is_google(call) {
        return Ok(Answer::raw(reply.body, None));
    }
    let failed = |e: &dyn std::fmt::Display| Error::decode(call.target.provider.name, e);
    let read: Value = serde_json::from_slice(&reply.body).map_err(|e| failed(&e))?;
    let tokens = read["totalTokens"]
        .as_u64()
        .ok_or_else(|| failed(&"there is no count in it"))?;
    let answer = json!({ "input_tokens": tokens }).to_string();
    Ok(Answer::raw(answer.into(), None))
}

fn is_google(call: &Call<'_>) -> bool {
    let body = call.fields();
    body.contains("contents") || body.contains("generateContentRequest")
}
