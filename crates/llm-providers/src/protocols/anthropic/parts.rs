//! Content parts to content blocks.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{Content, ContentPart, messages::Block, messages::Blocks};
use serde_json::{Value, json};

use super::betas::Betas;
use crate::{Error, Kind, call::Fetched};

/// Turns parts into blocks, and notes what they need.
pub(super) struct Parts<'a> {
    /// Whether the vendor fetches media from addresses.
    pub(super) urls: bool,
    /// What was fetched where it does not.
    pub(super) fetched: &'a BTreeMap<String, Fetched>,
    pub(super) betas: &'a mut Betas,
}

impl Parts<'_> {
    /// The blocks of a message's content; texts without a visible character are left out, Anthropic refuses them.
    pub(super) fn blocks(&mut self, content: Content, path: &str) -> Result<Vec<Block>, Error> {
        let parts = match content {
            Content::Text(text) if is_blank(&text) => return Ok(Vec::new()),
            Content::Text(text) => return Ok(vec![Block::text(text)]),
            Content::Parts(parts) => parts,
        };
        let mut blocks = Vec::with_capacity(parts.len());
        for (i, part) in parts.into_iter().enumerate() {
            let block = self.block(part, || format!("{path}[{i}]"))?;
            if block.kind != "text" || !is_blank(block.text.as_deref().unwrap_or_default()) {
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    /// A tool's result: a text stays one.
    pub(super) fn result(&mut self, content: Content, path: &str) -> Result<Blocks, Error> {
        match content {
            Content::Text(text) => Ok(Blocks::Text(text)),
            parts => self.blocks(parts, path).map(Blocks::List),
        }
    }

    fn block(&mut self, part: ContentPart, at: impl Fn() -> String) -> Result<Block, Error> {
        if let Some(marker) = &part.cache_control {
            self.betas.add_cache(marker);
        }
        let cache_control = part.cache_control.clone();
        let mut block = match part.kind.as_str() {
            "text" | "input_text" | "output_text" | "guarded_text" => Block {
                extra: part.extra,
                ..Block::text(part.text.unwrap_or_default())
            },
            "refusal" => Block::text(refusal(&part)),
            "image_url" => self.image(&part, at)?,
            "file" => self.file(part.file.unwrap_or_default(), at)?,
            "input_audio" | "video_url" => {
                return Err(Error::bad_request(
                    at(),
                    format!("Anthropic's models take no '{}' parts", part.kind),
                ));
            }
            // Anthropic's own kinds (document, search_result, server tools' blocks) come as they are.
            _ => Block {
                text: part.text,
                extra: part.extra,
                ..Block::new(part.kind)
            },
        };
        block.cache_control = cache_control;
        Ok(block)
    }

    fn image(&self, part: &ContentPart, at: impl Fn() -> String) -> Result<Block, Error> {
        let url = part
            .url()
            .ok_or_else(|| Error::bad_request(at(), "the image has no url"))?;
        let format = part
            .image_url
            .as_ref()
            .and_then(|image| image.get("format")?.as_str());
        self.media(url, format, at)
    }

    /// `{file_id?, file_data?, filename?, format?}`.
    fn file(&mut self, file: Value, at: impl Fn() -> String) -> Result<Block, Error> {
        let text = |key: &str| file.get(key).and_then(Value::as_str);
        let format = text("format");
        let mut block = match (text("file_data"), text("file_id")) {
            (Some(data), _) if is_url(data) || data.starts_with("data:") => {
                self.media(data, format, &at)?
            }
            (Some(data), _) => embedded(format.unwrap_or("application/pdf"), data, &at)?,
            (None, Some(id)) if is_url(id) => self.media(id, format, &at)?,
            (None, Some(id)) => {
                self.betas.add("files-api-2025-04-14");
                let kind = if format.is_some_and(|format| format.starts_with("image/")) {
                    "image"
                } else {
                    "document"
                };
                Block::media(kind, json!({"type": "file", "file_id": id}))
            }
            (None, None) => {
                return Err(Error::bad_request(
                    at(),
                    "the file has neither file_data nor file_id",
                ));
            }
        };
        if let (Some(name), "document") = (text("filename"), block.kind.as_str()) {
            block.extra.insert("title".into(), name.into());
        }
        Ok(block)
    }

    fn media(
        &self,
        url: &str,
        format: Option<&str>,
        at: impl Fn() -> String,
    ) -> Result<Block, Error> {
        if let Some(rest) = url.strip_prefix("data:") {
            let Some((head, data)) = rest.split_once(',') else {
                return Err(Error::bad_request(at(), "the data URI has no data"));
            };
            let Some(mime) = head.strip_suffix(";base64") else {
                return Err(Error::bad_request(at(), "the data URI is not in base64"));
            };
            let mime = mime.split(';').next().unwrap_or(mime);
            return embedded(format.unwrap_or(mime), data, at);
        }
        if !is_url(url) {
            return Err(Error::bad_request(
                at(),
                "expected an https address or a data URI",
            ));
        }
        if let Some(file) = self.fetched.get(url) {
            let mime = format.or(file.content_type.as_deref());
            return embedded(
                mime.unwrap_or("image/jpeg"),
                &STANDARD.encode(&file.bytes),
                at,
            );
        }
        if !self.urls {
            let mut error = Error::new(
                Kind::BadRequest,
                "this host of Claude fetches no addresses: send the data itself",
            );
            error.param = Some(at());
            return Err(error);
        }
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let document =
            format.is_some_and(|f| f == "application/pdf") || path.to_lowercase().ends_with(".pdf");
        let kind = if document { "document" } else { "image" };
        Ok(Block::media(kind, json!({"type": "url", "url": url})))
    }
}

/// Media in base64: images, PDFs, and plain text, which goes as text.
fn embedded(mime: &str, data: &str, at: impl Fn() -> String) -> Result<Block, Error> {
    if mime.starts_with("text/") {
        let text = STANDARD
            .decode(data)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let text =
            text.ok_or_else(|| Error::bad_request(at(), "the file is not text in base64"))?;
        let source = json!({"type": "text", "media_type": "text/plain", "data": text});
        return Ok(Block::media("document", source));
    }
    let kind = match mime {
        "application/pdf" => "document",
        // Anthropic knows the type under its registered name only.
        "image/jpg" => return embedded("image/jpeg", data, at),
        mime if mime.starts_with("image/") => "image",
        mime => {
            return Err(Error::bad_request(
                at(),
                format!("Anthropic's models take no files of type '{mime}'"),
            ));
        }
    };
    Ok(Block::media(
        kind,
        json!({"type": "base64", "media_type": mime, "data": data}),
    ))
}

fn refusal(part: &ContentPart) -> String {
    part.extra
        .get("refusal")
        .and_then(Value::as_str)
        .or(part.text.as_deref())
        .unwrap_or_default()
        .to_owned()
}

/// The address that a part points to.
pub(super) fn address(part: &ContentPart) -> Option<String> {
    let file = |key: &str| part.file.as_ref()?.get(key)?.as_str();
    let url = match part.kind.as_str() {
        "image_url" => part.url(),
        "file" => file("file_data").or_else(|| file("file_id")),
        _ => None,
    };
    url.filter(|url| is_url(url)).map(str::to_owned)
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}
