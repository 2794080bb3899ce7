//! Images from a text, from vendors with a wire of their own. The client speaks OpenAI's shape; what differs between
//! these vendors is one request and one answer each.

mod dashscope;
mod fal;
mod flux;
mod modelslab;
mod recraft;
mod replicate;
mod shape;
mod stability;
mod stable;
mod together;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, Request};
use llm_types::{Image, ImageRequest, ImageResponse, ImageUsage, JsonObject, Map, Op, Usage};

use crate::{Answer, Call, Error, Kind, Outgoing, Protocol, Reply, Step, error_table};

pub(crate) use dashscope::DASHSCOPE;
pub(crate) use fal::FAL;
pub(crate) use flux::BLACK_FOREST_LABS;
pub(crate) use modelslab::{MODELSLAB, refusal as modelslab_refusal};
pub(crate) use recraft::Recraft;
pub(crate) use replicate::REPLICATE;
pub(crate) use shape::{Ratio, ratio, sides};
pub(crate) use stability::{STABILITY, body as diffusion, read as diffused};
pub(crate) use stable::RATIOS as STABILITY_RATIOS;
pub(crate) use together::TOGETHER;

/// A vendor of images.
#[derive(Debug)]
pub struct Painter {
    /// How many images one request makes at most. What is asked for beyond that is asked for again.
    pub(crate) most: fn(&Call<'_>) -> u64,
    /// The request.
    pub(crate) request: fn(&Call<'_>, ImageRequest) -> Result<Request<Outgoing>, Error>,
    /// Reads a reply of a good status that is no error.
    pub(crate) read: fn(&Call<'_>, &Reply) -> Result<Step, Error>,
}

/// How many images a call makes at most: OpenAI's limit. More would be as many requests to most vendors.
const MOST: u64 = 10;

impl Protocol for Painter {
    fn split(&self, call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
        let body = call.fields();
        let asked = ImageRequest::from_object(body)?.n.unwrap_or(1);
        let most = (self.most)(call).max(1);
        if asked <= most {
            return Ok(Vec::new());
        }
        if asked > MOST {
            return Err(Error::bad_request(
                "n",
                format!("'n' is {asked}; at most {MOST} images are made at once"),
            ));
        }
        let part = |from: u64| {
            let mut part = body.clone();
            part.set("n", &most.min(asked - from));
            part
        };
        let step = usize::try_from(most).unwrap_or(usize::MAX);
        Ok((0..asked).step_by(step).map(part).collect())
    }

    fn join(&self, call: &Call<'_>, answers: Vec<Answer>) -> Result<Answer, Error> {
        let name = call.target.provider.name;
        let mut whole = ImageResponse::default();
        let mut consumed: Option<Usage> = None;
        for answer in answers {
            if let Some(usage) = &answer.usage {
                consumed.get_or_insert_default().add(usage);
            }
            let part: ImageResponse = serde_json::from_slice(&answer.into_bytes()?)
                .map_err(|e| Error::decode(name, e))?;
            whole.data.extend(part.data);
            whole.created = whole.created.max(part.created);
            whole.extra.extend(part.extra);
        }
        written(call, whole, consumed)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut request = ImageRequest::from_object(call.fields())?;
        if call.op == Op::ImageEdit {
            for name in ["image", "image[]", "mask"] {
                request.extra.shift_remove(name);
            }
        }
        (self.request)(call, request)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        if let Some(error) = error_table::in_answer(call.target.provider.name, &reply) {
            return Err(error);
        }
        (self.read)(call, &reply)
    }
}

/// The pictures that are to be edited, or the mask: their types, and their bytes in base64.
pub(crate) fn pictures(call: &Call<'_>, field: &str) -> Result<Vec<(String, String)>, Error> {
    if call.op != Op::ImageEdit {
        return Ok(Vec::new());
    }
    let found = call.body.files_of(field);
    if found.is_empty() && field == "image" {
        call.body.file("image")?;
    }
    let picture = |upload: &&crate::Upload| {
        let kind = upload.content_type.as_deref();
        let kind = kind
            .filter(|kind| kind.starts_with("image/"))
            .unwrap_or("image/png");
        Ok((kind.to_owned(), STANDARD.encode(upload.bytes()?)))
    };
    found.iter().map(picture).collect()
}

/// The same as `data:` addresses.
pub(crate) fn inline(call: &Call<'_>, field: &str) -> Result<Vec<String>, Error> {
    let address = |(kind, base64): (String, String)| format!("data:{kind};base64,{base64}");
    Ok(pictures(call, field)?.into_iter().map(address).collect())
}

/// For vendors whose requests make one image each.
pub(crate) fn one(_: &Call<'_>) -> u64 {
    1
}

/// The answer of these images; an error where there are none.
pub(crate) fn answer(
    call: &Call<'_>,
    images: Vec<Image>,
    usage: Option<Usage>,
    extra: Map,
) -> Result<Step, Error> {
    if images.is_empty() {
        let name = call.target.provider.name;
        return Err(Error::decode(name, "there are no images in it"));
    }
    let response = ImageResponse {
        data: images,
        extra,
        ..ImageResponse::default()
    };
    Ok(written(call, response, usage)?.into())
}

/// What is billed is at least that it was made.
fn written(
    call: &Call<'_>,
    mut response: ImageResponse,
    usage: Option<Usage>,
) -> Result<Answer, Error> {
    response.usage = usage
        .as_ref()
        .filter(|usage| usage.total_tokens > 0)
        .map(ImageUsage::from);
    let bytes =
        serde_json::to_vec(&response).map_err(|e| Error::decode(call.target.provider.name, e))?;
    Ok(Answer::raw(bytes.into(), Some(usage.unwrap_or_default())))
}

/// The reply as the vendor's type.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(
    call: &Call<'_>,
    reply: &Reply,
) -> Result<T, Error> {
    serde_json::from_slice(&reply.body)
        .map_err(|_| error_table::unreadable(call.target.provider.name, &reply.body))
}

/// The vendor's filter took the image away.
pub(crate) fn filtered(call: &Call<'_>, why: impl Into<String>) -> Error {
    Error::new(Kind::ContentPolicy, why).of(call.target.provider.name)
}

/// The vendor could not make it.
pub(crate) fn failed(call: &Call<'_>, why: impl Into<String>) -> Error {
    Error::new(Kind::Upstream, why).of(call.target.provider.name)
}

/// A `GET`, to ask after what was begun.
pub(crate) fn ask(call: &Call<'_>, uri: &str) -> Result<Request<Outgoing>, Error> {
    Request::builder()
        .method(Method::GET)
        .uri(uri)
        .body(Outgoing::default())
        .map_err(|e| Error::decode(call.target.provider.name, e))
}
