//! Claude on Vertex: Anthropic's Messages inside rawPredict.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use llm_types::{JsonObject, Op};
use memchr::memmem;
use serde_json::Value;

use super::address;
use crate::{
    Body, Call, Error, path,
    protocols::{
        anthropic::{self, Flavor},
        openai,
    },
};

pub(super) fn encode(call: &Call<'_>, model: &str) -> Result<Request<Bytes>, Error> {
    let inlined = inlined(call)?;
    let call = inlined.as_ref().unwrap_or(call);
    let flavor = Flavor::VERTEX;
    let (encoded, name, verb) = match call.op {
        Op::Chat => (anthropic::chat_request(call, &flavor)?, model, verb(call)),
        Op::Messages => (
            anthropic::messages_request(call, &flavor)?,
            model,
            verb(call),
        ),
        Op::CountTokens => {
            // Counting has an address of its own, so the body says which model counts.
            let mut encoded = anthropic::messages_request(call, &flavor)?;
            let mut body = JsonObject::parse(&encoded.body)?;
            body.set_str("model", model);
            encoded.body = body.to_bytes();
            (encoded, "count-tokens", "rawPredict")
        }
        _ => return Err(call.unsupported()),
    };
    let resource = format!("publishers/anthropic/models/{}", path::segments(name)?);
    let uri = address::of(call, "v1", &resource, verb)?;
    let mut request = openai::request(&uri, encoded.body)?;
    anthropic::add_betas(request.headers_mut(), &encoded.betas)?;
    Ok(request)
}

fn verb(call: &Call<'_>) -> &'static str {
    if call.stream {
        "streamRawPredict"
    } else {
        "rawPredict"
    }
}

/// The addresses that Claude on Vertex would have to fetch: it fetches none.
pub(super) fn fetches(call: &Call<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if call.op == Op::Chat {
        let mut note = |url: &str| {
            found.push(url.to_owned());
            None
        };
        let _ = replaced(call, &mut note);
    }
    found
}

/// The call with what was fetched in place of the addresses; `None` if nothing was.
fn inlined<'a>(call: &Call<'a>) -> Result<Option<Call<'a>>, Error> {
    if call.fetched.is_empty() {
        return Ok(None);
    }
    let mut inline = |url: &str| {
        let file = call.fetched.get(url)?;
        let kind = file.content_type.as_deref().unwrap_or("image/jpeg");
        Some(format!(
            "data:{kind};base64,{}",
            STANDARD.encode(&file.bytes)
        ))
    };
    let body = replaced(call, &mut inline)?;
    Ok(body.map(|body| Call {
        body: Body::Json(body),
        ..call.clone()
    }))
}

/// The body with other addresses for images and files, where `other` says so.
fn replaced(
    call: &Call<'_>,
    other: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Option<JsonObject>, Error> {
    let body = call.json()?;
    let web = |raw: &Bytes| memmem::find(raw, b"\"http").is_some();
    if !body.raw("messages").is_some_and(web) {
        return Ok(None);
    }
    let mut messages: Vec<Value> = body.get("messages")?.unwrap_or_default();
    let contents = messages
        .iter_mut()
        .filter_map(|message| message.get_mut("content"));
    for part in contents.filter_map(Value::as_array_mut).flatten() {
        for place in ["/image_url/url", "/image_url", "/file/file_id"] {
            let Some(value) = part.pointer_mut(place) else {
                continue;
            };
            let url = value.as_str().filter(|url| url.starts_with("http"));
            if let Some(text) = url.and_then(&mut *other) {
                *value = text.into();
            }
        }
    }
    let mut body = body.clone();
    body.set("messages", &messages);
    Ok(Some(body))
}
