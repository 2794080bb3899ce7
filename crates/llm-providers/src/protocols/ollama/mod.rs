//! Ollama's own API: `/api/chat`, `/api/generate` for text completions, `/api/embed`.
//!
//! Chat always goes to `/api/chat`, for `ollama/...` as for `ollama_chat/...`: there the server applies the model's own
//! template, and tools, images and thinking have fields of their own.

mod embed;
mod generate;
mod request;
mod response;
mod stream;
mod think;
mod wire;

pub(crate) use request::settle;

use http::Request;
use llm_types::Op;

use crate::{Call, Decoder, Error, Framing, Outgoing, Protocol, Reply, Step, path};

/// Ollama's wire.
#[derive(Debug)]
pub struct Ollama;

impl Protocol for Ollama {
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        match call.op {
            Op::Chat => request::images(call),
            _ => Vec::new(),
        }
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        match call.op {
            Op::Chat => request::chat(call),
            Op::Completion => generate::encode(call),
            Op::Embedding => embed::encode(call),
            _ => Err(call.unsupported()),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let answer = match call.op {
            Op::Chat => response::chat(call, &reply)?,
            Op::Completion => generate::decode(call, &reply)?,
            Op::Embedding => embed::decode(call, &reply)?,
            _ => return Err(call.unsupported()),
        };
        Ok(answer.into())
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        match call.op {
            Op::Chat => Ok(Box::new(stream::ChatStream::new(call))),
            Op::Completion => Ok(Box::new(generate::TextStream::new(call))),
            _ => Err(call.unsupported()),
        }
    }

    fn framing(&self, _call: &Call<'_>) -> Framing {
        Framing::Lines
    }
}

/// The address of one of Ollama's endpoints; a base URL may already be one.
fn endpoint(base: &str, name: &str) -> String {
    let base = base.trim_end_matches('/');
    let root = base
        .find("/api/")
        .map_or(base, |at| &base[..at])
        .trim_end_matches("/api");
    path::join(root, &format!("api/{name}"))
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn any_base_leads_to_the_endpoint() {
        for base in [
            "http://localhost:11434",
            "http://localhost:11434/",
            "http://localhost:11434/api",
            "http://localhost:11434/api/generate",
        ] {
            assert_eq!(endpoint(base, "chat"), "http://localhost:11434/api/chat");
        }
    }
}
