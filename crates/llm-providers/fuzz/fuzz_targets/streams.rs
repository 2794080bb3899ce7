//! Any bytes are a stream or an error, for every backend, and never a whole answer without an end mark.
//! `cargo +nightly fuzz run streams`
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use llm_providers::{Body, Call, CallOptions, Chunks, Credential, Target, backends, frame::Splitter};
use llm_types::{JsonObject, Op};

const REQUEST: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = JsonObject::parse(&Bytes::from_static(REQUEST)) else { return };
    let options = CallOptions::default();
    for row in backends::ALL {
        let target = Target::new(row, "model", Credential::key("key")).at("https://vendor.example");
        let Ok(call) = Call::prepare(Op::Chat, &target, Body::Json(object.clone()), &options) else { continue };
        let Ok(mut decoder) = call.decoder() else { continue };
        let mut splitter = Splitter::new(row.protocol.framing(&call));
        let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
        if splitter.push(Bytes::copy_from_slice(bytes), &mut frames).is_err() || splitter.finish(&mut frames).is_err() {
            continue;
        }
        if frames.into_iter().all(|frame| decoder.push(frame, &mut chunks).is_ok()) && decoder.finish(&mut chunks).is_ok() {
            assert!(chunks.done, "{}: an answer that nobody ended", row.name);
        }
    }
});
