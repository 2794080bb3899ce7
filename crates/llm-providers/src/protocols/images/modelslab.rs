//! ModelsLab: one address for all models; what takes longer is asked after.

use std::time::Duration;

use llm_types::{Image, ImageRequest, Map};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Painter, answer, failed, parsed, sides};
use crate::{Call, Error, Kind, Reply, Step, path, protocols::openai};

/// How long to wait before asking again.
const POLL: Duration = Duration::from_secs(2);

pub(crate) const MODELSLAB: Painter = Painter {
    most: |_| 4,
    request: |call, request| {
        let place = match call.model() {
            "realtime" | "realtime-stable-diffusion" => "realtime/text2img",
            _ => "images/text2img",
        };
        let body = Value::from(body(call.model(), request)?).to_string();
        openai::request(&path::join(call.base_url(), place), body.into())
    },
    read,
};

fn body(model: &str, request: ImageRequest) -> Result<Map, Error> {
    let mut body = Map::from_iter([
        ("model_id".to_owned(), Value::from(model)),
        ("prompt".to_owned(), Value::from(&*request.prompt)),
    ]);
    if let Some((width, height)) = sides(&request)? {
        body.insert("width".into(), width.to_string().into());
        body.insert("height".into(), height.to_string().into());
    }
    if let Some(n) = request.n {
        body.insert("samples".into(), n.to_string().into());
    }
    body.extend(request.extra);
    Ok(body)
}

#[derive(Deserialize)]
struct Task {
    status: String,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    output: Vec<String>,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    eta: Option<f64>,
}

fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let task: Task = parsed(call, reply)?;
    match task.status.as_str() {
        "success" => {
            let images = task.output.iter().map(|address| Image::at(address));
            answer(call, images.collect(), None, Map::new())
        }
        "processing" => {
            let uri = path::join(call.base_url(), "images/fetch");
            let id = match &task.id {
                Value::String(id) => id.clone(),
                other => other.to_string(),
            };
            let body = json!({"request_id": id}).to_string();
            // It says how many seconds it will take.
            let after = task.eta.filter(|eta| (0.0..=30.0).contains(eta));
            Ok(Step::Again {
                request: openai::request(&uri, body.into())?,
                after: after.map_or(POLL, Duration::from_secs_f64).max(POLL),
            })
        }
        _ => {
            let said = match &task.message {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Err(refusal(call, said))
        }
    }
}

/// It answers 200 whatever happened: its words say what did.
pub(crate) fn refusal(call: &Call<'_>, said: String) -> Error {
    let lower = said.to_ascii_lowercase();
    let mut error = failed(call, said);
    if lower.contains("api key") || lower.contains("unauthorized") {
        error.kind = Kind::Auth;
    } else if lower.contains("rate limit") || lower.contains("limit exceeded") {
        error.kind = Kind::RateLimit;
    } else if lower.contains("required") || lower.contains("invalid") {
        error.kind = Kind::BadRequest;
    }
    error
}
