//! Alibaba Cloud Model Studio: older models make images as tasks, newer ones answer as a chat does.

use std::time::Duration;

use http::HeaderValue;
use llm_types::{Image, ImageRequest, Map};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Painter, answer, ask, failed, filtered, parsed, sides};
use crate::{Call, Error, Reply, Step, path, protocols::openai};

/// How long to wait before asking again.
const POLL: Duration = Duration::from_secs(2);

const TASKS: &str = "api/v1/services/aigc/text2image/image-synthesis";
const CHAT: &str = "api/v1/services/aigc/multimodal-generation/generation";

pub(crate) const DASHSCOPE: Painter = Painter {
    most: |call| match is_task(call.model()) {
        true => 4,
        false => 1,
    },
    request: |call, request| {
        let body = body(call.model(), request)?.to_string();
        let place = match is_task(call.model()) {
            true => TASKS,
            false => CHAT,
        };
        let mut http = openai::request(&path::join(root(call), place), body.into())?;
        if is_task(call.model()) {
            let enable = HeaderValue::from_static("enable");
            http.headers_mut().insert("x-dashscope-async", enable);
        }
        Ok(http)
    },
    read,
};

/// Wan's models before 2.6, and Flux and Stable Diffusion, which are served beside them.
fn is_task(model: &str) -> bool {
    let chat = ["qwen-", "z-image", "wan2.6", "wan2.7", "wan3"];
    !chat.iter().any(|name| model.starts_with(name))
}

fn root<'a>(call: &'a Call<'_>) -> &'a str {
    let base = call.base_url();
    let base = base.split("/compatible-").next().unwrap_or(base);
    base.trim_end_matches('/').trim_end_matches("/api/v1")
}

fn body(model: &str, request: ImageRequest) -> Result<Value, Error> {
    let mut parameters = Map::new();
    if let Some((width, height)) = sides(&request)? {
        parameters.insert("size".into(), format!("{width}*{height}").into());
    }
    if let Some(n) = request.n {
        parameters.insert("n".into(), n.into());
    }
    if let Some(style) = request.style {
        parameters.insert("style".into(), style.into());
    }
    let mut own = request.extra;
    let mut input = match is_task(model) {
        true => json!({"prompt": request.prompt}),
        false => json!({"messages": [{"role": "user", "content": [{"text": request.prompt}]}]}),
    };
    if let Some(without) = own.shift_remove("negative_prompt") {
        let place = if is_task(model) {
            input.as_object_mut()
        } else {
            Some(&mut parameters)
        };
        if let Some(place) = place {
            place.insert("negative_prompt".into(), without);
        }
    }
    parameters.extend(own);
    let mut body = json!({"model": model, "input": input});
    if !parameters.is_empty() {
        body["parameters"] = parameters.into();
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    output: Output,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output {
    task_id: String,
    task_status: String,
    results: Vec<Map>,
    choices: Vec<Value>,
    code: String,
    message: String,
}

fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let Answered { output } = parsed(call, reply)?;
    match output.task_status.as_str() {
        "PENDING" | "RUNNING" | "SUSPENDED" => {
            let place = format!("api/v1/tasks/{}", path::segment(&output.task_id)?);
            Ok(Step::Again {
                request: ask(call, &path::join(root(call), &place))?,
                after: POLL,
            })
        }
        "" | "SUCCEEDED" => {
            let contents = output.choices.iter().flat_map(|choice| {
                let parts = choice.pointer("/message/content").and_then(Value::as_array);
                parts.into_iter().flatten()
            });
            let told = contents.filter_map(|part| Some(Image::at(part.get("image")?.as_str()?)));
            let made = output.results.into_iter().filter_map(image);
            answer(call, made.chain(told).collect(), None, Map::new())
        }
        status => {
            let why = format!("the task is {status}: {} {}", output.code, output.message);
            Err(match output.code.as_str() {
                "DataInspectionFailed" => filtered(call, why),
                _ => failed(call, why),
            })
        }
    }
}

/// One of a task's results: some of them may have failed.
fn image(mut result: Map) -> Option<Image> {
    let url = result.shift_remove("url")?;
    let text = |value: Value| value.as_str().map(str::to_owned);
    let revised_prompt = result.shift_remove("actual_prompt").and_then(text);
    Some(Image {
        revised_prompt,
        extra: result,
        ..Image::at(url.as_str()?)
    })
}
