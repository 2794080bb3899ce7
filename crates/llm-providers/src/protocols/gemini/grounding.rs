//! Grounding to citations: Gemini counts bytes, OpenAI counts characters.

use serde_json::{Value, json};

use super::wire;

/// The text that citations count in: thoughts are never cited.
pub(crate) fn citable(part: &wire::Part) -> Option<&str> {
    let text = part.text.as_deref();
    text.filter(|_| part.thought != Some(true))
}

/// One `url_citation` for each source of each supported segment of the answer's whole text.
pub(crate) fn annotations(metadata: &Value, text: &str) -> Vec<Value> {
    let chunks = metadata["groundingChunks"].as_array();
    let supports = metadata["groundingSupports"].as_array();
    let mut all = Vec::new();
    for support in supports.into_iter().flatten() {
        let (start, end) = span(&support["segment"], text);
        let sources = support["groundingChunkIndices"].as_array();
        for source in sources.into_iter().flatten() {
            let chunk = source
                .as_u64()
                .and_then(|at| chunks?.get(usize::try_from(at).ok()?));
            let Some((url, title)) = chunk.and_then(source_of) else {
                continue;
            };
            all.push(json!({"type": "url_citation", "url_citation": {
                "start_index": start, "end_index": end, "title": title, "url": url,
            }}));
        }
    }
    all
}

/// The address and title of a source on the web, on a map, or in a store of one's own.
fn source_of(chunk: &Value) -> Option<(&str, &str)> {
    let source = ["web", "maps", "retrievedContext"]
        .iter()
        .find_map(|kind| chunk.get(kind))?;
    let url = source["uri"].as_str()?;
    Some((url, source["title"].as_str().unwrap_or_default()))
}

/// A segment as characters of the whole text.
///
/// Gemini's own count is sometimes a few bytes off, and starts anew where it says `partIndex`; the segment's words are
/// right, so they decide.
fn span(segment: &Value, text: &str) -> (usize, usize) {
    let number = |key: &str| {
        let number = segment[key].as_u64().unwrap_or(0);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let (mut start, mut end) = (number("startIndex"), number("endIndex"));
    let words = segment["text"].as_str().filter(|words| !words.is_empty());
    if let Some(words) = words
        && text.get(start..end) != Some(words)
        && let Some((found, _)) = text
            .match_indices(words)
            .min_by_key(|(at, _)| at.abs_diff(start))
    {
        (start, end) = (found, found + words.len());
    }
    let characters = |byte: usize| text.char_indices().take_while(|(at, _)| *at < byte).count();
    (characters(start), characters(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters() {
        let metadata = json!({
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"text": "no address"}}],
            "groundingSupports": [
                {"segment": {"startIndex": 3, "endIndex": 6, "text": "üb"}, "groundingChunkIndices": [0, 1, 9]},
                {"segment": {"startIndex": 6, "endIndex": 8, "text": "ok"}, "groundingChunkIndices": [0]},
                {"segment": {"endIndex": 99}, "groundingChunkIndices": [0]}
            ]
        });
        let got: Vec<_> = annotations(&metadata, "é über ok")
            .iter()
            .map(|a| {
                (
                    a["url_citation"]["start_index"].clone(),
                    a["url_citation"]["end_index"].clone(),
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                (json!(2), json!(4)),
                (json!(7), json!(9)),
                (json!(0), json!(9))
            ]
        );
    }
}
