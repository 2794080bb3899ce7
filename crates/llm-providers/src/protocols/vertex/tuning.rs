//! Vertex AI's tuning jobs. <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/tuning>

use http::{Method, Request};
use llm_types::{Map, Op, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::address;
use crate::{
    Answer, Call, Error, Outgoing, Protocol, Reply, Step, error_table, params, path,
    protocols::openai,
};

/// `tuningJobs`.
#[derive(Debug)]
pub(crate) struct Tuning;

/// What OpenAI's jobs have and these have not.
const UNKNOWN: &[&str] = &["seed", "integrations", "method", "metadata"];

impl Protocol for Tuning {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::List, Verb::Get, Verb::Cancel]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let made_at = address::of(call, "v1", "", "tuningJobs")?;
        match call.verb {
            Verb::Create => openai::request(&made_at, Value::from(job(call)?).to_string().into()),
            Verb::List => {
                let mut listed = call.clone();
                for (name, _) in &mut listed.query {
                    match name.as_str() {
                        "limit" => "pageSize".clone_into(name),
                        "after" => {
                            let message =
                                "lists of tuning jobs have no 'after': ask with 'pageToken'";
                            return Err(Error::bad_request("after", message));
                        }
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
                let data: Vec<Value> = list.tuning_jobs.into_iter().map(Job::shown).collect();
                let has_more = list.next_page_token.is_some();
                json!({"object": "list", "data": data, "has_more": has_more,
                    "next_page_token": list.next_page_token})
            }
            Verb::Cancel if reply.body.trim_ascii() == b"{}" => {
                let made_at = address::of(call, "v1", "", "tuningJobs")?;
                return Ok(Step::Again {
                    request: openai::empty(Method::GET, &one(call, &made_at)?)?,
                    after: Default::default(),
                });
            }
            _ => serde_json::from_slice::<Job>(&reply.body)
                .map_err(wrong)?
                .shown(),
        };
        Ok(Answer::raw(shown.to_string().into(), None).into())
    }
}

/// Refuses what a tuning job does not know.
pub(super) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    params::refuse(call, UNKNOWN)
}

fn one(call: &Call<'_>, made_at: &str) -> Result<String, Error> {
    let id = call.id.as_deref().unwrap_or_default();
    Ok(format!("{made_at}/{}", path::segment(id)?))
}

fn job(call: &Call<'_>) -> Result<Map, Error> {
    let mut body = call.fields().to_map()?;
    let mut spec = Map::new();
    for (key, name) in [
        ("training_file", "trainingDatasetUri"),
        ("validation_file", "validationDatasetUri"),
    ] {
        if let Some(file) = body.shift_remove(key).filter(|file| !file.is_null()) {
            spec.insert(name.into(), stored(call, key, file)?);
        }
    }
    if !spec.contains_key("trainingDatasetUri") {
        return Err(Error::bad_request(
            "training_file",
            "'training_file' is missing",
        ));
    }
    if let Some(Value::Object(said)) = body.shift_remove("hyperparameters") {
        spec.insert("hyperParameters".into(), hyper(said)?.into());
    }
    let model = match body.shift_remove("model") {
        Some(Value::String(model)) => model,
        _ => call.model().to_owned(),
    };
    let mut job = Map::from_iter([
        ("baseModel".to_owned(), Value::from(model)),
        ("supervisedTuningSpec".to_owned(), spec.into()),
    ]);
    if let Some(name) = body.shift_remove("suffix").filter(|name| !name.is_null()) {
        job.insert("tunedModelDisplayName".into(), name);
    }
    job.extend(body);
    Ok(job)
}

/// A file in Cloud Storage: of the configured bucket, where there is one.
fn stored(call: &Call<'_>, key: &str, file: Value) -> Result<Value, Error> {
    let object = file.as_str().and_then(super::storage::Object::parse);
    let bucket = call.target.setting("gcs_bucket_name");
    let is_ours = |object: &super::storage::Object| bucket.is_none_or(|ours| ours == object.bucket);
    match object.filter(is_ours) {
        Some(_) => Ok(file),
        None => {
            let message = format!("'{key}' must be a file of this provider: gs://BUCKET/NAME");
            Err(Error::bad_request(key, message))
        }
    }
}

fn hyper(said: Map) -> Result<Map, Error> {
    let mut hyper = Map::new();
    for (key, value) in said {
        // `auto` is what happens anyway.
        if value.is_null() || value == "auto" {
            continue;
        }
        let name = match key.as_str() {
            "n_epochs" => "epochCount",
            "learning_rate_multiplier" => "learningRateMultiplier",
            "adapter_size" => "adapterSize",
            "batch_size" => {
                let message = "Vertex AI chooses the size of its batches itself";
                return Err(Error::bad_request("hyperparameters.batch_size", message));
            }
            other => other,
        };
        hyper.insert(name.to_owned(), value);
    }
    Ok(hyper)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Jobs {
    #[serde(default)]
    tuning_jobs: Vec<Job>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    name: String,
    #[serde(default)]
    base_model: String,
    #[serde(default)]
    state: String,
    create_time: Option<String>,
    end_time: Option<String>,
    #[serde(default)]
    supervised_tuning_spec: Value,
    #[serde(default)]
    tuned_model: Value,
    #[serde(default)]
    tuning_data_stats: Value,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl Job {
    fn shown(self) -> Value {
        let status = match self.state.strip_prefix("JOB_STATE_").unwrap_or(&self.state) {
            "QUEUED" | "PENDING" => "queued",
            "SUCCEEDED" | "PARTIALLY_SUCCEEDED" => "succeeded",
            "FAILED" | "EXPIRED" => "failed",
            "CANCELLED" | "CANCELLING" => "cancelled",
            _ => "running",
        };
        let time = |text: &Option<String>| text.as_deref().and_then(error_table::rfc3339);
        let spec = &self.supervised_tuning_spec;
        // The number of its endpoint is the name by which it is asked.
        let endpoint = self.tuned_model["endpoint"].as_str();
        let tuned = endpoint.and_then(|endpoint| endpoint.rsplit('/').next());
        let hyper = &spec["hyperParameters"];
        let count = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let stats = &self.tuning_data_stats["supervisedTuningDataStats"];
        let error = self
            .error
            .map(|e| json!({"code": e.code.to_string(), "message": e.message, "param": null}));
        json!({
            "id": self.name.rsplit('/').next(),
            "object": "fine_tuning.job",
            "model": self.base_model,
            "status": status,
            "created_at": time(&self.create_time),
            "finished_at": time(&self.end_time),
            "fine_tuned_model": tuned,
            "training_file": spec["trainingDatasetUri"],
            "validation_file": spec["validationDatasetUri"],
            "hyperparameters": {
                "n_epochs": count(&hyper["epochCount"]),
                "learning_rate_multiplier": hyper["learningRateMultiplier"],
            },
            "trained_tokens": count(&stats["totalBillableTokenCount"]),
            "result_files": [],
            "organization_id": self.name.split('/').nth(1),
            "error": error,
        })
    }
}
