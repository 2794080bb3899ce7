//! Vendors on loopback: each request is answered by the next script, and the last script serves all that follow.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The answer that every vendor here gives.
pub(crate) const IDEAL: &str = "Grüße! Seven bridges cross the old harbour.";

/// How a stream ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Clean,
    Cut,
    Stall,
}

/// What a vendor does with one request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Sends these bytes.
    Bytes(Vec<u8>, End),
    /// Refuses with a status.
    Status(u16),
    /// Goes on where the request's last answer ends, as a model would that was asked to.
    GoesOn,
    /// Gives the whole answer, cut after so many bytes.
    CutAt(usize),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Wire {
    OpenAi,
    Anthropic,
    Gemini,
    /// OpenAI's text completions.
    Text,
    /// OpenAI's Responses.
    Responses,
}

pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Upstream {
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut at = 0;
            while let Ok((socket, _)) = listener.accept().await {
                let script = scripts[at.min(scripts.len() - 1)].clone();
                at += 1;
                tokio::spawn(serve(socket, script, Arc::clone(&log)));
            }
        });
        Self { url, seen }
    }

    /// The bodies of the requests so far.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut socket: TcpStream, script: Script, log: Arc<Mutex<Vec<Value>>>) {
    let Some((path, body)) = read(&mut socket).await else {
        return;
    };
    let wire = match path.as_str() {
        path if path.contains("GenerateContent") => Wire::Gemini,
        path if path.ends_with("/messages") => Wire::Anthropic,
        path if path.ends_with("/v1/completions") => Wire::Text,
        path if path.ends_with("/responses") => Wire::Responses,
        _ => Wire::OpenAi,
    };
    let (bytes, end) = match script {
        Script::Bytes(bytes, end) => (bytes, end),
        Script::Status(status) => {
            let body = r#"{"error":{"message":"no","type":"server_error"}}"#;
            let head = format!(
                "HTTP/1.1 {status} No\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            log.lock().unwrap().push(body.into());
            let _ = socket.write_all(head.as_bytes()).await;
            return;
        }
        Script::GoesOn => (stream(wire, rest(wire, &body)), End::Clean),
        Script::CutAt(at) => {
            let mut bytes = stream(wire, IDEAL);
            bytes.truncate(at);
            (bytes, End::Cut)
        }
    };
    log.lock().unwrap().push(body);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let _ = socket.write_all(head.as_bytes()).await;
    if !bytes.is_empty() {
        let size = format!("{:x}\r\n", bytes.len());
        let chunk = [size.as_bytes(), &bytes, b"\r\n"].concat();
        let _ = socket.write_all(&chunk).await;
    }
    match end {
        End::Clean => drop(socket.write_all(b"0\r\n\r\n").await),
        End::Cut => {}
        End::Stall => {
            // Until the client hangs up.
            let _ = socket.read_u8().await;
        }
    }
}

async fn read(socket: &mut TcpStream) -> Option<(String, Value)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    socket.read_exact(&mut body).await.ok()?;
    let path = head.split_whitespace().nth(1)?.to_owned();
    let path = path.replace("generatecontent", "GenerateContent");
    let path = path.split('?').next()?.to_owned();
    Some((path, serde_json::from_slice(&body).unwrap()))
}

/// What a faithful model would say: the rest of what the conversation's last answer says.
fn rest(wire: Wire, body: &Value) -> &'static str {
    if let Some(said) = body["prompt"]
        .as_str()
        .and_then(|prompt| prompt.strip_prefix("Where?"))
    {
        return IDEAL.strip_prefix(said).unwrap();
    }
    let list = match wire {
        Wire::Gemini => &body["contents"],
        Wire::Responses => &body["input"],
        _ => &body["messages"],
    };
    let own = list
        .as_array()
        .into_iter()
        .flatten()
        .rfind(|message| message["role"] == "assistant" || message["role"] == "model");
    let said = own.map(|own| match wire {
        Wire::Gemini => own["parts"][0]["text"].as_str().unwrap_or_default(),
        _ => match &own["content"] {
            Value::String(text) => text,
            content => content[0]["text"].as_str().unwrap_or_default(),
        },
    });
    let said = said.unwrap_or_default();
    IDEAL
        .strip_prefix(said)
        .unwrap_or_else(|| panic!("{said:?} is not how the answer begins"))
}

/// The tokens of a text: words with the space before them.
fn tokens(text: &str) -> Vec<&str> {
    let mut at: Vec<usize> = text
        .match_indices(' ')
        .map(|(i, _)| i)
        .filter(|i| *i > 0)
        .collect();
    at.insert(0, 0);
    at.push(text.len());
    at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn data(event: Value) -> String {
    format!("data: {event}\n\n")
}

fn named(event: Value) -> String {
    format!(
        "event: {}\ndata: {event}\n\n",
        event["type"].as_str().unwrap()
    )
}

/// A whole stream that says `text`.
pub(crate) fn stream(wire: Wire, text: &str) -> Vec<u8> {
    let events = match wire {
        Wire::OpenAi => openai(text),
        Wire::Anthropic => anthropic(text),
        Wire::Gemini => gemini(text),
        Wire::Text => completion(text),
        Wire::Responses => responses(text),
    };
    events.concat().into_bytes()
}

pub(crate) fn chunk(delta: Value, finish: Option<&str>) -> String {
    data(
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}),
    )
}

pub(crate) fn openai(text: &str) -> Vec<String> {
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    events.extend(
        tokens(text)
            .iter()
            .map(|token| chunk(json!({"content": token}), None)),
    );
    events.push(chunk(json!({}), Some("stop")));
    events.push(data(json!({"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 13, "total_tokens": 24}})));
    events.push("data: [DONE]\n\n".into());
    events
}

pub(crate) fn anthropic(text: &str) -> Vec<String> {
    let mut events = vec![
        named(
            json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": "claude", "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 11, "output_tokens": 1}}}),
        ),
        named(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        named(json!({"type": "ping"})),
    ];
    events.extend(tokens(text).iter().map(|token| {
        named(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": token}}))
    }));
    events.push(named(json!({"type": "content_block_stop", "index": 0})));
    events.push(named(
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
        "usage": {"output_tokens": 13}}),
    ));
    events.push(named(json!({"type": "message_stop"})));
    events
}

fn gemini(text: &str) -> Vec<String> {
    let piece = |text: &str, finish: Option<&str>| {
        data(
            json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0,
            "finishReason": finish}], "modelVersion": "g", "responseId": "r1",
            "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 13, "totalTokenCount": 24}}),
        )
    };
    let mut events: Vec<String> = tokens(text)
        .iter()
        .map(|token| piece(token, None))
        .collect();
    events.push(piece("", Some("STOP")));
    events
}

fn completion(text: &str) -> Vec<String> {
    let piece = |choices: Value, usage: Value| {
        data(
            json!({"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m", "choices": choices,
            "usage": usage}),
        )
    };
    let say = |text: &str, finish: Option<&str>| {
        piece(
            json!([{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}]),
            Value::Null,
        )
    };
    let mut events: Vec<String> = tokens(text).iter().map(|token| say(token, None)).collect();
    events.push(say("", Some("stop")));
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 13, "total_tokens": 24});
    events.push(piece(json!([]), usage));
    events.push("data: [DONE]\n\n".into());
    events
}

/// A stream of Responses: numbered events.
pub(crate) struct Numbered {
    events: Vec<String>,
    output: Vec<Value>,
}

impl Numbered {
    pub(crate) fn begin() -> Self {
        let mut new = Self {
            events: Vec::new(),
            output: Vec::new(),
        };
        for kind in ["response.created", "response.in_progress"] {
            new.push(json!({"type": kind, "response": envelope("in_progress", &[], Value::Null)}));
        }
        new
    }

    pub(crate) fn push(&mut self, mut event: Value) {
        event["sequence_number"] = self.events.len().into();
        self.events.push(named(event));
    }

    /// A thought in short, in two parts.
    pub(crate) fn think(&mut self, parts: [&str; 2]) {
        let index = self.output.len();
        let item = |summary: Value| json!({"id": "rs_1", "type": "reasoning", "summary": summary});
        self.push(json!({"type": "response.output_item.added", "output_index": index, "item": item(json!([]))}));
        for (number, text) in parts.iter().enumerate() {
            let place = json!({"item_id": "rs_1", "output_index": index, "summary_index": number});
            let whole = json!({"type": "summary_text", "text": text});
            let empty = json!({"type": "summary_text", "text": ""});
            for (kind, key, value) in [
                ("response.reasoning_summary_part.added", "part", empty),
                (
                    "response.reasoning_summary_text.delta",
                    "delta",
                    json!(text),
                ),
                ("response.reasoning_summary_text.done", "text", json!(text)),
                ("response.reasoning_summary_part.done", "part", whole),
            ] {
                let mut event = place.clone();
                event["type"] = kind.into();
                event[key] = value;
                self.push(event);
            }
        }
        let all: Vec<Value> = parts
            .iter()
            .map(|text| json!({"type": "summary_text", "text": text}))
            .collect();
        self.done(index, item(all.into()));
    }

    pub(crate) fn say(&mut self, text: &str) {
        let index = self.output.len();
        let item = |status: &str, content: Value| json!({"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": content});
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        let place = json!({"item_id": "msg_1", "output_index": index, "content_index": 0});
        let with = |kind: &str, key: &str, value: Value| {
            let mut event = place.clone();
            event["type"] = kind.into();
            event[key] = value;
            event
        };
        self.push(json!({"type": "response.output_item.added", "output_index": index, "item": item("in_progress", json!([]))}));
        self.push(with("response.content_part.added", "part", part("")));
        for token in tokens(text) {
            self.push(with("response.output_text.delta", "delta", token.into()));
        }
        self.push(with("response.output_text.done", "text", text.into()));
        self.push(with("response.content_part.done", "part", part(text)));
        self.done(index, item("completed", json!([part(text)])));
    }

    /// A call in pieces of `size` characters.
    pub(crate) fn call(&mut self, arguments: &str, size: usize) {
        let index = self.output.len();
        let item = |status: &str, given: &str| json!({"id": "fc_1", "type": "function_call", "status": status, "call_id": "call_a", "name": "find", "arguments": given});
        self.push(json!({"type": "response.output_item.added", "output_index": index, "item": item("in_progress", "")}));
        let chars: Vec<char> = arguments.chars().collect();
        for piece in chars.chunks(size) {
            let piece: String = piece.iter().collect();
            self.push(json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": index, "delta": piece}));
        }
        self.push(json!({"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": index, "arguments": arguments}));
        self.done(index, item("completed", arguments));
    }

    fn done(&mut self, index: usize, item: Value) {
        self.push(json!({"type": "response.output_item.done", "output_index": index, "item": item.clone()}));
        self.output.push(item);
    }

    pub(crate) fn end(mut self) -> Vec<String> {
        let usage = json!({"input_tokens": 11, "output_tokens": 13, "total_tokens": 24});
        let whole = envelope("completed", &self.output, usage);
        self.push(json!({"type": "response.completed", "response": whole}));
        self.events
    }
}

fn envelope(status: &str, output: &[Value], usage: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 7, "status": status, "model": "m", "output": output,
        "tools": [], "prompt_cache_retention": "24h", "error": null, "incomplete_details": null, "usage": usage})
}

fn responses(text: &str) -> Vec<String> {
    let mut events = Numbered::begin();
    events.say(text);
    events.end()
}
