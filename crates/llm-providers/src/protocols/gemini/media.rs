//! Images, files, sound and film of a message to Gemini's parts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{ContentPart, Map};
use serde_json::{Value, json};

use super::{model::Model, wire};
use crate::{Call, Error, Fetched};

/// How a medium reaches Gemini.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Its bytes are in the request already: media type and base64.
    Inline(String, String),
    /// Gemini fetches it itself.
    File(String, Option<String>),
    /// We must fetch it, for Gemini does not.
    Fetch(String),
}

/// A medium of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Medium {
    pub(crate) source: Source,
    pub(crate) format: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) video: Option<Value>,
}

impl Medium {
    /// The medium of a content part; `None` if the part is of another kind.
    pub(crate) fn of(part: &ContentPart) -> Result<Option<Self>, String> {
        let medium = match part.kind.as_str() {
            "image_url" | "input_image" => Self::addressed(part.image_url.as_ref(), true),
            "video_url" => Self::addressed(part.video_url.as_ref(), false),
            "audio_url" => Self::addressed(part.extra.get("audio_url"), false),
            "input_audio" => Self::audio(part.input_audio.as_ref()),
            "file" | "input_file" => Self::file(part.file.as_ref()),
            "document" | "image" => Self::anthropic(&part.extra),
            _ => return Ok(None),
        };
        medium.map(Some)
    }

    /// `"url"` or `{url, detail?, format?, video_metadata?}`.
    fn addressed(value: Option<&Value>, image: bool) -> Result<Self, String> {
        let value = value.ok_or("the address is missing")?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let url = value.as_str().map(str::to_owned).or_else(|| text("url"));
        let url = url.ok_or("the address is missing")?;
        let format = text("format");
        Ok(Self {
            source: source(&url, format.as_deref(), image)?,
            format,
            detail: text("detail"),
            video: value.get("video_metadata").map(camel_keys),
        })
    }

    fn audio(value: Option<&Value>) -> Result<Self, String> {
        let text = |key: &str| value?.get(key)?.as_str().map(str::to_owned);
        let data = text("data").ok_or("'data' is missing")?;
        let format = text("format").unwrap_or_else(|| "wav".into());
        let format = match format.as_str() {
            "pcm16" => "audio/pcm".to_owned(),
            full if full.contains('/') => full.to_owned(),
            short => format!("audio/{short}"),
        };
        Ok(Self::plain(Source::Inline(format, data)))
    }

    /// `{file_id? , file_data?, filename?, format?, detail?, video_metadata?}`.
    fn file(value: Option<&Value>) -> Result<Self, String> {
        let value = value.ok_or("'file' is missing")?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let format = text("format").or_else(|| {
            let name = text("filename")?;
            by_extension(&name).map(str::to_owned)
        });
        let source = match (text("file_id"), text("file_data")) {
            (_, Some(data)) if data.starts_with("data:") => inline(&data)?,
            (_, Some(data)) => {
                let format = format.clone().ok_or("'format' or 'filename' is missing")?;
                Source::Inline(format, data)
            }
            (Some(id), None) if id.starts_with("files/") => {
                let uri = format!("https://generativelanguage.googleapis.com/v1beta/{id}");
                Source::File(uri, format.clone())
            }
            (Some(id), None) => source(&id, format.as_deref(), false)?,
            (None, None) => return Err("'file_id' or 'file_data' is missing".into()),
        };
        Ok(Self {
            source,
            format,
            detail: text("detail"),
            video: value.get("video_metadata").map(camel_keys),
        })
    }

    /// Anthropic's blocks, which travel over chat unchanged: `{source: {type, media_type, data | url}}`.
    fn anthropic(extra: &Map) -> Result<Self, String> {
        let text = |key: &str| extra.get("source")?.get(key)?.as_str();
        let format = text("media_type").map(str::to_owned);
        let source = match (text("type"), text("data"), text("url")) {
            (Some("text"), Some(data), _) => {
                Source::Inline("text/plain".into(), STANDARD.encode(data))
            }
            (_, Some(data), _) => {
                let format = format.clone().ok_or("'source.media_type' is missing")?;
                Source::Inline(format, data.to_owned())
            }
            (_, None, Some(url)) => source(url, format.as_deref(), true)?,
            _ => return Err("'source' is missing".into()),
        };
        Ok(Self::plain(source))
    }

    fn plain(source: Source) -> Self {
        Self {
            source,
            format: None,
            detail: None,
            video: None,
        }
    }

    /// The part for Gemini.
    pub(crate) fn part(self, call: &Call<'_>) -> Result<wire::Part, Error> {
        let mut part = match self.source {
            Source::Inline(kind, data) => wire::Part::inline(kind, data),
            Source::File(uri, kind) => wire::Part::file(uri, kind),
            Source::Fetch(url) => {
                let file = call.fetched.get(&url).ok_or_else(|| {
                    Error::bad_request("messages", format!("'{url}' was not fetched"))
                })?;
                let kind = self.format.or_else(|| kind_of(file, &url));
                let kind = kind.ok_or_else(|| {
                    Error::bad_request(
                        "messages",
                        format!("'{url}' is of an unknown type: set 'format'"),
                    )
                })?;
                wire::Part::inline(kind, STANDARD.encode(&file.bytes))
            }
        };
        part.video_metadata = self.video;
        if let Some(level) = self.detail.as_deref().and_then(resolution)
            && Model::new(call.model()).is_3()
        {
            part.media_resolution = Some(json!({ "level": level }));
        }
        Ok(part)
    }
}

/// Gemini's name of a level of detail; `None` for `auto`.
pub(crate) fn resolution(detail: &str) -> Option<&'static str> {
    match detail {
        "low" => Some("MEDIA_RESOLUTION_LOW"),
        "medium" => Some("MEDIA_RESOLUTION_MEDIUM"),
        "high" => Some("MEDIA_RESOLUTION_HIGH"),
        "ultra_high" => Some("MEDIA_RESOLUTION_ULTRA_HIGH"),
        _ => None,
    }
}

/// Keys in `camelCase`.
pub(crate) fn camel_keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let map = map.iter().map(|(key, value)| (camel(key), value.clone()));
            Value::Object(map.collect())
        }
        other => other.clone(),
    }
}

/// `max_output_tokens` as `maxOutputTokens`.
pub(crate) fn camel(key: &str) -> String {
    let mut words = key.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// How the medium at an address reaches Gemini. Images on the web are fetched by us: Gemini takes most of them by address
/// only with their type.
fn source(url: &str, format: Option<&str>, image: bool) -> Result<Source, String> {
    if url.starts_with("data:") {
        return inline(url);
    }
    let kind = || format.or_else(|| by_extension(url)).map(str::to_owned);
    let web = url.starts_with("http://") || url.starts_with("https://");
    if url.starts_with("gs://") {
        return Ok(Source::File(url.to_owned(), kind()));
    }
    if !web {
        return Err("only data:, gs:, http: and https: addresses can be sent".into());
    }
    let host = url.split('/').nth(2).unwrap_or_default();
    let youtube = [
        "youtube.com",
        "www.youtube.com",
        "m.youtube.com",
        "youtu.be",
    ]
    .contains(&host);
    if youtube {
        let kind = format.unwrap_or("video/mp4").to_owned();
        return Ok(Source::File(url.to_owned(), Some(kind)));
    }
    let uploaded = host == "generativelanguage.googleapis.com";
    if format.is_some() || uploaded || (!image && kind().is_some()) {
        return Ok(Source::File(url.to_owned(), kind()));
    }
    Ok(Source::Fetch(url.to_owned()))
}

/// `data:image/png;base64,...`
fn inline(uri: &str) -> Result<Source, String> {
    let (head, data) = uri
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','))
        .ok_or("the data: address has no ','")?;
    let mut words = head.split(';');
    let kind = words.next().filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or("text/plain").to_owned();
    if words.any(|word| word == "base64") {
        return Ok(Source::Inline(kind, data.to_owned()));
    }
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(data).collect();
    Ok(Source::Inline(kind, STANDARD.encode(bytes)))
}

/// What the server says a file is, unless it says nothing; then its first bytes, then its name.
fn kind_of(file: &Fetched, url: &str) -> Option<String> {
    let said = file.content_type.as_deref();
    let vague = |kind: &&str| {
        !matches!(
            *kind,
            "" | "application/octet-stream" | "binary/octet-stream"
        )
    };
    said.filter(vague)
        .or_else(|| by_content(&file.bytes))
        .or_else(|| by_extension(url))
        .map(str::to_owned)
}

fn by_content(bytes: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 6] = [
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"%PDF", "application/pdf"),
        (b"ID3", "audio/mp3"),
        (b"fLaC", "audio/flac"),
    ];
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let found = known.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map(|(_, kind)| *kind)
}

/// The type of a file with this name.
pub(crate) fn by_extension(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next()?;
    let extension = path.rsplit('/').next()?.rsplit_once('.')?.1;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "json" => "application/json",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "aac" => "audio/aac",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "mpeg" => "video/mpeg",
        "mpg" => "video/mpg",
        "avi" => "video/avi",
        "wmv" => "video/wmv",
        "webm" => "video/webm",
        "flv" => "video/x-flv",
        "3gp" | "3gpp" => "video/3gpp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_of(part: Value) -> Source {
        let part: ContentPart = serde_json::from_value(part).expect("a part");
        Medium::of(&part)
            .expect("readable")
            .expect("a medium")
            .source
    }

    #[test]
    fn every_spelling_of_a_medium_finds_its_way() {
        let file = |uri: &str, kind: &str| Source::File(uri.into(), Some(kind.into()));
        let inline = |kind: &str, data: &str| Source::Inline(kind.into(), data.into());
        let cases = [
            (
                json!({"type": "image_url", "image_url": "data:image/png;base64,aGk="}),
                inline("image/png", "aGk="),
            ),
            (
                json!({"type": "image_url", "image_url": {"url": "data:,a%20b"}}),
                inline("text/plain", "YSBi"),
            ),
            (
                json!({"type": "image_url", "image_url": {"url": "gs://b/a.webp"}}),
                file("gs://b/a.webp", "image/webp"),
            ),
            (
                json!({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}),
                Source::Fetch("https://a.example/b.png".into()),
            ),
            (
                json!({"type": "image_url", "image_url": {"url": "https://a.example/b", "format": "image/png"}}),
                file("https://a.example/b", "image/png"),
            ),
            (
                json!({"type": "file", "file": {"file_id": "https://a.example/b.pdf?x=1"}}),
                file("https://a.example/b.pdf?x=1", "application/pdf"),
            ),
            (
                json!({"type": "file", "file": {"file_id": "files/abc", "format": "image/png"}}),
                file(
                    "https://generativelanguage.googleapis.com/v1beta/files/abc",
                    "image/png",
                ),
            ),
            (
                json!({"type": "file", "file": {"file_data": "aGk=", "filename": "a.csv"}}),
                inline("text/csv", "aGk="),
            ),
            (
                json!({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}),
                inline("audio/mp3", "aGk="),
            ),
            (
                json!({"type": "video_url", "video_url": "https://youtu.be/x"}),
                file("https://youtu.be/x", "video/mp4"),
            ),
            (
                json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}}),
                inline("application/pdf", "aGk="),
            ),
        ];
        for (part, expected) in cases {
            assert_eq!(source_of(part.clone()), expected, "{part}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for part in [
            json!({"type": "image_url", "image_url": "ftp://a/b"}),
            json!({"type": "image_url"}),
            json!({"type": "image_url", "image_url": "data:image/png"}),
            json!({"type": "file", "file": {}}),
            json!({"type": "file", "file": {"file_data": "aGk="}}),
        ] {
            let part: ContentPart = serde_json::from_value(part).expect("a part");
            assert!(Medium::of(&part).is_err(), "{part:?}");
        }
    }

    #[test]
    fn keys_become_camel_case() {
        assert_eq!(camel("max_output_tokens"), "maxOutputTokens");
        assert_eq!(camel("topK"), "topK");
    }
}
