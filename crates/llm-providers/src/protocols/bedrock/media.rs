//! Images, documents, videos and sounds: from data URIs, fetched files and S3 to Bedrock's blocks.

use std::{borrow::Cow, collections::BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{ContentPart, Map, Message};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Call, Error};

/// The kinds of files Converse takes, by its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Document,
    Video,
    Audio,
}

/// Media type, file extension, kind and Bedrock's name of the format.
const FORMATS: &[(&str, &str, Kind, &str)] = &[
    ("image/png", "png", Kind::Image, "png"),
    ("image/jpeg", "jpeg", Kind::Image, "jpeg"),
    ("image/jpg", "jpg", Kind::Image, "jpeg"),
    ("image/gif", "gif", Kind::Image, "gif"),
    ("image/webp", "webp", Kind::Image, "webp"),
    ("application/pdf", "pdf", Kind::Document, "pdf"),
    ("text/csv", "csv", Kind::Document, "csv"),
    ("application/msword", "doc", Kind::Document, "doc"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
        Kind::Document,
        "docx",
    ),
    ("application/vnd.ms-excel", "xls", Kind::Document, "xls"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
        Kind::Document,
        "xlsx",
    ),
    ("text/html", "html", Kind::Document, "html"),
    ("text/plain", "txt", Kind::Document, "txt"),
    ("text/markdown", "md", Kind::Document, "md"),
    ("video/mp4", "mp4", Kind::Video, "mp4"),
    ("video/quicktime", "mov", Kind::Video, "mov"),
    ("video/x-matroska", "mkv", Kind::Video, "mkv"),
    ("video/webm", "webm", Kind::Video, "webm"),
    ("video/x-flv", "flv", Kind::Video, "flv"),
    ("video/mpeg", "mpeg", Kind::Video, "mpeg"),
    ("video/mpg", "mpg", Kind::Video, "mpg"),
    ("video/wmv", "wmv", Kind::Video, "wmv"),
    ("video/x-ms-wmv", "wmv", Kind::Video, "wmv"),
    ("video/3gpp", "3gp", Kind::Video, "three_gp"),
    ("audio/mpeg", "mp3", Kind::Audio, "mp3"),
    ("audio/mp3", "mp3", Kind::Audio, "mp3"),
    ("audio/wav", "wav", Kind::Audio, "wav"),
    ("audio/x-wav", "wav", Kind::Audio, "wav"),
    ("audio/flac", "flac", Kind::Audio, "flac"),
    ("audio/ogg", "ogg", Kind::Audio, "ogg"),
    ("audio/opus", "opus", Kind::Audio, "opus"),
    ("audio/aac", "aac", Kind::Audio, "aac"),
    ("audio/mp4", "m4a", Kind::Audio, "m4a"),
];

/// The names that documents of one request have: Bedrock wants each once.
#[derive(Debug, Default)]
pub(super) struct DocumentNames(BTreeSet<String>);

/// The web addresses whose contents the messages refer to.
pub(super) fn addresses(messages: &[Message]) -> Vec<String> {
    let parts = messages
        .iter()
        .filter_map(|message| match &message.content {
            Some(llm_types::Content::Parts(parts)) => Some(parts),
            _ => None,
        });
    parts
        .flatten()
        .filter_map(address)
        .filter(|url| is_web(url))
        .map(str::to_owned)
        .collect()
}

/// The block that a part with a file in it becomes; `None` for a part of another kind.
pub(super) fn block(
    part: &ContentPart,
    call: &Call<'_>,
    names: &mut DocumentNames,
) -> Result<Option<Value>, Error> {
    if let Some(audio) = &part.input_audio {
        return sound(audio).map(Some);
    }
    if part.kind == "document" {
        return document_part(part, names).map(Some);
    }
    let Some(url) = address(part) else {
        return match &part.file {
            Some(file) => Err(no_content(file)),
            None => Ok(None),
        };
    };
    let holder = part
        .file
        .as_ref()
        .or(part.image_url.as_ref())
        .or(part.video_url.as_ref());
    let said = holder.and_then(|value| value.get("format")?.as_str());
    let file_name = part
        .file
        .as_ref()
        .and_then(|file| file.get("filename")?.as_str());
    let content = Content::read(url, call)?;
    let (kind, format) = [said, content.media_type.as_deref(), file_name, Some(url)]
        .into_iter()
        .flatten()
        .find_map(format_of)
        .ok_or_else(|| {
            Error::bad_request(
                "messages",
                format!("Bedrock takes no file of this type: {}", shown(url)),
            )
        })?;
    Ok(Some(match kind {
        Kind::Image => json!({"image": {"format": format, "source": content.source}}),
        Kind::Video => json!({"video": {"format": format, "source": content.source}}),
        Kind::Audio => json!({"audio": {"format": format, "source": content.source}}),
        Kind::Document => {
            let name = names.take(file_name, &content.source, format);
            json!({"document": {"format": format, "name": name, "source": content.source}})
        }
    }))
}

/// A file's content as Bedrock's `source`, with the media type its holder says.
struct Content<'a> {
    media_type: Option<Cow<'a, str>>,
    source: Value,
}

impl<'a> Content<'a> {
    fn read(url: &'a str, call: &'a Call<'_>) -> Result<Self, Error> {
        if let Some(data) = url.strip_prefix("data:") {
            return Self::data_uri(data);
        }
        if url.starts_with("s3://") {
            return Ok(Self {
                media_type: None,
                source: json!({"s3Location": {"uri": url}}),
            });
        }
        if is_web(url) {
            let fetched = call.fetched.get(url).ok_or_else(|| {
                Error::bad_request("messages", format!("{} was not fetched", shown(url)))
            })?;
            return Ok(Self {
                media_type: fetched.content_type.as_deref().map(Cow::Borrowed),
                source: json!({"bytes": STANDARD.encode(&fetched.bytes)}),
            });
        }
        // Some clients send bare base64.
        STANDARD.decode(url).map_err(|_| {
            Error::bad_request(
                "messages",
                format!("neither a data URI, an address nor base64: {}", shown(url)),
            )
        })?;
        Ok(Self {
            media_type: None,
            source: json!({"bytes": url}),
        })
    }

    fn data_uri(data: &'a str) -> Result<Self, Error> {
        let broken = || Error::bad_request("messages", "a data URI is broken");
        let (head, body) = data.split_once(',').ok_or_else(broken)?;
        let media_type = head.split(';').next().filter(|text| !text.is_empty());
        let encoded = if head.ends_with(";base64") {
            let body: Cow<'_, str> = if body.contains(['%', '\n', '\r', ' ']) {
                let text = percent_decode_str(body)
                    .decode_utf8()
                    .map_err(|_| broken())?;
                Cow::Owned(text.split_ascii_whitespace().collect())
            } else {
                Cow::Borrowed(body)
            };
            // Recordings cut in the middle must not pass for whole files either.
            STANDARD.decode(&*body).map_err(|_| broken())?;
            body.into_owned()
        } else {
            STANDARD.encode(percent_decode_str(body).collect::<Vec<u8>>())
        };
        Ok(Self {
            media_type: media_type.map(Cow::Borrowed),
            source: json!({"bytes": encoded}),
        })
    }
}

impl DocumentNames {
    /// A name that Bedrock accepts and that is not taken: the file's own, else one made of its content, which is
    /// the same in every request and so keeps prompt caches warm.
    fn take(&mut self, file_name: Option<&str>, source: &Value, format: &str) -> String {
        let stem = file_name.map(|name| name.rsplit_once('.').map_or(name, |(stem, _)| stem));
        let clean = stem.map(clean_name).filter(|name| !name.is_empty());
        let base = clean.unwrap_or_else(|| {
            let hash = hex::encode(&Sha256::digest(source.to_string().as_bytes())[..8]);
            format!("DocumentPDFmessages_{hash}_{format}")
        });
        let mut name = base.clone();
        let mut count = 1;
        while !self.0.insert(name.clone()) {
            count += 1;
            name = format!("{base}-{count}");
        }
        name
    }
}

/// Letters, digits, single spaces, hyphens and brackets are allowed, and underscores though AWS does not say so.
fn clean_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-()[] ".contains(c);
    let text: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(180)
        .collect();
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Anthropic's document part: `{type: "document", source: {type, media_type, data}, title?, context?, citations?}`.
fn document_part(part: &ContentPart, names: &mut DocumentNames) -> Result<Value, Error> {
    let refused = || Error::bad_request("messages", "Bedrock cannot read this document's source");
    let source = part.extra.get("source").ok_or_else(refused)?;
    let text = |key: &str| source.get(key).and_then(Value::as_str);
    let title = part.extra.get("title").and_then(Value::as_str);
    let (format, content) = match (text("type"), text("data")) {
        (Some("text"), Some(data)) => ("txt", json!({"text": data})),
        (Some("base64"), Some(data)) => {
            let (kind, format) = text("media_type").and_then(format_of).ok_or_else(refused)?;
            if kind != Kind::Document {
                return Err(refused());
            }
            (format, json!({"bytes": data}))
        }
        _ => return Err(refused()),
    };
    // A title is no file name: it has no extension to lose.
    let name = names.take(title.map(|t| format!("{t}.")).as_deref(), &content, format);
    let mut document = Map::new();
    document.insert("format".into(), format.into());
    document.insert("name".into(), name.into());
    document.insert("source".into(), content);
    for key in ["context", "citations"] {
        if let Some(value) = part.extra.get(key).filter(|value| !value.is_null()) {
            document.insert(key.into(), value.clone());
        }
    }
    Ok(json!({ "document": document }))
}

fn sound(audio: &Value) -> Result<Value, Error> {
    let text = |key: &str| audio.get(key).and_then(Value::as_str);
    match (text("data"), text("format")) {
        (Some(data), Some(format)) => {
            Ok(json!({"audio": {"format": format, "source": {"bytes": data}}}))
        }
        _ => Err(Error::bad_request(
            "messages",
            "input_audio needs 'data' and 'format'",
        )),
    }
}

fn address(part: &ContentPart) -> Option<&str> {
    if let Some(file) = &part.file {
        let text = |key: &str| file.get(key).and_then(Value::as_str);
        return text("file_data").or_else(|| {
            text("file_id")
                .filter(|id| is_web(id) || id.starts_with("s3://") || id.starts_with("data:"))
        });
    }
    part.url()
}

fn no_content(file: &Value) -> Error {
    let message = match file.get("file_id").and_then(Value::as_str) {
        Some(id) => format!("Bedrock has no stored file '{}'", shown(id)),
        None => "a file part needs 'file_data' or 'file_id'".to_owned(),
    };
    Error::bad_request("messages", message)
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// By a media type, else by a file's extension.
fn format_of(text: &str) -> Option<(Kind, &'static str)> {
    let text = text.split(['?', '#', ';']).next().unwrap_or(text);
    let lower = text.trim().to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension);
    FORMATS
        .iter()
        .find(|(media_type, ..)| *media_type == lower)
        .or_else(|| {
            let extension = extension.unwrap_or(&lower);
            FORMATS.iter().find(|(_, known, ..)| *known == extension)
        })
        .map(|(_, _, kind, format)| (*kind, *format))
}

fn shown(url: &str) -> String {
    url.chars().take(80).collect()
}
