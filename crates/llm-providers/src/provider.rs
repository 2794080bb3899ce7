//! A vendor, as a row of data.

use std::fmt;

use llm_types::{JsonObject, Op, Verb};

use crate::{
    Credential, Error, ModelFacts, Params, Protocol, Target, protocols, resolve::Surroundings,
};

/// A backend. Plain data, `'static`, no methods that do work.
pub struct Provider {
    /// The prefix in model strings: `groq` in `groq/llama-3.3-70b`.
    pub name: &'static str,
    /// Other prefixes that mean the same.
    pub aliases: &'static [&'static str],
    /// Where it answers, without a slash at the end. Empty: the caller must say. `{region}`, `{account}` and the like
    /// are filled in from the target's settings.
    pub base_url: &'static str,
    /// What a base URL must end with, such as `/v1`; put there where the caller left it out. Empty: nothing.
    pub base_path: &'static str,
    /// Environment variables that may hold another base URL; the first one that is set wins.
    pub base_env: &'static [&'static str],
    /// Environment variables that may hold the key; the first one that is set wins.
    pub key_env: &'static [&'static str],
    /// Environment variables that may hold a bearer token instead, where a plain key goes elsewhere; after those of the
    /// key.
    pub token_env: &'static [&'static str],
    /// What is sent where no key is set, for servers of one's own that want any; empty: a key is needed.
    pub key_default: &'static str,
    /// How the credential goes on a request.
    pub auth: Auth,
    /// Makes the credential where a plain key is not all there is: AWS, Google, Entra, IAM tokens. Takes its own keys
    /// out of the parameters; `Ok(None)` falls back to the plain key.
    pub login: Option<Login>,
    /// What a plain key becomes where it is not itself what goes on a request: IBM's buys tokens.
    pub exchange: Option<Exchange>,
    /// The vendor's own settings, and where they come from if the caller does not give them.
    pub settings: &'static [Setting],
    /// Headers on every request. `{name}` in a value is filled in from the target's settings; a header whose setting
    /// is absent is left out.
    pub headers: &'static [(&'static str, &'static str)],
    /// What it natively speaks. What is not here is bridged where a bridge exists, else `Unsupported`.
    pub ops: &'static [Op],
    /// Whether one model speaks an operation of [`ops`](Self::ops), where models differ.
    pub model_speaks: Option<fn(&Target, Op) -> bool>,
    /// Paths that are not OpenAI's.
    pub paths: &'static [(Op, &'static str)],
    /// Which OpenAI parameters it takes.
    pub params: Params,
    /// Which of them one model takes, where models differ; instead of [`params`](Self::params).
    pub model_params: Option<fn(&str, &ModelFacts) -> Params>,
    /// What of a chat history's foreign keys it understands (`reasoning_content`, `cache_control`, ...); the others
    /// are taken out before a history is forwarded. `*` keeps all.
    pub keeps: &'static [&'static str],
    /// Plain changes to the body before it is encoded.
    pub edits: &'static [Edit],
    /// Hosts (with a path where one host serves several) by which a base URL is recognised as this provider's.
    pub hosts: &'static [&'static str],
    /// How many inputs one request for embeddings takes, by the model: more go in several requests. `None`: any number.
    pub most_inputs: Option<fn(&str) -> usize>,
    /// How a model is made to go on with an answer that was begun.
    pub prefill: Prefill,
    /// The vendor's own quirks beyond [`edits`](Self::edits).
    pub quirk: Option<Quirk>,
    /// The wire format.
    pub protocol: &'static dyn Protocol,
    /// The wire formats of operations that have one of their own.
    pub wires: &'static [(Op, &'static dyn Protocol)],
    /// Where a request in the vendor's own format goes, by its path, where not to the base URL.
    pub outside: Option<Outside>,
    /// The vendor's API documentation.
    pub docs: &'static str,
}

/// A vendor's quirk: changes the body for one model, may refuse, may say what it dropped. Pure.
pub type Quirk = fn(&mut crate::Call<'_>) -> Result<(), Error>;

/// Makes a credential of LiteLLM's parameters (`aws_access_key_id`, `vertex_credentials`, ...) and the surroundings.
pub type Login = fn(&mut JsonObject, &dyn Surroundings) -> Result<Option<Credential>, Error>;

/// Makes a credential of a plain key, the target's own parameters and the surroundings.
pub type Exchange = fn(String, &JsonObject, &dyn Surroundings) -> Credential;

/// The base URL that a path of the vendor's own belongs to.
pub type Outside = fn(&Target, &str) -> Result<String, Error>;

/// One setting of a vendor, by LiteLLM's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The key in the parameters and in [`Target::settings`](crate::Target::settings).
    pub name: &'static str,
    /// Environment variables that may hold it; the first one that is set wins.
    pub env: &'static [&'static str],
    /// Its value where nobody says one; empty: it is absent.
    pub default: &'static str,
}

impl Setting {
    /// A setting without a default.
    pub const fn new(name: &'static str, env: &'static [&'static str]) -> Self {
        Self {
            name,
            env,
            default: "",
        }
    }

    /// The same with a default.
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }
}

/// How a credential goes on a finished request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `authorization: SCHEME KEY`.
    Scheme(&'static str),
    /// `NAME: KEY`.
    Header(&'static str),
    /// The key `NAME` of the body's JSON object.
    Field(&'static str),
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

/// How a model is made to go on with an answer that was begun: the assistant's words are the last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefill {
    /// By being the last one, for models that are known to take it so (`supports_assistant_prefill`).
    LastMessage,
    /// With `prefix: true`, unless the model is known not to take it.
    PrefixKey {
        /// The answer repeats the words.
        echoes: bool,
    },
    /// With `continue_final_message` in the body.
    ContinueFinal,
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
        base_path: "",
        base_env: &[],
        key_env: &[],
        token_env: &[],
        key_default: "",
        auth: Auth::Bearer,
        login: None,
        exchange: None,
        settings: &[],
        headers: &[],
        ops: &[Op::Chat],
        model_speaks: None,
        paths: &[],
        params: Params::STANDARD,
        model_params: None,
        keeps: &[],
        edits: &[],
        hosts: &[],
        most_inputs: None,
        prefill: Prefill::LastMessage,
        quirk: None,
        protocol: &protocols::openai::OpenAi,
        wires: &[],
        outside: None,
        docs: "",
    };

    /// Which parameters `model` takes.
    pub fn params_of(&self, model: &str, facts: &ModelFacts) -> Params {
        self.model_params
            .map_or(self.params, |of_model| of_model(model, facts))
    }

    /// The path of `op` under the base URL.
    pub fn path(&self, op: Op) -> &'static str {
        self.paths
            .iter()
            .find(|(at, _)| *at == op)
            .map_or_else(|| op.path(), |(_, path)| path)
    }

    /// The wire format of `op`.
    pub fn wire(&self, op: Op) -> &'static dyn Protocol {
        self.wires
            .iter()
            .find(|(of, _)| *of == op)
            .map_or(self.protocol, |(_, wire)| *wire)
    }

    /// Whether both speak `op` in the same wire format. One that is described by data is the same where the data is.
    pub fn shares_wire(&self, other: &Provider, op: Op) -> bool {
        let (ours, theirs) = (self.wire(op), other.wire(op));
        let described = std::mem::size_of_val(ours) > 0;
        ours.kind() == theirs.kind() && (!described || std::ptr::addr_eq(ours, theirs))
    }

    /// Whether `op` is spoken natively, by some model at least.
    pub fn speaks(&self, op: Op) -> bool {
        self.ops.contains(&op)
    }

    /// Whether `verb` can be done with what `op` makes.
    pub fn does(&self, op: Op, verb: Verb) -> bool {
        self.speaks(op) && self.wire(op).verbs(op).contains(&verb)
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
