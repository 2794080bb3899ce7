//! Anthropic's Messages wire, at Anthropic and at the clouds that host Claude.
//!
//! Start at `chat_request`, `chat_response` and `ChatStream` for chat, and at `messages_request`,
//! `messages_response` and `MessagesStream` for callers that speak Messages themselves. They do no routing:
//! a cloud calls them with its `Flavor` and puts the result in its own envelope.

mod betas;
mod caps;
mod complete;
mod native;
mod parts;
mod record;
mod request;
mod response;
mod schema;
mod settle;
mod stream;
mod thinking;
mod tools;
mod turns;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use llm_types::{Op, messages::MessagesError};

pub(crate) use betas::Betas;
pub use complete::Complete;
pub(crate) use complete::settle as settle_text;
pub(crate) use native::{MessagesStream, messages_response};

pub(crate) use request::{chat_request, fetches, messages_request};
pub(crate) use response::{Reading, chat_response};
pub(crate) use settle::settle;
pub(crate) use stream::ChatStream;

use request::metadata;

use crate::{
    Answer, Call, Decoder, Error, Outgoing, Protocol, Reply, Step, error_table, path,
    protocols::openai::request as post,
};

/// How one host of Claude differs from the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flavor {
    /// `anthropic_version` in the body.
    pub(crate) version: Option<&'static str>,
    /// The body names the model.
    pub(crate) model: bool,
    /// The body says `stream`.
    pub(crate) stream_key: bool,
    /// Betas go in the body instead of a header.
    pub(crate) beta_in_body: bool,
    /// Structured output works without a detour.
    pub(crate) native_schema: bool,
    /// Images and documents may be addresses.
    pub(crate) urls: bool,
}

impl Flavor {
    /// Anthropic itself, and Azure.
    pub(crate) const API: Flavor = Flavor {
        version: None,
        model: true,
        stream_key: true,
        beta_in_body: false,
        native_schema: true,
        urls: true,
    };

    /// Vertex's rawPredict.
    pub(crate) const VERTEX: Flavor = Flavor {
        version: Some("vertex-2023-10-16"),
        model: false,
        stream_key: true,
        beta_in_body: false,
        native_schema: false,
        urls: false,
    };

    /// Bedrock's invoke.
    pub(crate) const BEDROCK: Flavor = Flavor {
        version: Some("bedrock-2023-05-31"),
        model: false,
        stream_key: false,
        beta_in_body: true,
        native_schema: false,
        urls: false,
    };
}

/// Anthropic's API.
#[derive(Debug)]
pub struct Anthropic;

impl Protocol for Anthropic {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let (encoded, tail) = match call.op {
            Op::Chat => (chat_request(call, &Flavor::API)?, "/messages"),
            Op::Messages => (messages_request(call, &Flavor::API)?, "/messages"),
            Op::CountTokens => (
                messages_request(call, &Flavor::API)?,
                "/messages/count_tokens",
            ),
            _ => return Err(call.unsupported()),
        };
        let mut request = post(&address(call.base_url(), tail), encoded.body)?;
        add_betas(request.headers_mut(), &encoded.betas)?;
        Ok(request)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        match call.op {
            Op::Chat => {
                let reading = Reading::of(call, &Flavor::API)?;
                Ok(Answer::chat(chat_response(&reading, &reply)?).into())
            }
            Op::CountTokens => Ok(Answer::raw(reply.body, None).into()),
            _ => Ok(messages_response(provider, reply)?.into()),
        }
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        decoder(call, &Flavor::API)
    }
}

/// What reads a stream of Anthropic's events for `call`: translated for chat, untouched for Messages.
pub(crate) fn decoder(call: &Call<'_>, flavor: &Flavor) -> Result<Box<dyn Decoder>, Error> {
    match call.op {
        Op::Chat => Ok(Box::new(ChatStream::new(Reading::of(call, flavor)?))),
        Op::Messages => Ok(Box::new(MessagesStream::new(call.target.provider.name))),
        _ => Err(call.unsupported()),
    }
}

/// Adds the betas to the header.
pub(crate) fn add_betas(headers: &mut HeaderMap, betas: &Betas) -> Result<(), Error> {
    let Some(text) = betas.header() else {
        return Ok(());
    };
    let value = HeaderValue::from_str(&text)
        .map_err(|_| Error::bad_request("anthropic_beta", "is not a valid header"))?;
    headers.insert(betas::HEADER, value);
    Ok(())
}

/// An error object, inside a stream or under a status that says all is well.
pub(crate) fn error_of(provider: &'static str, body: &Bytes) -> Error {
    let kind = serde_json::from_slice::<MessagesError>(body).map(|error| error.error.kind);
    let status = MessagesError::status_of(kind.as_deref().unwrap_or_default());
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: HeaderMap::new(),
        body: body.clone(),
    };
    error_table::classify(provider, &reply)
}

/// Where a base URL leads that may or may not end in the version or the whole path.
pub(crate) fn address(base: &str, tail: &str) -> String {
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/messages").unwrap_or(base);
    let base = base.strip_suffix("/v1").unwrap_or(base);
    path::join(base, &format!("/v1{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_base_leads_to_one_address() {
        for base in [
            "https://api.anthropic.com",
            "https://api.anthropic.com/",
            "https://api.anthropic.com/v1",
            "https://api.anthropic.com/v1/messages",
        ] {
            assert_eq!(
                address(base, "/messages/count_tokens"),
                "https://api.anthropic.com/v1/messages/count_tokens"
            );
        }
    }
}
