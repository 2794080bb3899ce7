//! What a request brought.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::HeaderMap;
use llm_providers::{Error, Notice};
use llm_router::{Deployment, Room, Share, Trace};
use llm_types::{Op, Usage, Verb};

use crate::{AnswerStream, ByteAnswer, Charge};

/// An answered request.
#[derive(Debug)]
pub struct Response {
    /// Who answered, and how it came to that.
    pub meta: Meta,
    /// The answer.
    pub body: Body,
}

/// An answer in the client's dialect.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most answers are whole: a box would be one more for each of them"
)]
pub enum Body {
    /// All of it.
    Whole {
        /// Its bytes.
        bytes: Bytes,
        /// Their type.
        content_type: String,
        /// What it consumed.
        usage: Option<Usage>,
        /// What it costs.
        charge: Charge,
    },
    /// Event by event.
    Stream(Box<AnswerStream>),
    /// As it comes: sound, video, files.
    Bytes(Box<ByteAnswer>),
}

/// Who answered a request, and how it came to that.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The request's id.
    pub call_id: String,
    /// What was asked for.
    pub op: Op,
    /// What of it.
    pub verb: Verb,
    /// The model as the client named it.
    pub requested: String,
    /// The group that answered.
    pub group: String,
    /// The deployment that answered.
    pub deployment: Arc<Deployment>,
    /// The vendor's name for the model.
    pub model: String,
    /// The way there.
    pub trace: Trace,
    /// What was dropped or changed in the request.
    pub notices: Vec<Notice>,
    /// The vendor's response headers.
    pub headers: HeaderMap,
    /// How much its group may still take this minute, where that is limited.
    pub room: Option<Room>,
    /// From the request's start to the answer, or to its first event.
    pub took: Duration,
    /// Of which the vendor's part.
    pub upstream: Duration,
}

impl Meta {
    /// The group's limits and what is left of them as headers, where the vendor does not tell its own.
    pub fn limits(&self) -> Vec<(&'static str, u64)> {
        const REMAINING: [&str; 2] = [
            "x-ratelimit-remaining-requests",
            "x-ratelimit-remaining-tokens",
        ];
        let told = REMAINING
            .iter()
            .any(|name| self.headers.contains_key(*name));
        let Some(room) = self.room.filter(|_| !told) else {
            return Vec::new();
        };
        let of = |share: Option<Share>, limit, remaining| {
            share.map(|share| [(limit, share.limit), (remaining, share.remaining)])
        };
        let requests = of(room.requests, "x-ratelimit-limit-requests", REMAINING[0]);
        let tokens = of(room.tokens, "x-ratelimit-limit-tokens", REMAINING[1]);
        [requests, tokens].into_iter().flatten().flatten().collect()
    }
}

/// A request that nobody answered.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Error,
    /// The last fallback's failure, where any was tried.
    pub fallback_error: Option<Error>,
    /// The request's id.
    pub call_id: String,
    /// The model as the client named it.
    pub requested: String,
    /// The way there.
    pub trace: Trace,
}

impl Response {
    /// The whole answer's bytes; a stream is read to its end and its events are joined by newlines.
    pub async fn into_whole(self) -> Result<Bytes, Error> {
        match self.body {
            Body::Whole { bytes, .. } => Ok(bytes),
            Body::Stream(mut stream) => {
                let mut all = BytesMut::new();
                while let Some(batch) = stream.next().await {
                    for event in batch? {
                        all.extend_from_slice(&event.data);
                        all.extend_from_slice(b"\n");
                    }
                }
                Ok(all.freeze())
            }
            Body::Bytes(mut answer) => {
                let mut all = BytesMut::new();
                while let Some(bytes) = answer.next().await {
                    all.extend_from_slice(&bytes?);
                }
                Ok(all.freeze())
            }
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}
