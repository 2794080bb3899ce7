//! The events of streamed images and transcripts.

use bytes::Bytes;
use llm_types::JsonObject;
use serde::Deserialize;

use super::images;
use crate::{Call, Chunks, Decoder, Error, error_table, frame::Frame, protocols::audio};

/// Reads a streamed answer: parts of a picture or a transcript, then the whole.
pub(super) struct EventStream {
    provider: &'static str,
}

impl EventStream {
    pub(super) fn new(call: &Call<'_>) -> Self {
        Self {
            provider: call.target.provider.name,
        }
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<std::borrow::Cow<'a, str>>,
}

impl Decoder for EventStream {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        let data = frame.data;
        if data.is_empty() || &data[..] == b"[DONE]" {
            return Ok(());
        }
        let head: Head<'_> = serde_json::from_slice(&data)
            .map_err(|_| error_table::unreadable(self.provider, &data))?;
        let kind = match head.kind {
            Some(kind) if kind != "error" => kind.into_owned(),
            _ => {
                return Err(error_table::in_frame(self.provider, &data)
                    .unwrap_or_else(|| Error::decode(self.provider, "it is not an event")));
            }
        };
        if kind.ends_with(".completed") || kind.ends_with(".done") {
            let object = JsonObject::parse(&data).map_err(|e| Error::decode(self.provider, e))?;
            let usage = match kind.starts_with("image") {
                true => images::usage(&object).unwrap_or_default(),
                false => audio::counted(&object),
            };
            out.usage.get_or_insert_default().add(&usage);
            out.done = true;
        }
        // Clients tell events apart by their names, which some hosts leave out.
        let event = frame.event.unwrap_or_else(|| Bytes::from(kind));
        out.raw(Some(event), data);
        Ok(())
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        if out.done {
            return Ok(());
        }
        Err(Error::cut(self.provider))
    }
}
