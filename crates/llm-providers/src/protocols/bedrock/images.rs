//! Images: Titan, Nova Canvas and Stability's models, each in its own format over InvokeModel.

use llm_types::{Image, ImageRequest, Map};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Model, uri};
use crate::{
    Call, Error, Reply, Step, Target, params,
    protocols::{
        images::{self, Painter, ratio, sides},
        openai,
    },
};

/// Whose format it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Titan and Nova Canvas.
    Amazon,
    /// Stability's Core, Ultra and SD 3.
    Stability,
    /// Stable Diffusion XL and older.
    Diffusion,
}

/// Images on Bedrock.
pub(crate) const IMAGES: Painter = Painter {
    most: |call| match Format::of(call.target) {
        Some(Format::Amazon) => 5,
        _ => 1,
    },
    request: |call, request| {
        let format = Format::of(call.target).ok_or_else(|| call.unsupported())?;
        let body = Value::from(body(format, request)?).to_string();
        let model = Model::of(call.target);
        openai::request(&uri(call, &model, "invoke")?, body.into())
    },
    read: |call, reply| match Format::of(call.target) {
        Some(Format::Diffusion) => images::diffused(call, reply),
        _ => read(call, reply),
    },
};

/// Settles what only some models take.
pub(super) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    match Format::of(call.target) {
        Some(Format::Amazon) => params::refuse(call, &["output_format"]),
        Some(Format::Stability) => params::refuse(call, &["quality", "style"]),
        Some(Format::Diffusion) => params::refuse(call, &["quality", "output_format"]),
        None => Ok(()),
    }
}

/// Whether `target`'s model makes images.
pub(super) fn makes_images(target: &Target) -> bool {
    Format::of(target).is_some()
}

impl Format {
    fn of(target: &Target) -> Option<Self> {
        let id = Model::of(target).id;
        // An ARN of one's own may name nothing: the model's name then says what it is.
        let name = if id.starts_with("arn:") {
            &*target.model
        } else {
            id
        };
        if name.contains("nova-canvas") || name.contains("titan-image") {
            Some(Self::Amazon)
        } else if name.contains("stable-diffusion") {
            Some(Self::Diffusion)
        } else if name.contains("stability.") {
            Some(Self::Stability)
        } else {
            None
        }
    }
}

fn body(format: Format, request: ImageRequest) -> Result<Map, Error> {
    match format {
        Format::Amazon => amazon(request),
        Format::Diffusion => images::diffusion(request),
        Format::Stability => {
            let mut body = Map::from_iter([("prompt".to_owned(), Value::from(&*request.prompt))]);
            if let Some(ratio) = ratio(&request, images::STABILITY_RATIOS)? {
                body.insert("aspect_ratio".into(), ratio.into());
            }
            if let Some(format) = request.output_format {
                body.insert("output_format".into(), format.into());
            }
            body.extend(request.extra);
            Ok(body)
        }
    }
}

fn amazon(request: ImageRequest) -> Result<Map, Error> {
    let sides = sides(&request)?;
    let mut own = request.extra;
    let mut config = Map::new();
    if let Some(Value::Object(more)) = own.shift_remove("imageGenerationConfig") {
        config = more;
    }
    if let Some(n) = request.n {
        config.insert("numberOfImages".into(), n.into());
    }
    if let Some(quality) = request.quality {
        let quality = match quality.as_str() {
            "hd" | "high" => "premium".to_owned(),
            "auto" | "medium" | "low" => "standard".to_owned(),
            _ => quality,
        };
        config.insert("quality".into(), quality.into());
    }
    if let Some((width, height)) = sides {
        config.insert("width".into(), width.into());
        config.insert("height".into(), height.into());
    }
    for name in ["seed", "cfgScale"] {
        if let Some(value) = own.shift_remove(name) {
            config.insert(name.into(), value);
        }
    }
    let mut text = Map::from_iter([("text".to_owned(), Value::from(request.prompt))]);
    for (ours, theirs) in [
        ("negative_prompt", "negativeText"),
        ("negativeText", "negativeText"),
    ] {
        if let Some(value) = own.shift_remove(ours) {
            text.insert(theirs.into(), value);
        }
    }
    if let Some(style) = request.style {
        text.insert("style".into(), style.into());
    }
    if let Some(Value::Object(more)) = own.shift_remove("textToImageParams") {
        text.extend(more);
    }
    let kind = own.shift_remove("taskType");
    let mut body = Map::from_iter([
        (
            "taskType".to_owned(),
            kind.unwrap_or_else(|| json!("TEXT_IMAGE")),
        ),
        ("textToImageParams".to_owned(), text.into()),
    ]);
    if !config.is_empty() {
        body.insert("imageGenerationConfig".into(), config.into());
    }
    body.extend(own);
    Ok(body)
}

#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    finish_reasons: Vec<Option<String>>,
    error: Option<String>,
}

fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let made: Made = images::parsed(call, reply)?;
    if made.images.is_empty() {
        let why = made.finish_reasons.into_iter().flatten().next();
        return Err(match (made.error, why) {
            (Some(error), _) => images::filtered(call, error),
            (None, Some(why)) if why.starts_with("Inference") => images::failed(call, why),
            (None, Some(why)) => images::filtered(call, why),
            (None, None) => images::failed(call, "there are no images in the answer"),
        });
    }
    let all = made.images.iter().map(|base64| Image::of(base64));
    images::answer(call, all.collect(), None, Map::new())
}
