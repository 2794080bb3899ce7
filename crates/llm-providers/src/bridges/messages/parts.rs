//! Content blocks as chat's content parts.

use llm_types::{
    Content, ContentPart,
    messages::{Block, Blocks},
};
use serde_json::{Value, json};

use crate::Error;

/// One plain text goes as a string: not every vendor takes lists.
pub(super) fn content(mut parts: Vec<ContentPart>) -> Content {
    match parts.as_mut_slice() {
        [one] if one.kind == "text" && one.cache_control.is_none() && one.extra.is_empty() => {
            Content::Text(one.text.take().unwrap_or_default())
        }
        _ => Content::Parts(parts),
    }
}

pub(super) fn text_part(text: String, cache_control: Option<Value>) -> ContentPart {
    ContentPart {
        cache_control,
        ..ContentPart::text(text)
    }
}

pub(super) fn parts(blocks: Vec<Block>, path: &str) -> Result<Vec<ContentPart>, Error> {
    blocks
        .into_iter()
        .enumerate()
        .map(|(i, block)| part(block, &format!("{path}[{i}]")))
        .collect()
}

pub(super) fn part(block: Block, path: &str) -> Result<ContentPart, Error> {
    match block.kind.as_str() {
        "text" => Ok(text_part(
            block.text.unwrap_or_default(),
            block.cache_control,
        )),
        "image" => image(block, path),
        "document" => document(block, path),
        "search_result" => search_result(block),
        // Names of tools that were found: they are on offer in any case.
        "tool_reference" => Ok(ContentPart::text(format!(
            "Tool found: {}",
            block
                .extra
                .get("tool_name")
                .and_then(Value::as_str)
                .unwrap_or_default()
        ))),
        kind => Err(Error::bad_request(
            path,
            format!("'{kind}' blocks work with Anthropic's own API only"),
        )),
    }
}

fn source<'a>(block: &'a Block, key: &str) -> Option<&'a str> {
    block.source.as_ref()?.get(key)?.as_str()
}

fn no_source(path: &str) -> Error {
    Error::bad_request(format!("{path}.source"), "expected base64, url or file")
}

fn image(block: Block, path: &str) -> Result<ContentPart, Error> {
    let url = match source(&block, "type") {
        Some("base64") => data_uri(&block),
        Some("url") => source(&block, "url").map(str::to_owned),
        Some("file") => return file_id(&block, "image/png", path),
        _ => None,
    };
    let url = url.ok_or_else(|| no_source(path))?;
    Ok(ContentPart {
        cache_control: block.cache_control,
        ..ContentPart::image_url(&url)
    })
}

fn data_uri(block: &Block) -> Option<String> {
    let (mime, data) = (source(block, "media_type")?, source(block, "data")?);
    Some(format!("data:{mime};base64,{data}"))
}

fn file_id(block: &Block, format: &str, path: &str) -> Result<ContentPart, Error> {
    let id = source(block, "file_id").ok_or_else(|| no_source(path))?;
    let mut file = json!({"file_id": id});
    if format.starts_with("image/") {
        file["format"] = format.into();
    }
    Ok(file_part(block, file))
}

fn file_part(block: &Block, mut file: Value) -> ContentPart {
    if let Some(title) = block.extra.get("title").filter(|title| title.is_string()) {
        file["filename"] = title.clone();
    }
    ContentPart {
        kind: "file".into(),
        file: Some(file),
        cache_control: block.cache_control.clone(),
        ..ContentPart::default()
    }
}

fn document(block: Block, path: &str) -> Result<ContentPart, Error> {
    match source(&block, "type") {
        Some("base64") => {
            let data = data_uri(&block).ok_or_else(|| no_source(path))?;
            Ok(file_part(&block, json!({"file_data": data})))
        }
        Some("url") => {
            let url = source(&block, "url").ok_or_else(|| no_source(path))?;
            let file = json!({"file_id": url, "format": "application/pdf"});
            Ok(file_part(&block, file))
        }
        Some("file") => file_id(&block, "", path),
        Some("text") => {
            let text = source(&block, "data").ok_or_else(|| no_source(path))?;
            Ok(titled(&block, text))
        }
        Some("content") => {
            let inner = block
                .source
                .as_ref()
                .and_then(|source| source.get("content"))
                .cloned();
            let inner: Blocks = serde_json::from_value(inner.unwrap_or_default())
                .map_err(|e| Error::bad_request(format!("{path}.source"), e.to_string()))?;
            Ok(titled(&block, &all_text(inner)))
        }
        _ => Err(no_source(path)),
    }
}

/// A document that is only text travels as text, under its title and context.
fn titled(block: &Block, text: &str) -> ContentPart {
    let head = |key: &str| block.extra.get(key).and_then(Value::as_str);
    let lines: Vec<&str> = [head("title"), head("context"), Some(text)]
        .into_iter()
        .flatten()
        .collect();
    text_part(lines.join("\n\n"), block.cache_control.clone())
}

fn search_result(block: Block) -> Result<ContentPart, Error> {
    let head = |key: &str| block.extra.get(key).and_then(Value::as_str);
    let address = block.source.as_ref().and_then(Value::as_str);
    let text = block.content.map(all_text).unwrap_or_default();
    let lines: Vec<&str> = [head("title"), address, Some(text.as_str())]
        .into_iter()
        .flatten()
        .collect();
    Ok(text_part(lines.join("\n"), block.cache_control))
}

fn all_text(blocks: Blocks) -> String {
    let texts: Vec<String> = blocks
        .into_list()
        .into_iter()
        .filter_map(|block| block.text)
        .collect();
    texts.join("\n")
}
