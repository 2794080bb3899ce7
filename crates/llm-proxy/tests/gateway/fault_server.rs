//! A vendor that fails in the way that the path of a request names: `/FAULT/CELL/DEPLOYMENT/v1/...`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{CHUNKS, completion};

/// How a vendor fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It does not.
    None,
    /// Nobody listens.
    Refused,
    /// The name leads nowhere.
    Dns,
    /// Whoever listens does not speak TLS.
    Tls,
    /// The connection is closed before an answer.
    Reset,
    /// It is silent.
    Silent,
    /// Headers come, and then nothing.
    Slow,
    /// A part of the answer comes, and then nothing.
    Stall,
    /// A part of the answer comes, and the connection closes.
    Cut,
    /// What comes is no answer.
    Malformed,
    /// One event of a stream cannot be read.
    Garbled,
    /// A stream's end mark is missing.
    NoEnd,
    /// A status, with or without `Retry-After`.
    Status(u16, Option<u8>),
    /// An error in the body, or in the first event, of a success.
    ErrorInside,
    /// The prompt is too long.
    ContextWindow,
    /// The content is refused.
    ContentPolicy,
    /// The prompt is too long, and there is a list for that.
    WindowListed,
    /// The content is refused, and there is a list for that.
    PolicyListed,
    /// The answer is stopped by a filter, and there is a list for that.
    Filtered,
    /// Every second request of a group fails.
    Flapping,
}

/// The vendor, and how often each deployment was asked.
#[derive(Clone)]
pub(crate) struct FaultServer {
    port: u16,
    faults: Arc<BTreeMap<String, Fault>>,
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl FaultServer {
    /// `faults` by the names that paths have for them.
    pub(crate) async fn start(faults: BTreeMap<String, Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            faults: Arc::new(faults),
            asked: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = serving.clone();
                tokio::spawn(async move { server.serve(socket).await });
            }
        });
        server
    }

    /// Where a deployment of a cell finds its fault.
    pub(crate) fn url(&self, name: &str, fault: Fault, deployment: &str) -> String {
        let port = self.port;
        match fault {
            // Port 1 belongs to nobody.
            Fault::Refused => format!("http://127.0.0.1:1/{name}/{deployment}/v1"),
            // No resolver takes a label of this length, so none is asked.
            Fault::Dns => format!("http://{}.test/{name}/{deployment}/v1", "x".repeat(70)),
            Fault::Tls => format!("https://127.0.0.1:{port}/{name}/{deployment}/v1"),
            _ => format!("http://127.0.0.1:{port}/{name}/{deployment}/v1"),
        }
    }

    /// How often `deployment` was asked.
    pub(crate) fn asked(&self, deployment: &str) -> u32 {
        let asked = self.asked.lock().unwrap();
        asked.get(deployment).copied().unwrap_or_default()
    }

    /// One request and its failure; the connection ends with it.
    async fn serve(&self, mut socket: TcpStream) {
        let Some((path, wire)) = request(&mut socket).await else {
            return;
        };
        let mut parts = path.split('/').skip(1);
        let (Some(name), Some(deployment)) = (parts.next(), parts.next()) else {
            return;
        };
        let times = {
            let mut asked = self.asked.lock().unwrap();
            let times = asked.entry(deployment.to_owned()).or_default();
            *times += 1;
            // A group flaps as a whole.
            let group = deployment
                .rsplit_once('-')
                .map_or(deployment, |(group, _)| group);
            let times = asked.entry(group.to_owned()).or_default();
            *times += 1;
            *times
        };
        let fault = self.faults.get(name).copied().unwrap_or(Fault::None);
        answer(&mut socket, fault, wire, times).await;
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Wire {
    stream: bool,
    /// OpenAI's Responses; chat otherwise.
    responses: bool,
}

/// The path, and what is asked for.
async fn request(socket: &mut TcpStream) -> Option<(String, Wire)> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = socket.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        seen.extend_from_slice(&buffer[..n]);
        // A TLS hello is no request: to close is the failure.
        if seen[0] == 0x16 {
            return None;
        }
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse::<usize>())
        });
        if body.len() < length.and_then(Result::ok).unwrap_or_default() {
            continue;
        }
        let path = head.split(' ').nth(1)?.to_owned();
        let body: Value = serde_json::from_str(body).ok()?;
        let wire = Wire {
            stream: body["stream"] == true,
            responses: path.ends_with("/responses"),
        };
        return Some((path, wire));
    }
}

async fn answer(socket: &mut TcpStream, fault: Fault, wire: Wire, times: u32) {
    match fault {
        Fault::Refused | Fault::Dns | Fault::Tls | Fault::Reset => {}
        Fault::Silent => forever(socket).await,
        Fault::Slow => {
            say(socket, &head(200, wire.stream, None)).await;
            forever(socket).await;
        }
        Fault::Stall => {
            part(socket, wire).await;
            forever(socket).await;
        }
        Fault::Cut => part(socket, wire).await,
        Fault::Malformed => {
            let text = match wire.stream {
                true => "data: {nonsense\n\n",
                false => "nonsense",
            };
            give(socket, wire, text).await;
        }
        Fault::Garbled if wire.stream => {
            let mut events = wire.events("stop");
            let middle = events.len() / 2;
            events.insert(middle, "data: {nonsense\n\n".into());
            give(socket, wire, &events.concat()).await;
        }
        Fault::NoEnd => {
            let text = match wire.stream {
                true => wire.begun(2).concat(),
                false => String::new(),
            };
            give(socket, wire, &text).await;
        }
        Fault::Status(status, retry_after) => refuse(socket, status, "", retry_after).await,
        Fault::ErrorInside => {
            let error =
                r#"{"error":{"message":"overloaded inside","type":"overloaded_error","code":503}}"#;
            let text = match wire.stream {
                true => format!("data: {error}\n\n"),
                false => error.to_owned(),
            };
            give(socket, wire, &text).await;
        }
        Fault::ContextWindow | Fault::WindowListed => {
            refuse(socket, 400, "context_length_exceeded", None).await
        }
        Fault::ContentPolicy | Fault::PolicyListed => {
            refuse(socket, 400, "content_policy_violation", None).await
        }
        Fault::Filtered => give(socket, wire, &wire.whole("", "content_filter")).await,
        Fault::Flapping if times % 2 == 1 => refuse(socket, 500, "", None).await,
        Fault::None | Fault::Flapping | Fault::Garbled => {
            give(socket, wire, &wire.whole("Hello", "stop")).await;
        }
    }
    let _ = socket.shutdown().await;
}

impl Wire {
    /// An answer of nothing or of "Hello".
    fn whole(self, text: &str, finish: &str) -> String {
        match (self.stream, self.responses) {
            (true, _) if text.is_empty() => self.ended(finish).concat(),
            (true, _) => self.events(finish).concat(),
            (false, true) => response(text, finish).to_string(),
            (false, false) => {
                let mut whole = completion(text);
                whole["choices"][0]["finish_reason"] = finish.into();
                whole.to_string()
            }
        }
    }

    /// A stream that says "Hello".
    fn events(self, finish: &str) -> Vec<String> {
        if !self.responses {
            return data(&CHUNKS);
        }
        let mut events = self.begun(2);
        let item = json!({"id": "m", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}]});
        let place = json!({"item_id": "m", "output_index": 0, "content_index": 0});
        for (kind, key, value) in [
            ("response.output_text.done", "text", json!("Hello")),
            (
                "response.content_part.done",
                "part",
                item["content"][0].clone(),
            ),
        ] {
            let mut event = place.clone();
            event["type"] = kind.into();
            event[key] = value;
            events.push(numbered(event, events.len()));
        }
        let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
        events.push(numbered(done, events.len()));
        let last = json!({"type": "response.completed", "response": response("Hello", finish)});
        events.push(numbered(last, events.len()));
        events
    }

    /// A stream that says so many pieces of "Hello", and no more.
    fn begun(self, pieces: usize) -> Vec<String> {
        if !self.responses {
            return data(&CHUNKS[..=pieces]);
        }
        let item = json!({"id": "m", "type": "message", "role": "assistant", "status": "in_progress", "content": []});
        let part = json!({"type": "output_text", "text": "", "annotations": []});
        let mut begun = response("", "stop");
        begun["status"] = "in_progress".into();
        let mut events = vec![
            json!({"type": "response.created", "response": begun}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
            json!({"type": "response.content_part.added", "item_id": "m", "output_index": 0, "content_index": 0, "part": part}),
        ];
        events.extend(["Hel", "lo"].iter().take(pieces).map(|text| {
            json!({"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": text})
        }));
        events
            .into_iter()
            .zip(0..)
            .map(|(event, n)| numbered(event, n))
            .collect()
    }

    /// A stream that says nothing but why.
    fn ended(self, finish: &str) -> Vec<String> {
        if !self.responses {
            let events = data(&[CHUNKS[0], CHUNKS[3], CHUNKS[4]]);
            let finish = format!("\"{finish}\"");
            return events
                .iter()
                .map(|event| event.replace("\"stop\"", &finish))
                .collect();
        }
        let mut begun = response("", "stop");
        begun["status"] = "in_progress".into();
        let ended = response("", finish);
        let events = [
            json!({"type": "response.created", "response": begun}),
            json!({"type": "response.incomplete", "response": ended}),
        ];
        events
            .into_iter()
            .zip(0..)
            .map(|(event, n)| numbered(event, n))
            .collect()
    }
}

fn data(chunks: &[&str]) -> Vec<String> {
    chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect()
}

fn numbered(mut event: Value, number: usize) -> String {
    event["sequence_number"] = number.into();
    let kind = event["type"].as_str().unwrap();
    format!("event: {kind}\ndata: {event}\n\n")
}

fn response(text: &str, finish: &str) -> Value {
    let (status, missing) = match finish {
        "stop" => ("completed", Value::Null),
        reason => ("incomplete", json!({"reason": reason})),
    };
    let message = json!({"id": "m", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]});
    let output = if text.is_empty() {
        json!([])
    } else {
        json!([message])
    };
    json!({"id": "resp_1", "object": "response", "created_at": 5, "model": "vendor-model", "status": status,
        "error": null, "incomplete_details": missing, "output": output,
        "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}})
}

/// A part of the answer that looks well.
async fn part(socket: &mut TcpStream, wire: Wire) {
    say(socket, &head(200, wire.stream, None)).await;
    let text = match wire.stream {
        true => wire.begun(1).concat(),
        false => wire.whole("Hello", "stop")[..40].to_owned(),
    };
    say(socket, &chunk(&text)).await;
}

async fn refuse(socket: &mut TcpStream, status: u16, code: &str, retry_after: Option<u8>) {
    say(socket, &head(status, false, retry_after)).await;
    let error =
        serde_json::json!({"error": {"message": "scripted", "type": "scripted", "code": code}});
    whole(socket, &error.to_string()).await;
}

async fn give(socket: &mut TcpStream, wire: Wire, text: &str) {
    say(socket, &head(200, wire.stream, None)).await;
    whole(socket, text).await;
}

fn head(status: u16, stream: bool, retry_after: Option<u8>) -> String {
    let kind = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let wait = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n{}\r\n",
        wait.unwrap_or_default()
    )
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

async fn whole(socket: &mut TcpStream, text: &str) {
    say(socket, &format!("{}0\r\n\r\n", chunk(text))).await;
}

async fn say(socket: &mut TcpStream, text: &str) {
    // Who was asked may have hung up.
    let _ = socket.write_all(text.as_bytes()).await;
    let _ = socket.flush().await;
}

/// Says nothing until the other side hangs up.
async fn forever(socket: &mut TcpStream) {
    let mut buffer = [0; 16];
    let most = Duration::from_secs(60);
    let _ = tokio::time::timeout(most, socket.read(&mut buffer)).await;
}
