//! How a batch is worked off: line by line, a few at a time, from wherever a former process left it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use llm_providers::{Error, Kind};
use llm_types::{JsonObject, Op};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Batch, LocalBatches, Receipt,
    batch::{State, Status},
    broken, now,
};
use crate::Request;

/// Behind everybody who waits for an answer now.
const PRIORITY: i64 = 1_000_000;
/// As many problems of an input are named.
const MOST_PROBLEMS: usize = 20;

/// What an endpoint of a batch asks for.
pub(super) fn op_of(endpoint: &str) -> Option<Op> {
    let path = endpoint.strip_prefix("/v1")?;
    let all = [
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::Responses,
        Op::Messages,
        Op::Moderation,
        Op::Rerank,
    ];
    all.into_iter().find(|op| op.path() == path)
}

/// A line of an input.
#[derive(Deserialize)]
struct Line {
    custom_id: String,
    url: Option<String>,
    body: Box<RawValue>,
}

/// A line of an output, as far as a restart must know it.
#[derive(Deserialize)]
struct Answered {
    custom_id: String,
}

/// The two files that answers are appended to.
struct Journal {
    output: Mutex<File>,
    errors: Mutex<File>,
}

impl LocalBatches {
    /// Works a batch off in the background.
    pub(super) fn start(self: &Arc<Self>, batch: Arc<Batch>) {
        let own = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = own.work(&batch).await {
                // It stays unfinished: the next process tries again.
                tracing::error!(%error, batch = batch.state().id, "a batch stopped");
            }
        });
    }

    async fn work(self: &Arc<Self>, batch: &Arc<Batch>) -> Result<(), Error> {
        let (own, of) = (Arc::clone(self), Arc::clone(batch));
        let prepared = blocking(move || own.prepare(&of)).await?;
        let Some((done, journal)) = prepared else {
            return Ok(());
        };
        let journal = Arc::new(journal);
        let (send, mut lines) = mpsc::channel(super::AT_ONCE);
        let input = self.shelf.path(&batch.state().input)?;
        let reader = tokio::task::spawn_blocking(move || {
            read(&input, |line| {
                done.contains(&line.custom_id) || send.blocking_send(line).is_ok()
            })
        });
        let mut asked = JoinSet::new();
        while let Some(line) = lines.recv().await {
            if batch.cancelled.load(Ordering::Acquire) {
                break;
            }
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
                break;
            };
            let (own, batch, journal) = (Arc::clone(self), Arc::clone(batch), Arc::clone(&journal));
            asked.spawn(async move {
                let _room = room;
                own.line(&batch, &journal, line).await
            });
            while let Some(ended) = asked.try_join_next() {
                ended.unwrap_or(Ok(()))?;
            }
        }
        drop(lines);
        while let Some(ended) = asked.join_next().await {
            ended.unwrap_or(Ok(()))?;
        }
        let _ = reader.await;
        let (own, batch) = (Arc::clone(self), Arc::clone(batch));
        blocking(move || own.end(&batch)).await
    }

    /// Checks the input, and finds out what is answered already. `None`: the batch is over.
    fn prepare(&self, batch: &Arc<Batch>) -> Result<Option<(HashSet<String>, Journal)>, Error> {
        let state = batch.state().clone();
        if state.status == Status::Validating {
            let (total, problems) = checked(&self.shelf.path(&state.input)?, &state.endpoint)?;
            let failed = !problems.is_empty();
            {
                let mut state = batch.state();
                state.total = total;
                state.problems = problems;
            }
            let next = if failed {
                Status::Failed
            } else {
                Status::InProgress
            };
            // A batch that was cancelled in the meantime ends below, with nothing done.
            if batch.state().status == Status::Validating {
                batch.turn_to(next);
            }
            self.batches.write(batch)?;
            if failed {
                return Ok(None);
            }
        }
        let (output, completed) = journal(&self.shelf.path(&state.output)?)?;
        let (errors, failed) = journal(&self.shelf.path(&state.errors)?)?;
        batch
            .completed
            .store(completed.len() as u64, Ordering::Release);
        batch.failed.store(failed.len() as u64, Ordering::Release);
        let done = completed.into_iter().chain(failed).collect();
        let journal = Journal {
            output: Mutex::new(output),
            errors: Mutex::new(errors),
        };
        Ok(Some((done, journal)))
    }

    /// Asks one line, and writes down what came of it.
    async fn line(&self, batch: &Batch, journal: &Journal, line: Line) -> Result<(), Error> {
        if batch.cancelled.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut answer = json!({
            "id": format!("batch_req_{}", uuid::Uuid::new_v4().simple()),
            "custom_id": line.custom_id,
            "response": null,
            "error": null,
        });
        let good = if now() >= batch.expires_at() {
            let message =
                "This request could not be executed before the completion window expired.";
            answer["error"] = json!({"code": "batch_expired", "message": message});
            false
        } else {
            let (status, request_id, body) = self.ask(batch, &line).await;
            answer["response"] =
                json!({"status_code": status, "request_id": request_id, "body": body});
            status == 200
        };
        let (file, count) = match good {
            true => (&journal.output, &batch.completed),
            false => (&journal.errors, &batch.failed),
        };
        let mut text = answer.to_string();
        text.push('\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // One line, one write: a crash leaves a torn line at most, which is cut off before the batch goes on.
        file.write_all(text.as_bytes())
            .map_err(broken("an answer of a batch cannot be kept"))?;
        count.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// A line's status, its request's id, and its answer or its error.
    async fn ask(&self, batch: &Batch, line: &Line) -> (u16, String, Value) {
        let failed = |error: &Error| {
            let status = error.status_code().as_u16();
            let body = json!({"error": {
                "message": error.message,
                "type": match status < 500 { true => "invalid_request_error", false => "server_error" },
                "param": error.param,
                "code": status.to_string(),
            }});
            (status, body)
        };
        let (request, receipt) = match self.admitted(batch, line).await {
            Ok(admitted) => admitted,
            Err(error) => {
                let (status, body) = failed(&error);
                return (status, String::new(), body);
            }
        };
        let call_id = request.call_id.clone();
        let Some(engine) = self.engine.load_full() else {
            let (status, body) = failed(&Error::new(Kind::Upstream, "there is no engine"));
            return (status, call_id, body);
        };
        // On the heap: an engine's call holds the whole way of a request.
        let answered = match Box::pin(engine.call(request)).await {
            Ok(response) => response.into_whole().await,
            Err(failure) => Err(failure.error),
        };
        let answered = match receipt {
            Some(receipt) => receipt.await.and(answered),
            None => answered,
        };
        match answered {
            Ok(bytes) => {
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                (200, call_id, body)
            }
            Err(error) => {
                let (status, body) = failed(&error);
                (status, call_id, body)
            }
        }
    }

    /// A line's request, once its owner may ask it.
    async fn admitted(&self, batch: &Batch, line: &Line) -> Result<(Request, Receipt), Error> {
        let (endpoint, owner) = {
            let state = batch.state();
            (state.endpoint.clone(), state.owner.clone())
        };
        loop {
            let mut request = self.request(&endpoint, line)?;
            let refused = match self.clerk.admit(owner.as_deref(), &mut request).await {
                Ok(receipt) => return Ok((request, receipt)),
                Err(error) => error,
            };
            let left = Duration::from_secs(batch.expires_at().saturating_sub(now()));
            match refused.retry_after {
                Some(wait) if wait < left && !batch.cancelled.load(Ordering::Acquire) => {
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(refused),
            }
        }
    }

    fn request(&self, endpoint: &str, line: &Line) -> Result<Request, Error> {
        let op = op_of(endpoint)
            .ok_or_else(|| Error::bad_request("url", "batches do not answer this"))?;
        let bytes = Bytes::copy_from_slice(line.body.get().as_bytes());
        let mut body = JsonObject::parse(&bytes)?;
        // A line has one answer.
        body.remove("stream");
        body.remove("stream_options");
        self.clerk.check(&mut body)?;
        if !body.contains("priority") {
            body.set("priority", &PRIORITY);
        }
        let mut request = Request::from_object(op, body)?;
        request.restamp = true;
        Ok(request)
    }

    /// All lines are answered, or will never be.
    fn end(&self, batch: &Batch) -> Result<(), Error> {
        let State {
            output, errors, id, ..
        } = batch.state().clone();
        let counted = [
            (output, &batch.completed, "output"),
            (errors, &batch.failed, "error"),
        ];
        for (file, lines, what) in counted {
            if lines.load(Ordering::Acquire) > 0 {
                let path = self.shelf.path(&file)?;
                File::open(&path)
                    .and_then(|file| file.sync_all())
                    .map_err(broken("the answers of a batch cannot be kept"))?;
                self.shelf
                    .describe(&file, &format!("{id}_{what}.jsonl"), "batch_output")?;
            }
        }
        batch.turn_to(match batch.cancelled.load(Ordering::Acquire) {
            true => Status::Cancelled,
            false if now() >= batch.expires_at() => Status::Expired,
            false => Status::Completed,
        });
        self.batches.write(batch)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(Error::new(Kind::Upstream, "a batch met a defect")),
    }
}

/// Each line of a file, until `take` wants no more.
fn each(path: &Path, mut take: impl FnMut(u64, &[u8]) -> bool) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        number += 1;
        let text = line.trim_ascii();
        if !text.is_empty() && !take(number, text) {
            return Ok(());
        }
    }
}

/// The lines of an input that was checked.
fn read(path: &Path, mut take: impl FnMut(Line) -> bool) -> io::Result<()> {
    each(path, |_, text| match serde_json::from_slice(text) {
        Ok(line) => take(line),
        Err(_) => true,
    })
}

/// How many lines an input has, and what is wrong with them.
fn checked(path: &Path, endpoint: &str) -> Result<(u64, Vec<Value>), Error> {
    let (mut total, mut problems, mut seen) = (0, Vec::new(), HashSet::new());
    each(path, |number, text| {
        total += 1;
        let mut problem = |code: &str, param: &str, message: &str| {
            problems
                .push(json!({"code": code, "line": number, "param": param, "message": message}));
        };
        match serde_json::from_slice::<Line>(text) {
            Err(error) => problem("invalid_json_line", "", &error.to_string()),
            Ok(line) if line.url.as_deref().is_some_and(|url| url != endpoint) => {
                problem("mismatched_endpoint", "url", "is not the batch's endpoint");
            }
            Ok(line) => {
                if !line.body.get().starts_with('{') {
                    problem("invalid_request", "body", "is no object");
                }
                if !seen.insert(line.custom_id) {
                    problem("duplicate_custom_id", "custom_id", "is another line's, too");
                }
            }
        }
        problems.len() < MOST_PROBLEMS
    })
    .map_err(broken("the input file cannot be read"))?;
    if total == 0 {
        problems.push(json!({"code": "empty_file", "line": null, "param": "input_file_id", "message": "The input file has no lines."}));
    }
    Ok((total, problems))
}

/// Opens a file of answers, and says which are in it. A line that a crash tore is cut off.
fn journal(path: &Path) -> Result<(File, Vec<String>), Error> {
    let open = || -> io::Result<(File, Vec<String>)> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1);
        let lines = text[..whole].split(|byte| *byte == b'\n');
        let ids =
            lines.filter_map(|line| Some(serde_json::from_slice::<Answered>(line).ok()?.custom_id));
        let ids = ids.collect();
        let file = File::options().append(true).create(true).open(path)?;
        file.set_len(whole as u64)?;
        Ok((file, ids))
    };
    open().map_err(broken("the answers of a batch cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(
            &path,
            "{\"custom_id\":\"a\"}\n{\"custom_id\":\"b\"}\n{\"custom_i",
        )
        .unwrap();
        let (mut file, ids) = journal(&path).unwrap();
        assert_eq!(ids, ["a", "b"]);
        file.write_all(b"{\"custom_id\":\"c\"}\n").unwrap();
        assert_eq!(journal(&path).unwrap().1, ["a", "b", "c"]);
    }

    #[test]
    fn an_input_s_mistakes_are_named_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        let good = r#"{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}"#;
        let check = |text: &str| {
            fs::write(&path, text).unwrap();
            let (total, problems) = checked(&path, "/v1/embeddings").unwrap();
            let said: Vec<_> = problems
                .iter()
                .map(|p| (p["code"].as_str().unwrap().to_owned(), p["line"].as_u64()))
                .collect();
            (total, said)
        };
        assert_eq!(check(&format!("{good}\n\n")), (1, vec![]));
        assert_eq!(check(""), (0, vec![("empty_file".into(), None)]));
        let (_, said) = check(&format!(
            "{good}\n{good}\nx\n{}",
            good.replace("embeddings", "x")
        ));
        let codes: Vec<_> = said
            .iter()
            .map(|(code, line)| (code.as_str(), line.unwrap()))
            .collect();
        assert_eq!(
            codes,
            [
                ("duplicate_custom_id", 2),
                ("invalid_json_line", 3),
                ("mismatched_endpoint", 4)
            ]
        );
    }

    #[test]
    fn batches_answer_what_has_one_answer() {
        assert_eq!(op_of("/v1/chat/completions"), Some(Op::Chat));
        assert_eq!(op_of("/v1/responses"), Some(Op::Responses));
        assert_eq!(op_of("/v1/files"), None);
        assert_eq!(op_of("/chat/completions"), None);
    }
}
