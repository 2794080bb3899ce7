//! The paths of the operations, with every alias that clients use.

use std::borrow::Cow;

use llm_types::Op;
use percent_encoding::percent_decode_str;

/// An operation's path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// What is asked for.
    pub(crate) op: Op,
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

/// The operation that `path` asks for, if it asks for one. A slash at the end changes nothing.
pub(crate) fn find(path: &str) -> Option<Found<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    for prefix in NAMING {
        if let Some(rest) = path.strip_prefix(prefix)
            && let Some(found) = named(rest)
        {
            return Some(found);
        }
    }
    let bare = ["/v1", "/openai/v1", "/claude_code_gateway/v1", "/cursor"]
        .iter()
        .find_map(|prefix| {
            path.strip_prefix(prefix)
                .filter(|rest| rest.starts_with('/'))
        });
    let op = match (bare, bare.unwrap_or(path)) {
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
        (_, "/videos") => Op::Video,
        (_, "/fine_tuning/jobs") => Op::FineTuning,
        (_, "/realtime") => Op::Realtime,
        _ => return google(path),
    };
    Some(Found {
        op,
        model: None,
        action: None,
    })
}

fn named(rest: &str) -> Option<Found<'_>> {
    let (op, model) = NAMED
        .iter()
        .find_map(|op| Some((*op, rest.strip_suffix(op.path())?)))?;
    (!model.is_empty()).then(|| Found {
        op,
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
            let found = find(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((found.op, found.model.as_deref()), (op, model), "{path}");
        }
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
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn every_operation_has_a_path() {
        for op in Op::all().filter(|op| *op != Op::GenerateContent) {
            let path = format!("/v1{}", op.path());
            assert_eq!(find(&path).map(|found| found.op), Some(op), "{path}");
        }
    }
}
