//! Requests in a vendor's own format, forwarded as they are: where they go, and what their path and body tell of them.

use std::{borrow::Cow, ops::Range};

use http::Uri;
use llm_types::{JsonObject, Op};
use percent_encoding::percent_decode_str;

use crate::{Auth, Error, Kind, Provider, Target, path};

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
            place,
        }
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
        ("images/generations", Op::ImageGeneration),
        ("images/edits", Op::ImageEdit),
        ("images/variations", Op::ImageVariation),
        ("audio/transcriptions", Op::Transcription),
        ("audio/translations", Op::Translation),
        ("audio/speech", Op::Speech),
        ("moderations", Op::Moderation),
        ("ocr", Op::Ocr),
        ("responses", Op::Responses),
        ("messages", Op::Messages),
        ("rerank", Op::Rerank),
    ];
    let op = known.iter().find(|(end, _)| ends(end)).map(|(_, op)| *op);
    (op, false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Credential, lookup};

    #[test]
    fn paths_from_the_host_on_and_from_the_base_on() {
        for (base, path, whole) in [
            (
                "https://a.b/v1",
                "chat/completions",
                "https://a.b/v1/chat/completions",
            ),
            (
                "https://a.b/v1",
                "v1/chat/completions",
                "https://a.b/v1/chat/completions",
            ),
            ("https://a.b/gw/v1", "v1/x", "https://a.b/gw/v1/x"),
            (
                "https://a.b/v1beta",
                "v1/models/m:x",
                "https://a.b/v1/models/m:x",
            ),
            (
                "https://a.b/v1beta",
                "upload/v1beta/files",
                "https://a.b/upload/v1beta/files",
            ),
            ("https://a.b", "v2/chat", "https://a.b/v2/chat"),
            (
                "https://a.b/openai/v1/",
                "openai/deployments/d/x",
                "https://a.b/openai/deployments/d/x",
            ),
            ("http://a.b:1/", "", "http://a.b:1/"),
        ] {
            assert_eq!(joined(base, path), whole, "{base} {path}");
        }
    }

    #[test]
    fn what_is_asked_for() {
        for (path, op, model, stream) in [
            ("v1/chat/completions", Some(Op::Chat), "b", false),
            ("responses", Some(Op::Responses), "b", false),
            ("v1/messages", Some(Op::Messages), "b", false),
            ("v1/messages/count_tokens", None, "b", false),
            ("v1/my_messages", None, "b", false),
            (
                "v1beta/models/gemini-x:generateContent",
                Some(Op::GenerateContent),
                "gemini-x",
                false,
            ),
            (
                "v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
                Some(Op::GenerateContent),
                "g",
                true,
            ),
            (
                "model/eu.a%3A0/converse-stream",
                Some(Op::Chat),
                "eu.a:0",
                true,
            ),
            ("model/a/invoke", Some(Op::Messages), "a", false),
            (
                "openai/deployments/d/chat/completions",
                Some(Op::Chat),
                "d",
                false,
            ),
            ("v1/files", None, "b", false),
            ("v1/audio/speech", Some(Op::Speech), "b", false),
            ("v1/ocr", Some(Op::Ocr), "b", false),
        ] {
            let body = JsonObject::parse(&bytes::Bytes::from_static(br#"{"model":"b"}"#)).unwrap();
            let read = Native::read(path, Some(&body));
            assert_eq!(
                (read.op, read.model.as_str(), read.stream),
                (op, model, stream),
                "{path}"
            );
        }
    }

    #[test]
    fn another_model_takes_the_place_of_the_named_one() {
        let path = "model/a/converse";
        let read = Native::read(path, None);
        assert_eq!(
            read.path_for(path, "b:0/x").unwrap(),
            "model/b%3A0%2Fx/converse"
        );
    }

    #[test]
    fn vendors_are_known_by_their_hosts() {
        assert_eq!(vendor_at("https://api.groq.com/openai/v1/x").name, "groq");
        assert_eq!(
            vendor_at("https://evilapi.groq.com.example").name,
            "pass_through"
        );
        assert_eq!(vendor_at("http://127.0.0.1:1/x").name, "pass_through");
    }

    proptest! {
        #[test]
        fn no_path_leaves_its_place(path in "([a-z.@:?#%\\\\/]|%2e|%2f|%5c|//|\\.\\.){0,24}") {
            let target = Target::new(lookup("openai").unwrap(), "m", Credential::None).at("https://api.test/in/v1");
            if let Ok(uri) = address(&target, &path, None) {
                prop_assert_eq!(uri.host(), Some("api.test"));
                prop_assert_eq!(uri.scheme_str(), Some("https"));
                let decoded = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
                prop_assert!(!decoded.split(['/', '\\']).any(|part| part == ".."), "{}", decoded);
            }
        }
    }
}
