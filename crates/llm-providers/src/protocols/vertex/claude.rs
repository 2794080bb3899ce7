//! Claude on Vertex: Anthropic's Messages inside rawPredict.

use http::Request;
use llm_types::{JsonObject, Op};

use super::address;
use crate::{
    Call, Error, Outgoing, path,
    protocols::{
        anthropic::{self, Flavor},
        openai,
    },
};

pub(super) fn encode(call: &Call<'_>, model: &str) -> Result<Request<Outgoing>, Error> {
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
