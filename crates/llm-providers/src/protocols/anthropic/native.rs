//! Messages calls to hosts that speak Messages: bytes pass through, usage is peeked at.

use bytes::Bytes;
use llm_types::{
    JsonObject,
    messages::{MessagesResponse, MessagesUsage, StreamEvent},
};
use memchr::memmem;
use serde::Deserialize;
use serde_json::json;

use super::error_of;
use crate::{Answer, Chunks, Decoder, Error, Reply, frame::Frame};

/// The answer as it came, its usage counted.
pub(crate) fn messages_response(provider: &'static str, reply: Reply) -> Result<Answer, Error> {
    let object = JsonObject::parse(&reply.body).map_err(|e| Error::decode(provider, e))?;
    match object.str("type").as_deref() {
        Some("message") => {}
        Some("error") => return Err(error_of(provider, &reply.body)),
        _ => return Err(Error::decode(provider, "it is not a message")),
    }
    let usage = object
        .get::<MessagesUsage>("usage")
        .map_err(|e| Error::decode(provider, e))?;
    let usage = usage.map(|usage| usage.normalise());
    Ok(Answer::raw(reply.body, usage))
}

/// Passes Anthropic's events on as they are, and reads only those that count.
pub(crate) struct MessagesStream {
    provider: &'static str,
    usage: MessagesUsage,
    finished: bool,
}

impl MessagesStream {
    /// A decoder for one stream.
    pub(crate) fn new(provider: &'static str) -> Self {
        Self {
            provider,
            usage: MessagesUsage::default(),
            finished: false,
        }
    }

    fn read<'a, T: Deserialize<'a>>(&self, data: &'a [u8]) -> Result<T, Error> {
        serde_json::from_slice(data).map_err(|e| Error::decode(self.provider, e))
    }

    fn count(&mut self, event: StreamEvent, out: &mut Chunks) {
        if let Some(message) = event.message {
            self.usage = message.usage;
        }
        if let Some(usage) = event.usage {
            self.usage.merge(*usage);
        }
        if event.delta.is_some_and(|delta| delta.stop_reason.is_some()) {
            self.finished = true;
        }
        out.usage = Some(self.usage.normalise());
    }
}

impl Decoder for MessagesStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if self.finished && !frame.data.starts_with(b"{") {
            return Ok(());
        }
        let Frame { event, data, .. } = frame;
        // Most events are deltas of blocks, and say so in a few bytes.
        let name = match &event {
            Some(name) if known(name).is_some() => known(name),
            _ => known(self.read::<Type>(&data)?.kind.as_bytes()),
        };
        match name {
            Some("message_start" | "message_delta") => {
                let read = self.read(&data)?;
                self.count(read, out);
            }
            Some("error") => return Err(error_of(self.provider, &data)),
            Some("message") => {
                let response: MessagesResponse = self.read(&data)?;
                out.usage = Some(response.usage.normalise());
                return replay(response, self.provider, out);
            }
            Some("message_stop") => out.done = true,
            Some("content_block_delta") if memmem::find(&data, b"\"type\"").is_none() => {
                return Err(Error::decode(self.provider, "an event without its type"));
            }
            _ => {}
        }
        // Clients of Anthropic's dialect tell events apart by their names.
        let event = name
            .map(|name| Bytes::from_static(name.as_bytes()))
            .or(event);
        out.raw(event, data);
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        if !self.finished {
            return Err(Error::cut(self.provider));
        }
        out.done = true;
        out.raw(
            Some(Bytes::from_static(b"message_stop")),
            Bytes::from_static(b"{\"type\":\"message_stop\"}"),
        );
        Ok(())
    }
}

#[derive(Deserialize)]
struct Type {
    #[serde(rename = "type", default)]
    kind: String,
}

fn known(name: &[u8]) -> Option<&'static str> {
    const NAMES: [&str; 9] = [
        "content_block_delta",
        "content_block_start",
        "content_block_stop",
        "message_start",
        "message_delta",
        "message_stop",
        "ping",
        "error",
        "message",
    ];
    NAMES.into_iter().find(|known| known.as_bytes() == name)
}

/// Some hosts answer a stream request with one document: it is told as a stream.
fn replay(
    mut response: MessagesResponse,
    provider: &'static str,
    out: &mut Chunks,
) -> Result<(), Error> {
    let blocks = std::mem::take(&mut response.content);
    let (reason, sequence) = (response.stop_reason.take(), response.stop_sequence.take());
    let usage = response.usage.clone();
    let mut tell = |name: &'static str, event: serde_json::Value| {
        let data = serde_json::to_vec(&event).map_err(|e| Error::decode(provider, e))?;
        out.raw(Some(Bytes::from_static(name.as_bytes())), data.into());
        Ok::<_, Error>(())
    };
    tell(
        "message_start",
        json!({"type": "message_start", "message": response}),
    )?;
    for (index, block) in blocks.into_iter().enumerate() {
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        tell("content_block_start", start)?;
        tell(
            "content_block_stop",
            json!({"type": "content_block_stop", "index": index}),
        )?;
    }
    let delta = json!({"stop_reason": reason, "stop_sequence": sequence});
    tell(
        "message_delta",
        json!({"type": "message_delta", "delta": delta, "usage": usage}),
    )?;
    tell("message_stop", json!({"type": "message_stop"}))?;
    out.done = true;
    Ok(())
}
