//! Cohere's own API: chat in version 2 (and 1, where the model or the address says so) and embeddings.

mod embed;
mod request;
mod response;
mod stream;
mod v1;
mod wire;

use http::Request;
use llm_types::Op;

use crate::{Call, Decoder, Error, Framing, Outgoing, Protocol, Reply, Step, params};

/// Cohere's v2 wire.
#[derive(Debug)]
pub struct Cohere;

impl Protocol for Cohere {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
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

/// Cohere's quirk.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    match call.op {
        Op::Chat => request::settle(call),
        Op::Rerank => settle_rerank(call),
        _ => Ok(()),
    }
}

/// The address of a rerank call, in the version that is meant.
pub(crate) fn rerank_address(call: &Call<'_>) -> String {
    let base = call.base_url().trim_end_matches('/');
    if !is_first_rerank(call) {
        return endpoint(base, "rerank");
    }
    let base = base.strip_suffix("/rerank").unwrap_or(base);
    let root = base.strip_suffix("/v1").unwrap_or(base);
    format!("{root}/v1/rerank")
}

/// Whether the first version is meant: the model says so (`v1/rerank-english-v3.0`), or the address.
fn is_first_rerank(call: &Call<'_>) -> bool {
    let base = call.base_url().trim_end_matches('/');
    let base = base.strip_suffix("/rerank").unwrap_or(base);
    call.target.model.starts_with("v1/") || base.ends_with("/v1")
}

/// The limits for long documents are of one version each.
fn settle_rerank(call: &mut Call<'_>) -> Result<(), Error> {
    let limit = if is_first_rerank(call) {
        "max_tokens_per_doc"
    } else {
        "max_chunks_per_doc"
    };
    call.model = call.model().strip_prefix("v1/").map(str::to_owned);
    params::refuse(call, &[limit])
}

/// The address of `name` (`chat`, `embed`): a base URL may be the host, the version's root, or an endpoint's full address.
fn endpoint(base: &str, name: &str) -> String {
    let base = base.trim_end_matches('/');
    let root = ["/chat", "/embed", "/rerank"]
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
