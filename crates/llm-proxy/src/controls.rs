//! What a client steers by headers.

use std::time::Duration;

use http::HeaderMap;
use llm_sdk::Request;

use crate::error::Refusal;

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
            "num-retries" => {
                let retries = text()?.trim().parse().map_err(|_| {
                    Refusal::bad(name.to_string(), format!("{name}: expected a whole number"))
                })?;
                request.route.num_retries = Some(retries);
            }
            "tags" => {
                let more = text()?
                    .split(',')
                    .map(str::trim)
                    .filter(|tag| !tag.is_empty());
                for tag in more {
                    if !request.route.tags.iter().any(|seen| seen == tag) {
                        request.route.tags.push(tag.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The id that a client gives its request, if it is one.
pub(crate) fn call_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-litellm-call-id")?.to_str().ok()?;
    (!id.is_empty() && id.len() <= LONGEST_ID).then(|| id.to_owned())
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
