//! A wire format: bytes in, bytes out.

use bytes::Bytes;
use llm_types::{ChatChunk, JsonObject, Op, Usage, Verb};

use crate::{
    Answer, Call, Error, Outgoing, Reply, Rewriter, Step, error_table, frame::Frame, live::Session,
    protocols::vectors,
};

/// A wire format. No I/O, no clock, no async, so a test is a file.
///
/// One value serves every model of a vendor and most of its operations; it matches on `call.op`. An operation whose wire
/// several vendors share, or that has nothing in common with the others, has a value of its own: see
/// [`Provider::wires`](crate::Provider::wires).
pub trait Protocol: Sync {
    /// The wire's own name, by which two rows can be told to share it.
    fn kind(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// What can be done with what `op` makes: few vendors do all that OpenAI does.
    fn verbs(&self, op: Op) -> &'static [Verb] {
        op.verbs()
    }

    /// The addresses whose contents the request must hold as bytes, because the vendor fetches none itself.
    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        let _ = call;
        Vec::new()
    }

    /// The bodies of the requests that `call` takes, where the vendor takes fewer inputs at a time than it has; empty:
    /// one request is enough. Their answers are put together by [`join`](Self::join).
    fn split(&self, call: &Call<'_>) -> Result<Vec<JsonObject>, Error> {
        let _ = call;
        Ok(Vec::new())
    }

    /// One answer of the answers to the parts of a split call, in their order.
    fn join(&self, call: &Call<'_>, answers: Vec<Answer>) -> Result<Answer, Error> {
        match call.op {
            Op::Embedding => vectors::join(call, answers),
            _ => Err(call.unsupported()),
        }
    }

    /// The HTTP request, without its credential.
    fn encode(&self, call: &Call<'_>) -> Result<http::Request<Outgoing>, Error>;

    /// Reads a successful reply.
    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error>;

    /// Whether chat bodies go out as the client wrote them, in OpenAI's shape: then keys that only other vendors know
    /// are taken out of the history beforehand.
    fn forwards_chat(&self) -> bool {
        false
    }

    /// What reads a streamed reply.
    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        Err(call.unsupported())
    }

    /// What carries the messages of a two-way session, whose opening is [`encode`](Self::encode)d and whose client calls
    /// the model `named`.
    fn session(&self, call: &Call<'_>, named: &str) -> Result<Box<dyn Session>, Error> {
        let _ = named;
        Err(call.unsupported())
    }

    /// Whether a form's files go out as they are, piece by piece. Otherwise they are in memory when a call is encoded.
    fn streams_files(&self, call: &Call<'_>) -> bool {
        let _ = call;
        false
    }

    /// What a call consumes that its answer does not tell: the characters that are spoken, say.
    fn spent(&self, call: &Call<'_>) -> Option<Usage> {
        let _ = call;
        None
    }

    /// What rewrites an answer of bytes line by line, as it passes.
    fn rewriter(&self, call: &Call<'_>) -> Option<Box<dyn Rewriter>> {
        let _ = call;
        None
    }

    /// How a streamed reply is cut into frames.
    fn framing(&self, call: &Call<'_>) -> Framing {
        let _ = call;
        Framing::Sse
    }

    /// Reads a reply with a bad status.
    fn error(&self, call: &Call<'_>, reply: &Reply) -> Error {
        error_table::classify(call.target.provider.name, reply)
    }
}

/// How a streamed body is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON document a line.
    Lines,
    /// AWS's binary event stream.
    AwsEventStream,
    /// Not a stream at all: the whole body is one frame (vendors that cannot stream a request are replayed from it).
    Whole,
    /// Not at all, streamed or not: a successful reply is the answer, handed on as it comes. Sound, video, files.
    Bytes,
}

/// Reads one streamed reply. Small, owned, cheap to make.
pub trait Decoder: Send {
    /// Takes one frame. An `Err` ends the stream with that error, unless the frame is no JSON at all: then it may be left
    /// out, and must have changed nothing.
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error>;

    /// The input is over. Emits what was held back, and errs if the answer is not complete: never invents success.
    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error>;
}

/// What a decoder has to say so far.
#[derive(Debug, Default)]
pub struct Chunks {
    /// In order, ready to be sent.
    pub items: Vec<Chunk>,
    /// The latest and fullest usage.
    pub usage: Option<Usage>,
    /// The vendor's own end mark was seen: the answer is whole.
    pub done: bool,
}

/// One event of a streamed answer, in the dialect of the operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Chunk {
    /// The vendor's own bytes: the vendor speaks the operation's dialect.
    Raw {
        /// The SSE event's name, in dialects that have one.
        event: Option<Bytes>,
        /// The data: one JSON document.
        data: Bytes,
    },
    /// A chat chunk that was translated from another wire.
    Chat(Box<ChatChunk>),
}

impl Chunks {
    /// Adds a translated chunk.
    pub fn chat(&mut self, chunk: ChatChunk) {
        self.items.push(Chunk::Chat(Box::new(chunk)));
    }

    /// Adds the vendor's own chunk.
    pub fn raw(&mut self, event: Option<Bytes>, data: Bytes) {
        self.items.push(Chunk::Raw { event, data });
    }
}

impl Chunk {
    /// The chunk's JSON.
    pub fn into_data(self) -> Result<Bytes, Error> {
        match self {
            Self::Raw { data, .. } => Ok(data),
            Self::Chat(chunk) => match serde_json::to_vec(&chunk) {
                Ok(bytes) => Ok(bytes.into()),
                Err(e) => Err(Error::decode("", e)),
            },
        }
    }

    /// The chunk as a typed chat chunk.
    pub fn into_chat(self) -> Result<ChatChunk, Error> {
        match self {
            Self::Raw { data, .. } => {
                serde_json::from_slice(&data).map_err(|e| Error::decode("", e))
            }
            Self::Chat(chunk) => Ok(*chunk),
        }
    }
}

/// A finished [`Step`] from an answer.
impl From<Answer> for Step {
    fn from(answer: Answer) -> Self {
        Self::Done(answer)
    }
}
