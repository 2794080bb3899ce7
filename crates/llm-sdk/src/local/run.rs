//! How a batch is worked off: line by line, a few at a time, from wherever its last runner left it.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use llm_providers::{Error, Kind};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Batch, KeptFile, LineAnswer, LocalBatches, Receipt, Tenure,
    batch::Status,
    files::Writer,
    input::{Line, Lines, Next, checked},
    millis, now,
};
use crate::{Owner, Request};

/// Behind everybody who waits for an answer now.
const PRIORITY: i64 = 1_000_000;
/// How long nobody else works on a batch whose runner is silent.
const LEASE: Duration = Duration::from_secs(15);
/// How often a runner says that it lives, and hears whether its batch shall stop.
const BEAT: Duration = Duration::from_secs(3);
/// Before an answer that could not be kept is kept again.
const AGAIN: Duration = Duration::from_millis(500);

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

/// What the lines of one batch share.
#[derive(Debug)]
pub(super) struct Work {
    id: String,
    endpoint: String,
    owner: Option<String>,
    expires_at: u64,
    /// No line is begun any more: the batch was asked to stop.
    pub(super) cancelled: AtomicBool,
}

impl Work {
    pub(super) fn of(batch: &Batch) -> Self {
        Self {
            id: batch.id.clone(),
            endpoint: batch.endpoint.clone(),
            owner: batch.owner.clone(),
            expires_at: batch.expires_at(),
            cancelled: batch.cancelling_at.is_some().into(),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl LocalBatches {
    /// Who works here, from now on for one lease.
    pub(super) fn tenure(&self) -> Tenure<'_> {
        let now = millis();
        Tenure {
            runner: &self.runner,
            now,
            until: now + LEASE.as_millis() as u64,
        }
    }

    /// Works a batch off that was taken on, until it is over, somebody else's, or this process stops.
    pub(super) async fn run(self: &Arc<Self>, batch: Batch, work: &Arc<Work>) {
        let id = batch.id.clone();
        let done = tokio::select! {
            done = self.work(batch, work) => done,
            () = self.stay(work) => {
                tracing::warn!(batch = id, "a batch is left: its lease could not be renewed");
                return;
            }
        };
        if let Err(error) = done {
            // Its lease runs out, and then whoever looks first tries again.
            tracing::error!(%error, batch = id, "a batch stopped");
        }
    }

    /// Renews the lease of a batch; ends when it is lost.
    async fn stay(&self, work: &Work) {
        let mut ends = self.tenure().until;
        loop {
            tokio::time::sleep(BEAT).await;
            let tenure = self.tenure();
            match self.batches.renew(&work.id, tenure).await {
                Ok(Some(stop)) => {
                    ends = tenure.until;
                    work.cancelled.fetch_or(stop, Ordering::AcqRel);
                }
                Ok(None) => return,
                // Before anybody else may begin.
                Err(_) if millis() + BEAT.as_millis() as u64 >= ends => return,
                Err(error) => tracing::warn!(%error, batch = work.id, "a lease is not renewed"),
            }
        }
    }

    async fn work(self: &Arc<Self>, mut batch: Batch, work: &Arc<Work>) -> Result<(), Error> {
        match self.answer_all(&mut batch, work).await {
            Ok(Ended::Whole) => {}
            Ok(Ended::Stopping) => return self.leave_batch(&batch.id).await,
            Ok(Ended::Elsewhere) => return Ok(()),
            Err(error) if error.kind == Kind::NotFound => {
                let message = "The input file is gone.";
                let problem = json!({"code": "input_file_gone", "line": null, "param": "input_file_id", "message": message});
                batch.problems.push(problem);
            }
            Err(error) => return Err(error),
        }
        self.end(batch, work).await
    }

    /// Gives a batch back that somebody else may go on with at once.
    async fn leave_batch(&self, id: &str) -> Result<(), Error> {
        let mut tenure = self.tenure();
        tenure.until = tenure.now;
        self.batches.renew(id, tenure).await.map(drop)
    }

    async fn answer_all(
        self: &Arc<Self>,
        batch: &mut Batch,
        work: &Arc<Work>,
    ) -> Result<Ended, Error> {
        if !self.prepare(batch).await? {
            return Ok(Ended::Elsewhere);
        }
        if !batch.problems.is_empty() {
            return Ok(Ended::Whole);
        }
        let done: HashSet<u64> = self.batches.lines(&batch.id).await?.into_iter().collect();
        let mut lines = Lines::of(
            &self.files,
            &self.file(&batch.input, &Owner::default()).await?,
        );
        let mut asked = JoinSet::new();
        while let Next::Line(number, text) = lines.next().await? {
            if done.contains(&number) {
                continue;
            }
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
                break;
            };
            if work.is_cancelled() || self.is_resting() {
                break;
            }
            let (own, work) = (Arc::clone(self), Arc::clone(work));
            asked.spawn(async move {
                let _room = room;
                own.line(&work, number, &text).await
            });
            while let Some(ended) = asked.try_join_next() {
                ended.unwrap_or(Ok(()))?;
            }
        }
        while let Some(ended) = asked.join_next().await {
            ended.unwrap_or(Ok(()))?;
        }
        let is_cut = self.is_resting() && !work.is_cancelled();
        Ok(match is_cut {
            true => Ended::Stopping,
            false => Ended::Whole,
        })
    }

    /// Checks the input of a batch that is new; says whether the batch is still ours.
    async fn prepare(&self, batch: &mut Batch) -> Result<bool, Error> {
        if batch.status != Status::Validating {
            return Ok(true);
        }
        let lines = Lines::of(
            &self.files,
            &self.file(&batch.input, &Owner::default()).await?,
        );
        (batch.total, batch.problems) = checked(lines, &batch.endpoint).await?;
        if !batch.problems.is_empty() {
            return Ok(true);
        }
        batch.turn_to(Status::InProgress);
        self.batches.save(batch, &self.runner).await
    }

    /// Asks one line, and writes down what came of it.
    async fn line(&self, work: &Work, number: u64, text: &[u8]) -> Result<(), Error> {
        // It was checked before the batch began.
        let Ok(line) = serde_json::from_slice::<Line>(text) else {
            return Ok(());
        };
        let mut answer = json!({
            "id": format!("batch_req_{}", uuid::Uuid::new_v4().simple()),
            "custom_id": line.custom_id,
            "response": null,
            "error": null,
        });
        let good = if now() >= work.expires_at {
            let message =
                "This request could not be executed before the completion window expired.";
            answer["error"] = json!({"code": "batch_expired", "message": message});
            false
        } else {
            let Some((status, request_id, body)) = self.ask(work, &line).await else {
                return Ok(());
            };
            answer["response"] =
                json!({"status_code": status, "request_id": request_id, "body": body});
            status == 200
        };
        let answer = LineAnswer {
            line: number,
            good,
            text: answer.to_string(),
        };
        self.note(work, &answer).await
    }

    /// Keeps an answer, which is paid for: as soon as that can be done, unless the batch is somebody else's by then.
    async fn note(&self, work: &Work, answer: &LineAnswer) -> Result<(), Error> {
        let mut pause = AGAIN;
        loop {
            let kept = self.batches.answer(&work.id, &self.runner, answer).await;
            let Err(error) = kept else {
                return Ok(());
            };
            if now() >= work.expires_at {
                return Err(error);
            }
            tracing::error!(%error, batch = work.id, "an answer of a batch cannot be kept");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BEAT);
        }
    }

    /// A line's status, its request's id, and its answer or its error; `None` where it was not asked, and is to be asked
    /// by whoever goes on.
    async fn ask(&self, work: &Work, line: &Line) -> Option<(u16, String, Value)> {
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
        let (request, receipt) = match self.admitted(work, line).await {
            Ok(admitted) => admitted?,
            Err(error) => {
                let (status, body) = failed(&error);
                return Some((status, String::new(), body));
            }
        };
        let call_id = request.call_id.clone();
        let Some(engine) = self.engine.load_full() else {
            let (status, body) = failed(&Error::new(Kind::Upstream, "there is no engine"));
            return Some((status, call_id, body));
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
        Some(match answered {
            Ok(bytes) => {
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                (200, call_id, body)
            }
            Err(error) => {
                let (status, body) = failed(&error);
                (status, call_id, body)
            }
        })
    }

    /// A line's request, once its owner may ask it; `None` where this process stops before.
    async fn admitted(
        &self,
        work: &Work,
        line: &Line,
    ) -> Result<Option<(Request, Receipt)>, Error> {
        loop {
            let said = Bytes::copy_from_slice(line.body.get().as_bytes());
            let said = JsonObject::parse(&said)?;
            let mut request = self.request(&work.endpoint, said.clone())?;
            let owner = work.owner.as_deref();
            let admitted = self.clerk.admit(owner, &said, &mut request);
            let refused = match admitted.await {
                Ok(receipt) => return Ok(Some((request, receipt))),
                Err(error) => error,
            };
            let left = Duration::from_secs(work.expires_at.saturating_sub(now()));
            match refused.retry_after {
                Some(wait) if wait < left && !work.is_cancelled() => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.rested() => return Ok(None),
                    }
                }
                _ => return Err(refused),
            }
        }
    }

    fn request(&self, endpoint: &str, mut body: JsonObject) -> Result<Request, Error> {
        let op = op_of(endpoint)
            .ok_or_else(|| Error::bad_request("url", "batches do not answer this"))?;
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

    /// All lines are answered, or will never be: the answers become files.
    async fn end(&self, mut batch: Batch, work: &Work) -> Result<(), Error> {
        let good = self.collect(&batch, true).await?;
        let bad = self.collect(&batch, false).await?;
        let (Some(good), Some(bad)) = (good, bad) else {
            return Ok(());
        };
        (batch.completed, batch.failed) = (good, bad);
        batch.turn_to(match work.is_cancelled() {
            _ if !batch.problems.is_empty() => Status::Failed,
            true => Status::Cancelled,
            false if now() >= batch.expires_at() => Status::Expired,
            false => Status::Completed,
        });
        self.batches.save(&batch, &self.runner).await.map(drop)
    }

    /// Makes the file of the good answers, or of the others; says how many there are. `None`: the batch is somebody
    /// else's by now, who may have made it already.
    async fn collect(&self, batch: &Batch, good: bool) -> Result<Option<u64>, Error> {
        let (file, what) = match good {
            true => (&batch.output, "output"),
            false => (&batch.errors, "error"),
        };
        let (mut writer, mut count, mut place) = (None, 0, Some(0));
        while let Some(from) = place {
            let (answers, next) = self.batches.answers(&batch.id, from).await?;
            for answer in answers.iter().filter(|answer| answer.good == good) {
                let writer = match &mut writer {
                    Some(writer) => writer,
                    empty => empty.insert(self.writer(batch, file, what).await?),
                };
                writer.line(&answer.text).await?;
                count += 1;
            }
            place = next;
        }
        let is_ours = self.batches.renew(&batch.id, self.tenure()).await?;
        if is_ours.is_none() {
            return Ok(None);
        }
        if let Some(writer) = writer {
            writer.show().await?;
        }
        Ok(Some(count))
    }

    async fn writer(&self, batch: &Batch, file: &str, what: &str) -> Result<Writer, Error> {
        let created_at = now();
        let file = KeptFile {
            id: file.to_owned(),
            filename: format!("{}_{what}.jsonl", batch.id),
            purpose: "batch_output".to_owned(),
            bytes: 0,
            created_at,
            expires_at: Some(created_at + batch.output_stays.unwrap_or(self.stays)),
            owner: batch.whose.clone(),
        };
        Writer::begin(&self.files, file).await
    }
}

/// How the lines of a batch ended.
enum Ended {
    /// All are answered, or will never be.
    Whole,
    /// The process stops.
    Stopping,
    /// The batch is somebody else's.
    Elsewhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_answer_what_has_one_answer() {
        assert_eq!(op_of("/v1/chat/completions"), Some(Op::Chat));
        assert_eq!(op_of("/v1/responses"), Some(Op::Responses));
        assert_eq!(op_of("/v1/files"), None);
        assert_eq!(op_of("/chat/completions"), None);
    }
}
