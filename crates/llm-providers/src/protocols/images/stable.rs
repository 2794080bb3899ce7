//! Stability AI's second API: Core, Ultra and SD 3, asked by forms, one image each.

use http::{HeaderValue, Request, header::ACCEPT};
use llm_types::{Image, ImageRequest, JsonObject, Map, Op};
use serde::Deserialize;

use super::{Ratio, answer, failed, filtered, parsed, ratio};
use crate::{Call, Error, Outgoing, Reply, Step, form, path};

/// What Stability's models take.
pub(crate) const RATIOS: &[Ratio] = &[
    (1, 1),
    (16, 9),
    (21, 9),
    (2, 3),
    (3, 2),
    (4, 5),
    (5, 4),
    (9, 16),
    (9, 21),
];

/// Whether `model` is one of these.
pub(super) fn is_meant(model: &str) -> bool {
    ["sd3", "stable-image", "core", "ultra"]
        .iter()
        .any(|name| model.starts_with(name))
}

pub(super) fn request(call: &Call<'_>, request: ImageRequest) -> Result<Request<Outgoing>, Error> {
    let model = call.model();
    let edits = call.op == Op::ImageEdit;
    let mut fields = JsonObject::new();
    fields.set_str("prompt", &request.prompt);
    // Otherwise the picture itself says how large it is.
    if !edits && let Some(ratio) = ratio(&request, RATIOS)? {
        fields.set_str("aspect_ratio", &ratio);
    }
    if let Some(format) = &request.output_format {
        fields.set_str("output_format", format);
    }
    if let Some(style) = &request.style {
        fields.set_str("style_preset", style);
    }
    let place = match (edits, model) {
        (true, _) if call.fields().contains("mask") => "edit/inpaint",
        (_, model) if model.starts_with("sd3") => {
            fields.set_str("model", model);
            if edits {
                fields.set_str("mode", "image-to-image");
                if !request.extra.contains_key("strength") {
                    fields.set_str("strength", "0.7");
                }
            }
            "generate/sd3"
        }
        (true, _) => {
            return Err(Error::bad_request(
                "mask",
                "this model edits what a mask says: give a mask, or take sd3.5",
            ));
        }
        (_, model) if model.contains("ultra") => "generate/ultra",
        _ => "generate/core",
    };
    for name in ["image", "mask"] {
        if let Some(raw) = call.fields().raw(name) {
            fields.set_raw(name, raw.clone());
        }
    }
    for (key, value) in request.extra {
        if !["image", "image[]", "mask"].contains(&key.as_str()) {
            fields.set(key, &value);
        }
    }
    let base = call.base_url();
    let uri = path::join(base, &format!("v2beta/stable-image/{place}"));
    let mut http = form::request(&uri, &fields, &call.body, &call.boundary)?;
    // It would send the bare image otherwise.
    let json = HeaderValue::from_static("application/json");
    http.headers_mut().insert(ACCEPT, json);
    Ok(http)
}

#[derive(Deserialize)]
struct Made {
    image: Option<String>,
    #[serde(default)]
    finish_reason: String,
    #[serde(flatten)]
    extra: Map,
}

pub(super) fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let made: Made = parsed(call, reply)?;
    if made.finish_reason == "CONTENT_FILTERED" {
        return Err(filtered(call, "the image was filtered"));
    }
    let Some(base64) = made.image else {
        return Err(failed(call, "there is no image in the answer"));
    };
    let image = Image {
        extra: made.extra,
        ..Image::of(&base64)
    };
    answer(call, vec![image], None, Map::new())
}
