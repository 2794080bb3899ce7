//! What vendors document: for each cell of `fixtures/vendors` the caller's request, the address and the body that the
//! vendor's page asks for, the answer that it shows, and what comes of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::{collections::BTreeMap, fs, path::PathBuf, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use llm_providers::{
    Body, Call, CallOptions, Chunk, Chunks, Error, Outgoing, Payload, Reply, Step, Target, Upload,
    auth,
    frame::Splitter,
    resolve::{self, Surroundings},
};
use llm_types::{JsonObject, Op, Usage};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The value of the only variable that is set.
const KEY: &str = "hidden";

/// One vendor's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vendor {
    provider: String,
    /// The variable that the key is taken from; absent: none is set.
    key: Option<String>,
    /// What the caller says besides the model: an address of his own.
    #[serde(default)]
    settings: Map<String, Value>,
    cells: Vec<Cell>,
}

/// One operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    op: String,
    /// The page that this is written after.
    source: String,
    documented: Documented,
    /// As the vendor names it.
    model: String,
    request: Value,
    /// Files of a form: field, name, type.
    #[serde(default)]
    files: Vec<(String, String, String)>,
    url: String,
    /// Besides those of a key and a type; without any: `authorization: Bearer KEY`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Absent: the request as it is, with the vendor's name of the model.
    body: Option<Value>,
    #[serde(default)]
    notices: Vec<String>,
    answer: Value,
    /// Absent: the answer as it is.
    answered: Option<Value>,
    /// In and out, cached, reasoning.
    #[serde(default)]
    tokens: [u64; 4],
    /// The events of a streamed answer.
    #[serde(default)]
    stream: Vec<Value>,
    /// The text that they amount to.
    streamed: Option<String>,
}

/// What the page shows.
#[derive(Deserialize, PartialEq, Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
enum Documented {
    /// A request and its answer.
    Both,
    /// A request; of answers it says that they are OpenAI's.
    Request,
}

/// An environment with one variable.
struct Around<'a>(Option<&'a str>);

impl Surroundings for Around<'_> {
    fn var(&self, name: &str) -> Option<String> {
        (self.0 == Some(name)).then(|| KEY.to_owned())
    }

    fn file(&self, _: &str) -> Option<String> {
        None
    }

    fn provider_of(&self, _: &str) -> Option<String> {
        None
    }
}

fn vendors() -> Vec<Vendor> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vendors");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = fs::read(path).expect("a file");
            serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        })
        .collect()
}

fn op(name: &str) -> Op {
    Op::all()
        .find(|op| op.name() == name)
        .unwrap_or_else(|| panic!("no operation '{name}'"))
}

fn target(vendor: &Vendor, cell: &Cell) -> Result<Target, Error> {
    let mut params = vendor.settings.clone();
    let model = format!("{}/{}", vendor.provider, cell.model);
    params.insert("model".into(), model.into());
    let mut params = JsonObject::from_serialize(&params).expect("an object");
    resolve::target(&mut params, &Around(vendor.key.as_deref()))
}

fn body(cell: &Cell, stream: bool) -> Body {
    let mut request = cell.request.clone();
    if stream {
        request["stream"] = true.into();
    }
    let mut body = Body::from(JsonObject::from_serialize(&request).expect("an object"));
    for (field, name, kind) in &cell.files {
        let upload = Upload {
            content_type: Some(kind.clone()),
            ..Upload::new(name.clone(), "BYTES")
        };
        body.attach(field, upload);
    }
    body
}

/// The body as an object: a form's files are `(name, type)`.
fn read(call: &Call<'_>, sent: &Outgoing) -> Value {
    let bytes = sent.read().expect("in memory");
    if call.boundary.is_empty() {
        return serde_json::from_slice(&bytes).expect("json");
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut fields = Map::new();
    for part in text.split(&format!("--{}", call.boundary)) {
        let Some((head, value)) = part.trim_start().split_once("\r\n\r\n") else {
            continue;
        };
        let after = |word: &str| {
            let (_, rest) = head.split_once(word)?;
            rest.split(['"', '\r']).next().map(str::to_owned)
        };
        let name = after(" name=\"").expect("a name");
        let value = match after("filename=\"") {
            Some(file) => format!("({file}, {})", after("ype: ").expect("a type")),
            None => value.trim_end().to_owned(),
        };
        fields.insert(name, value.into());
    }
    fields.into()
}

/// What goes out, and what was said about it.
fn sent(vendor: &Vendor, cell: &Cell, call: &Call<'_>) -> Result<Value, Error> {
    let mut request = call.encode()?;
    let now = SystemTime::UNIX_EPOCH;
    auth::apply(call.target, &call.target.credential, &mut request, now)?;
    let asked: Vec<&str> = match cell.headers.is_empty() {
        true if vendor.key.is_some() => vec!["authorization"],
        _ => cell.headers.keys().map(String::as_str).collect(),
    };
    let shown = |name: &str| {
        let value = request.headers().get(name).map(HeaderValue::to_str);
        json!(value.and_then(Result::ok))
    };
    let headers: Map<String, Value> = asked
        .into_iter()
        .map(|name| (name.to_owned(), shown(name)))
        .collect();
    Ok(json!({
        "url": request.uri().to_string(),
        "headers": headers,
        "body": read(call, request.body()),
        "notices": call.notices.iter().map(|notice| &notice.param).collect::<Vec<_>>(),
    }))
}

/// What should go out.
fn documented(vendor: &Vendor, cell: &Cell) -> Value {
    let body = cell.body.clone().unwrap_or_else(|| {
        let mut body = cell.request.clone();
        body["model"] = cell.model.clone().into();
        for (field, name, kind) in &cell.files {
            body[field] = format!("({name}, {kind})").into();
        }
        body
    });
    let mut headers = cell.headers.clone();
    if headers.is_empty() && vendor.key.is_some() {
        headers.insert("authorization".into(), format!("Bearer {KEY}"));
    }
    json!({"url": cell.url, "headers": headers, "body": body, "notices": cell.notices})
}

fn counted(usage: Usage) -> [u64; 4] {
    let cached = usage.prompt_tokens_details.map_or(0, |d| d.cached_tokens);
    let thought = usage.completion_tokens_details;
    let thought = thought.map_or(0, |d| d.reasoning_tokens);
    [
        usage.prompt_tokens,
        usage.completion_tokens,
        cached,
        thought,
    ]
}

fn answered(cell: &Cell, call: &Call<'_>) -> Result<Value, Error> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let step = call.decode(Reply {
        status: StatusCode::OK,
        headers,
        body: cell.answer.to_string().into(),
    })?;
    let Step::Done(answer) = step else {
        panic!("not at once")
    };
    let tokens = counted(answer.usage.clone().unwrap_or_default());
    let bytes = match answer.payload {
        Payload::Raw { body, .. } => body,
        _ => answer.into_bytes()?,
    };
    let body: Value = serde_json::from_slice(&bytes).expect("json");
    Ok(json!({"body": body, "tokens": tokens}))
}

/// The text of a stream, read in one piece and byte by byte.
fn streamed(cell: &Cell, call: &Call<'_>, size: usize) -> Result<String, Error> {
    let mut text: String = cell
        .stream
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    text.push_str("data: [DONE]\n\n");
    let mut splitter = Splitter::new(call.wire().framing(call));
    let mut decoder = call.decoder()?;
    let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
    for piece in text.as_bytes().chunks(size) {
        splitter.push(Bytes::copy_from_slice(piece), &mut frames)?;
        for frame in frames.drain(..) {
            decoder.push(frame, &mut chunks)?;
        }
    }
    splitter.finish(&mut frames)?;
    for frame in frames.drain(..) {
        decoder.push(frame, &mut chunks)?;
    }
    decoder.finish(&mut chunks)?;
    said(chunks)
}

fn said(chunks: Chunks) -> Result<String, Error> {
    let events: Result<Vec<Bytes>, Error> =
        chunks.items.into_iter().map(Chunk::into_data).collect();
    let text = events?.into_iter().filter_map(|event| {
        let chunk: Value = serde_json::from_slice(&event).ok()?;
        let choice = chunk.pointer("/choices/0")?;
        let said = choice.pointer("/delta/content").or(choice.get("text"))?;
        said.as_str().map(str::to_owned)
    });
    Ok(text.collect())
}

/// Whether it is so; what is `(made)` is made anew each time.
fn alike(is: &Value, should: &Value) -> bool {
    match (is, should) {
        (_, Value::String(text)) if text == "(made)" => !is.is_null(),
        (Value::Object(is), Value::Object(should)) => {
            let same = |(key, should)| is.get(key).is_some_and(|is| alike(is, should));
            is.len() == should.len() && should.iter().all(same)
        }
        (Value::Array(is), Value::Array(should)) => {
            is.len() == should.len() && is.iter().zip(should).all(|(is, should)| alike(is, should))
        }
        _ => is == should,
    }
}

/// All that is not as documented.
fn faults(vendor: &Vendor, cell: &Cell) -> Result<Vec<String>, Error> {
    let target = target(vendor, cell)?;
    let op = op(&cell.op);
    let options = CallOptions {
        drop_params: !cell.notices.is_empty(),
        ..CallOptions::default()
    };
    let call = Call::prepare(op, &target, body(cell, false), &options)?;
    let mut faults = Vec::new();
    let mut compare = |what: &str, is: Value, should: Value| {
        if !alike(&is, &should) {
            faults.push(format!("{what}\n     is {is}\n should {should}"));
        }
    };
    compare("sent", sent(vendor, cell, &call)?, documented(vendor, cell));
    let answer = cell.answered.as_ref().unwrap_or(&cell.answer);
    compare(
        "answered",
        answered(cell, &call)?,
        json!({"body": answer, "tokens": cell.tokens}),
    );
    if let Some(text) = &cell.streamed {
        let call = Call::prepare(op, &target, body(cell, true), &options)?;
        for size in [1, usize::MAX] {
            compare("streamed", streamed(cell, &call, size)?.into(), json!(text));
        }
    }
    Ok(faults)
}

#[test]
fn requests_and_answers_are_as_documented() {
    let mut found = Vec::new();
    let vendors = vendors();
    for vendor in &vendors {
        for cell in &vendor.cells {
            let faults =
                faults(vendor, cell).unwrap_or_else(|error| vec![format!("refused: {error}")]);
            let name = format!("{} {}", vendor.provider, cell.op);
            found.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(vendors.len() > 1);
}

#[test]
fn every_cell_says_where_it_is_from() {
    for vendor in vendors() {
        for cell in &vendor.cells {
            let name = format!("{} {}", vendor.provider, cell.op);
            assert!(cell.source.starts_with("https://"), "{name}");
            let shows = cell.documented == Documented::Both;
            assert!(shows || cell.documented == Documented::Request, "{name}");
        }
    }
}
