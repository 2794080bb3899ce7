//! Google's Veo: a long-running operation, at AI Studio and at Vertex AI.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, Request};
use llm_types::{Map, Op, Verb};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FILTERED, Film, Order, Picture, VERBS, fetches, parsed};
use crate::{
    Answer, Call, Error, Outgoing, Payload, Protocol, Reply, Step, path,
    protocols::{gemini, openai, vertex, vertex::storage::Object},
};

/// Where it is asked.
#[derive(Debug)]
pub(crate) enum Veo {
    /// At AI Studio.
    Studio,
    /// At Vertex AI.
    Vertex,
}

/// What it makes.
const RATIOS: &[(u32, u32)] = &[(16, 9), (9, 16)];

/// What it makes where nobody says.
const SECONDS: u32 = 8;

/// What stands beside the prompt; all else is a parameter.
const BESIDE: [&str; 5] = ["image", "lastFrame", "video", "mask", "referenceImages"];

impl Protocol for Veo {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        VERBS
    }

    fn fetches(&self, call: &Call<'_>) -> Vec<String> {
        fetches(call)
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.verb == Verb::Create {
            let body = order(&Order::of(call)?)?;
            let uri = match self {
                Self::Studio => gemini::address(call, &Map::new(), "predictLongRunning")?,
                Self::Vertex => vertex::model_address(call, call.model(), "predictLongRunning")?,
            };
            return gemini::post(&uri, &body);
        }
        let name = call.id.as_deref().unwrap_or_default();
        let model = model(name)?;
        match self {
            Self::Studio => {
                let version = match call.base_url() == call.target.provider.base_url {
                    true => "v1beta/",
                    false => "",
                };
                let place = format!("{version}{}", path::segments(name)?);
                openai::empty(Method::GET, &path::join(call.base_url(), &place))
            }
            Self::Vertex => {
                let uri = vertex::model_address(call, model, "fetchPredictOperation")?;
                openai::request(&uri, json!({"operationName": name}).to_string().into())
            }
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let operation: Operation = parsed(call, &reply)?;
        if call.verb == Verb::Create {
            return ordered(call, operation.name);
        }
        let (film, found) = operation.read(call);
        if call.verb != Verb::Content {
            return film.answer();
        }
        found.ok_or_else(|| film.unready())?.fetched(call)
    }
}

fn ordered(call: &Call<'_>, name: String) -> Result<Step, Error> {
    let order = Order::of(call)?;
    let seconds = order.seconds.unwrap_or(SECONDS);
    let mut film = order.film(call, name);
    film.seconds = Some(seconds.to_string());
    let mut step = film.answer()?;
    // It may make several at once, and bills each.
    let videos = order.extra.get("sampleCount").and_then(Value::as_u64);
    if let (Some(videos), Step::Done(answer)) = (videos, &mut step) {
        let usage = answer.usage.get_or_insert_default();
        usage.units.seconds = Some(f64::from(seconds) * videos as f64);
    }
    Ok(step)
}

fn order(order: &Order) -> Result<Map, Error> {
    let mut extra = order.extra.clone();
    let mut instance = Map::from_iter([("prompt".to_owned(), Value::from(&*order.prompt))]);
    if let Some(picture) = &order.picture {
        instance.insert("image".into(), image(picture)?);
    }
    for key in BESIDE {
        if let Some(value) = extra.shift_remove(key) {
            instance.insert(key.to_owned(), value);
        }
    }
    let mut parameters = Map::new();
    if let Some(ratio) = order.ratio(RATIOS)? {
        parameters.insert("aspectRatio".into(), ratio.into());
    }
    // 720p is what it makes anyway, and Veo 2 knows no other.
    if let Some(resolution) = order.resolution().filter(|resolution| resolution != "720p") {
        parameters.insert("resolution".into(), resolution.into());
    }
    if let Some(seconds) = order.seconds {
        parameters.insert("durationSeconds".into(), seconds.into());
    }
    if let Some(Value::Object(own)) = extra.shift_remove("parameters") {
        parameters.extend(own);
    }
    parameters.extend(extra);
    Ok(Map::from_iter([
        ("instances".to_owned(), json!([instance])),
        ("parameters".to_owned(), parameters.into()),
    ]))
}

fn image(picture: &Picture) -> Result<Value, Error> {
    match picture {
        Picture::Inline(kind, base64) => {
            Ok(json!({"bytesBase64Encoded": base64, "mimeType": kind}))
        }
        Picture::At(address) if address.starts_with("gs://") => {
            let kind = match address.rsplit('.').next() {
                Some("jpg" | "jpeg") => "image/jpeg",
                _ => "image/png",
            };
            Ok(json!({"gcsUri": address, "mimeType": kind}))
        }
        Picture::At(_) => Err(Error::bad_request(
            "input_reference",
            "'input_reference' must be a picture, or an address with http, https, gs or data",
        )),
    }
}

/// The model in an operation's name.
fn model(name: &str) -> Result<&str, Error> {
    let wrong = || Error::bad_request("id", "this is no video of this provider");
    let (before, operation) = name.split_once("/operations/").ok_or_else(wrong)?;
    let (_, model) = before.rsplit_once("models/").ok_or_else(wrong)?;
    let is_plain = !model.is_empty() && !model.contains('/') && !operation.contains('/');
    is_plain.then_some(model).ok_or_else(wrong)
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    name: String,
    #[serde(default)]
    done: bool,
    error: Option<Status>,
    response: Option<Made>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Made {
    /// AI Studio's.
    generate_video_response: Option<Samples>,
    /// Vertex AI's.
    videos: Vec<Video>,
    rai_media_filtered_count: u64,
    rai_media_filtered_reasons: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Samples {
    generated_samples: Vec<Sample>,
    rai_media_filtered_count: u64,
    rai_media_filtered_reasons: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sample {
    video: Video,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Video {
    uri: Option<String>,
    gcs_uri: Option<String>,
    #[serde(alias = "encodedVideo")]
    bytes_base64_encoded: Option<String>,
    #[serde(alias = "encoding")]
    mime_type: Option<String>,
}

impl Operation {
    /// How far it is, and the first video that it made.
    fn read(self, call: &Call<'_>) -> (Film, Option<Video>) {
        let id = call.id.clone().unwrap_or(self.name);
        let mut film = Film::new(call, id);
        if let Ok(model) = model(&film.id) {
            film.model = model.to_owned();
        }
        if let Some(error) = self.error {
            return (film.failed(error.code.to_string(), error.message), None);
        }
        if !self.done {
            return (film, None);
        }
        let mut made = self.response.unwrap_or_default();
        if let Some(samples) = made.generate_video_response.take() {
            made.videos
                .extend(samples.generated_samples.into_iter().map(|s| s.video));
            made.rai_media_filtered_count += samples.rai_media_filtered_count;
            made.rai_media_filtered_reasons
                .extend(samples.rai_media_filtered_reasons);
        }
        let reasons = made.rai_media_filtered_reasons.join(" ");
        match made.videos.into_iter().next() {
            Some(video) => (film.done(), Some(video)),
            None if made.rai_media_filtered_count > 0 => (film.failed(FILTERED, reasons), None),
            None => (film.failed("no_video", "no video was made"), None),
        }
    }
}

impl Video {
    /// Its bytes, or where they are.
    fn fetched(self, call: &Call<'_>) -> Result<Step, Error> {
        let wrong = |what: &str| Error::decode(call.target.provider.name, what);
        if let Some(base64) = self.bytes_base64_encoded {
            let bytes = STANDARD
                .decode(base64)
                .map_err(|_| wrong("the video is no base64"))?;
            let payload = Payload::Raw {
                body: bytes.into(),
                content_type: self.mime_type.unwrap_or_else(|| "video/mp4".to_owned()),
            };
            return Ok(Step::Done(Answer {
                payload,
                usage: None,
            }));
        }
        match (self.gcs_uri, self.uri) {
            (Some(address), _) => {
                let object =
                    Object::parse(&address).ok_or_else(|| wrong("the video is nowhere"))?;
                Ok(Step::Fetch {
                    uri: object.content(call),
                    trusted: true,
                })
            }
            (None, Some(uri)) => Ok(Step::Fetch {
                uri,
                trusted: false,
            }),
            (None, None) => Err(wrong("the video is nowhere")),
        }
    }
}
