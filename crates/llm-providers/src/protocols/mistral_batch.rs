//! Mistral's batch jobs: OpenAI's batches under other names. Its files are OpenAI's.

use bytes::Bytes;
use http::Request;
use llm_types::{JsonObject, Map, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::openai;
use crate::{Answer, Call, Error, Outgoing, Protocol, Reply, Step, path};

/// `/batch/jobs`.
#[derive(Debug)]
pub(crate) struct MistralBatches;

impl Protocol for MistralBatches {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let made_at = path::join(call.base_url(), "batch/jobs");
        if call.verb == Verb::Create {
            return openai::request(&made_at, job(call.fields())?);
        }
        let mut call = call.clone();
        for (name, _) in &mut call.query {
            // Mistral counts pages, so a list has no place to go on from.
            match name.as_str() {
                "limit" => "page_size".clone_into(name),
                "after" => return Err(unknown_place()),
                _ => {}
            }
        }
        openai::kept(&call, made_at)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let provider = call.target.provider.name;
        let shown = match call.verb {
            Verb::List => {
                let list: Jobs = read(provider, &reply.body)?;
                let has_more = list.total > list.data.len() as u64;
                let data: Vec<Value> = list.data.into_iter().map(batch).collect();
                let end = |job: Option<&Value>| job.map(|job| job["id"].clone());
                json!({
                    "object": "list",
                    "first_id": end(data.first()),
                    "last_id": end(data.last()),
                    "data": data,
                    "has_more": has_more,
                })
            }
            _ => batch(read(provider, &reply.body)?),
        };
        Ok(Answer::raw(shown.to_string().into(), None).into())
    }
}

fn unknown_place() -> Error {
    let message = "Mistral's lists of batches have no 'after': ask for a 'page'";
    Error::bad_request("after", message)
}

/// A batch as Mistral wants it asked for. A job is for one model, which the lines then leave out; where the lines name
/// theirs, as OpenAI's do, the job names none.
fn job(body: &JsonObject) -> Result<Bytes, Error> {
    let mut job = body.clone();
    if let Some(file) = body.str("input_file_id") {
        let files = [file];
        job.set("input_files", &files);
        job.remove("input_file_id");
    }
    if let Some(window) = body.str("completion_window") {
        let hours: Option<u32> = window.strip_suffix('h').and_then(|n| n.parse().ok());
        let hours = hours.ok_or_else(|| {
            Error::bad_request(
                "completion_window",
                "'completion_window' must be hours: '24h'",
            )
        })?;
        job.set("timeout_hours", &hours);
        job.remove("completion_window");
    }
    Ok(job.to_bytes())
}

#[derive(Deserialize)]
struct Jobs {
    #[serde(default)]
    data: Vec<Job>,
    #[serde(default)]
    total: u64,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    #[serde(default)]
    input_files: Vec<String>,
    #[serde(default)]
    status: String,
    output_file: Option<String>,
    error_file: Option<String>,
    #[serde(default)]
    errors: Vec<Failure>,
    #[serde(default)]
    total_requests: u64,
    #[serde(default)]
    succeeded_requests: u64,
    #[serde(default)]
    failed_requests: u64,
    started_at: Option<u64>,
    completed_at: Option<u64>,
    /// `endpoint`, `metadata`, `created_at`, `model` and whatever is new.
    #[serde(flatten)]
    rest: Map,
}

#[derive(Deserialize)]
struct Failure {
    message: Option<String>,
    #[serde(default)]
    count: u64,
}

fn read<T: serde::de::DeserializeOwned>(provider: &'static str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|e| Error::decode(provider, e))
}

fn batch(job: Job) -> Value {
    let status = match job.status.as_str() {
        "QUEUED" => "validating",
        "RUNNING" => "in_progress",
        "SUCCESS" => "completed",
        "FAILED" => "failed",
        "TIMEOUT_EXCEEDED" => "expired",
        "CANCELLATION_REQUESTED" => "cancelling",
        "CANCELLED" => "cancelled",
        // A new one of theirs says more than a wrong one of ours.
        other => other,
    };
    let errors: Vec<Value> = job
        .errors
        .into_iter()
        .map(|e| json!({"code": null, "line": null, "message": e.message, "param": null, "count": e.count}))
        .collect();
    let mut shown = job.rest;
    for (key, value) in [
        ("id", json!(job.id)),
        ("object", json!("batch")),
        ("status", json!(status)),
        ("input_file_id", json!(job.input_files.first())),
        ("output_file_id", json!(job.output_file)),
        ("error_file_id", json!(job.error_file)),
        ("completion_window", json!("24h")),
        ("in_progress_at", json!(job.started_at)),
        (
            "request_counts",
            json!({
                "total": job.total_requests,
                "completed": job.succeeded_requests,
                "failed": job.failed_requests,
            }),
        ),
    ] {
        shown.insert(key.to_owned(), value);
    }
    let over = matches!(status, "completed" | "failed" | "expired" | "cancelled");
    if over {
        shown.insert(format!("{status}_at"), json!(job.completed_at));
    }
    let listed = json!({"object": "list", "data": errors});
    let errors = if errors.is_empty() {
        Value::Null
    } else {
        listed
    };
    shown.insert("errors".into(), errors);
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use llm_types::Op;

    use super::*;
    use crate::{CallOptions, Credential, Target, lookup};

    fn target() -> Target {
        Target::new(lookup("mistral").expect("a row"), "any", Credential::None)
            .at("https://api.mistral.ai/v1")
    }

    fn sent(verb: Verb, id: Option<&str>, query: &[(&str, &str)]) -> Result<String, Error> {
        let (target, options) = (target(), CallOptions::default());
        let id = id.map(str::to_owned);
        let mut call = Call::resource(Op::Batch, verb, id, &target, JsonObject::new(), &options)?;
        call.query = query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let request = call.encode()?;
        Ok(format!(
            "{} {}",
            request.method(),
            request.uri().path_and_query().expect("a path")
        ))
    }

    #[test]
    fn a_batch_is_a_job() {
        let (target, options) = (target(), CallOptions::default());
        let mut body = JsonObject::new();
        body.set_str("input_file_id", "f-1");
        body.set_str("endpoint", "/v1/chat/completions");
        body.set_str("completion_window", "24h");
        body.set_raw("metadata", r#"{"a":"b"}"#);
        let call = Call::prepare(Op::Batch, &target, body, &options).expect("a call");
        let request = call.encode().expect("a request");
        assert_eq!(request.uri(), "https://api.mistral.ai/v1/batch/jobs");
        let sent: Value =
            serde_json::from_slice(request.body().bytes().expect("bytes")).expect("JSON");
        assert_eq!(
            sent,
            json!({"endpoint": "/v1/chat/completions", "metadata": {"a": "b"}, "input_files": ["f-1"], "timeout_hours": 24})
        );
    }

    #[test]
    fn jobs_have_addresses() {
        assert_eq!(
            sent(Verb::Get, Some("j/1"), &[]).expect("sent"),
            "GET /v1/batch/jobs/j%2F1"
        );
        assert_eq!(
            sent(Verb::Cancel, Some("j"), &[]).expect("sent"),
            "POST /v1/batch/jobs/j/cancel"
        );
        let list = sent(Verb::List, None, &[("limit", "5")]).expect("sent");
        assert_eq!(list, "GET /v1/batch/jobs?page_size=5");
        let error = sent(Verb::List, None, &[("after", "j")]).expect_err("refused");
        assert_eq!(error.param.as_deref(), Some("after"));
    }

    #[test]
    fn a_job_is_shown_as_a_batch() {
        let job = r#"{"id":"j","object":"batch","input_files":["f-1"],"metadata":{"a":"b"},"endpoint":"/v1/embeddings","model":"mistral-embed","output_file":"f-2","error_file":null,"errors":[{"message":"bad","count":2}],"status":"SUCCESS","created_at":1,"total_requests":3,"completed_requests":3,"succeeded_requests":1,"failed_requests":2,"started_at":2,"completed_at":3}"#;
        let shown = batch(read("mistral", job.as_bytes()).expect("a job"));
        assert_eq!(shown["status"], "completed");
        assert_eq!(shown["input_file_id"], "f-1");
        assert_eq!(shown["output_file_id"], "f-2");
        assert_eq!(shown["error_file_id"], Value::Null);
        assert_eq!(
            shown["request_counts"],
            json!({"total": 3, "completed": 1, "failed": 2})
        );
        assert_eq!(
            (
                &shown["created_at"],
                &shown["in_progress_at"],
                &shown["completed_at"]
            ),
            (&json!(1), &json!(2), &json!(3))
        );
        assert_eq!(shown["endpoint"], "/v1/embeddings");
        assert_eq!(shown["metadata"], json!({"a": "b"}));
        assert_eq!(shown["errors"]["data"][0]["message"], "bad");
    }
}
