//! Anthropic Messages over chat, for every provider that does not speak Messages itself.

mod parts;
mod request;
mod response;
mod stream;

use bytes::Bytes;
use llm_types::{ChatResponse, JsonObject, messages::MessagesError};

use super::{Bridge, BridgeStream, Event};
use crate::{CallOptions, Error, Notice};

/// Anthropic Messages over chat.
#[derive(Debug)]
pub struct Messages;

impl Bridge for Messages {
    fn request(&self, body: &JsonObject, _: &CallOptions) -> Result<JsonObject, Error> {
        request::to_chat(body)
    }

    fn losses(&self, body: &JsonObject, _: &CallOptions) -> Vec<Notice> {
        request::losses(body)
    }

    fn response(&self, body: &JsonObject, answer: ChatResponse) -> Result<Bytes, Error> {
        let model = body.str("model").unwrap_or_default();
        let message = response::from_chat(answer, &model, &request::names(body));
        match serde_json::to_vec(&message) {
            Ok(bytes) => Ok(bytes.into()),
            Err(e) => Err(Error::decode("", e)),
        }
    }

    fn stream(&self, body: &JsonObject) -> Box<dyn BridgeStream> {
        let model = body.str("model").unwrap_or_default();
        Box::new(stream::Events::new(
            model.into_owned(),
            request::names(body),
        ))
    }
}

/// The body that a client of Anthropic's dialect expects with an error.
pub fn error_body(error: &Error) -> Bytes {
    let mut body = MessagesError::new(error.status_code().as_u16(), error.message.clone());
    body.request_id.clone_from(&error.request_id);
    serde_json::to_vec(&body).unwrap_or_default().into()
}

/// The event that a client of Anthropic's dialect expects where a stream breaks.
pub fn error_event(error: &Error) -> Event {
    Event {
        name: Some("error"),
        data: error_body(error),
    }
}
