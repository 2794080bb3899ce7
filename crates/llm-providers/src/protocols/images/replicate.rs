//! Images from Replicate: predictions whose output is addresses.

use llm_types::{Image, ImageRequest, Map};
use serde_json::Value;

use super::{Painter, Ratio, answer, one, ratio, sides};
use crate::{
    Call, Error, Reply, Step,
    protocols::replicate::{self, Prediction},
};

/// What models that think in ratios take.
const RATIOS: &[Ratio] = &[(1, 1), (16, 9), (9, 16), (4, 3), (3, 4), (3, 2), (2, 3)];

pub(crate) const REPLICATE: Painter = Painter {
    // Each model has its own name for a number, and many have none.
    most: one,
    request: |call, request| replicate::begin(call, input(call.model(), request)?),
    read,
};

fn input(model: &str, request: ImageRequest) -> Result<Map, Error> {
    let mut input = Map::from_iter([("prompt".to_owned(), Value::from(&*request.prompt))]);
    let is = |names: &[&str]| names.iter().any(|name| model.contains(name));
    if is(&["recraft"]) {
        if let Some((width, height)) = sides(&request)? {
            input.insert("size".into(), format!("{width}x{height}").into());
        }
    } else if is(&["stable-diffusion", "sdxl", "kandinsky", "playground"]) || model.contains(':') {
        if let Some((width, height)) = sides(&request)? {
            input.insert("width".into(), width.into());
            input.insert("height".into(), height.into());
        }
    } else if let Some(ratio) = ratio(&request, RATIOS)? {
        input.insert("aspect_ratio".into(), ratio.into());
    }
    for (name, value) in [
        ("quality", request.quality),
        ("style", request.style),
        ("output_format", request.output_format),
    ] {
        if let Some(value) = value {
            input.insert(name.into(), value.into());
        }
    }
    input.extend(request.extra);
    Ok(input)
}

fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let prediction = Prediction::read(call.target.provider.name, &reply.body)?;
    if !prediction.is_over() {
        return prediction.again(call);
    }
    let images = match &prediction.output {
        Value::String(address) => vec![Image::at(address)],
        Value::Array(list) => list
            .iter()
            .filter_map(Value::as_str)
            .map(Image::at)
            .collect(),
        _ => Vec::new(),
    };
    answer(call, images, None, Map::new())
}
