//! Every operation as data: a request of each, and a vendor that answers all of them.

use axum::body::Body;
use http::Response;
use llm_types::{Op, Verb};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::support::*;

/// A request of one operation, as a client would make it.
pub(crate) struct Row {
    /// Its name in a test's complaint.
    pub(crate) name: &'static str,
    pub(crate) op: Op,
    pub(crate) verb: Verb,
    pub(crate) method: &'static str,
    /// `{id}` is the id of what the first request of the operation made.
    pub(crate) path: &'static str,
    pub(crate) body: Sent,
    /// The model it names.
    pub(crate) model: Option<&'static str>,
    pub(crate) pay: Pay,
}

/// What is sent.
pub(crate) enum Sent {
    Nothing,
    Json(Value),
    /// Text fields, and the name of the field with the file.
    Form(&'static [(&'static str, &'static str)], &'static str),
    /// A WebSocket is asked for.
    Socket,
}

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pay {
    /// Something, which its row says.
    Now,
    /// Something, when what it began is done: it is let in as if it cost.
    Later,
    /// Nothing, whatever has been spent: it reads, removes or stops what is there.
    Never,
}

const PRICES: &str = "{input_cost_per_token: 0.00001, output_cost_per_token: 0.00001}";

/// One model of each kind, at the vendor's address.
pub(crate) fn models(url: &str, extra: &str) -> String {
    let root = url.trim_end_matches("/v1");
    let model = |name: &str, model: &str, base: &str, info: &str| {
        format!(
            "- model_name: {name}\n  litellm_params: {{model: {model}, api_key: sk-vendor, api_base: '{base}'{extra}}}\n  \
             model_info: {info}\n"
        )
    };
    let mut yaml = "model_list:\n".to_owned();
    for (name, of) in [
        ("talk", "openai/gpt-4o-mini"),
        ("words", "text-completion-openai/gpt-3.5-turbo-instruct"),
        ("vector", "openai/text-embedding-3-small"),
        ("judge", "openai/omni-moderation-latest"),
        ("hear", "openai/gpt-4o-transcribe"),
        ("draw", "openai/gpt-image-1"),
        ("live", "openai/gpt-4o-realtime-preview"),
    ] {
        yaml += &model(name, of, url, PRICES);
    }
    for (name, of) in [
        ("paint", "openai/dall-e-2"),
        ("listen", "openai/whisper-1"),
        ("say", "openai/tts-1"),
        ("film", "openai/sora-2"),
    ] {
        yaml += &model(name, of, url, "{}");
    }
    yaml += &model("sort", "cohere/rerank-v3.5", root, "{}");
    yaml += &model("read", "mistral/mistral-ocr-latest", url, "{}");
    yaml += &model("count", "anthropic/claude-sonnet-4-5", root, PRICES);
    yaml += &format!(
        "search_tools:\n- search_tool_name: web\n  litellm_params: {{search_provider: tavily, api_key: k, api_base: '{url}'}}\n\
         files_settings: [{{custom_llm_provider: openai, api_key: k, api_base: '{url}'}}]\n\
         finetune_settings: [{{custom_llm_provider: openai, api_key: k, api_base: '{url}'}}]\n"
    );
    yaml
}

fn row(name: &'static str, op: Op, path: &'static str, model: &'static str, body: Value) -> Row {
    Row {
        name,
        op,
        verb: Verb::Create,
        method: "POST",
        path,
        body: Sent::Json(body),
        model: Some(model),
        pay: Pay::Now,
    }
}

fn form(
    name: &'static str,
    op: Op,
    path: &'static str,
    model: &'static str,
    fields: &'static [(&'static str, &'static str)],
    file: &'static str,
) -> Row {
    Row {
        body: Sent::Form(fields, file),
        ..row(name, op, path, model, Value::Null)
    }
}

/// What is done with a thing that is kept.
fn kept(op: Op, verb: Verb, method: &'static str, path: &'static str) -> Row {
    Row {
        verb,
        method,
        body: Sent::Nothing,
        model: None,
        pay: Pay::Never,
        ..row(op.function(verb), op, path, "", Value::Null)
    }
}

/// Every operation and all that can be done with what it makes, whole and streamed, by our paths and by vendors' own.
pub(crate) fn all() -> Vec<Row> {
    let mut all = models_asked();
    all.extend(things_kept());
    all.extend(passed_through());
    all
}

fn models_asked() -> Vec<Row> {
    let said = json!([{"role": "user", "content": "Hi"}]);
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    let chat = |stream: bool| json!({"model": "talk", "messages": said, "stream": stream, "max_tokens": 5});
    let words =
        |stream: bool| json!({"model": "words", "prompt": "Hi", "stream": stream, "max_tokens": 5});
    let answer = |stream: bool| json!({"model": "talk", "input": "Hi", "stream": stream, "max_output_tokens": 16});
    let image = |stream: bool| json!({"model": "draw", "prompt": "A cat", "stream": stream});
    vec![
        row(
            "chat",
            Op::Chat,
            "/v1/chat/completions",
            "talk",
            chat(false),
        ),
        row(
            "chat, streamed",
            Op::Chat,
            "/v1/chat/completions",
            "talk",
            chat(true),
        ),
        row(
            "chat by engine",
            Op::Chat,
            "/engines/talk/chat/completions",
            "talk",
            chat(false),
        ),
        row(
            "completion",
            Op::Completion,
            "/v1/completions",
            "words",
            words(false),
        ),
        row(
            "completion, streamed",
            Op::Completion,
            "/v1/completions",
            "words",
            words(true),
        ),
        row(
            "embedding",
            Op::Embedding,
            "/v1/embeddings",
            "vector",
            json!({"model": "vector", "input": "Hi"}),
        ),
        row(
            "image",
            Op::ImageGeneration,
            "/v1/images/generations",
            "paint",
            json!({"model": "paint", "prompt": "A cat"}),
        ),
        row(
            "image by tokens",
            Op::ImageGeneration,
            "/v1/images/generations",
            "draw",
            image(false),
        ),
        row(
            "image, streamed",
            Op::ImageGeneration,
            "/v1/images/generations",
            "draw",
            image(true),
        ),
        form(
            "image edit",
            Op::ImageEdit,
            "/v1/images/edits",
            "draw",
            &[("model", "draw"), ("prompt", "A dog")],
            "image",
        ),
        form(
            "image edit, streamed",
            Op::ImageEdit,
            "/v1/images/edits",
            "draw",
            &[("model", "draw"), ("prompt", "A dog"), ("stream", "true")],
            "image",
        ),
        form(
            "image variation",
            Op::ImageVariation,
            "/v1/images/variations",
            "paint",
            &[("model", "paint")],
            "image",
        ),
        form(
            "transcription",
            Op::Transcription,
            "/v1/audio/transcriptions",
            "listen",
            &[("model", "listen")],
            "file",
        ),
        form(
            "transcription by tokens",
            Op::Transcription,
            "/v1/audio/transcriptions",
            "hear",
            &[("model", "hear")],
            "file",
        ),
        form(
            "transcription, streamed",
            Op::Transcription,
            "/v1/audio/transcriptions",
            "hear",
            &[("model", "hear"), ("stream", "true")],
            "file",
        ),
        form(
            "translation",
            Op::Translation,
            "/v1/audio/translations",
            "listen",
            &[("model", "listen")],
            "file",
        ),
        row(
            "speech",
            Op::Speech,
            "/v1/audio/speech",
            "say",
            json!({"model": "say", "input": "Hello there", "voice": "alloy"}),
        ),
        row(
            "rerank",
            Op::Rerank,
            "/v2/rerank",
            "sort",
            json!({"model": "sort", "query": "q", "documents": ["a", "b"]}),
        ),
        row(
            "moderation",
            Op::Moderation,
            "/v1/moderations",
            "judge",
            json!({"model": "judge", "input": "Hi"}),
        ),
        row(
            "responses",
            Op::Responses,
            "/v1/responses",
            "talk",
            answer(false),
        ),
        row(
            "responses, streamed",
            Op::Responses,
            "/v1/responses",
            "talk",
            answer(true),
        ),
        Row {
            verb: Verb::Compact,
            ..row(
                "compaction",
                Op::Responses,
                "/v1/responses/compact",
                "talk",
                json!({"model": "talk", "input": [{"role": "user", "content": "Hi"}]}),
            )
        },
        Row {
            verb: Verb::InputTokens,
            pay: Pay::Never,
            ..row(
                "tokens of a response",
                Op::Responses,
                "/v1/responses/input_tokens",
                "talk",
                json!({"model": "talk", "input": "Hi"}),
            )
        },
        row(
            "messages",
            Op::Messages,
            "/v1/messages",
            "talk",
            chat(false),
        ),
        row(
            "messages, streamed",
            Op::Messages,
            "/v1/messages",
            "talk",
            chat(true),
        ),
        Row {
            pay: Pay::Never,
            ..row(
                "count tokens",
                Op::CountTokens,
                "/v1/messages/count_tokens",
                "count",
                json!({"model": "count", "messages": said}),
            )
        },
        row(
            "generateContent",
            Op::GenerateContent,
            "/v1beta/models/talk:generateContent",
            "talk",
            contents.clone(),
        ),
        row(
            "generateContent, streamed",
            Op::GenerateContent,
            "/v1beta/models/talk:streamGenerateContent?alt=sse",
            "talk",
            contents,
        ),
        row(
            "ocr",
            Op::Ocr,
            "/v1/ocr",
            "read",
            json!({"model": "read", "document": {"type": "document_url", "document_url": "https://example.com/a.pdf"}}),
        ),
        Row {
            model: None,
            ..row(
                "search",
                Op::Search,
                "/v1/search/web",
                "",
                json!({"query": "q"}),
            )
        },
        Row {
            method: "GET",
            body: Sent::Socket,
            ..row(
                "realtime",
                Op::Realtime,
                "/v1/realtime?model=live",
                "live",
                Value::Null,
            )
        },
    ]
}

fn things_kept() -> Vec<Row> {
    use Verb::*;
    let job =
        json!({"model": "gpt-4o-mini", "training_file": "file-1", "custom_llm_provider": "openai"});
    let batch = json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    vec![
        Row {
            model: None,
            pay: Pay::Later,
            ..form(
                "file",
                Op::File,
                "/v1/files",
                "",
                &[("purpose", "batch")],
                "file",
            )
        },
        kept(Op::File, List, "GET", "/v1/files"),
        kept(Op::File, Get, "GET", "/v1/files/{id}"),
        kept(Op::File, Content, "GET", "/v1/files/{id}/content"),
        kept(Op::File, Delete, "DELETE", "/v1/files/{id}"),
        Row {
            model: None,
            pay: Pay::Later,
            ..row("batch", Op::Batch, "/v1/batches", "", batch)
        },
        kept(Op::Batch, List, "GET", "/v1/batches"),
        kept(Op::Batch, Get, "GET", "/v1/batches/{id}"),
        kept(Op::Batch, Cancel, "POST", "/v1/batches/{id}/cancel"),
        row(
            "video",
            Op::Video,
            "/v1/videos",
            "film",
            json!({"model": "film", "prompt": "A cat", "seconds": "4"}),
        ),
        Row {
            verb: Remix,
            model: None,
            ..row(
                "video, made anew",
                Op::Video,
                "/v1/videos/{id}/remix",
                "",
                json!({"prompt": "A dog"}),
            )
        },
        kept(Op::Video, List, "GET", "/v1/videos?model=film"),
        kept(Op::Video, Get, "GET", "/v1/videos/{id}"),
        kept(Op::Video, Content, "GET", "/v1/videos/{id}/content"),
        kept(Op::Video, Delete, "DELETE", "/v1/videos/{id}"),
        kept(Op::Responses, Get, "GET", "/v1/responses/{id}"),
        kept(
            Op::Responses,
            InputItems,
            "GET",
            "/v1/responses/{id}/input_items",
        ),
        kept(Op::Responses, Cancel, "POST", "/v1/responses/{id}/cancel"),
        kept(Op::Responses, Delete, "DELETE", "/v1/responses/{id}"),
        Row {
            model: None,
            pay: Pay::Later,
            ..row("training", Op::FineTuning, "/v1/fine_tuning/jobs", "", job)
        },
        kept(Op::FineTuning, List, "GET", "/v1/fine_tuning/jobs"),
        kept(Op::FineTuning, Get, "GET", "/v1/fine_tuning/jobs/{id}"),
        kept(
            Op::FineTuning,
            Events,
            "GET",
            "/v1/fine_tuning/jobs/{id}/events",
        ),
        kept(
            Op::FineTuning,
            Checkpoints,
            "GET",
            "/v1/fine_tuning/jobs/{id}/checkpoints",
        ),
        kept(
            Op::FineTuning,
            Pause,
            "POST",
            "/v1/fine_tuning/jobs/{id}/pause",
        ),
        kept(
            Op::FineTuning,
            Resume,
            "POST",
            "/v1/fine_tuning/jobs/{id}/resume",
        ),
        kept(
            Op::FineTuning,
            Cancel,
            "POST",
            "/v1/fine_tuning/jobs/{id}/cancel",
        ),
    ]
}

fn passed_through() -> Vec<Row> {
    let said = json!([{"role": "user", "content": "Hi"}]);
    let chat = |stream: bool| {
        json!({
            "model": "talk", "messages": said, "stream": stream, "max_tokens": 5, "stream_options": {"include_usage": true},
        })
    };
    let mut plain = chat(false);
    plain
        .as_object_mut()
        .expect("an object")
        .remove("stream_options");
    let mut unasked = plain.clone();
    unasked["stream"] = true.into();
    let claude = json!({"model": "count", "messages": said, "max_tokens": 5});
    vec![
        row(
            "pass-through",
            Op::Chat,
            "/openai/chat/completions",
            "talk",
            plain,
        ),
        row(
            "pass-through, streamed",
            Op::Chat,
            "/openai/chat/completions",
            "talk",
            chat(true),
        ),
        row(
            "pass-through, streamed and not asked for usage",
            Op::Chat,
            "/openai/chat/completions",
            "talk",
            unasked,
        ),
        form(
            "pass-through, a form",
            Op::Transcription,
            "/openai/audio/transcriptions",
            "listen",
            &[("model", "listen")],
            "file",
        ),
        row(
            "pass-through, a video",
            Op::Video,
            "/openai/videos",
            "film",
            json!({"model": "film", "prompt": "A cat"}),
        ),
        row(
            "pass-through, another dialect",
            Op::Messages,
            "/anthropic/v1/messages",
            "count",
            claude,
        ),
        row(
            "pass-through, by tokens",
            Op::Embedding,
            "/openai/embeddings",
            "vector",
            json!({"model": "vector", "input": "Hi"}),
        ),
        Row {
            model: None,
            pay: Pay::Later,
            ..row(
                "pass-through, unknown",
                Op::Chat,
                "/openai/assistants",
                "",
                json!({"name": "A"}),
            )
        },
    ]
}

/// Sends `row` with `headers`.
pub(crate) async fn send(gateway: &Gateway, row: &Row, id: &str, headers: &[(&str, &str)]) -> Got {
    let path = row.path.replace("{id}", id);
    let mut headers = headers.to_vec();
    let body = match &row.body {
        Sent::Nothing => String::new(),
        Sent::Json(body) => {
            headers.push(("content-type", "application/json"));
            body.to_string()
        }
        Sent::Form(fields, file) => {
            headers.push(("content-type", "multipart/form-data; boundary=x"));
            let text = |(name, value): &(&str, &str)| {
                format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let fields: String = fields.iter().map(text).collect();
            format!(
                "{fields}--x\r\ncontent-disposition: form-data; name=\"{file}\"; filename=\"a.wav\"\r\n\r\n{{}}\r\n--x--\r\n"
            )
        }
        Sent::Socket => {
            headers.extend([
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
            String::new()
        }
    };
    gateway.send(row.method, &path, &headers, body).await
}

/// What the vendor of everything answers.
pub(crate) fn answer(asked: Asked) -> Response<Body> {
    let path = asked.path.trim_start_matches("/v1");
    let streams = String::from_utf8_lossy(&asked.body);
    let streams = streams.contains(r#""stream":true"#) || streams.contains("name=\"stream\"");
    match path {
        "/chat/completions" if streams => sse(&CHUNKS.map(str::to_owned)),
        "/chat/completions" => whole(&completion("Hello")),
        "/completions" if streams => sse(&[
            json!({"id": "c", "object": "text_completion", "created": 5, "model": "m", "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}]}).to_string(),
            json!({"id": "c", "object": "text_completion", "created": 5, "model": "m", "choices": [], "usage": usage()}).to_string(),
            "[DONE]".to_owned(),
        ]),
        "/completions" => whole(&json!({
            "id": "c", "object": "text_completion", "created": 5, "model": "m",
            "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}], "usage": usage(),
        })),
        "/embeddings" => whole(&embedding()),
        "/moderations" => whole(&json!({"id": "m", "model": "m", "results": [{"flagged": false}], "usage": usage()})),
        "/images/generations" | "/images/edits" if streams => sse(&[json!({
            "type": "image_generation.completed", "b64_json": "AAAA", "usage": drawn(),
        }).to_string()]),
        "/images/generations" | "/images/edits" => whole(&json!({
            "created": 5, "data": [{"b64_json": "AAAA"}], "usage": drawn(),
        })),
        "/images/variations" => whole(&json!({"created": 5, "data": [{"b64_json": "AAAA"}]})),
        "/audio/transcriptions" if streams => sse(&[json!({
            "type": "transcript.text.done", "text": "Hello", "usage": heard(),
        }).to_string()]),
        "/audio/transcriptions" | "/audio/translations" => {
            let by_tokens = asked.body.windows(6).any(|part| part == b"gpt-4o");
            let usage = if by_tokens { heard() } else { json!({"type": "duration", "seconds": 30}) };
            whole(&json!({"text": "Hello", "duration": 30.0, "usage": usage}))
        }
        "/audio/speech" => reply(200, "audio/mpeg", "sound"),
        "/v2/rerank" | "/rerank" => whole(&json!({
            "id": "r", "results": [{"index": 0, "relevance_score": 0.9}], "meta": {"billed_units": {"search_units": 1}},
        })),
        "/responses/compact" => whole(&json!({
            "id": "cmp_1", "object": "response.compaction", "created_at": 5, "output": [], "usage": drawn(),
        })),
        "/responses/input_tokens" => whole(&json!({"object": "response.input_tokens", "input_tokens": 7})),
        "/responses" if streams => {
            let created = json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress")});
            let said = json!({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hello"});
            let done = json!({"type": "response.completed", "sequence_number": 2, "response": response("completed")});
            let events = [created, said, done].map(|event| {
                format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
            });
            events_of(&events.concat())
        }
        "/messages" => whole(&json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 7, "output_tokens": 2},
        })),
        "/messages/count_tokens" => whole(&json!({"input_tokens": 7})),
        "/ocr" => whole(&json!({
            "pages": [{"index": 0, "markdown": "Hello"}], "model": "m", "usage_info": {"pages_processed": 2},
        })),
        "/search" => whole(&json!({
            "query": "q", "results": [{"title": "T", "url": "https://example.com", "content": "c", "score": 0.9}],
        })),
        "/realtime" => {
            let key = asked.headers.get("sec-websocket-key").map(|key| key.as_bytes());
            Response::builder()
                .status(101)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", derive_accept_key(key.unwrap_or_default()))
                .body(Body::empty())
                .unwrap()
        }
        _ => thing(path),
    }
}

/// A thing that is kept, or what is told of it.
fn thing(path: &str) -> Response<Body> {
    if path.ends_with("/content") {
        return reply(200, "application/octet-stream", "bytes");
    }
    if path.starts_with("/responses") {
        return whole(&response("completed"));
    }
    whole(&json!({
        "id": "thing-1", "object": "thing", "status": "queued", "model": "sora-2", "seconds": "4", "deleted": true, "data": [],
    }))
}

fn response(status: &str) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 5, "status": status, "model": "m",
        "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}],
        "usage": drawn(),
    })
}

fn usage() -> Value {
    json!({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9})
}

fn drawn() -> Value {
    json!({"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})
}

fn heard() -> Value {
    json!({"type": "tokens", "input_tokens": 7, "output_tokens": 2, "total_tokens": 9})
}

fn sse(events: &[String]) -> Response<Body> {
    let text: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    events_of(&text)
}

fn events_of(text: &str) -> Response<Body> {
    events(text)
}
