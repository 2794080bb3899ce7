//! Fal's queue: what takes long is ordered there. <https://docs.fal.ai/model-apis/model-endpoints/queue>

use http::{Method, Request};
use llm_types::{Map, Op, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Film, Order, VERBS, parsed};
use crate::{Call, Error, Outgoing, Protocol, Reply, Step, path, protocols::openai};

/// Fal's queue of videos.
#[derive(Debug)]
pub(crate) struct Fal;

/// The queue's host, where the row's own is meant.
const QUEUE: &str = "https://queue.fal.run";

/// What its models make.
const RATIOS: &[(u32, u32)] = &[(16, 9), (9, 16), (1, 1), (4, 3), (3, 4), (21, 9)];

/// Models of Fal's own account, as users name them without it.
const FAMILIES: [&str; 10] = [
    "veo", "sora", "kling", "wan", "hunyuan", "minimax", "luma", "ltx", "pixverse", "vidu",
];

impl Protocol for Fal {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        VERBS
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let base = match call.base_url() {
            base if base == call.target.provider.base_url => QUEUE,
            base => base,
        };
        if call.verb == Verb::Create {
            let model = path::segments(&full(call.model()))?;
            let body = Value::from(body(call, &Order::of(call)?)?).to_string();
            return openai::request(&path::join(base, &model), body.into());
        }
        let id = Id::parse(call.id.as_deref().unwrap_or_default())?;
        let (app, request) = (path::segments(&id.app())?, path::segment(&id.request)?);
        let what = match call.verb {
            Verb::Content => "",
            _ => "/status",
        };
        let place = format!("{app}/requests/{request}{what}");
        openai::empty(Method::GET, &path::join(base, &place))
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        match call.verb {
            Verb::Create => {
                let queued: Queued = parsed(call, &reply)?;
                let order = Order::of(call)?;
                let id = format!("{}{MARK}{}", full(call.model()), queued.request_id);
                let mut film = order.film(call, id);
                film.status = "queued";
                film.answer()
            }
            Verb::Content => {
                let output: Output = parsed(call, &reply)?;
                let uri = output.address().ok_or_else(|| {
                    Error::decode(call.target.provider.name, "there is no video in it")
                })?;
                Ok(Step::Fetch {
                    uri,
                    trusted: false,
                })
            }
            _ => parsed::<Queued>(call, &reply)?.read(call).answer(),
        }
    }
}

/// What stands between the model and the request in the id of a video.
const MARK: &str = "/requests/";

/// Who makes a video, and its request there.
struct Id {
    model: String,
    request: String,
}

impl Id {
    fn parse(id: &str) -> Result<Self, Error> {
        let parts = id.split_once(MARK);
        let (model, request) =
            parts.ok_or_else(|| Error::bad_request("id", "this is no video of this provider"))?;
        Ok(Self {
            model: model.to_owned(),
            request: request.to_owned(),
        })
    }

    /// Requests are kept by the model's account and name, without the paths below.
    fn app(&self) -> String {
        let words: Vec<&str> = self.model.split('/').take(2).collect();
        words.join("/")
    }
}

fn full(model: &str) -> String {
    match FAMILIES.iter().any(|family| model.starts_with(family)) {
        true => format!("fal-ai/{model}"),
        false => model.to_owned(),
    }
}

fn body(call: &Call<'_>, order: &Order) -> Result<Map, Error> {
    let mut body = Map::from_iter([("prompt".to_owned(), Value::from(&*order.prompt))]);
    if let Some(seconds) = order.seconds {
        body.insert("duration".into(), duration(call.model(), seconds));
    }
    if let Some(ratio) = order.ratio(RATIOS)? {
        body.insert("aspect_ratio".into(), ratio.into());
    }
    if let Some(resolution) = order.resolution() {
        body.insert("resolution".into(), resolution.into());
    }
    if let Some(picture) = order.picture_address() {
        body.insert("image_url".into(), picture.into());
    }
    body.extend(order.extra.clone());
    Ok(body)
}

/// Each family writes it in its own way.
fn duration(model: &str, seconds: u32) -> Value {
    let is = |family: &str| model.contains(family);
    if is("veo") || is("luma") {
        json!(format!("{seconds}s"))
    } else if is("sora") || is("vidu") || is("ltx") {
        json!(seconds)
    } else {
        json!(seconds.to_string())
    }
}

#[derive(Deserialize)]
struct Queued {
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    error_type: Option<String>,
}

impl Queued {
    fn read(self, call: &Call<'_>) -> Film {
        let id = call.id.clone().unwrap_or_default();
        let model = Id::parse(&id).map(|id| id.model);
        let mut film = Film::new(call, id);
        if let Ok(model) = model {
            film.model = model;
        }
        let said = match &self.error {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        match (self.status.as_str(), said) {
            (_, Some(said)) => {
                let code = self.error_type.unwrap_or_else(|| "failed".to_owned());
                film.failed(code, said)
            }
            ("COMPLETED", None) => film.done(),
            ("FAILED", None) => film.failed("failed", "the request failed"),
            ("CANCELED" | "CANCELLED", None) => {
                film.failed("cancelled", "the request was cancelled")
            }
            ("IN_QUEUE", None) => {
                film.status = "queued";
                film
            }
            _ => film,
        }
    }
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    video: Value,
    #[serde(default)]
    videos: Vec<Value>,
    #[serde(default)]
    video_url: Option<String>,
}

impl Output {
    fn address(self) -> Option<String> {
        let of = |file: &Value| {
            let url = file.get("url").unwrap_or(file);
            url.as_str().map(str::to_owned)
        };
        let all = std::iter::once(&self.video).chain(&self.videos);
        all.filter_map(of).next().or(self.video_url)
    }
}
