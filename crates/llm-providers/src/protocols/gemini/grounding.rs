//! Grounding to citations: Gemini counts bytes, OpenAI counts characters.

use serde_json::{Value, json};

use super::wire;

/// The text that citations of a part count in: thoughts are never cited.
pub(crate) fn citable(part: &wire::Part) -> String {
    match &part.text {
        Some(text) if part.thought != Some(true) => text.clone(),
        _ => String::new(),
    }
}

/// One `url_citation` for each source of each supported segment. `texts` are the answer's parts.
pub(crate) fn annotations(metadata: &Value, texts: &[String]) -> Vec<Value> {
    let chunks = metadata["groundingChunks"].as_array();
    let supports = metadata["groundingSupports"].as_array();
    let mut all = Vec::new();
    for support in supports.into_iter().flatten() {
        let (start, end) = span(&support["segment"], texts);
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
fn span(segment: &Value, texts: &[String]) -> (usize, usize) {
    let number = |key: &str| {
        let number = segment[key].as_u64().unwrap_or(0);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let part = number("partIndex").min(texts.len().saturating_sub(1));
    let before: usize = texts
        .iter()
        .take(part)
        .map(|text| text.chars().count())
        .sum();
    let text = texts.get(part).map_or("", String::as_str);
    let characters = |byte: usize| {
        let within = text.char_indices().take_while(|(at, _)| *at < byte);
        before + within.count()
    };
    (
        characters(number("startIndex")),
        characters(number("endIndex")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters() {
        let metadata = json!({
            "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"retrievedContext": {"text": "no address"}}],
            "groundingSupports": [
                {"segment": {"startIndex": 3, "endIndex": 6}, "groundingChunkIndices": [0, 1, 9]},
                {"segment": {"partIndex": 1, "endIndex": 2}, "groundingChunkIndices": [0]}
            ]
        });
        let texts = ["é über".to_owned(), "ok".to_owned()];
        let got: Vec<_> = annotations(&metadata, &texts)
            .iter()
            .map(|a| {
                (
                    a["url_citation"]["start_index"].clone(),
                    a["url_citation"]["end_index"].clone(),
                )
            })
            .collect();
        assert_eq!(got, [(json!(2), json!(4)), (json!(6), json!(8))]);
    }
}
