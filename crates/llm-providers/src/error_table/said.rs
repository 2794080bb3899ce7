//! What a vendor's error body says, in whichever of the many shapes.

use http::StatusCode;
use serde_json::{Map, Value};

/// What a vendor's error body says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The vendor's own words.
    pub(super) message: String,
    pub(super) param: Option<String>,
    /// The vendor's code, or else its type.
    pub(super) code: Option<String>,
    pub(super) request_id: Option<String>,
    /// A status in the body: what counts where the reply's own was 200.
    pub(super) status: Option<StatusCode>,
    /// Every code, type and status there is, in small letters.
    pub(super) codes: Vec<String>,
    /// All of the above and what an upstream of the vendor said, in small letters: where the rules look.
    pub(super) text: String,
}

impl Said {
    pub(super) fn read(body: &[u8], aws_type: Option<&str>) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => Self::of(&json, body, aws_type),
            Err(_) => {
                let message = cut(body);
                Self {
                    text: message.to_lowercase(),
                    codes: aws_name(aws_type).into_iter().collect(),
                    message,
                    ..Self::default()
                }
            }
        }
    }

    pub(super) fn of(json: &Value, body: &[u8], aws_type: Option<&str>) -> Self {
        // Gemini's streams answer with an array.
        let json = match json {
            Value::Array(list) => list.first().unwrap_or(json),
            _ => json,
        };
        let error = inner(json);
        let message = message(error)
            .or_else(|| message(json))
            .unwrap_or_else(|| cut(body));
        let mut codes: Vec<String> = aws_name(aws_type).into_iter().collect();
        for object in [error, json] {
            for key in [
                "code",
                "status_code",
                "type",
                "status",
                "error_code",
                "__type",
                "reason",
            ] {
                codes.extend(text(object.get(key)));
            }
        }
        for at in [
            "/innererror/code",
            "/details/0/reason",
            "/metadata/error_type",
        ] {
            codes.extend(text(error.pointer(at)));
        }
        let code = text(error.get("code"))
            .or_else(|| text(error.get("type")))
            .or_else(|| text(json.get("code")))
            .or_else(|| codes.first().cloned());
        let upstream = text(error.pointer("/metadata/raw")).unwrap_or_default();
        for code in &mut codes {
            code.make_ascii_lowercase();
        }
        Self {
            text: format!("{message} {} {upstream}", codes.join(" ")).to_lowercase(),
            param: text(error.get("param")).or_else(|| text(json.get("param"))),
            request_id: text(json.get("request_id")),
            status: status(json, error),
            code,
            codes,
            message,
        }
    }

    /// Whether the vendor says that the request is at fault.
    pub(super) fn blames_request(&self) -> bool {
        self.codes
            .iter()
            .any(|code| code.contains("invalid") || code.contains("bad_request"))
    }
}

/// Whether a document is an error, though nothing else says so.
pub(super) fn is_error(json: &Value) -> bool {
    let something = |value: Option<&Value>| match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => !is_hollow(map),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    let json = match json {
        Value::Array(list) => list.first().unwrap_or(json),
        _ => json,
    };
    something(json.get("error"))
        || (json.get("choices").is_none() && something(json.get("errors")))
        || (json.get("type").and_then(Value::as_str) == Some("error"))
        || base_resp(json).is_some()
        || json
            .pointer("/x_groq/error")
            .is_some_and(|error| !error.is_null())
}

/// An error of nothing but nulls is none.
fn is_hollow(map: &Map<String, Value>) -> bool {
    map.values().all(Value::is_null)
}

/// MiniMax: a status of its own, 0 where all is well.
fn base_resp(json: &Value) -> Option<&Value> {
    let base = json.get("base_resp")?;
    (base.get("status_code")?.as_i64()? != 0).then_some(base)
}

/// Where the error is in the document.
fn inner(json: &Value) -> &Value {
    if let Some(base) = base_resp(json) {
        return base;
    }
    match json.get("error") {
        Some(error @ (Value::Object(_) | Value::String(_) | Value::Array(_))) => error,
        _ => match json
            .get("errors")
            .and_then(Value::as_array)
            .and_then(|list| list.first())
        {
            Some(first) => first,
            None => json.pointer("/x_groq/error").unwrap_or(json),
        },
    }
}

fn message(error: &Value) -> Option<String> {
    const KEYS: [&str; 9] = [
        "message",
        "Message",
        "msg",
        "status_msg",
        "detail",
        "error_description",
        "errorMessage",
        "error",
        "title",
    ];
    match error {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.first().and_then(message),
        Value::Object(map) => KEYS.iter().find_map(|key| match map.get(*key)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Array(list) => details(list),
            Value::Object(inner) => inner
                .get("message")
                .and_then(|text| Some(text.as_str()?.to_owned())),
            _ => None,
        }),
        _ => None,
    }
}

/// FastAPI's list of what is wrong where.
fn details(list: &[Value]) -> Option<String> {
    let lines: Vec<String> = list
        .iter()
        .filter_map(|item| match item {
            Value::String(text) => Some(text.clone()),
            item => {
                let place = item.get("loc").and_then(Value::as_array).map(|loc| {
                    let parts: Vec<String> =
                        loc.iter().filter_map(|part| text(Some(part))).collect();
                    parts.join(".")
                });
                let said = text(item.get("msg").or_else(|| item.get("message")))?;
                Some(place.map_or(said.clone(), |place| format!("{place}: {said}")))
            }
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn status(json: &Value, error: &Value) -> Option<StatusCode> {
    [
        error.get("code"),
        error.get("status"),
        error.get("status_code"),
        json.get("status_code"),
        json.get("code"),
    ]
    .into_iter()
    .flatten()
    .find_map(|value| {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        let status = StatusCode::from_u16(u16::try_from(number).ok()?).ok()?;
        (status.is_client_error() || status.is_server_error()).then_some(status)
    })
}

/// `ValidationException:http://internal...` is a ValidationException.
fn aws_name(header: Option<&str>) -> Option<String> {
    Some(
        header?
            .split([':', ','])
            .next()?
            .trim()
            .to_ascii_lowercase(),
    )
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Enough of a body to see what it was.
pub(crate) fn cut(body: &[u8]) -> String {
    const ENOUGH: usize = 4096;
    String::from_utf8_lossy(&body[..body.len().min(ENOUGH)])
        .trim()
        .to_owned()
}
