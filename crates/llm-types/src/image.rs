//! Images from a text. OpenAI's shape.

use serde::{Deserialize, Serialize};

use crate::{JsonError, JsonObject, Map, Usage, responses::ResponsesUsage};

/// A request for images, typed for protocols that translate it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRequest {
    /// The model.
    pub model: String,
    /// What is to be seen.
    pub prompt: String,
    /// How many.
    pub n: Option<u64>,
    /// `1024x1024`, or a word of the vendor's own.
    pub size: Option<String>,
    /// `standard`, `hd`, `low`, `high`, ...
    pub quality: Option<String>,
    /// `vivid`, `natural`, or the vendor's own.
    pub style: Option<String>,
    /// `url` or `b64_json`.
    pub response_format: Option<String>,
    /// `png`, `jpeg`, `webp`.
    pub output_format: Option<String>,
    /// Every other key of the body.
    pub extra: Map,
}

/// The images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageResponse {
    /// When they were made, in seconds since 1970.
    #[serde(default)]
    pub created: u64,
    /// Each of them.
    #[serde(default)]
    pub data: Vec<Image>,
    /// What they consumed, where the vendor counts tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ImageUsage>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// One image: where it is, or what it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b64_json: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The prompt as the vendor rewrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// Token counts of images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageUsage {
    /// All input tokens.
    #[serde(default)]
    pub input_tokens: u64,
    /// Input tokens by kind.
    #[serde(default)]
    pub input_tokens_details: ImageTokens,
    /// All output tokens.
    #[serde(default)]
    pub output_tokens: u64,
    /// Their sum as the vendor gave it.
    #[serde(default)]
    pub total_tokens: u64,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// Tokens of pictures and of words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageTokens {
    /// Of pictures.
    pub image_tokens: u64,
    /// Of words.
    pub text_tokens: u64,
}

impl ImageRequest {
    const FIELDS: &'static [&'static str] = &[
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "style",
        "response_format",
        "output_format",
    ];

    /// Reads a body; the error names the field.
    pub fn from_object(object: &JsonObject) -> Result<Self, JsonError> {
        Ok(Self {
            model: object.get("model")?.unwrap_or_default(),
            prompt: object.require("prompt")?,
            n: count(object, "n")?,
            size: object.get("size")?,
            quality: object.get("quality")?,
            style: object.get("style")?,
            response_format: object.get("response_format")?,
            output_format: object.get("output_format")?,
            extra: object.rest(Self::FIELDS)?,
        })
    }

    /// Width and height, where the size says them.
    pub fn sides(&self) -> Option<(u32, u32)> {
        let (width, height) = self.size.as_deref()?.split_once(['x', '*'])?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        (width > 0 && height > 0).then_some((width, height))
    }
}

/// A number, which is text in a form.
fn count(object: &JsonObject, key: &str) -> Result<Option<u64>, JsonError> {
    match object.str(key).and_then(|text| text.trim().parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => object.get(key),
    }
}

impl Image {
    /// An image by its address; by its bytes, where the address is a `data:` one.
    pub fn at(address: &str) -> Self {
        let bytes = address
            .strip_prefix("data:")
            .and_then(|data| data.split_once(";base64,"));
        match bytes {
            Some((_, base64)) => Self::of(base64),
            None => Self {
                url: Some(address.to_owned()),
                ..Self::default()
            },
        }
    }

    /// An image by its bytes in base64.
    pub fn of(base64: &str) -> Self {
        Self {
            b64_json: Some(base64.to_owned()),
            ..Self::default()
        }
    }
}

impl ImageUsage {
    /// The same counts in chat's shape. What comes out of a vendor that only makes pictures is a picture.
    pub fn normalise(usage: ResponsesUsage) -> Usage {
        let mut usage = usage.normalise();
        let made = usage.completion_tokens;
        if let Some(details) = &mut usage.completion_tokens_details
            && details.image_tokens == 0
            && details.text_tokens.is_none()
        {
            details.image_tokens = made;
        }
        usage
    }
}

impl From<&Usage> for ImageUsage {
    fn from(usage: &Usage) -> Self {
        let pictures = usage
            .prompt_tokens_details
            .as_ref()
            .map_or(0, |details| details.image_tokens);
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: ImageTokens {
                image_tokens: pictures,
                text_tokens: usage.prompt_tokens.saturating_sub(pictures),
            },
            output_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens,
            extra: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(text: &'static str) -> Result<ImageRequest, JsonError> {
        ImageRequest::from_object(&JsonObject::parse(&Bytes::from_static(text.as_bytes()))?)
    }

    #[test]
    fn sizes_are_sides_or_words() {
        let sides = |size: &str| {
            let mut read = request(r#"{"prompt":"a"}"#).expect("a request");
            read.size = Some(size.to_owned());
            read.sides()
        };
        assert_eq!(sides("1024x1536"), Some((1024, 1536)));
        assert_eq!(sides("512*512"), Some((512, 512)));
        for other in ["auto", "1024", "x", "0x5", "-1x5", "99999999999x1"] {
            assert_eq!(sides(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let field = |text| request(text).expect_err("an error").field;
        assert_eq!(field(r#"{"model":"m"}"#), "prompt");
        assert_eq!(field(r#"{"prompt":"a","n":"two"}"#), "n");
    }

    #[test]
    fn an_address_with_data_in_it_is_the_image_itself() {
        let inline = Image::at("data:image/png;base64,AAAA");
        assert_eq!(
            (inline.b64_json.as_deref(), inline.url),
            (Some("AAAA"), None)
        );
        assert_eq!(Image::at("https://a.example/1.png").b64_json, None);
    }

    #[test]
    fn what_comes_out_is_a_picture_unless_it_is_said_otherwise() {
        let read = |text: &str| {
            let usage: ResponsesUsage = serde_json::from_str(text).expect("usage");
            ImageUsage::normalise(usage)
                .completion_tokens_details
                .expect("details")
        };
        let bare = r#"{"input_tokens":5,"output_tokens":9,"total_tokens":14}"#;
        assert_eq!(read(bare).image_tokens, 9);
        let told =
            r#"{"output_tokens":9,"output_tokens_details":{"image_tokens":6,"text_tokens":3}}"#;
        assert_eq!(read(told).image_tokens, 6);
    }
}
