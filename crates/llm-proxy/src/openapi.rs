//! The OpenAPI document, made of the table of operations.

use llm_types::{BodyKind, Op, ReplyKind};
use serde_json::{Map, Value, json};

/// Routes that are no operation: path, summary, whether a key is asked for.
const PAGES: [(&str, &str, bool); 14] = [
    ("/v1/models", "The models this gateway answers for", true),
    ("/v1/models/{model}", "One model", true),
    (
        "/model/info",
        "Deployments, with what is known of their models",
        true,
    ),
    ("/v1/search/tools", "The search tools", true),
    ("/model_group/info", "Groups of deployments", true),
    (
        "/utils/supported_openai_params",
        "The parameters that a model takes",
        true,
    ),
    ("/health", "Asks every deployment for a word", true),
    ("/health/history", "What health checks found", true),
    (
        "/health/latest",
        "What the last check of each deployment found",
        true,
    ),
    ("/health/liveliness", "Is the process alive", false),
    ("/health/readiness", "Is it ready for requests", false),
    ("/metrics", "Prometheus metrics", true),
    ("/openapi.json", "This document", false),
    ("/docs", "This document as a page", false),
];

/// The document.
pub(crate) fn document() -> Value {
    let mut paths = Map::new();
    for op in Op::all().filter(|op| served(*op)) {
        let path = format!("/v1{}", op.path());
        paths.insert(path, json!({ "post": operation(op) }));
    }
    for (path, summary, keyed) in PAGES {
        let mut about = json!({"summary": summary, "responses": {"200": {"description": "OK"}}});
        if keyed {
            about["security"] = json!([{"key": []}]);
        }
        if path.contains("{model}") {
            about["parameters"] = json!([
                {"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}
            ]);
        }
        paths.insert(path.to_owned(), json!({ "get": about }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Interlingua gateway", "version": env!("CARGO_PKG_VERSION"),
                 "description": "One API for every model."},
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": error_schema()},
        },
    })
}

/// Operations that are answered, not only refused by name.
fn served(op: Op) -> bool {
    op.body() != BodyKind::None
}

fn operation(op: Op) -> Value {
    let reply = match op.reply() {
        ReplyKind::Bytes => json!({"application/octet-stream": {}}),
        ReplyKind::Json => json!({"application/json": {"schema": {"type": "object"}}}),
        ReplyKind::JsonOrStream => json!({
            "application/json": {"schema": {"type": "object"}}, "text/event-stream": {},
        }),
    };
    let error = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
    json!({
        "operationId": op.name(), "summary": op.name(), "security": [{"key": []}],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"type": "object", "required": ["model"], "properties": {"model": {"type": "string"}}},
            "example": example(op),
        }}},
        "responses": {"200": {"description": "The answer", "content": reply},
                      "4XX": {"description": "The request cannot be answered", "content": error.clone()},
                      "5XX": {"description": "The answer could not be had", "content": error}},
    })
}

fn error_schema() -> Value {
    let text = json!({"type": ["string", "null"]});
    json!({"type": "object", "properties": {"error": {"type": "object", "properties": {
        "message": {"type": "string"}, "type": text, "param": text, "code": text,
    }}}})
}

fn example(op: Op) -> Value {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    match op {
        Op::Chat => json!({"model": "demo", "messages": messages}),
        Op::Completion => json!({"model": "demo", "prompt": "Hello"}),
        Op::Messages => json!({"model": "demo", "max_tokens": 100, "messages": messages}),
        Op::CountTokens => json!({"model": "demo", "messages": messages}),
        Op::Rerank => json!({"model": "", "query": "Hello", "documents": ["a", "b"]}),
        Op::GenerateContent => {
            json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]})
        }
        Op::ImageGeneration => json!({"model": "", "prompt": "A lighthouse"}),
        _ => json!({"model": "demo", "input": "Hello"}),
    }
}
