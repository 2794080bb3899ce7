//! Replays recorded vendor traffic: real answers must decode without loss, however their bytes were cut on the way,
//! and real requests must come out of our encoders with the same meaning.
//!
//! The recordings are not part of the repository. They are looked for in `$INTERLINGUA_CASSETTES`, then in
//! `shared/cassettes` beside the checkout; where neither is there, these tests say so and pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod anthropic;
mod azure;
mod bedrock;
mod bedrock_invoke;
mod cohere;
mod fold;
mod gemini;
mod gemini_requests;
mod generate_over_chat;
mod google_embeddings;
mod json_ops;
mod media;
mod ollama;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;
mod openai_facts;
mod openai_responses;
mod responses_over_chat;
mod vendors;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    sync::LazyLock,
};

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use llm_providers::{Call, Chunk, Chunks, Error, Framing, Reply, frame::Splitter};
use llm_types::Op;
use serde_json::Value;

/// One recorded interaction.
pub struct Cassette {
    pub id: String,
    pub provider: String,
    pub endpoint: String,
    pub wire: String,
    pub model: Option<String>,
    pub features: Vec<String>,
    pub record: Value,
}

impl Cassette {
    /// All recordings for which `wanted` (given the index line) is true; empty if there is no such folder.
    pub fn all(wanted: impl Fn(&Value) -> bool) -> Vec<Self> {
        let Some((folder, index)) = INDEX.as_ref() else {
            return Vec::new();
        };
        index
            .iter()
            .filter(|line| wanted(line))
            .map(|line| Self::load(folder, line))
            .collect()
    }

    fn load(folder: &std::path::Path, line: &Value) -> Self {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let mut file = std::fs::File::open(folder.join(text("file"))).expect("a recording");
        file.seek(SeekFrom::Start(line["offset"].as_u64().expect("an offset")))
            .expect("seek");
        let mut bytes = vec![0; line["length"].as_u64().expect("a length") as usize];
        file.read_exact(&mut bytes).expect("a whole line");
        Self {
            id: text("id"),
            provider: text("provider"),
            endpoint: text("endpoint"),
            wire: text("wire"),
            model: line["model"].as_str().map(str::to_owned),
            features: serde_json::from_value(line["features"].clone()).unwrap_or_default(),
            record: serde_json::from_slice(&bytes).expect("a record"),
        }
    }

    /// The recorded request's JSON body, unless only the answer was published.
    pub fn request(&self) -> Option<&Value> {
        (self.record["request_recorded"] != false)
            .then(|| self.record["request"].get("body_json"))
            .flatten()
    }

    pub fn is_stream(&self) -> bool {
        self.record["stream"] == true
    }

    pub fn status(&self) -> StatusCode {
        let status = self.record["response"]["status"].as_u64().unwrap_or(200);
        StatusCode::from_u16(status as u16).expect("a status")
    }

    /// The recorded answer's bytes.
    pub fn body(&self) -> Bytes {
        let response = &self.record["response"];
        if let Some(json) = response.get("body_json") {
            return serde_json::to_vec(json).expect("json").into();
        }
        if let Some(text) = response["body_text"].as_str() {
            return Bytes::copy_from_slice(text.as_bytes());
        }
        let encoded = response["body_base64"].as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .expect("base64")
            .into()
    }

    pub fn reply(&self) -> Reply {
        let mut headers = HeaderMap::new();
        for (name, value) in self.record["response"]["headers"]
            .as_object()
            .into_iter()
            .flatten()
        {
            let value = value
                .as_str()
                .and_then(|text| HeaderValue::from_str(text).ok());
            if let (Ok(name), Some(value)) = (HeaderName::try_from(name.as_str()), value) {
                headers.insert(name, value);
            }
        }
        Reply {
            status: self.status(),
            headers,
            body: self.body(),
        }
    }
}

/// What a stream decoded to.
#[derive(Debug, PartialEq)]
pub struct Streamed {
    pub chunks: Vec<Chunk>,
    pub usage: Option<llm_types::Usage>,
    pub error: Option<String>,
}

/// Decodes `body` as `call`'s streamed answer, cut into pieces of `size` bytes.
pub fn decode_stream(call: &Call<'_>, body: &Bytes, size: usize) -> Streamed {
    // What is one JSON document comes as one, and says so in its headers.
    let framing = match body.trim_ascii_start().starts_with(b"[") {
        true => Framing::Whole,
        false => call.target.provider.protocol.framing(call),
    };
    let mut splitter = Splitter::new(framing);
    let mut decoder = call.decoder().expect("a decoder");
    let (mut frames, mut chunks, mut error) = (Vec::new(), Chunks::default(), None::<Error>);
    let mut at = 0;
    while at < body.len() && error.is_none() && !chunks.done {
        let end = (at + size).min(body.len());
        error = splitter.push(body.slice(at..end), &mut frames).err();
        at = end;
        for frame in frames.drain(..) {
            error = error.or_else(|| decoder.push(frame, &mut chunks).err());
        }
    }
    if error.is_none() && !chunks.done {
        error = splitter.finish(&mut frames).err();
        for frame in frames.drain(..) {
            error = error.or_else(|| decoder.push(frame, &mut chunks).err());
        }
    }
    error = error.or_else(|| decoder.finish(&mut chunks).err());
    Streamed {
        chunks: chunks.items,
        usage: chunks.usage,
        error: error.map(|e| e.to_string()),
    }
}

/// The sizes of the pieces in which a stream is tried. One byte at a time is slow in debug builds; long streams are cut
/// in larger pieces only.
pub fn cuts(body: &Bytes) -> impl Iterator<Item = usize> {
    let least = if body.len() > 60_000 { 64 } else { 1 };
    [1, 7, 1021].into_iter().filter(move |size| *size >= least)
}

/// `Ok` if `body` decodes to `whole` in pieces too.
pub fn however_cut(call: &Call<'_>, body: &Bytes, whole: &Streamed) -> Result<(), String> {
    let mut sizes = cuts(body);
    match sizes.find(|size| decode_stream(call, body, *size) != *whole) {
        Some(size) => Err(format!("in pieces of {size} bytes it decodes otherwise")),
        None => Ok(()),
    }
}

/// Collects failures and holds a family of recordings to a share of passes.
#[derive(Default)]
pub struct Tally {
    tried: usize,
    failed: BTreeMap<String, String>,
    /// The operation that is proven, where the recordings do not say it.
    op: Option<Op>,
    /// What is proven.
    cells: BTreeSet<(String, Op)>,
}

impl Tally {
    /// A tally of `op`, though the recordings are of another.
    pub fn proving(op: Op) -> Self {
        Self {
            op: Some(op),
            ..Self::default()
        }
    }

    pub fn check(&mut self, id: &str, result: Result<(), String>) {
        self.tried += 1;
        match result {
            Err(why) => drop(self.failed.insert(id.to_owned(), why)),
            Ok(()) => self.cells.extend(proven(id, self.op)),
        }
    }

    /// Fails the test unless every failure is in `known` (id, reason), every `known` one does fail, and at least 97 % pass.
    pub fn settle(self, what: &str, known: &[(&str, &str)]) {
        if self.tried == 0 {
            return eprintln!("{what}: no recordings here, nothing was checked");
        }
        let mut report = String::new();
        for (provider, op) in &self.cells {
            if !RECORDED.contains(&(provider.clone(), *op)) {
                let _ = writeln!(
                    report,
                    "recorded.json does not list {provider} {}",
                    op.name()
                );
            }
        }
        for (id, why) in &self.failed {
            if !known.iter().any(|(listed, _)| listed == id) {
                let _ = writeln!(report, "{id}: {why}");
            }
        }
        for (id, reason) in known {
            assert!(!reason.is_empty(), "{id} needs a reason");
            if !self.failed.contains_key(*id) {
                let _ = writeln!(report, "{id}: passes now, take it off the list");
            }
        }
        let passed = self.tried - self.failed.len();
        eprintln!("{what}: {passed} of {} pass", self.tried);
        assert!(
            report.is_empty(),
            "{what}: {passed} of {} pass\n{report}",
            self.tried
        );
        assert!(
            passed * 100 >= self.tried * 97,
            "{what}: only {passed} of {} pass",
            self.tried
        );
    }
}

/// What `recorded.json` says that replays prove: the reference's table of proofs is made from it.
static RECORDED: LazyLock<BTreeSet<(String, Op)>> = LazyLock::new(|| {
    let text = include_str!("../../../../fixtures/proofs/recorded.json");
    let listed: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(text).expect("a list");
    let cells = listed.into_iter().flat_map(|(provider, ops)| {
        let all = Op::all().filter(move |op| ops.contains(op.name()));
        all.map(move |op| (provider.clone(), op))
    });
    cells.collect()
});

/// The operations that recordings of an endpoint prove.
fn ops_of(endpoint: &str) -> &'static [Op] {
    match endpoint {
        "chat" => &[Op::Chat, Op::Messages, Op::GenerateContent],
        "responses" => &[Op::Responses],
        "embeddings" => &[Op::Embedding],
        "completions" | "fim" => &[Op::Completion],
        "transcription" => &[Op::Transcription],
        "translation" => &[Op::Translation],
        "images_generations" => &[Op::ImageGeneration],
        "images_edits" => &[Op::ImageEdit],
        "images_variations" => &[Op::ImageVariation],
        "count_tokens" => &[Op::CountTokens],
        "moderation" => &[Op::Moderation],
        "speech" => &[Op::Speech],
        "rerank" => &[Op::Rerank],
        "search" => &[Op::Search],
        "ocr" => &[Op::Ocr],
        _ => &[],
    }
}

/// What a recording's replay proves: its id begins with its provider and its endpoint.
fn proven(id: &str, op: Option<Op>) -> Option<(String, Op)> {
    let mut words = id.split('.');
    let (provider, endpoint) = (words.next()?, words.next()?);
    let row = llm_providers::lookup(provider)?;
    let op = op.or_else(|| ops_of(endpoint).first().copied())?;
    row.speaks(op).then(|| (row.name.to_owned(), op))
}

#[test]
fn what_is_listed_as_recorded_is_recorded() {
    let Some((_, index)) = INDEX.as_ref() else {
        return eprintln!("no recordings here, nothing was checked");
    };
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let mut there = BTreeSet::new();
    for line in index {
        let Some(row) = llm_providers::lookup(&text(line, "provider")) else {
            continue;
        };
        let ops = ops_of(&text(line, "endpoint"));
        there.extend(ops.iter().map(|op| (row.name.to_owned(), *op)));
    }
    for cell in &*RECORDED {
        assert!(there.contains(cell), "{cell:?}");
    }
}

/// The folder of the recordings and the lines of its index, read once.
static INDEX: LazyLock<Option<(PathBuf, Vec<Value>)>> = LazyLock::new(|| {
    let folder = folder()?;
    let index = std::fs::read_to_string(folder.join("index.jsonl")).expect("the index");
    let lines = index.lines();
    let lines = lines.map(|line| serde_json::from_str(line).expect("an index line"));
    Some((folder, lines.collect()))
});

fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cassettes");
    let folder = std::env::var_os("INTERLINGUA_CASSETTES")
        .map_or_else(|| PathBuf::from(beside), PathBuf::from);
    folder.join("index.jsonl").is_file().then_some(folder)
}

#[test]
fn the_tally_counts() {
    let mut tally = Tally::default();
    for i in 0..100 {
        tally.check(
            &i.to_string(),
            if i == 7 { Err("no".into()) } else { Ok(()) },
        );
    }
    tally.settle("itself", &[("7", "on purpose")]);
}
