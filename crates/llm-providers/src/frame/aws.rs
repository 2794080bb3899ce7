//! AWS's binary event stream: length-prefixed messages with headers and checksums.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::{HeaderValue, Message};
use bytes::{Bytes, BytesMut};

use super::{Frame, limit};
use crate::{Error, Kind};

#[derive(Debug, Default)]
pub(super) struct Aws {
    buffer: BytesMut,
    decoder: MessageFrameDecoder,
}

impl Aws {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Frame>) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.decoder.decode_frame(&mut self.buffer) {
                Ok(DecodedFrame::Complete(message)) => out.push(frame(&message)),
                Ok(DecodedFrame::Incomplete) => return limit(self.buffer.len()),
                Err(e) => {
                    return Err(Error::new(Kind::Decode, "the event stream is damaged").because(e));
                }
            }
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Connection,
            "the event stream ended inside a message",
        ))
    }
}

fn frame(message: &Message) -> Frame {
    let header = |name: &str| {
        let found = message
            .headers()
            .iter()
            .find(|header| header.name().as_str() == name)?;
        match found.value() {
            HeaderValue::String(text) => Some(Bytes::copy_from_slice(text.as_str().as_bytes())),
            _ => None,
        }
    };
    let kind = header(":message-type");
    let exception = kind.as_deref() == Some(b"exception") || kind.as_deref() == Some(b"error");
    let event = header(":exception-type")
        .or_else(|| header(":event-type"))
        .or_else(|| header(":error-code"));
    Frame {
        event,
        data: message.payload().clone(),
        exception,
    }
}
