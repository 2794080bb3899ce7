//! One attempt at one target: what goes in, what comes out.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_types::{BodyKind, ChatResponse, JsonObject, Op, Usage, Verb};

use crate::{
    Body, CallOptions, Credential, Decoder, Error, Kind, Outgoing, Protocol, Target, backends,
    extra, live::Session, params, protocols::vectors,
};

/// One attempt. Made by [`Call::prepare`], which settles the parameters; then encode, decode or stream.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What is asked for.
    pub op: Op,
    /// What is done with it.
    pub verb: Verb,
    /// To which of them, by the vendor's own id.
    pub id: Option<String>,
    /// What the address says after its path: pages and filters of lists.
    pub query: Vec<(String, String)>,
    /// Of whom.
    pub target: &'a Target,
    /// With what; parameters are already settled for this target.
    pub body: Body,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client wants the usage chunk of a stream. The vendor is asked for it in any case.
    pub include_usage: bool,
    /// How the caller wants parameters treated.
    pub options: &'a CallOptions,
    /// What was dropped or changed on the way, for the answer's metadata.
    pub notices: Vec<Notice>,
    /// What [`Call::fetches`] asked for, by address. The client fills it in before it encodes.
    pub fetched: BTreeMap<String, Fetched>,
    /// What separates the parts of a form: made anew for each call, so that no file can hold it on purpose.
    pub boundary: String,
    /// The model's name on the wire, where a quirk says another than the target's.
    pub(crate) model: Option<String>,
    /// Where this one call goes, where a quirk says elsewhere than the target's address.
    pub(crate) base_url: Option<String>,
    /// The schema of `response_format` went out as a forced tool named [`JSON_TOOL`]: its arguments are the answer.
    pub(crate) json_tool: bool,
    /// Tools went out as OpenAI's legacy functions: a function call in the answer is a tool call.
    pub(crate) legacy_functions: bool,
}

/// A file that was fetched for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its media type as the server named it, without parameters.
    pub content_type: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// The tool that stands for a schema where a model cannot be held to one otherwise.
pub(crate) const JSON_TOOL: &str = "json_tool_call";

/// Something the caller should know though the request went on: a parameter that was dropped or replaced.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Notice {
    /// The parameter.
    pub param: String,
    /// What became of it.
    pub message: String,
}

/// A vendor's reply, whole.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Bytes,
}

/// Finished, or "send this next": polled services stay pure.
#[derive(Debug)]
pub enum Step {
    /// The answer.
    Done(Answer),
    /// Send `request` after `after`, and decode its reply in the same way.
    Again {
        /// What to send.
        request: http::Request<Outgoing>,
        /// How long to wait first.
        after: Duration,
    },
    /// Send the last `Again` again after this long: the reply does not say what it is the reply to.
    Later(Duration),
    /// The answer is what stands at this address, handed on as it comes.
    Fetch {
        /// Where.
        uri: String,
        /// Whether the protocol made the address itself, so that the credential may go there. One that a reply names
        /// gets the credential only where it leads to the vendor's own host.
        trusted: bool,
    },
}

/// An answer in the dialect of the operation.
#[derive(Debug)]
pub struct Answer {
    /// What it says.
    pub payload: Payload,
    /// What it consumed, where the vendor says so.
    pub usage: Option<Usage>,
}

/// An answer's content: the vendor's own bytes where it speaks the operation's dialect, typed where it was translated.
#[derive(Debug)]
pub enum Payload {
    /// JSON text (or other bytes) in the operation's dialect.
    Raw {
        /// The bytes.
        body: Bytes,
        /// Their type.
        content_type: String,
    },
    /// A chat answer that was translated from another wire.
    Chat(Box<ChatResponse>),
}

impl<'a> Call<'a> {
    /// Settles the body's parameters for `target`: drops, renames and refuses as the provider's row and the caller's
    /// options say. The only way to make a call.
    pub fn prepare(
        op: Op,
        target: &'a Target,
        body: impl Into<Body>,
        options: &'a CallOptions,
    ) -> Result<Self, Error> {
        let mut call = Self::new(op, target, body.into(), options);
        if !target.speaks(op) {
            return Err(call.unsupported());
        }
        params::settle(&mut call).map_err(|e| e.of(target.provider.name))?;
        Ok(call)
    }

    /// A call for what `target` keeps: the file, batch, video, response or job `id`, or a list of them.
    pub fn resource(
        op: Op,
        verb: Verb,
        id: Option<String>,
        target: &'a Target,
        body: impl Into<Body>,
        options: &'a CallOptions,
    ) -> Result<Self, Error> {
        let mut call = Self::new(op, target, body.into(), options);
        if !target.speaks(op) || !op.verbs().contains(&verb) {
            return Err(call.unsupported());
        }
        if !target.does(op, verb) {
            return Err(backends::undone(target.provider, op, verb));
        }
        if verb.needs_id() && id.as_deref().is_none_or(str::is_empty) {
            return Err(Error::bad_request("id", "'id' is missing"));
        }
        (call.verb, call.id) = (verb, id);
        call.stream = call.fields().is_true("stream");
        Ok(call)
    }

    fn new(op: Op, target: &'a Target, body: Body, options: &'a CallOptions) -> Self {
        // Some vendors want forms where OpenAI wants none.
        let draws = op == Op::ImageGeneration;
        let is_form = draws || !body.files.is_empty() || op.body() == BodyKind::Form;
        Self {
            op,
            verb: Verb::Create,
            id: None,
            query: Vec::new(),
            target,
            body,
            stream: false,
            include_usage: false,
            options,
            notices: Vec::new(),
            fetched: BTreeMap::new(),
            boundary: match is_form {
                true => uuid::Uuid::new_v4().simple().to_string(),
                false => String::new(),
            },
            model: None,
            base_url: None,
            json_tool: false,
            legacy_functions: false,
        }
    }

    /// The model's name on the wire.
    pub fn model(&self) -> &str {
        self.model.as_deref().unwrap_or(&self.target.model)
    }

    /// Where the call goes, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(&self.target.base_url)
    }

    /// The wire format of this call.
    pub fn wire(&self) -> &'static dyn Protocol {
        self.target.provider.wire(self.op)
    }

    /// The addresses whose contents the request must hold: to be put into [`Call::fetched`] before it is encoded.
    pub fn fetches(&self) -> Vec<String> {
        self.wire().fetches(self)
    }

    /// The calls that this one is made of, where the vendor takes fewer inputs at a time; empty: it is one. Send them
    /// all, and [`join`](Self::join) their answers.
    pub fn split(&self) -> Result<Vec<Call<'a>>, Error> {
        let bodies = match self.target.provider.most_inputs {
            Some(most) if self.op == Op::Embedding => vectors::split(self, most(self.model())),
            _ => self.wire().split(self),
        };
        let parts = bodies
            .map_err(|e| self.blame(e))?
            .into_iter()
            .map(|body| Call {
                body: body.into(),
                ..self.clone()
            });
        Ok(parts.collect())
    }

    /// One answer of the answers to the parts of this call, in their order.
    pub fn join(&self, answers: Vec<Answer>) -> Result<Answer, Error> {
        let joined = self.wire().join(self, answers);
        joined.map_err(|e| self.blame(e))
    }

    /// The HTTP request, without its credential. `extra_body`, `extra_query` and all headers are in it.
    pub fn encode(&self) -> Result<http::Request<Outgoing>, Error> {
        let wire = self.wire();
        let mut request = wire.encode(self).map_err(|e| self.blame(e))?;
        extra::body(self, &mut request)?;
        extra::query(self, &mut request)?;
        extra::headers(self, &mut request)?;
        Ok(request)
    }

    /// Reads a reply of any status; an error for the bad ones.
    pub fn decode(&self, reply: Reply) -> Result<Step, Error> {
        let wire = self.wire();
        if reply.status.is_success() {
            wire.decode(self, reply).map_err(|e| self.blame(e))
        } else {
            Err(self.refusal(&reply))
        }
    }

    /// The error that a reply with a bad status is.
    pub fn refusal(&self, reply: &Reply) -> Error {
        self.blame(self.wire().error(self, reply))
    }

    /// What reads the streamed answer.
    pub fn decoder(&self) -> Result<Box<dyn Decoder>, Error> {
        self.wire().decoder(self).map_err(|e| self.blame(e))
    }

    /// What carries the messages of a two-way session, whose client calls the model `named`.
    pub fn session(&self, named: &str) -> Result<Box<dyn Session>, Error> {
        let session = self.wire().session(self, named);
        session.map_err(|e| self.blame(e))
    }

    /// The body's fields.
    pub fn fields(&self) -> &JsonObject {
        &self.body.fields
    }

    /// The body's fields, to be changed.
    pub fn fields_mut(&mut self) -> &mut JsonObject {
        &mut self.body.fields
    }

    /// Notes that `param` was dropped or changed.
    pub fn notice(&mut self, param: &str, message: impl Into<String>) {
        self.notices.push(Notice {
            param: param.to_owned(),
            message: message.into(),
        });
    }

    /// The one answer to an operation that a provider does not do: it names those that do.
    pub fn unsupported(&self) -> Error {
        backends::unsupported(self.target, self.op)
    }

    fn blame(&self, mut error: Error) -> Error {
        if error.provider.is_empty() {
            error.provider = self.target.provider.name;
        }
        // Some vendors repeat the key they refuse.
        if let Credential::Key(key) | Credential::Token(key) = &self.target.credential {
            error.redact(key);
        }
        error
    }
}

impl Reply {
    /// A reply of status 200 with a JSON body.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Answer {
    /// A JSON answer that is the vendor's own.
    pub fn raw(body: Bytes, usage: Option<Usage>) -> Self {
        Self {
            payload: Payload::Raw {
                body,
                content_type: "application/json".into(),
            },
            usage,
        }
    }

    /// A translated chat answer.
    pub fn chat(response: ChatResponse) -> Self {
        let usage = response.usage.clone();
        Self {
            payload: Payload::Chat(Box::new(response)),
            usage,
        }
    }

    /// The answer's bytes.
    pub fn into_bytes(self) -> Result<Bytes, Error> {
        match self.payload {
            Payload::Raw { body, .. } => Ok(body),
            Payload::Chat(response) => match serde_json::to_vec(&response) {
                Ok(bytes) => Ok(bytes.into()),
                Err(e) => Err(Error::new(Kind::Decode, "the answer cannot be written").because(e)),
            },
        }
    }

    /// The answer as a typed chat answer.
    pub fn into_chat(self) -> Result<ChatResponse, Error> {
        match self.payload {
            Payload::Chat(response) => Ok(*response),
            Payload::Raw { body, .. } => {
                serde_json::from_slice(&body).map_err(|e| Error::decode("", e))
            }
        }
    }
}
