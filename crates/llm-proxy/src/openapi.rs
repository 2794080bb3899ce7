//! The OpenAPI document, made of the table of operations.

use llm_types::{BodyKind, Method, Op, ReplyKind, Verb};
use serde_json::{Map, Value, json};

use crate::check;

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
    for op in Op::all() {
        for verb in op.verbs() {
            let (path, method) = place(op, *verb);
            put(&mut paths, &path, method, operation(op, *verb));
        }
    }
    let mut search = operation(Op::Search, Verb::Create);
    search["operationId"] = "search_with_tool".into();
    search["parameters"] = json!([in_path("tool")]);
    put(&mut paths, "/v1/search/{tool}", "post", search);
    for (path, summary, keyed) in PAGES {
        let mut about = json!({"summary": summary, "responses": {"200": {"description": "OK"}}});
        if keyed {
            about["security"] = json!([{"key": []}]);
        }
        if path.contains("{model}") {
            about["parameters"] = json!([in_path("model")]);
        }
        put(&mut paths, path, "get", about);
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

fn put(paths: &mut Map<String, Value>, path: &str, method: &str, about: Value) {
    let place = paths
        .entry(path)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(place) = place {
        place.insert(method.to_owned(), about);
    }
}

/// Where `verb` of `op` is asked for, and how.
fn place(op: Op, verb: Verb) -> (String, &'static str) {
    let version = match op {
        Op::GenerateContent => "/v1beta",
        _ => "/v1",
    };
    let id = if verb.needs_id() { "/{id}" } else { "" };
    let path = format!("{version}{}{id}{}", op.path(), verb.suffix());
    let method = match (op, verb.method()) {
        (Op::Realtime, _) | (_, Method::Get) => "get",
        (_, Method::Post) => "post",
        (_, Method::Delete) => "delete",
    };
    (path, method)
}

fn operation(op: Op, verb: Verb) -> Value {
    let name = op.function(verb);
    let error = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
    let mut about = json!({
        "operationId": name, "summary": name.replace('_', " "), "security": [{"key": []}],
        "responses": {
            "4XX": {"description": "The request cannot be answered", "content": error.clone()},
            "5XX": {"description": "The answer could not be had", "content": error},
        },
    });
    if op == Op::Realtime {
        about["parameters"] = json!([in_query("model", true)]);
        about["responses"]["101"] =
            json!({"description": "The session is open: events over a WebSocket"});
        return about;
    }
    about["responses"]["200"] = json!({"description": "The answer", "content": reply(op, verb)});
    let mut parameters = Vec::new();
    if verb.needs_id() {
        parameters.push(in_path("id"));
    }
    if op.path().contains("{model}") {
        parameters.push(in_path("model"));
    }
    if verb == Verb::List {
        parameters.extend(
            ["limit", "after", "model", "custom_llm_provider"].map(|name| in_query(name, false)),
        );
    }
    if !parameters.is_empty() {
        about["parameters"] = parameters.into();
    }
    if verb.has_body() {
        about["requestBody"] = json!({"required": true, "content": body(op, verb)});
    }
    about
}

fn reply(op: Op, verb: Verb) -> Value {
    let json = json!({"schema": {"type": "object"}});
    match (op.reply(), verb) {
        (_, Verb::Content) => json!({"application/octet-stream": {}}),
        (ReplyKind::Bytes, _) => json!({"audio/*": {}}),
        (ReplyKind::JsonOrStream, Verb::Create) => {
            json!({"application/json": json, "text/event-stream": {}})
        }
        _ => json!({ "application/json": json }),
    }
}

/// What a request's body may be: JSON, a form, or of some operations either.
fn body(op: Op, verb: Verb) -> Value {
    if verb != Verb::Create {
        return json!({"application/json": {"schema": {"type": "object"}}});
    }
    let form = json!({ "schema": schema(op) });
    match op {
        // A form where a picture comes along.
        Op::Video => json!({
            "application/json": {"schema": schema(op), "example": example(op)},
            "multipart/form-data": form,
        }),
        _ if op.body() == BodyKind::Form => json!({ "multipart/form-data": form }),
        _ => json!({"application/json": {"schema": schema(op), "example": example(op)}}),
    }
}

/// What a request must have, and its files.
fn schema(op: Op) -> Value {
    let file = json!({"type": "string", "contentMediaType": "application/octet-stream"});
    let several = json!({"type": "array", "items": file});
    let files: Map<String, Value> = match op {
        Op::Transcription | Op::Translation | Op::File => fields([("file", file)]),
        Op::ImageEdit => fields([("image", several), ("mask", file)]),
        Op::ImageVariation => fields([("image", file)]),
        Op::Video => fields([("input_reference", file)]),
        _ => Map::new(),
    };
    let mut required: Vec<&str> = check::required(op).to_vec();
    let mut properties = files;
    if op.names_model() && op != Op::Search && op != Op::GenerateContent {
        required.insert(0, "model");
    }
    for name in &required {
        if !properties.contains_key(*name) {
            properties.insert((*name).to_owned(), property(name));
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn fields<const N: usize>(all: [(&str, Value); N]) -> Map<String, Value> {
    let owned = all.map(|(name, schema)| (name.to_owned(), schema));
    owned.into_iter().collect()
}

fn property(name: &str) -> Value {
    match name {
        "messages" | "documents" | "contents" => json!({"type": "array"}),
        "document" => json!({"type": "object"}),
        "input" | "prompt" | "query" => json!({"type": ["string", "array"]}),
        _ => json!({"type": "string"}),
    }
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn in_query(name: &str, required: bool) -> Value {
    json!({"name": name, "in": "query", "required": required, "schema": {"type": "string"}})
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
        Op::Video => json!({"model": "", "prompt": "A calm sea"}),
        Op::Search => json!({"search_tool_name": "", "query": "Hello"}),
        Op::Ocr => {
            json!({"model": "", "document": {"type": "document_url", "document_url": "https://example.com/a.pdf"}})
        }
        Op::Speech => json!({"model": "", "voice": "alloy", "input": "Hello"}),
        Op::Batch => {
            json!({"input_file_id": "", "endpoint": "/v1/chat/completions", "completion_window": "24h"})
        }
        Op::FineTuning => json!({"model": "", "training_file": ""}),
        _ => json!({"model": "demo", "input": "Hello"}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_is_there_once_with_its_parameters() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let said: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            for (method, about) in methods.as_object().unwrap() {
                let given = about["parameters"].as_array().into_iter().flatten();
                let given = given.filter(|given| given["in"] == "path");
                let given: BTreeSet<&str> =
                    given.map(|given| given["name"].as_str().unwrap()).collect();
                assert_eq!(given, said, "{method} {path}");
                if let Some(name) = about["operationId"].as_str() {
                    assert!(names.insert(name.to_owned()), "{name}");
                }
            }
        }
        let all = Op::all().flat_map(|op| op.verbs().iter().map(move |verb| op.function(*verb)));
        for name in all {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn forms_are_forms() {
        let document = document();
        let content =
            |path: &str| document["paths"][path]["post"]["requestBody"]["content"].clone();
        for path in ["/v1/audio/transcriptions", "/v1/images/edits", "/v1/files"] {
            let content = content(path);
            assert!(content["application/json"].is_null(), "{path}");
            assert!(
                content["multipart/form-data"]["schema"]["properties"].is_object(),
                "{path}"
            );
        }
        assert_eq!(
            content("/v1/files")["multipart/form-data"]["schema"]["required"],
            json!(["file", "purpose"])
        );
        assert_eq!(content("/v1/videos").as_object().map(Map::len), Some(2));
        let edited = &content("/v1/images/edits")["multipart/form-data"]["schema"]["properties"];
        assert_eq!(edited["image"]["type"], "array");
    }
}
