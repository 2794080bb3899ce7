//! What the lines of a batch ask for: its file is read before it is made, where a limit of days wants to know how many
//! tokens it has, or where requests must have certain fields.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use llm_governance::{Caller, Governance};
use llm_sdk::{Body, Request as Ask};
use llm_types::{JsonObject, Op, Verb};
use memchr::memchr;

use crate::{error::Refusal, required, state::Live};

/// What an answer counts whose request sets no end.
const USUAL_ANSWER: u64 = 1024;

/// Reads the file of the batch that `ask` makes, if anybody wants to know what is in it. A line that lacks a field is refused;
/// the answer is how many tokens there are, where something limits them by days.
pub(crate) async fn look(
    governance: Option<&Governance>,
    live: &Live,
    caller: &Caller,
    customer: Option<&str>,
    ask: &Ask,
) -> Result<Option<u64>, Refusal> {
    if ask.op != Op::Batch || ask.verb != Verb::Create {
        return Ok(None);
    }
    let held = required::of_anybody(live, caller);
    let limited = match governance.filter(|_| live.settings.read_batches) {
        Some(governance) => {
            let tags = &ask.route.tags;
            Box::pin(governance.has_daily_limit(caller, customer, tags)).await?
        }
        None => false,
    };
    if !limited && !held {
        return Ok(None);
    }
    let held = held.then_some(caller);
    let tokens = Box::pin(read(live, held, ask)).await?;
    Ok(limited.then_some(tokens))
}

async fn read(live: &Live, held: Option<&Caller>, ask: &Ask) -> Result<u64, Refusal> {
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
    fetch.route.whose.clone_from(&ask.route.whose);
    let response = live.engine.call(fetch).await;
    let response = response.map_err(|failure| unreadable(&failure.error.message))?;
    let mut lines = Lines {
        live,
        held,
        longest: live.settings.limits.body,
        rest: BytesMut::new(),
        number: 0,
        tokens: 0,
    };
    match response.body {
        Body::Whole { bytes, .. } => lines.add(&bytes)?,
        Body::Bytes(mut answer) => {
            while let Some(piece) = answer.next().await {
                let piece = piece.map_err(|error| unreadable(&error.message))?;
                lines.add(&piece)?;
            }
        }
        Body::Stream(_) => return Err(unreadable("it is a stream of events")),
    }
    let last = lines.rest.split().freeze();
    lines.line(&last)?;
    Ok(lines.tokens)
}

fn unreadable(why: &str) -> Refusal {
    let message = format!("the batch's file cannot be read to see what its lines ask for: {why}");
    Refusal::bad("input_file_id", message)
}

/// The lines of a file, as they come.
struct Lines<'a> {
    live: &'a Live,
    /// Whose requests must have certain fields.
    held: Option<&'a Caller>,
    longest: usize,
    rest: BytesMut,
    number: u64,
    tokens: u64,
}

impl Lines<'_> {
    fn add(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let mut piece = piece;
        while let Some(end) = memchr(b'\n', piece) {
            self.rest.extend_from_slice(&piece[..end]);
            let line = self.rest.split().freeze();
            self.line(&line)?;
            piece = &piece[end + 1..];
        }
        self.rest.extend_from_slice(piece);
        match self.rest.len() > self.longest {
            true => Err(unreadable("a line of it is too long")),
            false => Ok(()),
        }
    }

    /// What is no request is the vendor's to refuse.
    fn line(&mut self, line: &Bytes) -> Result<(), Refusal> {
        self.number += 1;
        let Ok(line) = JsonObject::parse(line) else {
            return Ok(());
        };
        let body = line.raw("body").map(JsonObject::parse);
        let Some(Ok(body)) = body else { return Ok(()) };
        if let Some(caller) = self.held {
            required::check(self.live, caller, &body).map_err(|refusal| Refusal {
                message: format!(
                    "line {} of the batch's file: {}",
                    self.number, refusal.message
                ),
                ..refusal
            })?;
        }
        self.count(&line, body);
        Ok(())
    }

    fn count(&mut self, line: &JsonObject, body: JsonObject) {
        let url = line.str("url").unwrap_or_default();
        let path = url.strip_prefix("/v1").unwrap_or(&url);
        let op = Op::all().find(|op| op.path() == path);
        let Some(Ok(request)) = op.map(|op| Ask::from_object(op, body)) else {
            return;
        };
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
