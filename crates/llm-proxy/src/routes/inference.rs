//! The paths of the operations, with every alias that clients use.

use std::borrow::Cow;

use http::Method;
use llm_types::{Op, Verb};
use percent_encoding::percent_decode_str;

/// An operation's path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// What is asked for.
    pub(crate) op: Op,
    /// What of it.
    pub(crate) verb: Verb,
    /// The thing it is for.
    pub(crate) id: Option<String>,
    /// The vendor that is asked, where the path names it.
    pub(crate) provider: Option<&'a str>,
    /// The model, where the path names it.
    pub(crate) model: Option<Cow<'a, str>>,
    /// What Google's paths say after the model; other clients say it in the body.
    pub(crate) action: Option<Action>,
}

/// What is to be done with a model's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Answer at once.
    Generate,
    /// Answer piece by piece.
    Stream,
    /// Only count.
    Count,
}

/// Prefixes of paths that name their model, which may contain slashes.
const NAMING: [&str; 2] = ["/engines/", "/openai/deployments/"];
/// What may come before a path.
const VERSIONS: [&str; 4] = ["/v1", "/openai/v1", "/claude_code_gateway/v1", "/cursor"];
/// Operations whose products are kept.
const KEPT: [Op; 5] = [
    Op::Responses,
    Op::Batch,
    Op::File,
    Op::Video,
    Op::FineTuning,
];
/// Operations that such paths may ask for, longer paths first: one is the end of another.
const NAMED: [Op; 9] = [
    Op::Chat,
    Op::Completion,
    Op::Embedding,
    Op::ImageGeneration,
    Op::ImageEdit,
    Op::Transcription,
    Op::Translation,
    Op::Speech,
    Op::Responses,
];

/// Who answers at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// An operation.
    To(Found<'a>),
    /// An operation, by other methods.
    Not(&'static str),
}

/// The operation that a request asks for, if it asks for one. A slash at the end of its path changes nothing.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Option<Way<'a>> {
    if let Some(way) = kept(method, path) {
        return Some(way);
    }
    let found = made(path)?;
    if *method == Method::GET && found.op == Op::Search && found.model.as_deref() == Some("tools") {
        // A page: the list of all tools.
        return None;
    }
    Some(match *method {
        Method::POST => Way::To(found),
        _ => Way::Not("POST"),
    })
}

/// What vendors keep: lists of it, one of it by its id, and what is done with that.
fn kept<'a>(method: &Method, path: &'a str) -> Option<Way<'a>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let below = VERSIONS.iter().find_map(|version| {
        path.strip_prefix(version)
            .filter(|rest| rest.starts_with('/'))
    });
    let (provider, path) = match below {
        Some(rest) => (None, rest),
        None => of_vendor(path).unwrap_or((None, path)),
    };
    let (op, rest) = KEPT
        .iter()
        .find_map(|op| Some((*op, path.strip_prefix(op.path())?)))?;
    let mut allowed = Vec::new();
    for verb in op.verbs() {
        let Some(id) = fits(*verb, rest) else {
            continue;
        };
        let by = match verb.method() {
            llm_types::Method::Get => Method::GET,
            llm_types::Method::Post => Method::POST,
            llm_types::Method::Delete => Method::DELETE,
        };
        if by == *method {
            return Some(Way::To(Found {
                op,
                verb: *verb,
                id: id.map(|id| percent_decode_str(id).decode_utf8_lossy().into_owned()),
                provider,
                model: None,
                action: None,
            }));
        }
        allowed.push(by);
    }
    let can = |by: &Method| allowed.contains(by);
    Some(Way::Not(
        match (can(&Method::GET), can(&Method::POST), can(&Method::DELETE)) {
            (true, true, _) => "GET, POST",
            (true, false, true) => "GET, DELETE",
            (true, false, false) => "GET",
            (false, true, _) => "POST",
            _ => return None,
        },
    ))
}

/// `/groq/v1/files`: the vendor, and the path after its version. Of files and batches alone: who asks for something else
/// in this way means the vendor's own API.
fn of_vendor(path: &str) -> Option<(Option<&str>, &str)> {
    let (name, rest) = path.strip_prefix('/')?.split_once("/v1/")?;
    let rest = &path[path.len() - rest.len() - 1..];
    let vendor = llm_providers::lookup(name)?;
    let is_kept = [Op::File, Op::Batch]
        .iter()
        .filter(|op| vendor.speaks(**op))
        .filter_map(|op| rest.strip_prefix(op.path()))
        .any(|rest| rest.is_empty() || rest.starts_with('/'));
    is_kept.then_some((Some(vendor.name), rest))
}

/// Whether what follows an operation's path asks for `verb`, and of what.
fn fits(verb: Verb, rest: &str) -> Option<Option<&str>> {
    if !verb.needs_id() {
        return (rest == verb.suffix()).then_some(None);
    }
    let id = rest.strip_prefix('/')?.strip_suffix(verb.suffix())?;
    let is_one = !id.is_empty() && !id.contains('/');
    // `/responses/compact` is no response.
    let is_word = verb.suffix().is_empty() && matches!(id, "compact" | "input_tokens");
    (is_one && !is_word).then_some(Some(id))
}

/// The operation that `path` asks for by `POST`, if it asks for one.
fn made(path: &str) -> Option<Found<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    for prefix in NAMING {
        if let Some(rest) = path.strip_prefix(prefix)
            && let Some(found) = named(rest)
        {
            return Some(found);
        }
    }
    let bare = VERSIONS.iter().find_map(|prefix| {
        path.strip_prefix(prefix)
            .filter(|rest| rest.starts_with('/'))
    });
    let rest = bare.unwrap_or(path);
    if let Some(tool) = rest.strip_prefix("/search/") {
        return tool_of(tool);
    }
    let op = match (bare, rest) {
        // Anthropic's paths have a version, always.
        (Some(_), "/messages") => Op::Messages,
        (Some(_), "/messages/count_tokens") => Op::CountTokens,
        (None, "/v2/rerank") => Op::Rerank,
        (_, "/chat/completions") => Op::Chat,
        (_, "/completions") => Op::Completion,
        (_, "/embeddings") => Op::Embedding,
        (_, "/images/generations") => Op::ImageGeneration,
        (_, "/images/edits") => Op::ImageEdit,
        (_, "/images/variations") => Op::ImageVariation,
        (_, "/audio/transcriptions") => Op::Transcription,
        (_, "/audio/translations") => Op::Translation,
        (_, "/audio/speech") => Op::Speech,
        (_, "/rerank") => Op::Rerank,
        (_, "/moderations") => Op::Moderation,
        (_, "/responses") => Op::Responses,
        (_, "/ocr") => Op::Ocr,
        (_, "/search") => Op::Search,
        (_, "/batches") => Op::Batch,
        (_, "/files") => Op::File,
        (_, "/videos" | "/video/generations") => Op::Video,
        (_, "/fine_tuning/jobs") => Op::FineTuning,
        (_, "/realtime") => Op::Realtime,
        _ => return google(path),
    };
    Some(Found {
        op,
        verb: Verb::Create,
        id: None,
        provider: None,
        model: None,
        action: None,
    })
}

/// `/search/TOOL`: the tool stands where a model does.
fn tool_of(name: &str) -> Option<Found<'_>> {
    (!name.is_empty() && !name.contains('/')).then(|| Found {
        op: Op::Search,
        verb: Verb::Create,
        id: None,
        provider: None,
        model: Some(percent_decode_str(name).decode_utf8_lossy()),
        action: None,
    })
}

fn named(rest: &str) -> Option<Found<'_>> {
    let (op, model) = NAMED
        .iter()
        .find_map(|op| Some((*op, rest.strip_suffix(op.path())?)))?;
    (!model.is_empty()).then(|| Found {
        op,
        verb: Verb::Create,
        id: None,
        provider: None,
        model: Some(percent_decode_str(model).decode_utf8_lossy()),
        action: None,
    })
}

/// `/v1beta/models/MODEL:generateContent`, the same with another version, and without any.
fn google(path: &str) -> Option<Found<'_>> {
    let bare = ["/v1beta", "/v1alpha", "/v1"]
        .iter()
        .find_map(|version| path.strip_prefix(version));
    let rest = bare.unwrap_or(path).strip_prefix("/models/")?;
    let (model, action) = rest.rsplit_once(':')?;
    let action = match action {
        "generateContent" => Action::Generate,
        "streamGenerateContent" => Action::Stream,
        "countTokens" => Action::Count,
        _ => return None,
    };
    Some(Found {
        op: Op::GenerateContent,
        verb: Verb::Create,
        id: None,
        provider: None,
        model: Some(percent_decode_str(model).decode_utf8_lossy()),
        action: Some(action),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_found() {
        for (path, op, model) in [
            ("/v1/chat/completions", Op::Chat, None),
            ("/chat/completions/", Op::Chat, None),
            (
                "/engines/org/model-1/chat/completions",
                Op::Chat,
                Some("org/model-1"),
            ),
            (
                "/openai/deployments/a%2Fb/embeddings",
                Op::Embedding,
                Some("a/b"),
            ),
            ("/engines/m/completions", Op::Completion, Some("m")),
            ("/v1/messages", Op::Messages, None),
            (
                "/claude_code_gateway/v1/messages/count_tokens",
                Op::CountTokens,
                None,
            ),
            ("/v2/rerank", Op::Rerank, None),
            ("/search", Op::Search, None),
            ("/v1/search/my%20tool", Op::Search, Some("my tool")),
            ("/openai/v1/responses", Op::Responses, None),
            (
                "/v1/models/org/m%3A1:generateContent",
                Op::GenerateContent,
                Some("org/m:1"),
            ),
            (
                "/v1beta/models/gemini-2:streamGenerateContent",
                Op::GenerateContent,
                Some("gemini-2"),
            ),
        ] {
            let Some(Way::To(found)) = find(&Method::POST, path) else {
                panic!("{path}");
            };
            assert_eq!((found.op, found.model.as_deref()), (op, model), "{path}");
        }
    }

    #[test]
    fn what_is_kept_is_found_by_its_id() {
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        for (method, path, op, verb, id) in [
            (&get, "/v1/files", Op::File, Verb::List, None),
            (&post, "/v1/files", Op::File, Verb::Create, None),
            (&get, "/files/file-1", Op::File, Verb::Get, Some("file-1")),
            (
                &get,
                "/v1/files/a%2Fb/content",
                Op::File,
                Verb::Content,
                Some("a/b"),
            ),
            (
                &delete,
                "/openai/v1/files/f/",
                Op::File,
                Verb::Delete,
                Some("f"),
            ),
            (
                &post,
                "/v1/batches/b/cancel",
                Op::Batch,
                Verb::Cancel,
                Some("b"),
            ),
            (
                &post,
                "/responses/compact",
                Op::Responses,
                Verb::Compact,
                None,
            ),
            (
                &get,
                "/v1/responses/r/input_items",
                Op::Responses,
                Verb::InputItems,
                Some("r"),
            ),
            (
                &post,
                "/v1/videos/v/remix",
                Op::Video,
                Verb::Remix,
                Some("v"),
            ),
            (
                &get,
                "/v1/fine_tuning/jobs/j/events",
                Op::FineTuning,
                Verb::Events,
                Some("j"),
            ),
        ] {
            let Some(Way::To(found)) = find(method, path) else {
                panic!("{path}");
            };
            assert_eq!(
                (found.op, found.verb, found.id.as_deref()),
                (op, verb, id),
                "{path}"
            );
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        for (method, path, allowed) in [
            (Method::PUT, "/v1/files", "GET, POST"),
            (Method::PUT, "/v1/files/f", "GET, DELETE"),
            (Method::GET, "/v1/batches/b/cancel", "POST"),
            (Method::GET, "/v1/chat/completions", "POST"),
            (Method::POST, "/v1/files/f/content", "GET"),
        ] {
            assert_eq!(find(&method, path), Some(Way::Not(allowed)), "{path}");
        }
        assert_eq!(find(&Method::GET, "/v1/files/a/b/c"), None);
    }

    #[test]
    fn other_paths_are_not() {
        for path in [
            "/",
            "",
            "/v1",
            "/messages",
            "/engines//chat/completions",
            "/v1/models",
            "/chat",
            "/v3/chat/completions",
        ] {
            assert_eq!(find(&Method::POST, path), None, "{path}");
        }
    }

    #[test]
    fn every_operation_has_a_path() {
        for op in Op::all().filter(|op| *op != Op::GenerateContent) {
            let path = format!("/v1{}", op.path());
            let Some(Way::To(found)) = find(&Method::POST, &path) else {
                panic!("{path}");
            };
            assert_eq!((found.op, found.verb), (op, Verb::Create), "{path}");
        }
    }
}
