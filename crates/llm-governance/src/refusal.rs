use std::borrow::Cow;

use http::StatusCode;
use llm_cost::NanoDollars;
use serde_json::{Value, json};

use crate::Caller;

/// Why a caller gets no answer, as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// OpenAI's `type`.
    pub kind: &'static str,
    /// The message.
    pub message: String,
    /// The field that is wrong.
    pub param: Option<Cow<'static, str>>,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
    /// Further headers of the answer.
    pub headers: Vec<(&'static str, String)>,
    /// `detail`, where the answer has FastAPI's shape.
    pub detail: Option<Value>,
    /// What is left of a budget that has not enough left.
    pub left: Option<NanoDollars>,
}

impl Refusal {
    /// One with this status, type and message.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
            headers: Vec::new(),
            detail: None,
            left: None,
        }
    }

    /// With the field that is wrong.
    pub fn of(self, param: impl Into<Cow<'static, str>>) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    /// A request that is wrong in `param`.
    pub fn bad(param: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request_error", message).of(param)
    }

    /// Whoever it is, is not known here.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "auth_error", message).of("None")
    }

    /// Known, and not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", message)
    }

    /// There is none.
    pub fn missing(param: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", message).of(param)
    }

    /// There is one already.
    pub fn taken(param: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "bad_request_error", message).of(param)
    }

    /// A field of the wrong type, in the shape that FastAPI gives.
    pub fn invalid(place: &'static str, field: &str, kind: &str, message: &str) -> Self {
        let detail = json!([{"type": kind, "loc": [place, field], "msg": message}]);
        Self {
            detail: Some(detail),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_request_error",
                format!("{field}: {message}"),
            )
            .of(field.to_owned())
        }
    }

    /// Whether a request was refused for what it may cost, or because nobody knows that.
    pub fn is_about_money(&self) -> bool {
        let is_unpriced = self.status == StatusCode::BAD_REQUEST;
        self.left.is_some() || is_unpriced && self.param.as_deref() == Some("model")
    }

    /// The store cannot be reached: never the caller's fault.
    pub fn unavailable() -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_db_connection",
                "the gateway's database cannot be reached",
            )
        }
    }

    /// Something of ours broke; the log knows what.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_server_error",
            "Internal server error",
        )
    }
}

impl From<llm_store::Error> for Refusal {
    fn from(error: llm_store::Error) -> Self {
        if error.is_unavailable() {
            // Whoever watches the database says that it is away, once.
            if !matches!(error, llm_store::Error::Away) {
                tracing::warn!(%error, "the database is away");
            }
            return Self::unavailable();
        }
        tracing::error!(%error, "the store failed");
        Self::internal()
    }
}

impl From<llm_ledger::Error> for Refusal {
    fn from(error: llm_ledger::Error) -> Self {
        match error {
            llm_ledger::Error::Refused(_) => crate::names::refused(error, &Caller::anyone()),
            llm_ledger::Error::Unpriced => Self::bad("model", error.to_string()),
            llm_ledger::Error::Store(error) => error.into(),
            error if error.is_unavailable() => Self {
                message: error.to_string(),
                ..Self::unavailable()
            },
            error => {
                tracing::error!(%error, "the ledger failed");
                Self {
                    message: error.to_string(),
                    ..Self::unavailable()
                }
            }
        }
    }
}
