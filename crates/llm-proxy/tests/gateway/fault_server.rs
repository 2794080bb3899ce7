//! A vendor that fails in the way that the path of a request names: `/FAULT/CELL/DEPLOYMENT/v1/...`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
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
        let Some((path, stream)) = request(&mut socket).await else {
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
        answer(&mut socket, fault, stream, times).await;
    }
}

/// The path, and whether a stream is asked for.
async fn request(socket: &mut TcpStream) -> Option<(String, bool)> {
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
        return Some((path, body["stream"] == true));
    }
}

async fn answer(socket: &mut TcpStream, fault: Fault, stream: bool, times: u32) {
    match fault {
        Fault::Refused | Fault::Dns | Fault::Tls | Fault::Reset => {}
        Fault::Silent => forever(socket).await,
        Fault::Slow => {
            say(socket, &head(200, stream, None)).await;
            forever(socket).await;
        }
        Fault::Stall => {
            part(socket, stream).await;
            forever(socket).await;
        }
        Fault::Cut => part(socket, stream).await,
        Fault::Malformed => {
            say(socket, &head(200, stream, None)).await;
            let text = if stream {
                "data: {nonsense\n\n"
            } else {
                "nonsense"
            };
            whole(socket, text).await;
        }
        Fault::NoEnd => {
            say(socket, &head(200, stream, None)).await;
            whole(socket, &events(3)).await;
        }
        Fault::Status(status, retry_after) => refuse(socket, status, "", retry_after).await,
        Fault::ErrorInside => {
            say(socket, &head(200, stream, None)).await;
            let error =
                r#"{"error":{"message":"overloaded inside","type":"overloaded_error","code":503}}"#;
            let text = match stream {
                true => format!("data: {error}\n\n"),
                false => error.to_owned(),
            };
            whole(socket, &text).await;
        }
        Fault::ContextWindow | Fault::WindowListed => {
            refuse(socket, 400, "context_length_exceeded", None).await
        }
        Fault::ContentPolicy | Fault::PolicyListed => {
            refuse(socket, 400, "content_policy_violation", None).await
        }
        Fault::Filtered => {
            say(socket, &head(200, stream, None)).await;
            let text = if stream {
                let chunks = [CHUNKS[0], CHUNKS[3], CHUNKS[4]];
                let all = chunks.map(|chunk| format!("data: {chunk}\n\n")).concat();
                all.replace(r#""stop""#, r#""content_filter""#)
            } else {
                let mut stopped = completion("");
                stopped["choices"][0]["finish_reason"] = "content_filter".into();
                stopped.to_string()
            };
            whole(socket, &text).await;
        }
        Fault::Flapping if times % 2 == 1 => refuse(socket, 500, "", None).await,
        Fault::None | Fault::Flapping => {
            say(socket, &head(200, stream, None)).await;
            let text = if stream {
                events(CHUNKS.len())
            } else {
                completion("Hello").to_string()
            };
            whole(socket, &text).await;
        }
    }
    let _ = socket.shutdown().await;
}

/// A part of the answer that looks well.
async fn part(socket: &mut TcpStream, stream: bool) {
    say(socket, &head(200, stream, None)).await;
    let text = if stream {
        events(2)
    } else {
        completion("Hello").to_string()[..40].to_owned()
    };
    say(socket, &chunk(&text)).await;
}

async fn refuse(socket: &mut TcpStream, status: u16, code: &str, retry_after: Option<u8>) {
    say(socket, &head(status, false, retry_after)).await;
    let error =
        serde_json::json!({"error": {"message": "scripted", "type": "scripted", "code": code}});
    whole(socket, &error.to_string()).await;
}

fn events(n: usize) -> String {
    let lines = CHUNKS.iter().take(n);
    lines.map(|chunk| format!("data: {chunk}\n\n")).collect()
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
