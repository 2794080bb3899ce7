//! Two-way sessions: what passes through their sockets, as pure functions. Clients speak OpenAI's Realtime events.

mod gemini;
mod openai;
mod transcription;

use bytes::Bytes;
use llm_types::Usage;

use crate::Error;

pub(crate) use gemini::GeminiSession;
pub(crate) use openai::OpenAiSession;
pub(crate) use transcription::is_transcription;

/// One message of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Text: one JSON event.
    Text(Bytes),
    /// Anything else.
    Binary(Bytes),
}

/// What is to be said after a message was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Says {
    /// To the vendor.
    pub vendor: Vec<Said>,
    /// To the client.
    pub client: Vec<Said>,
}

/// Carries a session's messages between a client and a vendor.
pub trait Session: Send {
    /// What the vendor is told before anything else.
    fn opening(&mut self) -> Says {
        Says::default()
    }

    /// The client said something.
    fn client_said(&mut self, said: Said) -> Result<Says, Error>;

    /// The vendor said something.
    fn vendor_said(&mut self, said: Said) -> Result<Says, Error>;

    /// What the session's model has consumed so far.
    fn usage(&self) -> Option<&Usage>;

    /// What the models that wrote down what the client said have consumed so far, which have prices of their own.
    fn heard(&self) -> &[(String, Usage)];

    /// Whether an answer is under way.
    fn is_answering(&self) -> bool;
}
