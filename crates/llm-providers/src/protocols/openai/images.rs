//! Images in OpenAI's shape: whole answers, and the events of a streamed one.

use bytes::Bytes;
use llm_types::{ImageUsage, JsonObject, Usage, responses::ResponsesUsage};
use serde::Deserialize;

use crate::{Answer, Call, Chunks, Decoder, Error, Kind, Reply, error_table, frame::Frame};

/// A whole answer, which passes as it is.
pub(crate) fn images(call: &Call<'_>, reply: Reply) -> Result<Answer, Error> {
    let provider = call.target.provider.name;
    super::refused(provider, &reply)?;
    let object = JsonObject::parse(&reply.body)
        .map_err(|_| error_table::unreadable(provider, &reply.body))?;
    if !object
        .raw("data")
        .is_some_and(|data| data.starts_with(b"["))
    {
        return Err(Error::decode(provider, "there are no images in it"));
    }
    let usage = usage(&object);
    // Without tokens it is billed by the image.
    Ok(Answer::raw(reply.body, Some(usage.unwrap_or_default())))
}

fn usage(object: &JsonObject) -> Option<Usage> {
    let counts: ResponsesUsage = object.get("usage").ok()??;
    Some(ImageUsage::normalise(counts))
}

/// Reads a streamed answer: parts of a picture, then the picture.
pub(super) struct ImageStream {
    provider: &'static str,
}

impl ImageStream {
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

impl Decoder for ImageStream {
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
                return Err(
                    error_table::in_frame(self.provider, &data).unwrap_or_else(|| {
                        Error::decode(self.provider, "it is not an event of an image")
                    }),
                );
            }
        };
        if kind.ends_with(".completed") {
            let object = JsonObject::parse(&data).map_err(|e| Error::decode(self.provider, e))?;
            let usage = usage(&object).unwrap_or_default();
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
        let message = "the stream ended before the image was complete";
        Err(Error::new(Kind::Connection, message).of(self.provider))
    }
}
