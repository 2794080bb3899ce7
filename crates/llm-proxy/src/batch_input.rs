//! What the lines of a batch ask for: its file is read before it is made, where a limit of days wants to know how many
//! tokens it has, or where requests must have certain fields.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use llm_governance::{Caller, Governance};
use llm_providers::{Body as Upload, Data};
use llm_sdk::{Body, PIECE, Request as Ask};
use llm_types::{JsonObject, Op, Verb};
use memchr::memchr;
use tokio::task::spawn_blocking;

use crate::{error::Refusal, required, state::Live};

/// What an answer counts whose request sets no end.
const USUAL_ANSWER: u64 = 1024;

/// Reads the file of the batch that `ask` makes, or that it uploads for one, if anybody wants to know what is in it. A line
/// that lacks a field is refused; the answer is how many tokens a batch has, where something limits them by days.
pub(crate) async fn look(
    governance: Option<&Governance>,
    live: &Live,
    caller: &Caller,
    customer: Option<&str>,
    ask: &Ask,
) -> Result<Option<u64>, Refusal> {
    let held = required::of_anybody(live, caller);
    match (ask.op, ask.verb) {
        (Op::Batch, Verb::Create) => {}
        (Op::File, Verb::Create) if held => {
            Box::pin(uploaded(live, caller, ask)).await?;
            return Ok(None);
        }
        _ => return Ok(None),
    }
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
    let lines = Lines {
        tokens: limited.then_some(0),
        ..Lines::of(live, held.then_some(caller))
    };
    Box::pin(read(live, lines, ask)).await
}

/// Looks at the lines of an upload for batches: some vendors keep them in another form, in which nobody finds the fields.
async fn uploaded(live: &Live, caller: &Caller, ask: &Ask) -> Result<(), Refusal> {
    if ask.body.str("purpose").as_deref() != Some("batch") {
        return Ok(());
    }
    let body = Upload {
        fields: ask.body.clone(),
        files: ask.files.clone(),
    };
    for file in body.files_of("file") {
        let mut lines = Lines::of(live, Some(caller));
        match file.data.clone() {
            Data::Memory(bytes) => lines.add(&bytes)?,
            Data::Disk(stored) => {
                let mut at = 0;
                while at < file.data.len() {
                    let stored = stored.clone();
                    let piece = spawn_blocking(move || stored.read(at, PIECE)).await;
                    let piece = piece.map_err(|defect| unreadable(&defect.to_string()))?;
                    let piece = piece.map_err(|error| unreadable(&error.to_string()))?;
                    at += (piece.len() as u64).max(1);
                    lines.add(&piece)?;
                }
            }
        }
        lines.end()?;
    }
    Ok(())
}

async fn read(live: &Live, mut lines: Lines<'_>, ask: &Ask) -> Result<Option<u64>, Refusal> {
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
    lines.end()?;
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
    /// How many tokens they have, where that is counted.
    tokens: Option<u64>,
}

impl<'a> Lines<'a> {
    fn of(live: &'a Live, held: Option<&'a Caller>) -> Self {
        Self {
            live,
            held,
            longest: live.settings.limits.body,
            rest: BytesMut::new(),
            number: 0,
            tokens: None,
        }
    }

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

    fn end(&mut self) -> Result<(), Refusal> {
        let last = self.rest.split().freeze();
        self.line(&last)
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
        if let Some(tokens) = self.tokens {
            let more = self.tokens_of(&line, body).unwrap_or_default();
            self.tokens = Some(tokens.saturating_add(more));
        }
        Ok(())
    }

    fn tokens_of(&self, line: &JsonObject, body: JsonObject) -> Option<u64> {
        let url = line.str("url").unwrap_or_default();
        let path = url.strip_prefix("/v1").unwrap_or(&url);
        let op = Op::all().find(|op| op.path() == path)?;
        let request = Ask::from_object(op, body).ok()?;
        let consumption = self.live.engine.consumption(&request);
        let answer = match request.op {
            Op::Embedding | Op::Moderation => 0,
            _ => consumption.output.unwrap_or(USUAL_ANSWER),
        };
        Some(consumption.usual_input.saturating_add(answer))
    }
}
