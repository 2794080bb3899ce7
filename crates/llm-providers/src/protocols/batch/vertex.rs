//! Vertex AI's batch jobs: input and answers are files in a bucket of Cloud Storage.
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-gemini>

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::CONTENT_TYPE};
use llm_types::{JsonObject, Map, Op, Usage, Verb};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Line, Shown, answered, answering, chat, lines, refused, shown, stored};
use crate::{
    Answer, Call, Error, Framing, Outgoing, Protocol, Reply, Rewriter, Step, Target, error_table,
    path,
    protocols::{openai, vertex},
    rewrite::Consumed,
};

/// Where the bucket's name is.
const BUCKET: &str = "gcs_bucket_name";

/// Files in the bucket.
#[derive(Debug)]
pub(crate) struct VertexFiles;

impl Protocol for VertexFiles {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::Get, Verb::Delete, Verb::Content]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let host = vertex::storage::host(call);
        if call.verb == Verb::Create {
            let (name, contents) = input(call)?;
            let (bucket, name) = (stored::bucket(call, BUCKET)?, path::query(&name));
            let uri = format!("{host}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}");
            let mut request = openai::request(&uri, contents)?;
            let kind = HeaderValue::from_static("application/jsonl");
            request.headers_mut().insert(CONTENT_TYPE, kind);
            return Ok(request);
        }
        let id = call.id.as_deref().unwrap_or_default();
        let (bucket, name) = stored::place(call, id, "gs://", [BUCKET; 2])?;
        let place = format!("{host}/storage/v1/b/{bucket}/o/{}", path::query(name));
        match call.verb {
            Verb::Delete => openai::empty(Method::DELETE, &place),
            Verb::Content => openai::empty(Method::GET, &format!("{place}?alt=media")),
            _ => openai::empty(Method::GET, &place),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        if call.verb == Verb::Delete {
            return Ok(stored::deleted(call));
        }
        let object: Object = serde_json::from_slice(&reply.body)
            .map_err(|e| Error::decode(call.target.provider.name, e))?;
        let id = format!("gs://{}/{}", object.bucket, object.name);
        let created = object
            .time_created
            .as_deref()
            .and_then(error_table::rfc3339);
        let bytes = object.size.as_deref().and_then(|size| size.parse().ok());
        let file = stored::shown(&id, bytes, created, &stored::purpose(call));
        Ok(Answer::raw(file.to_string().into(), None).into())
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        match call.verb {
            Verb::Content => Framing::Bytes,
            _ => Framing::Sse,
        }
    }

    fn rewriter(&self, call: &Call<'_>) -> Option<Box<dyn Rewriter>> {
        let id = call.id.as_deref()?;
        let (_, name) = stored::place(call, id, "gs://", [BUCKET; 2]).ok()?;
        let mut target = call.target.clone();
        target.model = stored::model_of(name)?;
        Some(Box::new(Answers {
            target,
            consumed: Consumed::default(),
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    bucket: String,
    name: String,
    size: Option<String>,
    time_created: Option<String>,
}

/// What is uploaded, and under which name. Only the input of a batch is put into Vertex's format.
fn input(call: &Call<'_>) -> Result<(String, Bytes), Error> {
    let contents = call.body.file("file")?.bytes()?;
    if stored::purpose(call) != "batch" {
        return Ok((stored::name(call, "training"), contents.clone()));
    }
    let target = answering(call, contents);
    let mut out = Vec::new();
    for line in lines(call, contents, &target, Op::Chat)? {
        out.extend_from_slice(&asked(line, vertex::is_claude(&target.model))?.to_bytes());
        out.push(b'\n');
    }
    Ok((stored::name(call, &target.model), out.into()))
}

/// One line of the input. Of Google's own models nothing comes back but the request, so its labels say whose it is.
fn asked(line: Line, is_claude: bool) -> Result<JsonObject, Error> {
    let (mut asked, mut request) = (JsonObject::new(), line.body);
    if is_claude {
        asked.set_str("custom_id", &line.custom_id);
    } else {
        let mut labels: Map = request.get("labels")?.unwrap_or_default();
        labels.extend(name_labels(&line.custom_id));
        request.set("labels", &labels);
    }
    asked.set_raw("request", request.to_bytes());
    Ok(asked)
}

/// What the labels begin with that hold a line's name.
const LABEL: &str = "custom-id-";

/// A label holds 63 letters and digits, small ones: so the name is written in hexadecimal.
fn name_labels(custom_id: &str) -> impl Iterator<Item = (String, Value)> {
    let hex: String = custom_id.bytes().map(|b| format!("{b:02x}")).collect();
    let parts: Vec<String> = hex
        .as_bytes()
        .chunks(60)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    parts
        .into_iter()
        .enumerate()
        .map(|(at, part)| (format!("{LABEL}{at}"), part.into()))
}

fn name_in(labels: &Map) -> Option<String> {
    let parts = (0..).map_while(|at| labels.get(&format!("{LABEL}{at}"))?.as_str());
    let hex: String = parts.collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes?)
        .ok()
        .filter(|name| !name.is_empty())
}

/// Makes OpenAI's lines of Vertex's; other files stay as they are.
struct Answers {
    target: Target,
    consumed: Consumed,
}

#[derive(Deserialize)]
struct Outcome {
    custom_id: Option<String>,
    #[serde(default)]
    request: Asked,
    response: Option<Box<RawValue>>,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    error: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    labels: Map,
}

impl Rewriter for Answers {
    fn line(&mut self, line: &[u8]) -> Result<Option<Bytes>, Error> {
        let name = self.target.provider.name;
        let read: Outcome = serde_json::from_slice(line).map_err(|e| Error::decode(name, e))?;
        let id = read.custom_id.or_else(|| name_in(&read.request.labels));
        let id = id.unwrap_or_default();
        let said = [&read.status, &read.error]
            .into_iter()
            .find_map(|said| match said {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Object(map) => Some(Value::from(map.clone()).to_string()),
                _ => None,
            });
        let is_answer = |raw: &RawValue| !matches!(raw.get(), "{}" | "null");
        match (read.response.filter(|raw| is_answer(raw)), said) {
            (Some(response), _) => {
                let native = Bytes::copy_from_slice(response.get().as_bytes());
                let (body, usage) = chat(&self.target, native)?;
                if let Some(usage) = usage {
                    self.consumed.add(&self.target.model, &usage);
                }
                Ok(Some(answered(&id, "", 200, &body)))
            }
            (None, Some(said)) => Ok(Some(refused(&id, 400, "invalid_request_error", &said))),
            // An input.
            (None, None) => Ok(Some(Bytes::copy_from_slice(line))),
        }
    }

    fn consumed(&self) -> &[(String, Usage)] {
        self.consumed.all()
    }
}

/// `batchPredictionJobs`.
#[derive(Debug)]
pub(crate) struct VertexBatches;

impl Protocol for VertexBatches {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::List, Verb::Get, Verb::Cancel]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let made_at = vertex::project_address(call, "batchPredictionJobs")?;
        match call.verb {
            Verb::Create => openai::request(&made_at, job(call)?.to_string().into()),
            Verb::List => {
                let mut listed = call.clone();
                for (name, _) in &mut listed.query {
                    match name.as_str() {
                        "limit" => "pageSize".clone_into(name),
                        "after" => return Err(shown::no_place("pageToken")),
                        _ => {}
                    }
                }
                openai::empty(Method::GET, &openai::resource_address(made_at, &listed)?)
            }
            Verb::Cancel => {
                openai::request(&format!("{}:cancel", one(call, &made_at)?), "{}".into())
            }
            _ => openai::empty(Method::GET, &one(call, &made_at)?),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let wrong = |e| Error::decode(call.target.provider.name, e);
        let shown = match call.verb {
            Verb::List => {
                let list: Jobs = serde_json::from_slice(&reply.body).map_err(wrong)?;
                let all: Vec<Shown> = list
                    .batch_prediction_jobs
                    .into_iter()
                    .map(Job::shown)
                    .collect();
                let mut page = shown::page(&all, list.next_page_token.is_some());
                page["next_page_token"] = json!(list.next_page_token);
                page
            }
            Verb::Cancel if reply.body.trim_ascii() == b"{}" => {
                let made_at = vertex::project_address(call, "batchPredictionJobs")?;
                return Ok(Step::Again {
                    request: openai::empty(Method::GET, &one(call, &made_at)?)?,
                    after: Default::default(),
                });
            }
            _ => serde_json::from_slice::<Job>(&reply.body)
                .map_err(wrong)?
                .shown()
                .json(),
        };
        Ok(Answer::raw(shown.to_string().into(), None).into())
    }
}

fn one(call: &Call<'_>, made_at: &str) -> Result<String, Error> {
    let id = call.id.as_deref().unwrap_or_default();
    Ok(format!("{made_at}/{}", path::segment(id)?))
}

fn job(call: &Call<'_>) -> Result<Value, Error> {
    let id = call.fields().str("input_file_id").unwrap_or_default();
    let (bucket, name) = stored::place(call, &id, "gs://", [BUCKET; 2])?;
    let model = stored::model_of(name).unwrap_or_else(|| call.model().to_owned());
    let unique = name
        .rsplit('/')
        .next()
        .unwrap_or(name)
        .trim_end_matches(".jsonl");
    let output = format!("gs://{bucket}/{}/{unique}-answers", stored::folder(&model));
    Ok(json!({
        "displayName": format!("interlingua-{unique}"),
        "model": vertex::publisher_model(&model)?,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [&*id]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": output}},
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Jobs {
    #[serde(default)]
    batch_prediction_jobs: Vec<Job>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    name: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    input_config: Value,
    #[serde(default)]
    output_info: Value,
    #[serde(default)]
    completion_stats: Value,
    error: Option<Problem>,
    create_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
}

impl Job {
    fn shown(self) -> Shown {
        let count = |key: &str| {
            let value = &self.completion_stats[key];
            value
                .as_u64()
                .or_else(|| value.as_str()?.parse().ok())
                .unwrap_or(0)
        };
        let (completed, failed) = (count("successfulCount"), count("failedCount"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let output = text(&self.output_info["gcsOutputDirectory"]);
        let model = self.model.rsplit('/').next().unwrap_or_default();
        Shown {
            id: self.name.rsplit('/').next().unwrap_or_default().to_owned(),
            endpoint: "/v1/chat/completions".into(),
            model: Some(model.to_owned()).filter(|model| !model.is_empty()),
            input: text(&self.input_config["gcsSource"]["uris"][0]),
            output: output
                .map(|folder| format!("{}/predictions.jsonl", folder.trim_end_matches('/'))),
            status: status(&self.state),
            counts: Some((
                completed + failed + count("incompleteCount"),
                completed,
                failed,
            )),
            created: self.create_time,
            ended: self.end_time,
            failure: self.error.map(|error| error.message),
            ..Shown::default()
        }
    }
}

/// Google's states of jobs.
fn status(state: &str) -> &'static str {
    match state.strip_prefix("JOB_STATE_").unwrap_or(state) {
        "QUEUED" | "PENDING" => "validating",
        "SUCCEEDED" | "PARTIALLY_SUCCEEDED" => "completed",
        "FAILED" => "failed",
        "CANCELLING" => "cancelling",
        "CANCELLED" => "cancelled",
        "EXPIRED" => "expired",
        _ => "in_progress",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_in_labels() {
        for name in ["a", "Request 1/ä", &"x".repeat(200)] {
            let labels: Map = name_labels(name).collect();
            let fits = |value: &Value| value.as_str().is_some_and(|text| text.len() <= 63);
            assert!(labels.values().all(fits));
            assert_eq!(name_in(&labels).as_deref(), Some(name));
        }
        assert_eq!(name_in(&Map::new()), None);
    }
}
