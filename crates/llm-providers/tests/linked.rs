//! Answers that stand elsewhere: what is fetched, with which key, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use llm_providers::{
    Call, CallOptions, Client, Credential, Error, FetchSettings, Kind, Limits, Outcome, Target,
    lookup, transport::TransportSettings,
};
use llm_types::{JsonObject, Op, Verb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const TASK: &str = "17f20503-6c24-4c16-946b-35dbbce2af2f";

/// Answers one request a connection by its path, and remembers the heads of requests.
#[derive(Clone)]
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = vec![0; 8192];
                let read = socket.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
                let reply = answer(head.split(' ').nth(1).unwrap_or_default());
                log.lock().unwrap().push(head);
                socket.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        Self { url, seen }
    }

    /// A store of films: `/film` is one, `/moved` leads to it, `/round` to itself, `/short` breaks off.
    async fn store() -> Self {
        Self::start(|path| match path.split('?').next().unwrap_or_default() {
            "/film" => reply("200 OK", "content-type: video/mp4\r\n", "film"),
            "/moved" => reply("302 Found", "location: /film?sig=1\r\n", ""),
            "/round" => reply("302 Found", "location: /round\r\n", ""),
            "/short" => reply("200 OK", "", "film").replace("length: 4", "length: 9"),
            _ => reply("403 Forbidden", "", "expired"),
        })
        .await
    }

    /// A vendor whose finished task says that its film is at `address`; it has one itself.
    async fn vendor(address: impl Fn(&str) -> String + Send + 'static) -> Self {
        let own: Arc<Mutex<String>> = Arc::default();
        let base = own.clone();
        let server = Self::start(move |path| match path {
            "/own" => reply("200 OK", "content-type: video/mp4\r\n", "film"),
            _ => {
                let address = address(&base.lock().unwrap());
                let task =
                    format!(r#"{{"id":"{TASK}","status":"SUCCEEDED","output":["{address}"]}}"#);
                reply("200 OK", "content-type: application/json\r\n", &task)
            }
        })
        .await;
        own.lock().unwrap().clone_from(&server.url);
        server
    }

    fn last(&self) -> String {
        self.seen
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default()
    }
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// What the film at `vendor` is, its type first.
async fn film(vendor: &Server, reach: FetchSettings) -> Result<(String, Vec<u8>), Error> {
    let row = lookup("runwayml").unwrap();
    let target = Target::new(row, "gen4_turbo", Credential::key("hidden")).at(&vendor.url);
    let (options, id) = (CallOptions::default(), Some(TASK.to_owned()));
    let body = JsonObject::new();
    let call = Call::resource(Op::Video, Verb::Content, id, &target, body, &options)?;
    let client = Client::new(&TransportSettings::default())?.fetching(reach);
    let Outcome::Bytes(mut download, _) = client.call(&call, &Limits::default()).await? else {
        panic!("bytes");
    };
    let (kind, mut all) = (download.content_type().to_owned(), Vec::new());
    while let Some(piece) = download.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok((kind, all))
}

fn anywhere() -> FetchSettings {
    FetchSettings {
        allow_private: true,
        ..FetchSettings::default()
    }
}

#[tokio::test]
async fn a_film_in_a_store_is_fetched_without_the_key() {
    let store = Server::store().await;
    let place = format!("{}/moved", store.url);
    let vendor = Server::vendor(move |_| place.clone()).await;
    let (kind, film) = film(&vendor, anywhere()).await.unwrap();
    assert_eq!((kind.as_str(), &film[..]), ("video/mp4", &b"film"[..]));
    assert!(vendor.last().contains("authorization: bearer hidden"));
    assert!(store.last().starts_with("get /film?sig=1 "));
    for head in store.seen.lock().unwrap().iter() {
        assert!(!head.contains("hidden"), "{head}");
    }
}

#[tokio::test]
async fn a_film_at_the_vendor_itself_is_fetched_with_the_key() {
    let vendor = Server::vendor(|own| format!("{own}/own")).await;
    // Whoever configured this address knows that it is a private one.
    let (_, film) = film(&vendor, FetchSettings::default()).await.unwrap();
    assert_eq!(film, b"film");
    assert!(vendor.last().starts_with("get /own ") && vendor.last().contains("bearer hidden"));
}

#[tokio::test]
async fn a_vendor_cannot_lead_into_the_private_network() {
    let store = Server::store().await;
    for place in [
        format!("{}/film", store.url),
        "file:///etc/passwd".into(),
        "nowhere".into(),
    ] {
        let vendor = Server::vendor(move |_| place.clone()).await;
        let error = film(&vendor, FetchSettings::default()).await.unwrap_err();
        assert_eq!(error.kind, Kind::Upstream, "{error}");
    }
    assert!(store.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_gone_goes_round_or_breaks_off_is_an_error() {
    let store = Server::store().await;
    for (path, kind) in [
        ("/gone?sig=secret", Kind::NotFound),
        ("/round", Kind::Upstream),
        ("/short", Kind::Connection),
    ] {
        let place = format!("{}{path}", store.url);
        let vendor = Server::vendor(move |_| place.clone()).await;
        let error = film(&vendor, anywhere()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{path}: {error}");
        assert!(!error.message.contains("secret"), "{error}");
    }
}
