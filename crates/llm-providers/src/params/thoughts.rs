//! Gemini's thought signatures ride in tool call ids; they come off before another vendor sees the ids.

use std::sync::LazyLock;

use memchr::memmem;
use serde_json::Value;

use super::edit_messages;
use crate::{Call, Error, protocols::gemini::signature};

/// What a row keeps that wants the signatures back.
pub(crate) const SIGNED_IDS: &str = "thought_signatures";

/// Takes signatures out of ids, unless the row wants them or passes everything on.
pub(super) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    let keeps = call.target.provider.keeps;
    if keeps.contains(&SIGNED_IDS) || keeps.contains(&"*") {
        return Ok(());
    }
    unsign(call)
}

/// Takes signatures out of ids.
pub(crate) fn unsign(call: &mut Call<'_>) -> Result<(), Error> {
    static MARK: LazyLock<memmem::Finder<'static>> =
        LazyLock::new(|| memmem::Finder::new(signature::MARK));
    let signed = |raw: &bytes::Bytes| MARK.find(raw).is_some();
    let body = &mut call.body.fields;
    if !body.raw("messages").is_some_and(signed) {
        return Ok(());
    }
    edit_messages(body, |message| {
        if let Some(id) = message.get_mut("tool_call_id") {
            strip(id);
        }
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for call in calls.into_iter().flatten() {
            if let Some(id) = call.get_mut("id") {
                strip(id);
            }
        }
    })?;
    Ok(())
}

/// Takes the signature out of one id.
fn strip(id: &mut Value) {
    if let Value::String(text) = id {
        text.truncate(signature::split(text).0.len());
    }
}

#[cfg(test)]
mod tests {
    use llm_types::{JsonObject, Op};
    use serde_json::json;

    use super::*;
    use crate::{CallOptions, Credential, Target, lookup};

    #[test]
    fn only_gemini_sees_the_signatures() {
        let body = json!({"messages": [
            {"role": "assistant", "tool_calls": [{"id": "a__thought__c2ln", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a__thought__c2ln", "content": "x"}
        ]});
        let options = CallOptions::default();
        for (row, model, kept) in [
            ("openai", "gpt-4o", false),
            ("anthropic", "claude-sonnet-4-5", false),
            ("vertex_ai", "claude-sonnet-4-5", false),
            ("vertex_ai", "meta/llama-4-maas", false),
            ("gemini", "gemini-3-pro-preview", true),
        ] {
            let target = Target::new(lookup(row).expect("a row"), model, Credential::key("k"));
            let body = crate::Body::from(JsonObject::from_serialize(&body).expect("a body"));
            let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
            let sent = call.encode().expect("a request");
            let text =
                String::from_utf8_lossy(sent.body().bytes().expect("in memory")).into_owned();
            assert!(!text.contains(signature::MARK), "{row} {model}: {text}");
            assert_eq!(text.contains("c2ln"), kept, "{row} {model}: {text}");
        }
    }
}
