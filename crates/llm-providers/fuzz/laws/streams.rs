//! Any bytes are a stream or an error, for every backend, and never a whole answer without an end mark.

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunks, Credential, Provider, Target, frame::Splitter,
};
use llm_types::{JsonObject, Op};

const REQUEST: &[u8] =
    br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;

/// Fails if one of `rows` panics over `bytes`, or takes them for an answer though nothing ended it.
pub fn holds<'a>(rows: impl IntoIterator<Item = &'a &'static Provider>, bytes: &[u8]) {
    let Ok(object) = JsonObject::parse(&Bytes::from_static(REQUEST)) else {
        return;
    };
    let options = CallOptions::default();
    for row in rows {
        let target = Target::new(row, "model", Credential::key("key")).at("https://vendor.example");
        let body = Body::from(object.clone());
        let Ok(call) = Call::prepare(Op::Chat, &target, body, &options) else {
            continue;
        };
        let Ok(mut decoder) = call.decoder() else {
            continue;
        };
        let mut splitter = Splitter::new(row.protocol.framing(&call));
        let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
        let split = splitter.push(Bytes::copy_from_slice(bytes), &mut frames);
        if split.is_err() || splitter.finish(&mut frames).is_err() {
            continue;
        }
        let mut frames = frames.into_iter();
        let read = frames.all(|frame| decoder.push(frame, &mut chunks).is_ok());
        if read && decoder.finish(&mut chunks).is_ok() {
            assert!(chunks.done, "{}: an answer that nobody ended", row.name);
        }
    }
}
