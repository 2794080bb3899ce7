//! The page that says what can be asked for, and lets one try. Nothing of it comes from elsewhere.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::openapi;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, include_str!("page.html")).into_response()
}

pub(crate) async fn script() -> Response {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], include_str!("page.js")).into_response()
}

pub(crate) async fn style() -> Response {
    let kind = "text/css; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], include_str!("page.css")).into_response()
}

pub(crate) async fn openapi() -> Json<Value> {
    Json(openapi::document())
}
