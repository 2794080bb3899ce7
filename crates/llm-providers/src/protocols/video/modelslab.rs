//! ModelsLab: one address to order at, one to ask after what was ordered. <https://docs.modelslab.com/video-api/>

use http::Request;
use llm_types::{Map, Op, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Film, Order, VERBS, parsed};
use crate::{
    Call, Error, Kind, Outgoing, Protocol, Reply, Step, path,
    protocols::{images, openai},
};

/// ModelsLab's videos.
#[derive(Debug)]
pub(crate) struct ModelsLab;

/// The names of the operations, which users give for the model.
const OPERATIONS: [&str; 4] = ["text-to-video", "text2video", "image-to-video", "img2video"];

/// What makes videos of texts and of pictures where nobody says.
const OF_TEXT: &str = "cogvideox";
const OF_PICTURE: &str = "svd";

/// Frames a second.
const RATE: u32 = 8;

impl Protocol for ModelsLab {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        VERBS
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.verb == Verb::Create {
            let order = Order::of(call)?;
            let place = match order.picture.is_some() || order.extra.contains_key("init_image") {
                true => "video/img2video",
                false => "video/text2video",
            };
            let body = Value::from(body(call.model(), &order)).to_string();
            return openai::request(&path::join(call.base_url(), place), body.into());
        }
        let id = path::segment(call.id.as_deref().unwrap_or_default())?;
        let uri = path::join(call.base_url(), &format!("video/fetch/{id}"));
        openai::request(&uri, "{}".into())
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let task: Task = parsed(call, &reply)?;
        if call.verb == Verb::Create {
            return task.ordered(call);
        }
        let film = Film::new(call, call.id.clone().unwrap_or_default());
        let film = match task.status.as_str() {
            "success" => film.done(),
            "processing" => film,
            // It answers 200 whatever happened, also to a key that it does not know.
            _ => match images::modelslab_refusal(call, task.said()) {
                error if error.kind == Kind::Upstream => film.failed("failed", error.message),
                error => return Err(error),
            },
        };
        match (call.verb, task.output.into_iter().next()) {
            (Verb::Content, Some(uri)) if film.status == "completed" => Ok(Step::Fetch {
                uri,
                trusted: false,
            }),
            (Verb::Content, _) => Err(film.unready()),
            _ => film.answer(),
        }
    }
}

fn body(model: &str, order: &Order) -> Map {
    let usual = match order.picture.is_some() {
        true => OF_PICTURE,
        false => OF_TEXT,
    };
    let model = match OPERATIONS.contains(&model) {
        true => usual,
        false => model,
    };
    let mut body = Map::from_iter([
        ("model_id".to_owned(), Value::from(model)),
        ("prompt".to_owned(), Value::from(&*order.prompt)),
    ]);
    if let Some((width, height)) = order.sides {
        body.insert("width".into(), width.into());
        body.insert("height".into(), height.into());
    }
    if let Some(seconds) = order.seconds {
        let rate = order.extra.get("fps").and_then(Value::as_u64);
        let rate = rate.unwrap_or(u64::from(RATE));
        body.insert("fps".into(), rate.into());
        body.insert("num_frames".into(), (u64::from(seconds) * rate).into());
    }
    if let Some(picture) = order.picture_address() {
        body.insert("init_image".into(), picture.into());
    }
    body.extend(order.extra.clone());
    body
}

#[derive(Deserialize)]
struct Task {
    #[serde(default)]
    status: String,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    output: Vec<String>,
    #[serde(default, alias = "messege")]
    message: Value,
}

impl Task {
    fn ordered(self, call: &Call<'_>) -> Result<Step, Error> {
        let id = match &self.id {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let film = Order::of(call)?.film(call, id);
        match self.status.as_str() {
            "success" => film.done().answer(),
            "processing" => film.answer(),
            _ => Err(images::modelslab_refusal(call, self.said())),
        }
    }

    fn said(&self) -> String {
        match &self.message {
            Value::String(text) => text.clone(),
            other => json!(other).to_string(),
        }
    }
}
