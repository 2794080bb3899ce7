//! Requests in a vendor's own format, forwarded as they are: where they go, and what their path and body tell of them.

mod shown;

use std::{borrow::Cow, ops::Range};

use http::{Method, Uri};
use llm_types::{JsonObject, Map, Op};
use percent_encoding::percent_decode_str;

use crate::{Auth, Error, Kind, Provider, Target, lookup, path};
pub use shown::Shown;

/// A service that no row describes: its address and its headers are all that is known of it.
pub static ELSEWHERE: Provider = Provider {
    name: "pass_through",
    auth: Auth::None,
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Responses,
    ],
    ..Provider::OPENAI_LIKE
};

/// Finds the row of a vendor by the host of one of its addresses; [`ELSEWHERE`] where nobody knows it.
pub fn vendor_at(address: &str) -> &'static Provider {
    let (host, _) = apart(address);
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    let host = host.split(':').next().unwrap_or_default();
    let is_its = |known: &&str| {
        let known = known.split('/').next().unwrap_or_default();
        host == known || host.strip_suffix(known).is_some_and(|r| r.ends_with('.'))
    };
    let own = |row: &Provider| {
        let (home, _) = apart(row.base_url);
        home.split_once("://").is_some_and(|(_, home)| home == host)
    };
    let mut rows = crate::backends::ALL.iter().copied();
    rows.find(|row| own(row) || row.hosts.iter().any(is_its))
        .unwrap_or(&ELSEWHERE)
}

/// The address of a vendor's own `path`, percent-encoded as the client wrote it. A path can never lead to another host,
/// nor above the address that it belongs to.
pub fn address(target: &Target, path: &str, query: Option<&str>) -> Result<Uri, Error> {
    check(path)?;
    let base = match target.provider.outside {
        Some(outside) => outside(target, path)?,
        None => target.base_url.clone(),
    };
    let (base, own_query) = match base.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (base.as_str(), None),
    };
    parsed(joined(base, path), [own_query, query])
}

/// The address of `path` below the target's own, which is taken as it is.
pub fn below(target: &Target, path: &str, query: Option<&str>) -> Result<Uri, Error> {
    check(path)?;
    let address = match path {
        "" => target.base_url.clone(),
        path => path::join(&target.base_url, path),
    };
    parsed(address, [query, None])
}

fn parsed(mut address: String, queries: [Option<&str>; 2]) -> Result<Uri, Error> {
    let queries = queries.into_iter().flatten();
    for (n, query) in queries.filter(|query| !query.is_empty()).enumerate() {
        address.push(if n == 0 { '?' } else { '&' });
        address.push_str(query);
    }
    address
        .parse()
        .map_err(|e| Error::new(Kind::BadRequest, "the path makes no address").because(e))
}

fn check(path: &str) -> Result<(), Error> {
    match is_sound(path) {
        true => Ok(()),
        false => Err(Error::bad_request("path", "this path is not allowed")),
    }
}

/// Neither `.` nor `..`, in whatever spelling; no part of it is empty at its start.
fn is_sound(path: &str) -> bool {
    let bad = |segment: &str| {
        let text = percent_decode_str(segment).decode_utf8_lossy();
        text.split(['/', '\\'])
            .any(|part| matches!(part, "." | ".."))
            || text.chars().any(char::is_control)
    };
    !path.starts_with('/') && !path.contains(['?', '#']) && !path.split('/').any(bad)
}

/// Clients write a vendor's path from its host on (`v1/messages`), or from its base address on (`messages`).
fn joined(base: &str, path: &str) -> String {
    let (origin, way) = apart(base.trim_end_matches('/'));
    let mut ours: Vec<&str> = way.split('/').filter(|part| !part.is_empty()).collect();
    let first = path.split('/').next().unwrap_or_default();
    if let Some(at) = ours.iter().rposition(|part| *part == first) {
        ours.truncate(at);
    } else if ours.last().is_some_and(|last| is_version(last))
        && path.split('/').take(2).any(is_version)
    {
        ours.pop();
    }
    let mut all = origin.to_owned();
    for part in ours.into_iter().chain([path]) {
        all.push('/');
        all.push_str(part);
    }
    all
}

/// An address's scheme with its host, and its path.
fn apart(address: &str) -> (&str, &str) {
    let host = address.find("://").map_or(0, |at| at + 3);
    match address[host..].find('/') {
        Some(at) => address.split_at(host + at),
        None => (address, ""),
    }
}

/// `v1`, `v1beta`, `v2alpha1`.
fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What a request in a vendor's own format asks for, as far as its path and its body tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// What; `None` where nobody knows.
    pub op: Option<Op>,
    /// Which model; empty where none is named.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Where the path names the model.
    place: Option<Range<usize>>,
    /// Whose wire the path belongs to, whoever stands behind it.
    dialect: Dialect,
}

/// Vendors offer others' wires beside their own, at those others' paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Own,
    OpenAi,
    Anthropic,
}

impl Native {
    /// Reads a path without its leading slash, and the body where it is a JSON object.
    pub fn read(path: &str, body: Option<&JsonObject>) -> Self {
        let (place, action) = named(path);
        let (op, streams) = meaning(path, action);
        let model = match &place {
            Some(place) => {
                percent_decode_str(path.get(place.clone()).unwrap_or_default()).decode_utf8_lossy()
            }
            None => body.and_then(|body| body.str("model")).unwrap_or_default(),
        };
        Self {
            op,
            model: model.into_owned(),
            stream: streams || body.is_some_and(|body| body.is_true("stream")),
            dialect: dialect(path, op, place.is_some()),
            place,
        }
    }

    /// The row that reads the answers which `target` gives to this.
    pub(crate) fn reader(&self, target: &Target) -> &'static Provider {
        let (own, Some(op)) = (target.provider, self.op) else {
            return target.provider;
        };
        match self.dialect {
            Dialect::OpenAi if !(target.speaks(op) && own.wire(op).forwards_chat()) => &ELSEWHERE,
            Dialect::Anthropic if !target.speaks(op) => lookup("anthropic").unwrap_or(own),
            _ => own,
        }
    }

    /// The body that also asks for what a stream of this consumes, where its vendor knows how to be asked and the client,
    /// whose body is `fields`, has not done so.
    pub fn asking_for_usage(&self, target: &Target, fields: &JsonObject) -> Option<JsonObject> {
        let speaks = matches!(self.op, Some(Op::Chat | Op::Completion)) && self.stream;
        let vendor = target.provider;
        // What nobody knows is sent as it is; and Cohere refuses the key at its OpenAI-like paths.
        let knows = self.dialect == Dialect::OpenAi
            && vendor.params.stream_options
            && self.reader(target) == vendor
            && *vendor != ELSEWHERE;
        if !speaks || !knows || fields.is_empty() {
            return None;
        }
        let mut options: Map = match fields.get("stream_options") {
            Ok(options) => options.unwrap_or_default(),
            // The vendor says what is wrong with it.
            Err(_) => return None,
        };
        if options.get("include_usage") == Some(&true.into()) {
            return None;
        }
        options.insert("include_usage".into(), true.into());
        let mut body = fields.clone();
        body.set("stream_options", &options);
        Some(body)
    }

    /// Whether a path hides what it asks for behind percent-encoding, which its vendor may well see through.
    pub fn is_disguised(method: &Method, path: &str) -> bool {
        let is_known = |path: &str| {
            meaning(path, named(path).1).0.is_some() || Shown::at(method, path).is_some()
        };
        path.contains('%')
            && !is_known(path)
            && is_known(&percent_decode_str(path).decode_utf8_lossy())
    }

    /// The path with `model` where it names one.
    pub fn path_for<'a>(&self, path: &'a str, model: &str) -> Result<Cow<'a, str>, Error> {
        let Some(place) = self.place.clone() else {
            return Ok(Cow::Borrowed(path));
        };
        let (Some(before), Some(after)) = (path.get(..place.start), path.get(place.end..)) else {
            return Ok(Cow::Borrowed(path));
        };
        let name = path::segment(model)?;
        Ok(Cow::Owned([before, &name, after].concat()))
    }

    /// Forgets what is asked for where `method` asks for nothing: things are listed and read at the same paths.
    pub fn by(mut self, method: &Method) -> Self {
        self.op = self.op.filter(|_| method == Method::POST);
        self
    }

    /// Whether the body names the model.
    pub fn is_named_in_body(&self) -> bool {
        self.place.is_none() && !self.model.is_empty()
    }
}

/// Where a path names a model, and what is done with that.
fn named(path: &str) -> (Option<Range<usize>>, &str) {
    // Google: `.../models/MODEL:verb`.
    if let Some(at) = path.rfind("models/").map(|at| at + "models/".len())
        && let Some(colon) = path[at..].rfind(':')
    {
        return (Some(at..at + colon), &path[at + colon + 1..]);
    }
    // AWS: `model/MODEL/verb`; Azure: `.../deployments/MODEL/path`.
    for mark in ["model/", "deployments/"] {
        let found = path
            .find(mark)
            .filter(|at| *at == 0 || path.as_bytes().get(at.wrapping_sub(1)) == Some(&b'/'));
        if let Some(at) = found.map(|at| at + mark.len())
            && let Some(slash) = path[at..].find('/')
        {
            return (Some(at..at + slash), &path[at + slash + 1..]);
        }
    }
    (None, "")
}

/// What is asked for, and whether the path alone says that the answer is streamed.
fn meaning(path: &str, action: &str) -> (Option<Op>, bool) {
    match action {
        "generateContent" => return (Some(Op::GenerateContent), false),
        "streamGenerateContent" => return (Some(Op::GenerateContent), true),
        "rawPredict" | "invoke" => return (Some(Op::Messages), false),
        "streamRawPredict" | "invoke-with-response-stream" => return (Some(Op::Messages), true),
        "embedContent" | "batchEmbedContents" => return (Some(Op::Embedding), false),
        // What a model of Vertex AI's foretells is told by its name.
        "predict" if path.contains("embedding") => return (Some(Op::Embedding), false),
        "predict" if path.contains("imagen") => return (Some(Op::ImageGeneration), false),
        "converse" => return (Some(Op::Chat), false),
        "converse-stream" => return (Some(Op::Chat), true),
        _ => {}
    }
    let path = path.trim_end_matches('/');
    let ends = |with: &str| {
        let rest = path.strip_suffix(with);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    let known = [
        ("chat/completions", Op::Chat),
        ("completions", Op::Completion),
        ("chat", Op::Chat),
        ("embeddings", Op::Embedding),
        ("embed", Op::Embedding),
        ("images/generations", Op::ImageGeneration),
        ("images/edits", Op::ImageEdit),
        ("images/variations", Op::ImageVariation),
        ("audio/transcriptions", Op::Transcription),
        ("audio/translations", Op::Translation),
        ("audio/speech", Op::Speech),
        ("moderations", Op::Moderation),
        ("ocr", Op::Ocr),
        ("videos", Op::Video),
        ("responses", Op::Responses),
        ("messages", Op::Messages),
        ("rerank", Op::Rerank),
    ];
    let op = known.iter().find(|(end, _)| ends(end)).map(|(_, op)| *op);
    (op, false)
}

/// Whose wire is spoken at `path`: Cohere's, Google's and others' OpenAI-like paths are not their own.
fn dialect(path: &str, op: Option<Op>, is_named: bool) -> Dialect {
    let path = path.trim_end_matches('/');
    let has = |part: &str| path.split('/').any(|segment| segment == part);
    match op {
        Some(Op::Chat | Op::Completion) if path.ends_with("completions") => Dialect::OpenAi,
        Some(Op::Responses) => Dialect::OpenAi,
        Some(Op::Embedding) if has("openai") || has("compatibility") => Dialect::OpenAi,
        Some(Op::Messages) if !is_named => Dialect::Anthropic,
        _ => Dialect::Own,
    }
}

#[cfg(test)]
mod tests;
