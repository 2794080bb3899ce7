//! Text recognition: Mistral's wire, at Mistral and at its hosts.

mod intelligence;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use llm_types::{JsonObject, OcrDocument, OcrRequest, OcrResponse, Usage};
use serde_json::json;

use super::{azure, openai};
use crate::{Answer, Call, Error, Kind, Outgoing, Protocol, Reply, Step, error_table, params};

/// Mistral's own.
#[derive(Debug)]
pub struct Mistral;

/// Azure: Mistral's models, and Document Intelligence where the model's name says so.
#[derive(Debug)]
pub struct Azure;

impl Protocol for Mistral {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        openai::request(&openai::address(call), body(call)?.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        answer(call, reply)
    }
}

impl Protocol for Azure {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        match intelligence::is_meant(call.target) {
            true => Vec::new(),
            false => outside(call),
        }
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if intelligence::is_meant(call.target) {
            return intelligence::encode(call);
        }
        openai::request(&azure::ocr_address(call), inline(call)?.to_bytes())
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        match intelligence::is_meant(call.target) {
            true => intelligence::decode(call, reply),
            false => answer(call, reply),
        }
    }
}

/// Azure's quirk: Document Intelligence takes less.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    const MISTRAL_ONLY: [&str; 5] = [
        "include_image_base64",
        "image_limit",
        "image_min_size",
        "bbox_annotation_format",
        "document_annotation_format",
    ];
    match intelligence::is_meant(call.target) {
        true => params::refuse(call, &MISTRAL_ONLY),
        false => Ok(()),
    }
}

/// The body as Mistral wants it: a file that came along goes as a document or a picture.
fn body(call: &Call<'_>) -> Result<JsonObject, Error> {
    let mut body = call.fields().clone();
    if body.str("model").as_deref() != Some(call.model()) {
        body.set_str("model", call.model());
    }
    let request = OcrRequest::from_object(&body)?;
    if let OcrDocument::File {
        file: Some(file), ..
    } = &request.document
    {
        body.set("document", &document(file));
    }
    Ok(body)
}

/// The same for services that fetch nothing themselves: what was fetched for them is in it.
pub(crate) fn inline(call: &Call<'_>) -> Result<JsonObject, Error> {
    let mut body = body(call)?;
    let request = OcrRequest::from_object(&body)?;
    let Some(fetched) = request.document.url().and_then(|url| call.fetched.get(url)) else {
        return Ok(body);
    };
    let kind = match (&request.document, fetched.content_type.as_deref()) {
        (_, Some(kind)) if kind != "application/octet-stream" => kind,
        (OcrDocument::ImageUrl { .. }, _) => "image/png",
        _ => "application/pdf",
    };
    let data = format!("data:{kind};base64,{}", STANDARD.encode(&fetched.bytes));
    body.set("document", &document(&data));
    Ok(body)
}

/// The document's address, where it is elsewhere.
pub(crate) fn outside(call: &Call<'_>) -> Vec<String> {
    let request = Some(OcrRequest::from_object(call.fields()));
    let url = request
        .as_ref()
        .and_then(|request| request.as_ref().ok()?.document.url());
    url.filter(|url| url.starts_with("http://") || url.starts_with("https://"))
        .map(|url| vec![url.to_owned()])
        .unwrap_or_default()
}

/// A document part for data of any kind.
fn document(data: &str) -> serde_json::Value {
    match data.starts_with("data:image/") {
        true => json!({"type": "image_url", "image_url": data}),
        false => json!({"type": "document_url", "document_url": data}),
    }
}

/// Mistral's answer, as it is; its pages are what is billed.
pub(crate) fn answer(call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
    let provider = call.target.provider.name;
    if let Some(error) = error_table::in_answer(provider, &reply) {
        return Err(error);
    }
    let object = JsonObject::parse(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    if !object.raw("pages").is_some_and(|raw| raw.starts_with(b"[")) {
        return Err(Error::decode(provider, "there are no pages in it"));
    }
    let read: Option<llm_types::OcrUsage> = object.get("usage_info").unwrap_or_default();
    let pages = read.map(|usage| usage.pages_processed);
    let mut usage = Usage::default();
    usage.units.pages = pages;
    let annotates = ["document_annotation_format", "bbox_annotation_format"]
        .iter()
        .any(|key| call.fields().raw(key).is_some());
    usage.units.annotated_pages = pages.filter(|_| annotates);
    Ok(Answer::raw(reply.body, Some(usage)).into())
}

/// A translated answer.
fn translated(call: &Call<'_>, response: &OcrResponse) -> Result<Step, Error> {
    let mut usage = Usage::default();
    usage.units.pages = response.usage_info.as_ref().map(|u| u.pages_processed);
    let bytes = serde_json::to_vec(response).map_err(|e| {
        Error::new(Kind::Decode, "the answer cannot be written")
            .of(call.target.provider.name)
            .because(e)
    })?;
    Ok(Answer::raw(bytes.into(), Some(usage)).into())
}
