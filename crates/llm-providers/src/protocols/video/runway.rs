//! Runway: a task for each video. <https://docs.dev.runwayml.com/api/>

use http::{HeaderValue, Method, Request};
use llm_types::{Map, Op, Verb};
use serde::Deserialize;
use serde_json::Value;

use super::{FILTERED, Film, Order, deleted, parsed};
use crate::{Call, Error, Outgoing, Protocol, Reply, Step, error_table, path, protocols::openai};

/// Runway's API.
#[derive(Debug)]
pub(crate) struct Runway;

/// What it makes where nobody says.
const SECONDS: u32 = 5;
const RATIO: &str = "1280:720";

/// The version of the API that this file speaks.
const VERSION: &str = "2024-11-06";

impl Protocol for Runway {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::Get, Verb::Content, Verb::Delete]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let base = versioned(call.base_url());
        let mut request = match call.verb {
            Verb::Create => {
                let order = Order::of(call)?;
                let place = match order.picture.is_some() || order.extra.contains_key("promptImage")
                {
                    true => "image_to_video",
                    false => "text_to_video",
                };
                let body = Value::from(body(call, &order)).to_string();
                openai::request(&path::join(&base, place), body.into())?
            }
            verb => {
                let id = path::segment(call.id.as_deref().unwrap_or_default())?;
                let method = match verb {
                    Verb::Delete => Method::DELETE,
                    _ => Method::GET,
                };
                openai::empty(method, &path::join(&base, &format!("tasks/{id}")))?
            }
        };
        let version = HeaderValue::from_static(VERSION);
        request.headers_mut().insert("x-runway-version", version);
        Ok(request)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        if call.verb == Verb::Delete {
            return Ok(deleted(call));
        }
        let task: Task = parsed(call, &reply)?;
        if call.verb == Verb::Create {
            let order = Order::of(call)?;
            let mut film = order.film(call, task.id);
            film.seconds.get_or_insert_with(|| SECONDS.to_string());
            film.size.get_or_insert_with(|| RATIO.replace(':', "x"));
            return film.answer();
        }
        let output = task.output.first().cloned();
        let film = task.read(call);
        match (call.verb, output) {
            (Verb::Content, Some(uri)) if film.status == "completed" => Ok(Step::Fetch {
                uri,
                trusted: false,
            }),
            (Verb::Content, _) => Err(film.unready()),
            _ => film.answer(),
        }
    }
}

/// The address may end with the version of the paths, or not.
fn versioned(base: &str) -> String {
    format!("{}/v1", path::unversioned(base))
}

fn body(call: &Call<'_>, order: &Order) -> Map {
    let mut body = Map::from_iter([("model".to_owned(), Value::from(call.model()))]);
    if !order.prompt.is_empty() {
        body.insert("promptText".into(), order.prompt.as_str().into());
    }
    if let Some(picture) = order.picture_address() {
        body.insert("promptImage".into(), picture.into());
    }
    let (width, height) = order.sides.unwrap_or((1280, 720));
    body.insert("ratio".into(), format!("{width}:{height}").into());
    body.insert("duration".into(), order.seconds.unwrap_or(SECONDS).into());
    body.extend(order.extra.clone());
    body
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    id: String,
    #[serde(default)]
    status: String,
    created_at: Option<String>,
    #[serde(default)]
    output: Vec<String>,
    progress: Option<f64>,
    failure: Option<String>,
    failure_code: Option<String>,
}

impl Task {
    fn read(self, call: &Call<'_>) -> Film {
        let mut film = Film::new(call, self.id);
        film.created_at = self.created_at.as_deref().and_then(error_table::rfc3339);
        film.progress = self
            .progress
            .map(|part| (part.clamp(0.0, 1.0) * 100.0) as u64);
        let why = self.failure.unwrap_or_else(|| "the task failed".to_owned());
        match self.status.as_str() {
            "SUCCEEDED" => film.done(),
            "FAILED" => {
                let code = self.failure_code.unwrap_or_else(|| "failed".to_owned());
                match code.starts_with("SAFETY") {
                    true => film.failed(FILTERED, why),
                    false => film.failed(code, why),
                }
            }
            "CANCELLED" | "CANCELED" => film.failed("cancelled", "the task was cancelled"),
            "PENDING" | "THROTTLED" => {
                film.status = "queued";
                film
            }
            _ => film,
        }
    }
}
