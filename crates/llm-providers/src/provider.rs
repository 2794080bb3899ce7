//! A vendor, as a row of data.

use std::fmt;

use llm_types::Op;

use crate::{Params, Protocol, protocols};

/// A backend. Plain data, `'static`, no methods that do work.
pub struct Provider {
    /// The prefix in model strings: `groq` in `groq/llama-3.3-70b`.
    pub name: &'static str,
    /// Other prefixes that mean the same.
    pub aliases: &'static [&'static str],
    /// Where it answers, without a slash at the end. Empty: the caller must say. `{region}`, `{account}` and the like
    /// are filled in from the target's settings.
    pub base_url: &'static str,
    /// Environment variables that may hold another base URL; the first one that is set wins.
    pub base_env: &'static [&'static str],
    /// Environment variables that may hold the key; the first one that is set wins.
    pub key_env: &'static [&'static str],
    /// What is sent where no key is set, for servers of one's own that want any; empty: a key is needed.
    pub key_default: &'static str,
    /// How the credential goes on a request.
    pub auth: Auth,
    /// Headers on every request.
    pub headers: &'static [(&'static str, &'static str)],
    /// What it natively speaks. What is not here is bridged where a bridge exists, else `Unsupported`.
    pub ops: &'static [Op],
    /// Which OpenAI parameters it takes.
    pub params: Params,
    /// Plain changes to the body before it is encoded.
    pub edits: &'static [Edit],
    /// Hosts (with a path where one host serves several) by which a base URL is recognised as this provider's.
    pub hosts: &'static [&'static str],
    /// The vendor's own quirks beyond [`edits`](Self::edits).
    pub quirk: Option<Quirk>,
    /// The wire format.
    pub protocol: &'static dyn Protocol,
    /// The vendor's API documentation.
    pub docs: &'static str,
}

/// A vendor's quirk: changes the body for one model, may refuse, may say what it dropped. Pure.
pub type Quirk = fn(&mut crate::Call<'_>) -> Result<(), crate::Error>;

/// How a credential goes on a finished request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `NAME: KEY`.
    Header(&'static str),
    /// Anthropic: `x-api-key`, or a bearer for OAuth tokens.
    Anthropic,
    /// Azure: `api-key: KEY`, or a bearer for Entra tokens and the v1 path.
    Azure,
    /// AWS Signature V4 over the final bytes, or a bearer for Bedrock API keys.
    SigV4 {
        /// The service's name in the signature.
        service: &'static str,
    },
    /// A Google OAuth access token as bearer, or `x-goog-api-key` for a plain key.
    Google,
}

/// One plain change to a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Gives a key another name.
    Rename(&'static str, &'static str),
    /// Takes a key out without a word: the vendor ignores or refuses it and nothing is lost.
    Drop(&'static str),
    /// Sets a key to JSON text where it is absent.
    Default(&'static str, &'static str),
}

impl Provider {
    /// The starting point of a row: OpenAI's wire, a bearer key, chat.
    pub const OPENAI_LIKE: Provider = Provider {
        name: "",
        aliases: &[],
        base_url: "",
        base_env: &[],
        key_env: &[],
        key_default: "",
        auth: Auth::Bearer,
        headers: &[],
        ops: &[Op::Chat],
        params: Params::STANDARD,
        edits: &[],
        hosts: &[],
        quirk: None,
        protocol: &protocols::openai::OpenAi,
        docs: "",
    };

    /// Whether `op` is spoken natively.
    pub fn speaks(&self, op: Op) -> bool {
        self.ops.contains(&op)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.name).finish()
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
