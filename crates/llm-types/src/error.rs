//! The error JSON of the OpenAI API.

use serde::{Deserialize, Serialize};

use crate::Map;

/// `{"error": {...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong, in the four fields that OpenAI's clients read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For people.
    pub message: String,
    /// The class of error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The request's field at fault.
    pub param: Option<String>,
    /// A vendor's code, or the HTTP status as a string.
    pub code: Option<String>,
    /// Whatever else the vendor said.
    #[serde(flatten)]
    pub extra: Map,
}
