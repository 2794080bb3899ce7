//! What a client steers by headers.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use llm_sdk::Request;
use llm_types::{JsonObject, Map};

use crate::error::Refusal;

/// Tags of a request, with commas between them.
static TAGS: HeaderName = HeaderName::from_static("x-litellm-tags");
/// The id that a client gives its request.
static CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");

/// The longest id that a client may give its request.
const LONGEST_ID: usize = 256;

/// Puts the headers' wishes into a request. Headers win over the body.
pub(crate) fn apply(request: &mut Request, headers: &HeaderMap) -> Result<(), Refusal> {
    // Most requests have none of these, and one walk over the names is cheaper than a lookup of each.
    for (name, value) in headers {
        let Some(control) = name.as_str().strip_prefix("x-litellm-") else {
            continue;
        };
        let text = || {
            value
                .to_str()
                .map_err(|_| Refusal::bad(name.to_string(), format!("{name}: not plain text")))
        };
        match control {
            "timeout" => request.route.timeouts.total = Some(seconds(name.as_str(), text()?)?),
            "stream-timeout" => {
                request.route.timeouts.stream = Some(seconds(name.as_str(), text()?)?);
            }
            "first-byte-timeout" => {
                request.route.timeouts.first_byte = Some(seconds(name.as_str(), text()?)?);
            }
            "stall-timeout" => {
                request.route.timeouts.stall = Some(seconds(name.as_str(), text()?)?);
            }
            "stream-failover" => {
                let failover = text()?.trim().parse().map_err(|why: String| {
                    Refusal::bad(name.to_string(), format!("{name}: {why}"))
                })?;
                request.route.stream_failover = Some(failover);
            }
            "num-retries" => {
                let retries = text()?.trim().parse().map_err(|_| {
                    Refusal::bad(name.to_string(), format!("{name}: expected a whole number"))
                })?;
                request.route.num_retries = Some(retries);
            }
            "tags" => add(&mut request.route.tags, text()?.split(',')),
            _ => {}
        }
    }
    Ok(())
}

/// The tags of a request that the engine does not read: the header's, and those of a body's metadata.
pub(crate) fn tags(headers: &HeaderMap, body: &JsonObject) -> Vec<String> {
    let mut tags = Vec::new();
    let named = headers.get(&TAGS);
    let named = named.and_then(|value| value.to_str().ok());
    add(
        &mut tags,
        named.into_iter().flat_map(|text| text.split(',')),
    );
    for key in ["litellm_metadata", "metadata"] {
        let metadata: Option<Map> = body.get(key).ok().flatten();
        let listed = metadata.and_then(|mut metadata| metadata.remove("tags"));
        let listed: Vec<String> = listed
            .and_then(|tags| serde_json::from_value(tags).ok())
            .unwrap_or_default();
        add(&mut tags, listed.iter().map(String::as_str));
    }
    tags
}

fn add<'a>(tags: &mut Vec<String>, more: impl Iterator<Item = &'a str>) {
    for tag in more.map(str::trim).filter(|tag| !tag.is_empty()) {
        if !tags.iter().any(|seen| seen == tag) {
            tags.push(tag.to_owned());
        }
    }
}

/// The id that a client gives its request, if it is one.
pub(crate) fn call_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&CALL_ID)?.to_str().ok()?;
    (!id.is_empty() && id.len() <= LONGEST_ID).then(|| id.to_owned())
}

/// The id of a request whose client gives none. Later ones are greater: what lies in the order of random ids is written page
/// by page for each.
pub(crate) fn new_call_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn seconds(name: &str, text: &str) -> Result<Duration, Refusal> {
    let given = text.trim().parse::<f64>().ok();
    given
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|limit| !limit.is_zero())
        .ok_or_else(|| {
            Refusal::bad(
                name.to_owned(),
                format!("{name}: expected a number of seconds above 0"),
            )
        })
}
