//! OpenAI Responses over chat, for every provider that does not speak Responses itself.

mod items;
mod reader;
mod request;
mod response;
mod stream;
mod tools;
mod turns;

use bytes::Bytes;
use llm_types::{ChatResponse, JsonObject};

use super::{Bridge, BridgeStream};
use crate::{CallOptions, Error, Notice};

pub(super) use reader::Reader;

/// OpenAI Responses over chat. What an earlier response said must be in `input` already: a bridge remembers nothing.
#[derive(Debug)]
pub struct Responses;

impl Bridge for Responses {
    fn request(&self, body: &JsonObject, options: &CallOptions) -> Result<JsonObject, Error> {
        request::to_chat(body, options)
    }

    fn losses(&self, body: &JsonObject, options: &CallOptions) -> Vec<Notice> {
        request::losses(body, options)
    }

    fn response(&self, body: &JsonObject, answer: ChatResponse) -> Result<Bytes, Error> {
        Ok(response::from_chat(answer, body).to_bytes())
    }

    fn stream(&self, body: &JsonObject) -> Box<dyn BridgeStream> {
        Box::new(stream::Events::new(body))
    }
}

/// What goes on with a stream of which its vendor has written the events `sent`: under its ids and numbers, to an end that
/// holds the whole answer. `None` where that cannot be done. `body` is the client's request.
pub fn stream_after<'a>(
    body: &JsonObject,
    sent: impl IntoIterator<Item = &'a [u8]>,
) -> Option<Box<dyn BridgeStream>> {
    Some(Box::new(stream::Events::after(body, sent)?))
}
