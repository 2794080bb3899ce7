//! Fal: many vendors' models behind one address, each at its own path.

use llm_types::{Image, ImageRequest, Map};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Painter, Ratio, answer, filtered, inline, parsed, ratio, sides};
use crate::{Call, Error, Reply, Step, path, protocols::openai};

/// What models that think in ratios take.
const RATIOS: &[Ratio] = &[
    (1, 1),
    (16, 9),
    (9, 16),
    (4, 3),
    (3, 4),
    (3, 2),
    (2, 3),
    (21, 9),
];

/// Models of Fal's own account, as users name them without it.
const FAMILIES: [&str; 12] = [
    "flux",
    "stable-",
    "fast-",
    "recraft",
    "ideogram",
    "imagen",
    "qwen-",
    "hidream",
    "nano-",
    "bytedance",
    "aura-",
    "sana",
];

pub(crate) const FAL: Painter = Painter {
    most: |_| 4,
    request: |call, request| {
        let model = call.model();
        let owner = match FAMILIES.iter().any(|family| model.starts_with(family)) {
            true => "fal-ai/",
            false => "",
        };
        let place = format!("{owner}{}", path::segments(model)?);
        let mut body = body(model, request)?;
        let mut pictures = inline(call, "image")?;
        // Models that take several pictures have a list.
        if model.ends_with("/edit") || model.ends_with("/multi") || pictures.len() > 1 {
            body.insert("image_urls".into(), pictures.into());
        } else if let Some(picture) = pictures.pop() {
            body.insert("image_url".into(), picture.into());
        }
        if let Some(mask) = inline(call, "mask")?.pop() {
            body.insert("mask_url".into(), mask.into());
        }
        let body = Value::from(body).to_string();
        openai::request(&path::join(call.base_url(), &place), body.into())
    },
    read,
};

fn body(model: &str, request: ImageRequest) -> Result<Map, Error> {
    let mut body = Map::from_iter([("prompt".to_owned(), Value::from(&*request.prompt))]);
    if let Some(n) = request.n {
        body.insert("num_images".into(), n.into());
    }
    let by_ratio = ["ultra", "imagen", "nano-banana", "kontext", "luma"];
    if by_ratio.iter().any(|kind| model.contains(kind)) {
        if let Some(ratio) = ratio(&request, RATIOS)? {
            body.insert("aspect_ratio".into(), ratio.into());
        }
    } else if let Some(size) = image_size(&request)? {
        body.insert("image_size".into(), size);
    }
    match request.response_format.as_deref() {
        // The image comes as a `data:` address.
        Some("b64_json") => {
            body.insert("sync_mode".into(), true.into());
        }
        None | Some("url") => {}
        Some(other) => {
            return Err(Error::bad_request(
                "response_format",
                format!("'{other}' is neither url nor b64_json"),
            ));
        }
    }
    if let Some(format) = request.output_format {
        body.insert("output_format".into(), format.into());
    }
    if let Some(style) = request.style {
        body.insert("style".into(), style.into());
    }
    body.extend(request.extra);
    Ok(body)
}

/// Sides, or one of Fal's words such as `landscape_4_3`.
fn image_size(request: &ImageRequest) -> Result<Option<Value>, Error> {
    let word = |size: &&str| size.starts_with("square") || size.contains("_");
    if let Some(size) = request.size.as_deref().filter(word) {
        return Ok(Some(size.into()));
    }
    let sides = sides(request)?;
    Ok(sides.map(|(width, height)| json!({"width": width, "height": height})))
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    images: Vec<File>,
    image: Option<File>,
    #[serde(default)]
    has_nsfw_concepts: Vec<bool>,
    #[serde(flatten)]
    extra: Map,
}

#[derive(Deserialize)]
struct File {
    url: String,
    #[serde(flatten)]
    extra: Map,
}

fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let output: Output = parsed(call, reply)?;
    // What was filtered is black.
    let black = &output.has_nsfw_concepts;
    if !black.is_empty() && black.iter().all(|black| *black) {
        return Err(filtered(call, "the image was filtered"));
    }
    let files = output.images.into_iter().chain(output.image);
    let image = |file: File| Image {
        extra: file.extra,
        ..Image::at(&file.url)
    };
    let mut extra = output.extra;
    extra.shift_remove("created");
    extra.shift_remove("data");
    extra.shift_remove("usage");
    answer(call, files.map(image).collect(), None, extra)
}
