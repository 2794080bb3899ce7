//! How many tokens a batch has: its file is read before it is made, where a limit of days wants to know.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use llm_governance::{Caller, Governance};
use llm_sdk::{Body, Request as Ask};
use llm_types::{JsonObject, Op, Verb};
use memchr::memchr;

use crate::{error::Refusal, state::Live};

/// What an answer counts whose request sets no end.
const USUAL_ANSWER: u64 = 1024;

/// The tokens of the batch that `ask` makes; `None` where it makes none, or nothing limits it by days.
pub(crate) async fn of(
    governance: &Governance,
    live: &Live,
    caller: &Caller,
    customer: Option<&str>,
    ask: &Ask,
) -> Result<Option<u64>, Refusal> {
    let is_made = ask.op == Op::Batch && ask.verb == Verb::Create;
    if !is_made || !live.settings.read_batches {
        return Ok(None);
    }
    let tags = &ask.route.tags;
    let limited = Box::pin(governance.has_daily_limit(caller, customer, tags)).await?;
    if !limited {
        return Ok(None);
    }
    Box::pin(read(live, ask)).await.map(Some)
}

async fn read(live: &Live, ask: &Ask) -> Result<u64, Refusal> {
    let unreadable = |why: &str| {
        let message = format!("the batch's file cannot be read to count its tokens: {why}");
        Refusal::bad("input_file_id", message)
    };
    let id = ask.body.str("input_file_id").map(|id| id.into_owned());
    let mut body = JsonObject::new();
    if !ask.model.is_empty() {
        body.set_str("model", &ask.model);
    }
    let mut fetch = Ask::resource(Op::File, Verb::Content, id, Vec::new(), body)
        .map_err(|error| unreadable(&error.message))?;
    fetch.provider.clone_from(&ask.provider);
    fetch.route.caller.clone_from(&ask.route.caller);
    fetch.route.team.clone_from(&ask.route.team);
    let response = live.engine.call(fetch).await;
    let response = response.map_err(|failure| unreadable(&failure.error.message))?;
    let mut lines = Lines {
        live,
        longest: live.settings.limits.body,
        rest: BytesMut::new(),
        tokens: 0,
    };
    match response.body {
        Body::Whole { bytes, .. } => lines.add(&bytes).map_err(unreadable)?,
        Body::Bytes(mut answer) => {
            while let Some(piece) = answer.next().await {
                let piece = piece.map_err(|error| unreadable(&error.message))?;
                lines.add(&piece).map_err(unreadable)?;
            }
        }
        Body::Stream(_) => return Err(unreadable("it is a stream of events")),
    }
    let last = lines.rest.split().freeze();
    lines.count(&last);
    Ok(lines.tokens)
}

/// The lines of a file, as they come.
struct Lines<'a> {
    live: &'a Live,
    longest: usize,
    rest: BytesMut,
    tokens: u64,
}

impl Lines<'_> {
    fn add(&mut self, piece: &[u8]) -> Result<(), &'static str> {
        let mut piece = piece;
        while let Some(end) = memchr(b'\n', piece) {
            self.rest.extend_from_slice(&piece[..end]);
            let line = self.rest.split().freeze();
            self.count(&line);
            piece = &piece[end + 1..];
        }
        self.rest.extend_from_slice(piece);
        match self.rest.len() > self.longest {
            true => Err("a line of it is too long"),
            false => Ok(()),
        }
    }

    /// What is no request is the vendor's to refuse.
    fn count(&mut self, line: &Bytes) {
        let request = JsonObject::parse(line).ok().and_then(|line| {
            let url = line.str("url")?;
            let path = url.strip_prefix("/v1").unwrap_or(&url);
            let op = Op::all().find(|op| op.path() == path)?;
            let body = JsonObject::parse(line.raw("body")?).ok()?;
            Ask::from_object(op, body).ok()
        });
        let Some(request) = request else { return };
        let consumption = self.live.engine.consumption(&request);
        let answer = match request.op {
            Op::Embedding | Op::Moderation => 0,
            _ => consumption.output.unwrap_or(USUAL_ANSWER),
        };
        // What it may consume at most counts twice as many tokens as texts have.
        let tokens = (consumption.input / 2).saturating_add(answer);
        self.tokens = self.tokens.saturating_add(tokens);
    }
}
