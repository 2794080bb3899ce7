//! Text recognition in documents and pictures. Mistral's shape.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JsonError, JsonObject, Map};

/// A text recognition request, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct OcrRequest {
    /// The model.
    pub model: String,
    /// What is read.
    pub document: OcrDocument,
    /// Which pages, counted from 0; all, where nobody says.
    pub pages: Option<Vec<u64>>,
    /// Every other key of the body.
    pub extra: Map,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OcrDocument {
    /// A document at an address, which may be a `data:` one.
    DocumentUrl {
        /// The address.
        document_url: String,
        /// Every other key.
        #[serde(flatten)]
        extra: Map,
    },
    /// A picture at an address, which may be a `data:` one.
    ImageUrl {
        /// The address, or an object with it as `url`.
        image_url: Value,
        /// Every other key.
        #[serde(flatten)]
        extra: Map,
    },
    /// A file: stored at the vendor (`file_id`), or the file itself as a `data:` address (`file`).
    File {
        /// The file itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// Every other key.
        #[serde(flatten)]
        extra: Map,
    },
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OcrResponse {
    /// The pages, in order.
    #[serde(default)]
    pub pages: Vec<OcrPage>,
    /// The model that read.
    #[serde(default)]
    pub model: String,
    /// What it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_info: Option<OcrUsage>,
    /// What `document_annotation_format` asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_annotation: Option<Value>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OcrPage {
    /// Which, counted from 0.
    pub index: u64,
    /// What is on it.
    #[serde(default)]
    pub markdown: String,
    /// The pictures on it.
    #[serde(default)]
    pub images: Vec<Value>,
    /// How large it is.
    #[serde(default)]
    pub dimensions: Option<OcrDimensions>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// How large a page is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct OcrDimensions {
    /// Dots per inch.
    pub dpi: u64,
    /// In dots.
    pub height: u64,
    /// In dots.
    pub width: u64,
}

/// What reading consumed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OcrUsage {
    /// Pages that were read.
    #[serde(default)]
    pub pages_processed: u64,
    /// How large the document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc_size_bytes: Option<u64>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

impl OcrRequest {
    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?.unwrap_or_default(),
            document: object.require("document")?,
            pages: object.get("pages")?,
            extra: object.rest(&["model", "document", "pages"])?,
        })
    }
}

impl OcrDocument {
    /// The document's address; `None` where it is stored at the vendor.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::DocumentUrl { document_url, .. } => Some(document_url),
            Self::ImageUrl { image_url, .. } => image_url
                .as_str()
                .or_else(|| image_url.get("url")?.as_str()),
            Self::File { file, .. } => file.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_an_address_in_each_spelling() {
        let url = |text: &str| {
            let document: OcrDocument = serde_json::from_str(text).expect("a document");
            document.url().map(str::to_owned)
        };
        let cases = [
            r#"{"type":"document_url","document_url":"u","document_name":"n"}"#,
            r#"{"type":"image_url","image_url":"u"}"#,
            r#"{"type":"image_url","image_url":{"url":"u"}}"#,
            r#"{"type":"file","file":"u"}"#,
        ];
        for case in cases {
            assert_eq!(url(case).as_deref(), Some("u"), "{case}");
        }
        assert_eq!(url(r#"{"type":"file","file_id":"f"}"#), None);
        let unknown = serde_json::from_str::<OcrDocument>(r#"{"type":"fax"}"#);
        assert!(unknown.is_err());
    }
}
