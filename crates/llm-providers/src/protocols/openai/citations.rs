//! Perplexity's sources, as the annotations that OpenAI's clients read.

use llm_types::Map;
use serde_json::{Value, json};

/// Each source as an annotation, at the place of its first mark (`[1]`) in `text`.
pub(super) fn annotations(document: &Map, text: &str) -> Vec<Value> {
    let Some(Value::Array(citations)) = document.get("citations") else {
        return Vec::new();
    };
    citations
        .iter()
        .filter_map(Value::as_str)
        .enumerate()
        .map(|(i, url)| {
            let mut citation = json!({"url": url, "title": title(document, url).unwrap_or(url)});
            let mark = format!("[{}]", i + 1);
            if let Some(at) = text.find(&mark) {
                // OpenAI counts characters, not bytes.
                let start = text[..at].chars().count();
                citation["start_index"] = start.into();
                citation["end_index"] = (start + mark.len()).into();
            }
            json!({"type": "url_citation", "url_citation": citation})
        })
        .collect()
}

fn title<'a>(document: &'a Map, url: &str) -> Option<&'a str> {
    let results = document.get("search_results")?.as_array()?;
    results
        .iter()
        .find(|result| result.get("url").and_then(Value::as_str) == Some(url))?
        .get("title")?
        .as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_give_places() {
        let document = json!({"citations": ["https://a", "https://b"], "search_results": [{"url": "https://b", "title": "B"}]});
        let Value::Object(document) = document else {
            unreachable!()
        };
        let got = annotations(&document, "é said[2].");
        assert_eq!(
            got[0],
            json!({"type": "url_citation", "url_citation": {"url": "https://a", "title": "https://a"}})
        );
        assert_eq!(
            got[1],
            json!({"type": "url_citation", "url_citation": {"url": "https://b", "title": "B", "start_index": 6, "end_index": 9}})
        );
    }
}
