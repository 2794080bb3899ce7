//! Stability AI's first API: engines of Stable Diffusion XL and older.

use llm_types::{Image, ImageRequest, Map, Op};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Painter, answer, filtered, parsed, sides, stable};
use crate::{Call, Error, Reply, Step, path, protocols::openai};

pub(crate) const STABILITY: Painter = Painter {
    most: |call| match stable::is_meant(call.model()) {
        true => 1,
        false => 10,
    },
    request: |call, request| {
        if stable::is_meant(call.model()) {
            return stable::request(call, request);
        }
        if call.op == Op::ImageEdit {
            return Err(call.unsupported());
        }
        let engine = path::segment(call.model())?;
        let place = format!("v1/generation/{engine}/text-to-image");
        let body = Value::from(body(request)?).to_string();
        let mut http = openai::request(&path::join(call.base_url(), &place), body.into())?;
        // It would send the bare image otherwise.
        let json = http::HeaderValue::from_static("application/json");
        http.headers_mut().insert(http::header::ACCEPT, json);
        Ok(http)
    },
    read: |call, reply| match stable::is_meant(call.model()) {
        true => stable::read(call, reply),
        false => read(call, reply),
    },
};

/// Also what Bedrock's engines of that age take.
pub(crate) fn body(request: ImageRequest) -> Result<Map, Error> {
    let mut body = Map::new();
    let mut prompts = vec![json!({"text": request.prompt})];
    let sides = sides(&request)?;
    let mut own = request.extra;
    if let Some(without) = own.shift_remove("negative_prompt") {
        prompts.push(json!({"text": without, "weight": -1}));
    }
    body.insert("text_prompts".into(), prompts.into());
    if let Some((width, height)) = sides {
        body.insert("width".into(), width.into());
        body.insert("height".into(), height.into());
    }
    if let Some(n) = request.n {
        body.insert("samples".into(), n.into());
    }
    if let Some(style) = request.style {
        body.insert("style_preset".into(), style.into());
    }
    body.extend(own);
    Ok(body)
}

#[derive(Deserialize)]
struct Artifacts {
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    base64: String,
    #[serde(default, rename = "finishReason")]
    finish_reason: String,
    #[serde(flatten)]
    extra: Map,
}

/// Also what Bedrock's engines of that age answer.
pub(crate) fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let artifacts: Artifacts = parsed(call, reply)?;
    // What was filtered is blurred, and is no answer.
    let (blurred, made): (Vec<_>, Vec<_>) = artifacts
        .artifacts
        .into_iter()
        .partition(|artifact| artifact.finish_reason == "CONTENT_FILTERED");
    if made.is_empty() && !blurred.is_empty() {
        return Err(filtered(call, "the image was filtered"));
    }
    let image = |artifact: Artifact| Image {
        extra: artifact.extra,
        ..Image::of(&artifact.base64)
    };
    answer(
        call,
        made.into_iter().map(image).collect(),
        None,
        Map::new(),
    )
}
