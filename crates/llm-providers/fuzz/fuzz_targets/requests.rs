//! Any body is translated into a request or refused, for every backend. `cargo +nightly fuzz run requests`
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use llm_providers::{Body, Call, CallOptions, Credential, Target, backends, bridges};
use llm_types::{JsonObject, Op};

fuzz_target!(|body: &[u8]| {
    let Ok(object) = JsonObject::parse(&Bytes::copy_from_slice(body)) else { return };
    let options = CallOptions::default();
    for row in backends::ALL {
        let target = Target::new(row, "model", Credential::key("key")).at("https://vendor.example");
        for op in [Op::Chat, Op::Completion, Op::Embedding, Op::Messages] {
            let (spoken, body) = match bridges::between(op, &target) {
                Ok(None) => (op, object.clone()),
                Ok(Some(bridge)) => match bridge.request(&object) {
                    Ok(body) => (Op::Chat, body),
                    Err(_) => continue,
                },
                Err(_) => continue,
            };
            if let Ok(call) = Call::prepare(spoken, &target, Body::Json(body), &options) {
                let _ = call.encode();
            }
        }
    }
});
