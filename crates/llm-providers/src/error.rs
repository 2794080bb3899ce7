//! What can go wrong with one attempt.

use std::{fmt, time::Duration};

use http::{HeaderMap, StatusCode};
use llm_types::JsonError;

use crate::Secret;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed attempt. Match on [`kind`](Self::kind); the rest is for people and logs.
#[derive(Debug)]
pub struct Error {
    /// What to do about it.
    pub kind: Kind,
    /// The provider's name; empty if none was reached.
    pub provider: &'static str,
    /// The provider's HTTP status, if it answered.
    pub status: Option<StatusCode>,
    /// The provider's own message, or ours.
    pub message: String,
    /// The request's field at fault, if it is known.
    pub param: Option<String>,
    /// The provider's `type` or `code` for it.
    pub code: Option<String>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// The provider's name for the request.
    pub request_id: Option<String>,
    /// The provider's response headers; empty if it did not answer.
    pub headers: Box<HeaderMap>,
    /// The provider's error body as it came, cut to a few kilobytes.
    pub body: Option<String>,
    /// Part of the answer had been given when it happened, and the rest could not be had elsewhere.
    pub mid_stream: bool,
    source: Option<BoxError>,
}

/// Classes of failure: each asks for another reaction of the router and another exception class of the wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The request is wrong; it will be wrong everywhere.
    BadRequest,
    /// A parameter that this target cannot take.
    UnsupportedParams,
    /// The credential is missing or wrong.
    Auth,
    /// The credential may not do this.
    Denied,
    /// No such model, deployment or path.
    NotFound,
    /// Money is missing at the provider.
    PaymentRequired,
    /// The prompt is longer than the model's window.
    ContextWindow,
    /// The provider's content policy refuses.
    ContentPolicy,
    /// Well-formed, and still not processable (422).
    Unprocessable,
    /// Too many requests or tokens.
    RateLimit,
    /// Nothing came in time, or the provider says so.
    Timeout,
    /// The connection could not be made, or broke.
    Connection,
    /// The provider is overloaded or being worked on (503, 529).
    Overloaded,
    /// A gateway before the provider failed (502).
    BadGateway,
    /// The provider failed (500 and other 5xx).
    Upstream,
    /// The answer is not what the provider documents: not JSON, cut short, of another shape.
    Decode,
    /// This provider does not do this operation.
    Unsupported,
}

impl Kind {
    /// The status our own clients see where the provider gave none.
    pub fn default_status(self) -> StatusCode {
        match self {
            Kind::BadRequest
            | Kind::UnsupportedParams
            | Kind::ContextWindow
            | Kind::ContentPolicy
            | Kind::Unsupported => StatusCode::BAD_REQUEST,
            Kind::Auth => StatusCode::UNAUTHORIZED,
            Kind::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Timeout => StatusCode::REQUEST_TIMEOUT,
            Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Kind::BadGateway | Kind::Decode => StatusCode::BAD_GATEWAY,
            Kind::Connection | Kind::Upstream => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Error {
    /// An error of `kind` that no provider answered with.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            provider: "",
            status: None,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            request_id: None,
            headers: Box::default(),
            body: None,
            mid_stream: false,
            source: None,
        }
    }

    /// A request that is wrong in `param`.
    pub fn bad_request(param: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(Kind::BadRequest, message);
        error.param = Some(param.into());
        error
    }

    /// A stream that ended too early.
    pub(crate) fn cut(provider: &'static str) -> Self {
        let message = "the stream ended before the answer was complete";
        Self::new(Kind::Connection, message).of(provider)
    }

    /// An answer that is not what `provider` documents.
    pub fn decode(provider: &'static str, message: impl fmt::Display) -> Self {
        Self::new(
            Kind::Decode,
            format!("the answer cannot be read: {message}"),
        )
        .of(provider)
    }

    /// The same error with its provider.
    pub fn of(mut self, provider: &'static str) -> Self {
        self.provider = provider;
        self
    }

    /// The same error with its cause.
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error without its cause, which cannot be told twice.
    pub fn retold(&self) -> Self {
        Self {
            kind: self.kind,
            provider: self.provider,
            status: self.status,
            message: self.message.clone(),
            param: self.param.clone(),
            code: self.code.clone(),
            retry_after: self.retry_after,
            request_id: self.request_id.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            mid_stream: self.mid_stream,
            source: None,
        }
    }

    /// Takes a key out of what a vendor said.
    pub(crate) fn redact(&mut self, key: &Secret) {
        const PLACEHOLDER: usize = 8;
        let key = key.expose();
        // A short key is a placeholder, and could be any word.
        if key.len() < PLACEHOLDER {
            return;
        }
        for text in [Some(&mut self.message), self.body.as_mut()]
            .into_iter()
            .flatten()
        {
            if text.contains(key) {
                *text = text.replace(key, "***");
            }
        }
    }

    /// The status for our own client: the provider's where it gave one, else the kind's.
    pub fn status_code(&self) -> StatusCode {
        self.status
            .filter(|status| status.as_u16() >= 400)
            .unwrap_or_else(|| self.kind.default_status())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.provider.is_empty() {
            write!(f, "{}: ", self.provider)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

impl From<JsonError> for Error {
    fn from(e: JsonError) -> Self {
        let mut error = Self::new(Kind::BadRequest, e.to_string());
        error.param = Some(e.field).filter(|field| !field.is_empty());
        error
    }
}
