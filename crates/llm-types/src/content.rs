//! What a message says: a text, or parts.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};
use serde_json::Value;

use crate::Map;

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Texts, images, audio, files in order.
    Parts(Vec<ContentPart>),
}

/// One part of a message's content. `kind` says which of the other fields matters; what is not named here is in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentPart {
    /// `text`, `image_url`, `input_audio`, `file`, `video_url`, `document`, `thinking`, ...
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The text of a text part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A string, or `{url, detail?, format?}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<Value>,
    /// `{data, format}`: base64 audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<Value>,
    /// `{file_id?, file_data?, filename?, format?}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Value>,
    /// A string, or `{url, ...}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_url: Option<Value>,
    /// Anthropic's cache marker, `{type, ttl?}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
    /// Everything else the part had.
    #[serde(flatten)]
    pub extra: Map,
}

impl Content {
    /// All the text in it, joined without separator.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .filter_map(|part| part.text.as_deref())
                .collect(),
        }
    }

    /// The content as parts; a text becomes one text part.
    pub fn into_parts(self) -> Vec<ContentPart> {
        match self {
            Self::Text(text) => vec![ContentPart::text(text)],
            Self::Parts(parts) => parts,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

impl ContentPart {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            kind: "text".into(),
            text: Some(text.into()),
            ..Self::default()
        }
    }

    /// An image part.
    pub fn image_url(url: &str) -> Self {
        Self {
            kind: "image_url".into(),
            image_url: Some(serde_json::json!({ "url": url })),
            ..Self::default()
        }
    }

    /// The URL of an `image_url` or `video_url` part, in either of its two spellings.
    pub fn url(&self) -> Option<&str> {
        let value = self.image_url.as_ref().or(self.video_url.as_ref())?;
        value.as_str().or_else(|| value.get("url")?.as_str())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

// By hand: an untagged enum would buffer the whole content before it looks at its first byte.
impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of content parts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
                let mut parts = Vec::new();
                while let Some(PartOrText(part)) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// Some clients put bare strings among the parts.
struct PartOrText(ContentPart);

impl<'de> Deserialize<'de> for PartOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;
        impl<'de> Visitor<'de> for PartVisitor {
            type Value = PartOrText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content part")
            }
            fn visit_str<E>(self, text: &str) -> Result<PartOrText, E> {
                Ok(PartOrText(ContentPart::text(text)))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<PartOrText, A::Error> {
                ContentPart::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(PartOrText)
            }
        }
        deserializer.deserialize_any(PartVisitor)
    }
}
