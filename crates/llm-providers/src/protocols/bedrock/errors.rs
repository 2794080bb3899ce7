//! Exceptions inside Bedrock's streams: the same errors that replies have, without a status of their own.

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::{Error, Reply, error_table, frame::Frame};

/// The error that an exception is.
pub(crate) fn in_stream(provider: &'static str, frame: &Frame) -> Error {
    let name = frame.event();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(name) {
        headers.insert("x-amzn-errortype", value);
    }
    let reply = Reply {
        status: status(name, &frame.data),
        headers,
        body: frame.data.clone(),
    };
    error_table::classify(provider, &reply)
}

/// The status that the exception has outside of a stream.
fn status(name: &str, data: &[u8]) -> StatusCode {
    let said: Value = serde_json::from_slice(data).unwrap_or_default();
    let original = said
        .get("originalStatusCode")
        .and_then(Value::as_u64)
        .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    if let Some(status) = original.filter(|status| status.as_u16() >= 400) {
        return status;
    }
    match name.to_ascii_lowercase().as_str() {
        "validationexception" => StatusCode::BAD_REQUEST,
        "accessdeniedexception" => StatusCode::FORBIDDEN,
        "resourcenotfoundexception" => StatusCode::NOT_FOUND,
        "throttlingexception" | "servicequotaexceededexception" => StatusCode::TOO_MANY_REQUESTS,
        "modeltimeoutexception" => StatusCode::REQUEST_TIMEOUT,
        "serviceunavailableexception" | "modelnotreadyexception" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn exceptions_are_told_apart() {
        let cases = [
            (
                "throttlingException",
                r#"{"message":"Too many requests"}"#,
                Kind::RateLimit,
            ),
            (
                "validationException",
                r#"{"message":"Input is too long for requested model."}"#,
                Kind::ContextWindow,
            ),
            (
                "validationException",
                r#"{"message":"bad"}"#,
                Kind::BadRequest,
            ),
            (
                "internalServerException",
                r#"{"message":"oops"}"#,
                Kind::Upstream,
            ),
            ("serviceUnavailableException", "{}", Kind::Overloaded),
            ("modelTimeoutException", "{}", Kind::Timeout),
            (
                "modelStreamErrorException",
                r#"{"message":"m","originalStatusCode":429}"#,
                Kind::RateLimit,
            ),
            ("somethingNewException", "not json", Kind::Overloaded),
        ];
        for (name, body, kind) in cases {
            let frame = Frame {
                event: Some(name.into()),
                data: body.into(),
                exception: true,
            };
            assert_eq!(in_stream("bedrock", &frame).kind, kind, "{name} {body}");
        }
    }
}
