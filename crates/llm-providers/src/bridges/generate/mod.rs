//! Google's generateContent over chat, for every provider that does not speak it itself.

mod contents;
mod request;
mod response;
mod schema;
mod stream;
mod tools;
mod wire;

use bytes::Bytes;
use llm_types::{ChatResponse, JsonObject};

use super::{Bridge, BridgeStream};
use crate::{CallOptions, Error, Notice};

/// Google's generateContent over chat.
#[derive(Debug)]
pub struct Generate;

impl Bridge for Generate {
    fn request(&self, body: &JsonObject, options: &CallOptions) -> Result<JsonObject, Error> {
        request::to_chat(body, options)
    }

    fn losses(&self, body: &JsonObject, options: &CallOptions) -> Vec<Notice> {
        request::losses(body, options)
    }

    fn response(&self, body: &JsonObject, answer: ChatResponse) -> Result<Bytes, Error> {
        Ok(response::from_chat(answer, body).to_string().into())
    }

    fn stream(&self, body: &JsonObject) -> Box<dyn BridgeStream> {
        Box::new(stream::Events::new(body))
    }
}
