//! Which class of error a vendor's refusal is: by its words first, then by its status.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::{Error, Kind, Reply};

/// Classifies a reply with a bad status.
pub(crate) fn classify(provider: &'static str, reply: &Reply) -> Error {
    let said = Said::read(&reply.body);
    let mut error = Error::new(by_status(reply.status), said.message).of(provider);
    error.status = Some(reply.status);
    error.param = said.param;
    error.code = said.code;
    error.retry_after = reply
        .header("retry-after")
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    error.request_id = ["x-request-id", "request-id", "x-amzn-requestid"]
        .iter()
        .find_map(|name| reply.header(name))
        .map(str::to_owned);
    error.headers = Box::new(reply.headers.clone());
    error.body = Some(cut(&reply.body));
    error
}

fn by_status(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 => Kind::Auth,
        402 => Kind::PaymentRequired,
        403 => Kind::Denied,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        422 => Kind::Unprocessable,
        429 => Kind::RateLimit,
        502 => Kind::BadGateway,
        503 | 529 => Kind::Overloaded,
        500.. => Kind::Upstream,
        _ => Kind::BadRequest,
    }
}

/// What a vendor's error body says.
struct Said {
    message: String,
    param: Option<String>,
    code: Option<String>,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return Self {
                message: cut(body),
                param: None,
                code: None,
            };
        };
        let error = json.get("error").unwrap_or(&json);
        let text = |value: Option<&Value>| match value? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let message = text(error.get("message"))
            .or_else(|| text(Some(error)))
            .or_else(|| text(json.get("message")))
            .or_else(|| text(json.get("detail")));
        Self {
            message: message.unwrap_or_else(|| cut(body)),
            param: text(error.get("param")),
            code: text(error.get("code")).or_else(|| text(error.get("type"))),
        }
    }
}

/// Enough of a body to see what it was.
fn cut(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(4096)])
        .trim()
        .to_owned()
}
