//! Black Forest Labs: a task is begun, and asked after until it is done.

use std::time::Duration;

use http::Uri;
use llm_types::{Image, ImageRequest, Map};
use serde::Deserialize;
use serde_json::Value;

use super::{Painter, Ratio, answer, ask, failed, filtered, one, parsed, pictures, ratio, sides};
use crate::{Call, Error, Reply, Step, path, protocols::openai};

/// How long to wait before asking again.
const POLL: Duration = Duration::from_millis(500);

/// What its models that think in ratios take.
const RATIOS: &[Ratio] = &[
    (1, 1),
    (21, 9),
    (16, 9),
    (3, 2),
    (4, 3),
    (3, 4),
    (2, 3),
    (9, 16),
    (9, 21),
];

pub(crate) const BLACK_FOREST_LABS: Painter = Painter {
    most: one,
    request: |call, request| {
        let model = path::segment(call.model())?;
        let mut body = body(call.model(), request)?;
        let image = match call.model().contains("fill") {
            true => "image",
            false => "input_image",
        };
        for (at, (_, base64)) in pictures(call, "image")?.into_iter().enumerate() {
            let name = match at {
                0 => image.to_owned(),
                at => format!("{image}_{}", at + 1),
            };
            body.insert(name, base64.into());
        }
        if let Some((_, base64)) = pictures(call, "mask")?.pop() {
            body.insert("mask".into(), base64.into());
        }
        let body = Value::from(body).to_string();
        openai::request(
            &path::join(path::unversioned(call.base_url()), &format!("v1/{model}")),
            body.into(),
        )
    },
    read,
};

fn body(model: &str, request: ImageRequest) -> Result<Map, Error> {
    let mut body = Map::from_iter([("prompt".to_owned(), Value::from(&*request.prompt))]);
    if model.contains("ultra") || model.contains("kontext") {
        if let Some(ratio) = ratio(&request, RATIOS)? {
            body.insert("aspect_ratio".into(), ratio.into());
        }
    } else if let Some((width, height)) = sides(&request)? {
        body.insert("width".into(), width.into());
        body.insert("height".into(), height.into());
    }
    if let Some(format) = request.output_format {
        body.insert("output_format".into(), format.into());
    }
    body.extend(request.extra);
    Ok(body)
}

#[derive(Deserialize)]
struct Task {
    #[serde(default)]
    id: String,
    polling_url: Option<String>,
    status: Option<String>,
    result: Option<Finished>,
    #[serde(default)]
    details: Value,
}

#[derive(Deserialize)]
struct Finished {
    sample: String,
    #[serde(flatten)]
    extra: Map,
}

fn read(call: &Call<'_>, reply: &Reply) -> Result<Step, Error> {
    let task: Task = parsed(call, reply)?;
    match (task.status.as_deref(), task.result) {
        (None, _) if task.id.is_empty() => {
            let name = call.target.provider.name;
            Err(Error::decode(name, "it does not say which task was begun"))
        }
        (None, _) => Ok(Step::Again {
            request: ask(call, &place(call, &task.id, task.polling_url.as_deref())?)?,
            after: POLL,
        }),
        (Some("Pending" | "Queued" | "Processing"), _) => Ok(Step::Later(POLL)),
        (Some("Ready"), Some(finished)) => {
            let image = Image {
                extra: finished.extra,
                ..Image::at(&finished.sample)
            };
            answer(call, vec![image], None, Map::new())
        }
        (Some(status @ ("Request Moderated" | "Content Moderated")), _) => {
            Err(filtered(call, format!("the task ended with '{status}'")))
        }
        (Some(status), _) => {
            let details = match &task.details {
                Value::Null => String::new(),
                details => format!(": {details}"),
            };
            Err(failed(
                call,
                format!("the task ended with '{status}'{details}"),
            ))
        }
    }
}

/// Where the task is: each region has its own host, which the vendor names. The key goes with the request, so it goes
/// to that vendor's hosts alone.
fn place(call: &Call<'_>, id: &str, named: Option<&str>) -> Result<String, Error> {
    let own: Option<Uri> = path::unversioned(call.base_url()).parse().ok();
    let named: Option<Uri> = named.and_then(|named| named.parse().ok());
    if let (Some(own), Some(named)) = (own, named)
        && named.scheme() == own.scheme()
        && let (Some(own), Some(host)) = (own.host(), named.host())
        && (own == host
            || [".bfl.ai", ".bfl.ml"]
                .iter()
                .any(|of| own.ends_with(of) && host.ends_with(of)))
    {
        return Ok(named.to_string());
    }
    let place = format!("v1/get_result?id={}", path::query(id));
    Ok(path::join(path::unversioned(call.base_url()), &place))
}
