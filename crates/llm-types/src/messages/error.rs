//! Anthropic's error JSON.

use serde::{Deserialize, Serialize};

/// `{"type": "error", "error": {"type", "message"}, "request_id"?}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessagesError {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What went wrong.
    pub error: MessagesErrorDetail,
    /// The vendor's name for the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What went wrong, for Anthropic's clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessagesErrorDetail {
    /// The class of error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    pub message: String,
}

impl MessagesError {
    /// The error that a client of Anthropic's API expects with `status`.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let kind = match status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            408 | 504 => "timeout_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        Self {
            kind: "error".into(),
            error: MessagesErrorDetail {
                kind: kind.into(),
                message: message.into(),
            },
            request_id: None,
        }
    }

    /// The status that a class of error comes with: errors inside a stream have none of their own.
    pub fn status_of(kind: &str) -> u16 {
        match kind {
            "invalid_request_error" => 400,
            "authentication_error" => 401,
            "billing_error" => 402,
            "permission_error" => 403,
            "not_found_error" => 404,
            "request_too_large" => 413,
            "rate_limit_error" => 429,
            "timeout_error" => 504,
            "overloaded_error" => 529,
            _ => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_error_has_its_status() {
        for status in [400, 401, 402, 403, 404, 413, 429, 500, 504, 529] {
            let error = MessagesError::new(status, "x");
            assert_eq!(MessagesError::status_of(&error.error.kind), status);
        }
    }
}
