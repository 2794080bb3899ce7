//! Any body is translated into a request or refused, for every backend.

use bytes::Bytes;
use llm_providers::{Body, Call, CallOptions, Credential, Provider, Target, bridges};
use llm_types::{JsonObject, Op};

/// Fails if one of `rows` panics over `body`.
pub fn holds<'a>(rows: impl IntoIterator<Item = &'a &'static Provider>, body: &[u8]) {
    let Ok(object) = JsonObject::parse(&Bytes::copy_from_slice(body)) else {
        return;
    };
    let options = CallOptions::default();
    for row in rows {
        let target = Target::new(row, "model", Credential::key("key")).at("https://vendor.example");
        for op in [
            Op::Chat,
            Op::Completion,
            Op::Embedding,
            Op::Messages,
            Op::Responses,
        ] {
            let (spoken, body) = match bridges::between(op, &target) {
                Ok(None) => (op, object.clone()),
                Ok(Some(bridge)) => match bridge.request(&object, &options) {
                    Ok(body) => (Op::Chat, body),
                    Err(_) => continue,
                },
                Err(_) => continue,
            };
            if let Ok(call) = Call::prepare(spoken, &target, Body::from(body), &options) {
                let _ = call.encode();
            }
        }
    }
}
