//! Canned answers: `mock_response` and its relatives, without a network.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response as Reply};
use llm_providers::{
    Answer, Chunk, Credential, Error, Kind, Outgoing, Target, bridges, lookup,
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_router::{Attempt, Attempts, Lease, Routed};
use llm_types::{
    ChatChunk, ChatResponse, Choice, ChunkChoice, Content, Delta, JsonObject, Message, Op,
    ToolCall, Usage, Verb,
};
use serde_json::{Value, json};

use crate::{
    AnswerStream, Body, Meta, Response, demo, engine,
    price::{Prices, Rates},
    record::Reporter,
    request::Mock,
    restamp::Stamp,
};

/// LiteLLM's fixed usage of a canned answer.
const PROMPT_TOKENS: u64 = 10;
const COMPLETION_TOKENS: u64 = 20;
const TEXT: &str = "This is a mock request";

/// A canned answer of one attempt.
pub(crate) enum Mocked {
    Chat(Box<ChatResponse>),
    Embedding(Value),
}

/// Makes attempts without a network.
pub(crate) struct Canned<'a> {
    pub(crate) mock: &'a Mock,
    pub(crate) op: Op,
    pub(crate) body: &'a JsonObject,
}

impl Attempts for Canned<'_> {
    type Answer = Mocked;

    /// Waits, fails, or answers as the mock says.
    async fn make(&self, attempt: Attempt<'_>) -> Result<Mocked, Error> {
        let &Self { mock, op, body } = self;
        rehearse(mock, &attempt).await?;
        let name = attempt.target.provider.name;
        match op {
            Op::Embedding => Ok(Mocked::Embedding(embedding(mock, &attempt.target.model))),
            Op::Chat | Op::Completion | Op::Messages | Op::Responses | Op::GenerateContent => {
                chat(mock, body, &attempt.target.model).map(|chat| Mocked::Chat(Box::new(chat)))
            }
            _ => Err(Error::new(
                Kind::Unsupported,
                format!("{} has no mock answers", op.name()),
            )
            .of(name)),
        }
    }
}

/// Waits as long as the mock says, and fails if it says so.
pub(crate) async fn rehearse(mock: &Mock, attempt: &Attempt<'_>) -> Result<(), Error> {
    if let Some(delay) = mock.delay {
        tokio::time::sleep(delay).await;
    }
    if mock.timeout {
        let limits = attempt.timeouts;
        let limit = limits.total.or(limits.first_byte).or(limits.stream);
        tokio::time::sleep(limit.unwrap_or(Duration::from_secs(600))).await;
        return Err(Error::new(Kind::Timeout, "this is a mock timeout error"));
    }
    if let Some(Value::String(text)) = &mock.response
        && let Some(kind) = named_error(text)
    {
        let name = attempt.target.provider.name;
        return Err(Error::new(kind, "this is a mock error").of(name));
    }
    Ok(())
}

/// The vendor behind a deployment whose answers are canned: it speaks the demo model's wire, and nobody is asked.
pub(crate) struct Voice(pub(crate) Mock);

impl Voice {
    /// `target`, at this vendor.
    pub(crate) fn stand_in(target: &Target) -> Result<Target, Error> {
        let row = lookup(demo::PROVIDER).ok_or_else(|| Error::bad_request("model", "no demo"))?;
        let mut own = Target::new(row, &target.model, Credential::None);
        own.facts = target.facts.clone();
        Ok(own)
    }
}

impl Transport for Voice {
    fn send(&self, request: Request<Outgoing>) -> BoxFuture<'_, Result<Reply<ByteStream>, Error>> {
        Box::pin(async move {
            let empty = Bytes::new();
            let body = JsonObject::parse(request.body().bytes().unwrap_or(&empty))?;
            let model = body.str("model").unwrap_or_default();
            if request.uri().path().ends_with("/embeddings") {
                return Ok(demo::whole(&embedding(&self.0, &model)));
            }
            let answer = chat(&self.0, &body, &model)?;
            if !body.is_true("stream") {
                let answer = Answer::chat(answer).into_bytes()?;
                return Ok(demo::reply("application/json", vec![answer]));
            }
            let mut events = Vec::new();
            for chunk in chunks(answer, true) {
                events.push(sse(&chunk?.into_data()?));
            }
            events.push(sse(b"[DONE]"));
            Ok(demo::reply("text/event-stream", events))
        })
    }
}

fn sse(data: &[u8]) -> Bytes {
    [b"data: ", data, b"\n\n"].concat().into()
}

/// The error that a mock text asks for.
fn named_error(text: &str) -> Option<Kind> {
    match text {
        "litellm.RateLimitError" | "interlingua.RateLimitError" => Some(Kind::RateLimit),
        "litellm.ContextWindowExceededError" | "interlingua.ContextWindowExceededError" => {
            Some(Kind::ContextWindow)
        }
        "litellm.InternalServerError" | "interlingua.InternalServerError" => Some(Kind::Upstream),
        text if text.starts_with("Exception: content_filter_policy") => Some(Kind::ContentPolicy),
        _ => None,
    }
}

fn chat(mock: &Mock, body: &JsonObject, model: &str) -> Result<ChatResponse, Error> {
    if let Some(whole @ Value::Object(_)) = &mock.response {
        return serde_json::from_value(whole.clone())
            .map_err(|e| Error::bad_request("mock_response", e.to_string()));
    }
    let text = match &mock.response {
        Some(Value::String(text)) => text.as_str(),
        _ => TEXT,
    };
    let tool_calls: Vec<ToolCall> = match &mock.tool_calls {
        Some(calls) => serde_json::from_value(calls.clone())
            .map_err(|e| Error::bad_request("mock_tool_calls", e.to_string()))?,
        None => Vec::new(),
    };
    // LiteLLM leaves `stop` beside tool calls; agents that loop on the reason need the truth.
    let reason = if tool_calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    let n = body.get::<u64>("n")?.unwrap_or(1).clamp(1, 128);
    let choice = |index| Choice {
        index,
        message: Message {
            role: "assistant".into(),
            content: Some(Content::from(text)),
            tool_calls: tool_calls.clone(),
            ..Message::default()
        },
        finish_reason: Some(reason.into()),
        ..Choice::default()
    };
    Ok(ChatResponse {
        object: "chat.completion".into(),
        model: model.to_owned(),
        choices: (0..n).map(choice).collect(),
        usage: Some(Usage::new(PROMPT_TOKENS, COMPLETION_TOKENS)),
        ..ChatResponse::default()
    })
}

fn embedding(mock: &Mock, model: &str) -> Value {
    let vector = match &mock.response {
        Some(list @ Value::Array(_)) => list.clone(),
        _ => json!([0.0]),
    };
    json!({
        "object": "list", "model": model, "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "usage": {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS},
    })
}

/// What was asked of a mock.
pub(crate) struct Asked<'a> {
    pub(crate) op: Op,
    pub(crate) body: &'a JsonObject,
    pub(crate) model: String,
    pub(crate) call_id: String,
    pub(crate) restamp: bool,
    pub(crate) prices: &'a Arc<Prices>,
}

/// The response of a mocked request, in the client's dialect.
pub(crate) fn response(
    routed: Routed<Mocked>,
    asked: Asked<'_>,
    mut reporter: Reporter,
) -> Response {
    let Asked {
        op,
        body,
        model,
        call_id,
        restamp,
        prices,
    } = asked;
    let lease = routed.lease;
    let deployment = Arc::clone(lease.deployment());
    let group = routed.journey.group().to_owned();
    let trace = routed.journey.into_trace();
    let rates = Rates {
        prices: Arc::clone(prices),
        deployment: Arc::clone(&deployment),
        model: deployment.target.model.clone(),
        service_tier: None,
        started: std::time::Instant::now(),
    };
    let took = reporter.elapsed();
    reporter.note(|record| {
        record.deployment = Some(Arc::clone(&deployment));
        record.group = Some(group.clone());
        record.trace = trace.clone();
    });
    let answer = match routed.value {
        Mocked::Embedding(json) => {
            let usage = Some(Usage::new(PROMPT_TOKENS, 0));
            engine::finish(
                json.to_string().into(),
                "application/json".into(),
                usage,
                &rates,
                lease,
                reporter,
            )
        }
        Mocked::Chat(mut chat) => {
            let stamp = Stamp::new(&call_id, restamp.then(|| model.clone()));
            stamp.response(&mut chat);
            speak(*chat, op, body, stamp, rates, lease, reporter)
        }
    };
    let meta = Meta {
        call_id,
        op,
        verb: Verb::Create,
        requested: model,
        group,
        model: deployment.target.model.clone(),
        deployment,
        trace,
        notices: Vec::new(),
        headers: http::HeaderMap::new(),
        room: None,
        took,
        upstream: Duration::ZERO,
    };
    Response { meta, body: answer }
}

fn speak(
    chat: ChatResponse,
    op: Op,
    body: &JsonObject,
    stamp: Stamp,
    rates: Rates,
    lease: Lease,
    mut reporter: Reporter,
) -> Body {
    let bridge = bridges::over_chat(op);
    let usage = chat.usage.clone();
    if body.is_true("stream") {
        let include_usage = body
            .get::<llm_types::StreamOptions>("stream_options")
            .ok()
            .flatten()
            .is_some_and(|o| o.include_usage);
        let chunks = chunks(chat, include_usage || bridge.is_some());
        let bridge = bridge.map(|bridge| bridge.stream(body));
        return Body::Stream(Box::new(AnswerStream::canned(
            chunks, usage, bridge, stamp, rates, lease, reporter,
        )));
    }
    let bytes = match bridge {
        Some(bridge) => bridge.response(body, chat),
        None => Answer::chat(chat).into_bytes(),
    };
    match bytes {
        Ok(bytes) => engine::finish(
            bytes,
            "application/json".into(),
            usage,
            &rates,
            lease,
            reporter,
        ),
        Err(error) => {
            reporter.fail(&error);
            Body::Stream(Box::new(AnswerStream::canned(
                vec![Err(error)],
                None,
                None,
                stamp,
                rates,
                lease,
                reporter,
            )))
        }
    }
}

/// Three characters a chunk, as LiteLLM does; then the reason, then the usage.
fn chunks(chat: ChatResponse, include_usage: bool) -> Vec<Result<Chunk, Error>> {
    let base = ChatChunk {
        id: chat.id,
        object: "chat.completion.chunk".into(),
        created: chat.created,
        model: chat.model,
        ..ChatChunk::default()
    };
    let make = |index: u64, delta: Delta, finish_reason: Option<String>| ChatChunk {
        choices: vec![ChunkChoice {
            index,
            delta,
            finish_reason,
            ..ChunkChoice::default()
        }],
        ..base.clone()
    };
    let mut out = Vec::new();
    for choice in chat.choices {
        let text = choice
            .message
            .content
            .as_ref()
            .map(Content::text)
            .unwrap_or_default();
        let letters: Vec<char> = text.chars().collect();
        for (i, piece) in letters.chunks(3).enumerate() {
            let role = (i == 0).then(|| "assistant".to_owned());
            out.push(make(
                choice.index,
                Delta {
                    role,
                    content: Some(piece.iter().collect()),
                    ..Delta::default()
                },
                None,
            ));
        }
        if !choice.message.tool_calls.is_empty() {
            let calls = choice.message.tool_calls.into_iter().enumerate();
            let tool_calls = calls
                .map(|(i, call)| ToolCall {
                    index: Some(i as u64),
                    ..call
                })
                .collect();
            out.push(make(
                choice.index,
                Delta {
                    tool_calls,
                    ..Delta::default()
                },
                None,
            ));
        }
        out.push(make(choice.index, Delta::default(), choice.finish_reason));
    }
    if include_usage {
        out.push(ChatChunk {
            usage: chat.usage,
            ..base.clone()
        });
    }
    out.into_iter()
        .map(|chunk| Ok(Chunk::Chat(Box::new(chunk))))
        .collect()
}
