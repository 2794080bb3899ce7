//! Gemini's wire, over AI Studio and Vertex: what goes out, what comes back, and the laws that hold for both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod embeddings;
mod requests;

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunk, Chunks, Credential, Error, Fetched, Reply, Step, Target,
    frame::Splitter, lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

fn target(model: &str) -> Target {
    Target::new(lookup("gemini").unwrap(), model, Credential::key("k"))
}

fn vertex(model: &str) -> Target {
    let row = lookup("vertex_ai").unwrap();
    let token = Credential::Token(llm_providers::Secret::new("t"));
    Target::new(row, model, token)
        .with("vertex_project", "my-project")
        .with("vertex_location", "europe-west4")
}

fn object(value: &Value) -> Body {
    Body::from(JsonObject::from_serialize(value).unwrap())
}

fn fixture(name: &str) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/upstream/gemini"
    );
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn chat(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// What goes out for `body`.
fn sent(target: &Target, op: Op, body: &Value) -> Result<Value, Error> {
    let options = CallOptions::default();
    let mut call = Call::prepare(op, target, object(body), &options)?;
    for url in call.fetches() {
        let file = Fetched {
            content_type: Some("image/jpeg".into()),
            bytes: Bytes::from_static(b"pixels"),
        };
        call.fetched.insert(url, file);
    }
    let request = call.encode()?;
    let body: Value = serde_json::from_slice(request.body().bytes().expect("in memory")).unwrap();
    let notices: Vec<_> = call.notices.iter().map(|notice| &notice.param).collect();
    Ok(json!({"uri": request.uri().to_string(), "body": body, "notices": notices}))
}

fn ask() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

fn answer(call: &Call<'_>, body: &str) -> Result<Value, Error> {
    let Step::Done(answer) = call.decode(Reply::ok(body.to_owned()))? else {
        panic!("not done");
    };
    Ok(serde_json::from_slice(&answer.into_bytes()?).unwrap())
}

fn asking(target: &Target, stream: bool) -> Call<'_> {
    static OPTIONS: std::sync::LazyLock<CallOptions> =
        std::sync::LazyLock::new(CallOptions::default);
    let body = json!({"messages": [], "stream": stream, "stream_options": {"include_usage": true}});
    Call::prepare(Op::Chat, target, object(&body), &OPTIONS).unwrap()
}

fn decode(call: &Call<'_>, body: &[u8], size: usize) -> (Chunks, Result<(), Error>) {
    let (mut splitter, mut frames, mut chunks) = (
        Splitter::new(call.target.provider.protocol.framing(call)),
        Vec::new(),
        Chunks::default(),
    );
    let mut decoder = call.decoder().unwrap();
    for piece in body.chunks(size.max(1)) {
        splitter
            .push(Bytes::copy_from_slice(piece), &mut frames)
            .unwrap();
    }
    splitter.finish(&mut frames).unwrap();
    for frame in frames {
        if let Err(e) = decoder.push(frame, &mut chunks) {
            return (chunks, Err(e));
        }
    }
    let end = decoder.finish(&mut chunks);
    (chunks, end)
}

fn json_of(chunks: Vec<Chunk>) -> Vec<Value> {
    let data = chunks.into_iter().map(|chunk| chunk.into_data().unwrap());
    data.map(|data| serde_json::from_slice(&data).unwrap())
        .collect()
}
