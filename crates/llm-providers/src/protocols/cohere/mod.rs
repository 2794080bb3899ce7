//! Cohere's own API: chat in version 2 (and 1, where the model or the address says so) and embeddings.

mod embed;
mod request;
mod response;
mod stream;
mod v1;
mod wire;

pub(crate) use request::settle;

use bytes::Bytes;
use http::Request;
use llm_types::Op;

use crate::{Call, Decoder, Error, Framing, Protocol, Reply, Step};

/// Cohere's v2 wire.
#[derive(Debug)]
pub struct Cohere;

impl Protocol for Cohere {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Bytes>, Error> {
        match call.op {
            Op::Chat if v1::is_meant(call) => v1::encode(call),
            Op::Chat => request::chat(call),
            Op::Embedding => embed::encode(call),
            _ => Err(call.unsupported()),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let answer = match call.op {
            Op::Chat if v1::is_meant(call) => v1::decode(call, &reply)?,
            Op::Chat => response::chat(call, &reply)?,
            Op::Embedding => embed::decode(call, &reply)?,
            _ => return Err(call.unsupported()),
        };
        Ok(answer.into())
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        match call.op {
            Op::Chat if v1::is_meant(call) => Ok(Box::new(v1::ChatStream::new(call))),
            Op::Chat => Ok(Box::new(stream::ChatStream::new(call))),
            _ => Err(call.unsupported()),
        }
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        match v1::is_meant(call) {
            true => Framing::Lines,
            false => Framing::Sse,
        }
    }
}

/// The address of `name` (`chat`, `embed`): a base URL may be the host, the version's root, or an endpoint's full address.
fn endpoint(base: &str, name: &str) -> String {
    let base = base.trim_end_matches('/');
    let root = ["/chat", "/embed"]
        .iter()
        .find_map(|own| base.strip_suffix(own))
        .unwrap_or(base);
    if root.ends_with("/v2") || root.len() < base.len() {
        format!("{root}/{name}")
    } else {
        format!("{root}/v2/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn any_base_leads_to_the_endpoint() {
        for base in [
            "https://api.cohere.com",
            "https://api.cohere.com/",
            "https://api.cohere.com/v2",
            "https://api.cohere.com/v2/chat",
        ] {
            assert_eq!(endpoint(base, "embed"), "https://api.cohere.com/v2/embed");
        }
        assert_eq!(endpoint("http://own/chat", "chat"), "http://own/chat");
    }
}
