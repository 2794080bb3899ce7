//! Images from Google: Imagen by predict, and Gemini's own image models by generateContent.

use http::Request;
use llm_types::{Image, ImageRequest, Map, Op};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{model::Model, usage, usage::Grounding, wire};
use crate::{
    Call, Error, Outgoing, Reply, Step,
    protocols::images::{self, Painter, Ratio, ratio},
};

/// What Imagen takes.
const IMAGEN_RATIOS: &[Ratio] = &[(1, 1), (16, 9), (9, 16), (4, 3), (3, 4)];

/// What Gemini takes.
const GEMINI_RATIOS: &[Ratio] = &[
    (1, 1),
    (2, 3),
    (3, 2),
    (3, 4),
    (4, 3),
    (4, 5),
    (5, 4),
    (9, 16),
    (16, 9),
    (21, 9),
];

/// At AI Studio.
pub(crate) const STUDIO: Painter = Painter {
    most,
    request: |call, request| {
        let (verb, body) = body(call, request)?;
        super::post(&super::address(call, &body, verb)?, &body)
    },
    read,
};

/// How many one request makes.
pub(crate) fn most(call: &Call<'_>) -> u64 {
    match is_imagen(call.model()) {
        true => 4,
        false => 1,
    }
}

/// Imagen, under any of its names.
pub(crate) fn is_imagen(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("imagen") || name.starts_with("imagegeneration")
}

/// The method and what is sent to it.
pub(crate) fn body(call: &Call<'_>, request: ImageRequest) -> Result<(&'static str, Map), Error> {
    match (is_imagen(call.model()), call.op) {
        (true, Op::ImageEdit) => Err(call.unsupported()),
        (true, _) => Ok(("predict", predict(request)?)),
        (false, _) => Ok(("generateContent", content(call, request)?)),
    }
}

fn predict(request: ImageRequest) -> Result<Map, Error> {
    let mut parameters =
        Map::from_iter([("sampleCount".to_owned(), request.n.unwrap_or(1).into())]);
    if let Some(ratio) = ratio(&request, IMAGEN_RATIOS)? {
        parameters.insert("aspectRatio".into(), ratio.into());
    }
    parameters.extend(request.extra);
    Ok(Map::from_iter([
        ("instances".to_owned(), json!([{"prompt": request.prompt}])),
        ("parameters".to_owned(), parameters.into()),
    ]))
}

fn content(call: &Call<'_>, request: ImageRequest) -> Result<Map, Error> {
    let model = Model::new(call.model());
    if !call.body.files_of("mask").is_empty() {
        return Err(Error::bad_request(
            "mask",
            "Gemini edits without a mask: say where in the prompt",
        ));
    }
    let mut parts = vec![json!({"text": request.prompt})];
    for (kind, base64) in images::pictures(call, "image")? {
        parts.push(json!({"inlineData": {"mimeType": kind, "data": base64}}));
    }
    let mut config = Map::new();
    if let Some(ratio) = ratio(&request, GEMINI_RATIOS)? {
        config.insert("aspectRatio".into(), ratio.into());
    }
    // Its third generation draws larger ones.
    let longest = request
        .sides()
        .map_or(0, |(width, height)| width.max(height));
    let class = match longest {
        3000.. => Some("4K"),
        1900.. => Some("2K"),
        _ => None,
    };
    if let (true, Some(class)) = (model.is_3(), class) {
        config.insert("imageSize".into(), class.into());
    }
    // Models before 2.5 refuse to draw without a word.
    let mut generation = json!({"responseModalities": ["TEXT", "IMAGE"]});
    if !config.is_empty() {
        generation["imageConfig"] = config.into();
    }
    let mut body = Map::from_iter([(
        "contents".to_owned(),
        json!([{"role": "user", "parts": parts}]),
    )]);
    let mut own = request.extra;
    if let Some(generation) = generation.as_object_mut() {
        for name in ["seed", "temperature", "topP", "topK"] {
            generation.extend(own.shift_remove_entry(name));
        }
        if let Some(Value::Object(more)) = own.shift_remove("generationConfig") {
            generation.extend(more);
        }
    }
    body.insert("generationConfig".into(), generation);
    body.extend(own);
    Ok(body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predictions {
    #[serde(default)]
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prediction {
    bytes_base64_encoded: Option<String>,
    gcs_uri: Option<String>,
    prompt: Option<String>,
    rai_filtered_reason: Option<String>,
    #[serde(flatten)]
    extra: Map,
}

/// Reads either answer.
pub(crate) fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    match is_imagen(call.model()) {
        true => predicted(call, reply),
        false => drawn(call, reply),
    }
}

fn predicted(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let Predictions { predictions } = images::parsed(call, reply)?;
    let mut refused = None;
    let mut made = Vec::new();
    for one in predictions {
        refused = one.rai_filtered_reason.or(refused);
        let image = match (one.bytes_base64_encoded, one.gcs_uri) {
            (Some(base64), _) => Image::of(&base64),
            (None, Some(place)) => Image::at(&place),
            (None, None) => continue,
        };
        made.push(Image {
            revised_prompt: one.prompt,
            extra: one.extra,
            ..image
        });
    }
    if made.is_empty() {
        // It answers nothing at all to a prompt that it filters, unless it is asked for reasons.
        let why = refused.unwrap_or_else(|| "all images were filtered".to_owned());
        return Err(images::filtered(call, why));
    }
    images::answer(call, made, None, Map::new())
}

fn drawn(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let read: wire::Response = images::parsed(call, reply)?;
    let counts = read.usage_metadata.as_ref();
    let usage =
        counts.map(|counts| usage::usage(counts, Grounding::default(), Model::new(call.model())));
    let mut said = String::new();
    let (mut made, mut end) = (Vec::new(), None);
    for candidate in read.candidates {
        end = candidate.finish_reason.or(end);
        for part in candidate.content.unwrap_or_default().parts {
            if part.thought == Some(true) {
                continue;
            }
            if let Some(blob) = part.inline_data {
                let kind = Map::from_iter([("mime_type".to_owned(), blob.mime_type.into())]);
                made.push(Image {
                    extra: kind,
                    ..Image::of(&blob.data)
                });
            }
            said.push_str(part.text.as_deref().unwrap_or_default());
        }
    }
    if made.is_empty() {
        let blocked = read
            .prompt_feedback
            .and_then(|feedback| feedback.block_reason);
        let end = blocked.or(end).map(|end| end.name(wire::FINISH_REASONS));
        return Err(match end.as_deref() {
            None | Some("STOP" | "MAX_TOKENS" | "NO_IMAGE") => {
                images::failed(call, format!("the model drew nothing; it said: {said}"))
            }
            Some(why) => images::filtered(call, format!("no image was drawn: {why}")),
        });
    }
    images::answer(call, made, usage, Map::new())
}

/// For Vertex: the request at an address of its own.
pub(crate) fn request(
    call: &Call<'_>,
    request: ImageRequest,
    address: fn(&Call<'_>, &str) -> Result<String, Error>,
) -> Result<Request<Outgoing>, Error> {
    let (verb, body) = body(call, request)?;
    super::post(&address(call, verb)?, &body)
}
