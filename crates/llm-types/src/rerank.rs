//! Reranking: documents ordered by how well they answer a query. Cohere's shape, which others copied.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::{JsonError, JsonObject, Map};

/// A rerank request, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct RerankRequest {
    /// The model.
    pub model: String,
    /// What is looked for.
    pub query: String,
    /// What is ordered.
    pub documents: Vec<RerankDocument>,
    /// How many of the best to answer with.
    pub top_n: Option<u64>,
    /// Which fields of documents that are objects count, in this order.
    pub rank_fields: Option<Vec<String>>,
    /// Whether the answer repeats the documents.
    pub return_documents: Option<bool>,
    /// Into how many pieces a long document may be cut.
    pub max_chunks_per_doc: Option<u64>,
    /// After how many tokens a long document is cut off.
    pub max_tokens_per_doc: Option<u64>,
    /// Every other key of the body.
    pub extra: Map,
}

/// A document: a text, or an object with a `text` or fields of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected strings or objects")]
pub enum RerankDocument {
    /// A text.
    Text(String),
    /// An object.
    Object(Map),
}

/// The order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RerankResponse {
    /// The answer's id.
    #[serde(default)]
    pub id: String,
    /// The best first.
    #[serde(default)]
    pub results: Vec<RerankResult>,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<RerankMeta>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One document's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RerankResult {
    /// Which document of the request.
    pub index: u64,
    /// How well it fits, as the vendor wrote it.
    pub relevance_score: Number,
    /// The document, where it was asked for: an object with a `text`, or the request's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Value>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// What a rerank request consumed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RerankMeta {
    /// The version of the vendor's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<Value>,
    /// What is paid for: `search_units`, or `total_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_units: Option<Map>,
    /// Tokens: `input_tokens` and `output_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Map>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

impl RerankRequest {
    const FIELDS: &'static [&'static str] = &[
        "model",
        "query",
        "documents",
        "top_n",
        "rank_fields",
        "return_documents",
        "max_chunks_per_doc",
        "max_tokens_per_doc",
    ];

    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?.unwrap_or_default(),
            query: object.require("query")?,
            documents: object.require("documents")?,
            top_n: object.get("top_n")?,
            rank_fields: object.get("rank_fields")?,
            return_documents: object.get("return_documents")?,
            max_chunks_per_doc: object.get("max_chunks_per_doc")?,
            max_tokens_per_doc: object.get("max_tokens_per_doc")?,
            extra: object.rest(Self::FIELDS)?,
        })
    }
}

impl RerankDocument {
    /// The document as one text: a text itself, an object's `fields` one to a line; all of them, if none are named or
    /// it has none of those. An object that is only a `text` is that text.
    pub fn text(&self, fields: Option<&[String]>) -> String {
        let map = match self {
            Self::Text(text) => return text.clone(),
            Self::Object(map) => map,
        };
        let named = fields.into_iter().flatten();
        let mut lines: Vec<(&str, &Value)> = named
            .filter_map(|field| Some((field.as_str(), map.get(field)?)))
            .collect();
        if lines.is_empty() {
            lines = map
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect();
        }
        if let [("text", Value::String(text))] = lines[..] {
            return text.clone();
        }
        let line = |(key, value): &(&str, &Value)| match value {
            Value::String(text) => format!("{key}: {text}"),
            other => format!("{key}: {other}"),
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(text: &'static str) -> Result<RerankRequest, JsonError> {
        RerankRequest::from_object(&JsonObject::parse(&Bytes::from_static(text.as_bytes()))?)
    }

    #[test]
    fn documents_are_texts_or_objects() {
        let read = request(
            r#"{"query":"q","documents":["a",{"text":"b"},{"title":"c","year":3}],"top_n":2,"truncation":true}"#,
        )
        .expect("a request");
        let texts: Vec<_> = read.documents.iter().map(|d| d.text(None)).collect();
        assert_eq!(texts, ["a", "b", "title: c\nyear: 3"]);
        let years = ["year".to_owned(), "none".to_owned()];
        assert_eq!(read.documents[2].text(Some(&years)), "year: 3");
        assert_eq!(read.documents[1].text(Some(&years)), "b");
        assert_eq!(read.extra["truncation"], true);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let field = |text| request(text).expect_err("an error").field;
        assert_eq!(field(r#"{"documents":[]}"#), "query");
        assert_eq!(field(r#"{"query":"q"}"#), "documents");
        assert_eq!(
            field(r#"{"query":"q","documents":["a",1]}"#),
            "documents[1]"
        );
        assert_eq!(
            field(r#"{"query":"q","documents":[],"top_n":"x"}"#),
            "top_n"
        );
    }
}
