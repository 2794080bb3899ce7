//! Gaps in code that are filled (`/fim/completions`): asked for as text completions are, answered as chats are.

use bytes::Bytes;
use http::Request;
use llm_types::{ChatChunk, ChatResponse, JsonObject, Op};
use serde::Deserialize;

use super::openai::OpenAi;
use crate::{
    Answer, Call, Chunks, Decoder, Error, Outgoing, Payload, Protocol, Reply, Step,
    bridges::{Bridge, BridgeStream, completion::Completion},
    frame::Frame,
};

/// Mistral's, and Inception's after it. An answer that is a text completion already stays as it is.
#[derive(Debug)]
pub(crate) struct Fim;

impl Protocol for Fim {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        match call.op {
            Op::Completion => OpenAi.encode(call),
            _ => Err(call.unsupported()),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        match OpenAi.decode(call, reply)? {
            Step::Done(answer) => Ok(Step::Done(as_text(call, answer)?)),
            step => Ok(step),
        }
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Ok(Box::new(Pieces {
            chat: OpenAi.decoder(call)?,
            heard: Chunks::default(),
            text: Completion.stream(&asked(call)),
        }))
    }
}

/// The client's request, for what its answer repeats.
fn asked(call: &Call<'_>) -> JsonObject {
    call.fields().clone()
}

fn as_text(call: &Call<'_>, answer: Answer) -> Result<Answer, Error> {
    let usage = answer.usage.clone();
    let bytes = answer.into_bytes()?;
    let bytes = match is_chat(&bytes) {
        true => {
            let chat: ChatResponse = read(&bytes)?;
            Completion.response(&asked(call), chat)?
        }
        false => bytes,
    };
    Ok(Answer {
        payload: Payload::Raw {
            body: bytes,
            content_type: "application/json".into(),
        },
        usage,
    })
}

struct Pieces {
    chat: Box<dyn Decoder>,
    heard: Chunks,
    text: Box<dyn BridgeStream>,
}

impl Pieces {
    fn tell(&mut self, out: &mut Chunks) -> Result<(), Error> {
        let mut events = Vec::new();
        for chunk in self.heard.items.drain(..) {
            let data = chunk.into_data()?;
            if is_chat(&data) {
                let chunk: ChatChunk = read(&data)?;
                self.text.push(chunk, &mut events)?;
                for event in events.drain(..) {
                    out.raw(None, event.data);
                }
            } else {
                out.raw(None, data);
            }
        }
        out.usage.clone_from(&self.heard.usage);
        out.done = self.heard.done;
        Ok(())
    }
}

impl Decoder for Pieces {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        self.chat.push(frame, &mut self.heard)?;
        self.tell(out)
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        self.chat.finish(&mut self.heard)?;
        self.tell(out)
    }
}

/// Whether an answer, or a piece of one, is in a chat's shape.
fn is_chat(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(borrow, default)]
        object: std::borrow::Cow<'a, str>,
    }
    serde_json::from_slice::<Shape<'_>>(data)
        .is_ok_and(|shape| shape.object.starts_with("chat.completion"))
}

fn read<T: serde::de::DeserializeOwned>(data: &Bytes) -> Result<T, Error> {
    serde_json::from_slice(data).map_err(|error| Error::decode("", error))
}
