//! Videos from vendors with a wire of their own. The client speaks OpenAI's shape: a video is ordered, asked after, and
//! fetched when it is done.

mod fal;
mod modelslab;
mod runway;
mod veo;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{Map, Verb};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Answer, Call, Error, Kind, Reply, Step, error_table};

pub(crate) use fal::Fal;
pub(crate) use modelslab::ModelsLab;
pub(crate) use runway::Runway;
pub(crate) use veo::Veo;

/// What every vendor here does with its videos.
pub(crate) const VERBS: &[Verb] = &[Verb::Create, Verb::Get, Verb::Content];

/// What a client orders.
pub(crate) struct Order {
    pub(crate) prompt: String,
    pub(crate) seconds: Option<u32>,
    pub(crate) sides: Option<(u32, u32)>,
    /// The picture that the video begins with.
    pub(crate) picture: Option<Picture>,
    /// The vendor's own parameters.
    pub(crate) extra: Map,
}

/// A picture to begin with.
pub(crate) enum Picture {
    /// Its type, and its bytes in base64.
    Inline(String, String),
    /// Where it is.
    At(String),
}

/// A video as clients see it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Film {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<i64>,
    pub(crate) completed_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) error: Option<Failure>,
    pub(crate) progress: Option<u64>,
    pub(crate) remixed_from_video_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt: Option<String>,
    pub(crate) seconds: Option<String>,
    pub(crate) size: Option<String>,
    pub(crate) model: String,
}

/// Why there is no video.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Order {
    /// Reads the client's fields.
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, Error> {
        let mut extra = call.fields().to_map()?;
        let picture = picture(call, extra.shift_remove("input_reference"))?;
        for key in ["model", "user", "input_reference[]"] {
            extra.shift_remove(key);
        }
        let prompt = match extra.shift_remove("prompt") {
            Some(Value::String(prompt)) => prompt,
            None | Some(Value::Null) if picture.is_some() => String::new(),
            None | Some(Value::Null) => {
                return Err(Error::bad_request("prompt", "'prompt' is missing"));
            }
            Some(_) => return Err(Error::bad_request("prompt", "'prompt' must be text")),
        };
        Ok(Self {
            prompt,
            seconds: extra.shift_remove("seconds").map(seconds).transpose()?,
            sides: extra.shift_remove("size").map(sides).transpose()?.flatten(),
            picture,
            extra,
        })
    }

    /// `16:9`, where the size is one of `allowed`.
    pub(crate) fn ratio(&self, allowed: &[(u32, u32)]) -> Result<Option<String>, Error> {
        let Some((width, height)) = self.sides else {
            return Ok(None);
        };
        // 1366x768 is 16:9, too.
        let is_like = |(a, b): &&(u32, u32)| {
            let (asked, ratio) = (
                f64::from(width) * f64::from(*b),
                f64::from(height) * f64::from(*a),
            );
            (asked / ratio - 1.0).abs() < 0.02
        };
        let shown = |(a, b): &(u32, u32)| format!("{a}:{b}");
        match allowed.iter().find(is_like) {
            Some(ratio) => Ok(Some(shown(ratio))),
            None => {
                let all: Vec<_> = allowed.iter().map(shown).collect();
                let message = format!(
                    "'{width}x{height}' is no size that this model makes: its sides are as {}",
                    all.join(", ")
                );
                Err(Error::bad_request("size", message))
            }
        }
    }

    /// `720p`, `1080p`, `4k`: by the shorter side.
    pub(crate) fn resolution(&self) -> Option<String> {
        let (width, height) = self.sides?;
        Some(match width.min(height) {
            2160 => "4k".to_owned(),
            side => format!("{side}p"),
        })
    }

    /// The picture as an address, `data:` where it was sent.
    pub(crate) fn picture_address(&self) -> Option<String> {
        self.picture.as_ref().map(|picture| match picture {
            Picture::Inline(kind, base64) => format!("data:{kind};base64,{base64}"),
            Picture::At(address) => address.clone(),
        })
    }

    /// What is made of it, as far as it says.
    pub(crate) fn film(&self, call: &Call<'_>, id: String) -> Film {
        Film {
            prompt: Some(self.prompt.clone()),
            seconds: self.seconds.map(|seconds| seconds.to_string()),
            size: self
                .sides
                .map(|(width, height)| format!("{width}x{height}")),
            ..Film::new(call, id)
        }
    }
}

impl Film {
    /// One that is on its way.
    pub(crate) fn new(call: &Call<'_>, id: String) -> Self {
        Self {
            id,
            object: "video",
            status: "in_progress",
            model: call.model().to_owned(),
            ..Self::default()
        }
    }

    /// The same, done.
    pub(crate) fn done(mut self) -> Self {
        self.status = "completed";
        self.progress = Some(100);
        self
    }

    /// The same, never to be done.
    pub(crate) fn failed(mut self, code: impl Into<String>, message: impl Into<String>) -> Self {
        self.status = "failed";
        self.error = Some(Failure {
            code: code.into(),
            message: message.into(),
        });
        self
    }

    /// The answer that shows it.
    pub(crate) fn answer(&self) -> Result<Step, Error> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::decode("", e))?;
        Ok(Answer::raw(bytes.into(), None).into())
    }

    /// Why its bytes cannot be had.
    pub(crate) fn unready(&self) -> Error {
        match &self.error {
            Some(failure) => {
                let kind = match failure.code.as_str() {
                    FILTERED => Kind::ContentPolicy,
                    _ => Kind::BadRequest,
                };
                Error::new(kind, format!("there is no video: {}", failure.message))
            }
            None => Error::bad_request("id", "the video is not ready: ask for its status first"),
        }
    }
}

/// The code of what the vendor's filter took away.
pub(crate) const FILTERED: &str = "content_policy_violation";

/// The addresses of pictures that a request must hold as bytes.
pub(crate) fn fetches(call: &Call<'_>) -> Vec<String> {
    let field = call.fields().get::<Value>("input_reference").ok().flatten();
    let address = field.as_ref().and_then(address);
    let outside =
        |address: &&str| address.starts_with("http://") || address.starts_with("https://");
    address
        .filter(outside)
        .map(str::to_owned)
        .into_iter()
        .collect()
}

/// What is deleted, as OpenAI shows it.
pub(crate) fn deleted(call: &Call<'_>) -> Step {
    let shown = json!({"id": call.id, "object": "video.deleted", "deleted": true});
    Answer::raw(shown.to_string().into(), None).into()
}

/// The reply as the vendor's type.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(
    call: &Call<'_>,
    reply: &Reply,
) -> Result<T, Error> {
    serde_json::from_slice(&reply.body)
        .map_err(|_| error_table::unreadable(call.target.provider.name, &reply.body))
}

/// A picture that was uploaded, or one that is named by its address.
fn picture(call: &Call<'_>, field: Option<Value>) -> Result<Option<Picture>, Error> {
    if let Some(upload) = call.body.files_of("input_reference").first() {
        let kind = upload.content_type.as_deref();
        let kind = kind
            .filter(|kind| kind.starts_with("image/"))
            .unwrap_or("image/png");
        return Ok(Some(Picture::Inline(
            kind.to_owned(),
            STANDARD.encode(upload.bytes()?),
        )));
    }
    let Some(field) = field.filter(|field| !field.is_null()) else {
        return Ok(None);
    };
    let wrong = || {
        Error::bad_request(
            "input_reference",
            "'input_reference' must be a picture or its address",
        )
    };
    let address = address(&field).ok_or_else(wrong)?;
    if let Some(fetched) = call.fetched.get(address) {
        let kind = fetched.content_type.as_deref().unwrap_or("image/png");
        return Ok(Some(Picture::Inline(
            kind.to_owned(),
            STANDARD.encode(&fetched.bytes),
        )));
    }
    if let Some(data) = address.strip_prefix("data:") {
        let (kind, base64) = data.split_once(";base64,").ok_or_else(wrong)?;
        return Ok(Some(Picture::Inline(kind.to_owned(), base64.to_owned())));
    }
    Ok(Some(Picture::At(address.to_owned())))
}

/// Text, or OpenAI's `{"image_url": ...}`.
fn address(field: &Value) -> Option<&str> {
    let inner = field.get("image_url").unwrap_or(field);
    inner.get("url").unwrap_or(inner).as_str()
}

fn seconds(value: Value) -> Result<u32, Error> {
    let number = value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    let whole = number.filter(|n| n.fract() == 0.0 && (1.0..=3600.0).contains(n));
    match whole {
        Some(seconds) => Ok(seconds as u32),
        None => Err(Error::bad_request(
            "seconds",
            "'seconds' must be a whole number above 0",
        )),
    }
}

fn sides(value: Value) -> Result<Option<(u32, u32)>, Error> {
    let Some(size) = value.as_str().filter(|size| *size != "auto") else {
        return Ok(None);
    };
    let parsed = size
        .split_once(['x', '*', ':'])
        .and_then(|(width, height)| {
            let sides: (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
            (sides.0 > 0 && sides.1 > 0).then_some(sides)
        });
    let wrong = || format!("'{size}' is not a width and a height such as 1280x720");
    parsed
        .map(Some)
        .ok_or_else(|| Error::bad_request("size", wrong()))
}
