//! Two-way sessions: a vendor of them, and a client.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::support::*;

pub(crate) const MASTER: (&str, &str) = ("authorization", "Bearer sk-master");

/// A vendor of sessions on the loopback interface.
pub(crate) struct Sessions {
    pub(crate) url: String,
    opened: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    /// How sessions ended, as the vendor saw it.
    pub(crate) ended: mpsc::UnboundedReceiver<Option<u16>>,
}

impl Sessions {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let opened = Arc::new(Mutex::new(Vec::new()));
        let (tell, ended) = mpsc::unbounded_channel();
        let seen = Arc::clone(&opened);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (seen, tell) = (Arc::clone(&seen), tell.clone());
                tokio::spawn(async move {
                    if let Some(code) = session(socket, &seen).await {
                        tell.send(code).ok();
                    }
                });
            }
        });
        Self { url, opened, ended }
    }

    pub(crate) fn opened(&self) -> (String, HeaderMap) {
        self.opened.lock().unwrap().last().cloned().unwrap()
    }
}

/// One session: answers what asks for it, and ends as it is told.
async fn session(socket: TcpStream, seen: &Mutex<Vec<(String, HeaderMap)>>) -> Option<Option<u16>> {
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let uri = request.uri().to_string();
        let refused = uri.contains("refused");
        seen.lock().unwrap().push((uri, request.headers().clone()));
        if refused {
            let mut no = ErrorResponse::new(Some(
                r#"{"error":{"message":"no such model","code":"model_not_found"}}"#.into(),
            ));
            *no.status_mut() = StatusCode::NOT_FOUND;
            return Err(no);
        }
        Ok(response)
    };
    let mut socket = accept_hdr_async(socket, look).await.ok()?;
    say(&mut socket, json!({"type": "session.created"})).await;
    loop {
        let text = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(frame))) => return Some(frame.map(|frame| frame.code.into())),
            Some(Ok(_)) => continue,
            _ => return Some(None),
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        match event["type"].as_str().unwrap() {
            "response.create" => {
                say(
                    &mut socket,
                    json!({"type": "response.created", "response": {}}),
                )
                .await;
                say(
                    &mut socket,
                    json!({"type": "response.output_audio.delta", "delta": "AAAA"}),
                )
                .await;
                say(&mut socket, done()).await;
            }
            "test.say" => say(&mut socket, event["event"].clone()).await,
            "test.begin" => say(&mut socket, json!({"type": "response.created"})).await,
            "test.end" => say(&mut socket, done()).await,
            "test.cut" => return None,
            "test.close" => {
                let frame = CloseFrame {
                    code: CloseCode::Library(4001),
                    reason: "enough".into(),
                };
                socket.close(Some(frame)).await.unwrap();
            }
            _ => say(&mut socket, json!({"type": "echo", "event": event})).await,
        }
    }
}

pub(crate) fn done() -> Value {
    json!({"type": "response.done", "response": {"usage": {
        "total_tokens": 30, "input_tokens": 10, "output_tokens": 20,
        "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
    }}})
}

pub(crate) async fn say(socket: &mut WebSocketStream<TcpStream>, event: Value) {
    socket.send(Message::text(event.to_string())).await.unwrap();
}

pub(crate) async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Message {
    let next = timeout(Duration::from_secs(20), socket.next());
    next.await.unwrap().unwrap().unwrap()
}

pub(crate) async fn event(socket: &mut WebSocketStream<TcpStream>) -> Value {
    match hear(socket).await {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("no event: {other:?}"),
    }
}

/// Asks for a response and hears it to its end.
pub(crate) async fn answered(socket: &mut WebSocketStream<TcpStream>) {
    say(socket, json!({"type": "response.create"})).await;
    for expected in [
        "response.created",
        "response.output_audio.delta",
        "response.done",
    ] {
        assert_eq!(event(socket).await["type"], expected);
    }
}

pub(crate) async fn before(vendor: &Sessions) -> Gateway {
    Gateway::with(with_master_key(settings(&vendor.url))).await
}

pub(crate) async fn open(
    gateway: &Gateway,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(WebSocketStream<TcpStream>, HeaderMap), tungstenite::Error> {
    let address = gateway.running.address();
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let socket = TcpStream::connect(address).await.unwrap();
    let (socket, reply) = client_async(request, socket).await?;
    Ok((socket, reply.headers().clone()))
}

pub(crate) fn refused(error: tungstenite::Error) -> (u16, String) {
    match error {
        tungstenite::Error::Http(reply) => {
            let status = reply.status().as_u16();
            (
                status,
                String::from_utf8(reply.into_body().unwrap_or_default()).unwrap(),
            )
        }
        other => panic!("{other}"),
    }
}

/// The sum of the metric lines that begin so.
pub(crate) async fn measured(gateway: &Gateway, name: &str) -> f64 {
    gateway.settled().await;
    let got = gateway.send("GET", "/metrics", &[MASTER], "").await;
    let lines = got.text().lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}
