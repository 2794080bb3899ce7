//! Tokens that direct calls buy: one for all calls with the same credentials.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use llm_sdk::{Engine, Request};
use llm_types::Op;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Sells tokens at `/iam` and answers chats everywhere else; remembers the requests.
struct Vendor {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read(&mut socket).await;
                let body = answer(&request);
                log.lock().unwrap().push(request);
                let length = body.len();
                let reply = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                socket.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        Self { url, seen }
    }

    /// The API keys for which tokens were bought.
    fn bought(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let sold = seen
            .iter()
            .filter(|request| request.starts_with("POST /iam"));
        sold.map(|request| request.rsplit_once("apikey=").unwrap().1.to_owned())
            .collect()
    }

    async fn ask(&self, engine: &Engine, key: &str) {
        let body = json!({
            "model": "watsonx/ibm/granite-4-h-small", "messages": [{"role": "user", "content": "Hi"}],
            "api_base": self.url, "api_key": key, "iam_url": format!("{}/iam", self.url), "project_id": "p",
        });
        let request = Request::parse(Op::Chat, body.to_string().into()).unwrap();
        let answered = engine.call(request).await;
        let response = answered.unwrap_or_else(|failure| panic!("{}", failure.error));
        let whole = response.into_whole().await.unwrap();
        assert!(String::from_utf8_lossy(&whole).contains("Hello"));
    }
}

async fn read(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().replace("\r\n", "\n");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    socket.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(request: &str) -> String {
    if request.starts_with("POST /iam") {
        return json!({"access_token": "token", "expires_in": 3600}).to_string();
    }
    assert!(
        request.contains("authorization: Bearer token\n"),
        "{request}"
    );
    json!({
        "id": "chat-1", "object": "chat.completion", "created": 1, "model": "ibm/granite-4-h-small",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
    .to_string()
}

#[tokio::test]
async fn calls_with_the_same_credentials_buy_one_token() {
    let (vendor, engine) = (Vendor::start().await, Engine::direct().unwrap());
    vendor.ask(&engine, "one").await;
    vendor.ask(&engine, "one").await;
    vendor.ask(&engine.clone(), "one").await;
    assert_eq!(vendor.bought(), ["one"]);
    vendor.ask(&engine, "two").await;
    vendor.ask(&engine, "one").await;
    assert_eq!(vendor.bought(), ["one", "two"], "another key buys its own");
}

#[tokio::test]
async fn another_engine_knows_nothing_of_it() {
    let vendor = Vendor::start().await;
    for _ in 0..2 {
        vendor.ask(&Engine::direct().unwrap(), "one").await;
    }
    assert_eq!(vendor.bought(), ["one", "one"]);
}

#[tokio::test]
async fn only_so_many_are_remembered() {
    let (vendor, engine) = (Vendor::start().await, Engine::direct().unwrap());
    for n in 0..65 {
        vendor.ask(&engine, &n.to_string()).await;
    }
    vendor.ask(&engine, "64").await;
    assert_eq!(vendor.bought().len(), 65);
    vendor.ask(&engine, "0").await;
    assert_eq!(vendor.bought().len(), 66, "the oldest is forgotten");
}
