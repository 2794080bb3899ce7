//! Connections that are used again, and those that must not be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future::join_all};
use http::{Request, Response};
use llm_providers::{
    Error, Kind,
    transport::{ByteStream, HyperTransport, Transport, TransportSettings, read_all},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const LAST: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A vendor whose connections a test accepts and answers itself.
struct Vendor(TcpListener);

struct Line(TcpStream);

impl Vendor {
    async fn new() -> (Self, HyperTransport) {
        Self::with(TransportSettings::default()).await
    }

    async fn with(settings: TransportSettings) -> (Self, HyperTransport) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (Self(listener), HyperTransport::new(&settings).unwrap())
    }

    async fn accept(&self) -> Line {
        Line(self.0.accept().await.unwrap().0)
    }

    /// Answers the first request of the next connection.
    async fn answers(&self, text: &str) -> Line {
        let mut line = self.accept().await;
        line.heard().await;
        line.says(text).await;
        line
    }

    fn request(&self) -> Request<llm_providers::Outgoing> {
        let url = format!("http://{}/v1?x=1", self.0.local_addr().unwrap());
        let body = llm_providers::Outgoing::Bytes(Bytes::from_static(b"{}"));
        Request::post(url).body(body).unwrap()
    }
}

impl Line {
    /// Reads a request with the body that each has here, and gives its head.
    async fn heard(&mut self) -> String {
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n\r\n{}") {
            let read = self.0.read_buf(&mut all).await.unwrap();
            assert!(read > 0, "the connection ended within a request");
        }
        String::from_utf8(all).unwrap()
    }

    async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).await.unwrap() == 0
    }
}

/// Until whatever has happened to a connection here is known.
async fn news() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (made, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    drop(made);
    assert!(Line(accepted.unwrap().0).is_closed().await);
}

async fn text(answer: Result<Response<ByteStream>, Error>) -> String {
    let body = read_all(answer.unwrap().into_body(), 1000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let (vendor, transport) = Vendor::new().await;
    let asking = async {
        for _ in 0..3 {
            assert_eq!(text(transport.send(vendor.request()).await).await, "hello");
        }
        assert_eq!(text(transport.send(vendor.request()).await).await, "");
        assert_eq!(text(transport.send(vendor.request()).await).await, "hello");
    };
    let answering = async {
        let mut line = vendor.accept().await;
        for answer in [WHOLE, CHUNKED, WHOLE, EMPTY, WHOLE] {
            let head = line.heard().await;
            let host = format!("host: {}\r\n", vendor.0.local_addr().unwrap());
            assert!(head.starts_with("POST /v1?x=1 HTTP/1.1\r\n"), "{head}");
            assert!(head.contains(&host), "{head}");
            line.says(answer).await;
        }
    };
    tokio::join!(asking, answering);
}

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own() {
    let (vendor, transport) = Vendor::new().await;
    for _ in 0..2 {
        let asking = join_all((0..5).map(|_| async {
            assert_eq!(text(transport.send(vendor.request()).await).await, "hello");
        }));
        let answering = async {
            let mut lines = Vec::new();
            for _ in 0..5 {
                let mut line = vendor.accept().await;
                line.heard().await;
                lines.push(line);
            }
            for line in &mut lines {
                line.says(LAST).await;
            }
        };
        tokio::join!(asking, answering);
    }
}

#[tokio::test]
async fn what_a_vendor_closed_meanwhile_is_not_used_again() {
    let (vendor, transport) = Vendor::new().await;
    for answer in [WHOLE, LAST, CHUNKED] {
        let answering = vendor.answers(answer);
        let (heard, line) = tokio::join!(transport.send(vendor.request()), answering);
        assert_eq!(text(heard).await, "hello");
        drop(line);
        news().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_is_an_error() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx",
    ] {
        let (vendor, transport) = Vendor::new().await;
        let answering = async { drop(vendor.answers(cut).await) };
        let (heard, ()) = tokio::join!(transport.send(vendor.request()), answering);
        let read = read_all(heard.unwrap().into_body(), 1000).await;
        assert_eq!(read.unwrap_err().kind, Kind::Connection, "{cut}");
    }
}

#[tokio::test]
async fn no_answer_at_all_is_an_error() {
    for nothing in ["", "HTTP/1.1 200", "not http\r\n\r\n"] {
        let (vendor, transport) = Vendor::new().await;
        let answering = async { drop(vendor.answers(nothing).await) };
        let (heard, ()) = tokio::join!(transport.send(vendor.request()), answering);
        let error = heard.err().expect("no answer");
        assert_eq!(error.kind, Kind::Connection, "{nothing}");
    }
}

#[tokio::test]
async fn whoever_stops_listening_closes_the_connection() {
    let (vendor, transport) = Vendor::new().await;
    let answering =
        vendor.answers("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let (heard, mut line) = tokio::join!(transport.send(vendor.request()), answering);
    let mut body = heard.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "hello");
    drop(body);
    assert!(line.is_closed().await);
}

#[tokio::test]
async fn whoever_has_the_last_event_need_not_ask_for_the_end() {
    let (vendor, transport) = Vendor::new().await;
    let answering = vendor.answers(CHUNKED);
    let (heard, mut line) = tokio::join!(transport.send(vendor.request()), answering);
    let mut body = heard.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "hello");
    drop(body);
    let answering = async {
        line.heard().await;
        line.says(WHOLE).await;
    };
    let (heard, ()) = tokio::join!(transport.send(vendor.request()), answering);
    assert_eq!(text(heard).await, "hello");
}

#[tokio::test]
async fn whoever_stops_waiting_closes_the_connection() {
    let (vendor, transport) = Vendor::new().await;
    let mut line = tokio::select! {
        _ = transport.send(vendor.request()) => panic!("nobody answered"),
        line = async {
            let mut line = vendor.accept().await;
            line.heard().await;
            line
        } => line,
    };
    assert!(line.is_closed().await);
}

#[tokio::test]
async fn a_connection_that_nobody_wants_is_closed() {
    let (vendor, transport) = Vendor::with(TransportSettings {
        idle_timeout: Duration::from_millis(200),
        ..TransportSettings::default()
    })
    .await;
    let answering = vendor.answers(WHOLE);
    let (heard, mut line) = tokio::join!(transport.send(vendor.request()), answering);
    assert_eq!(text(heard).await, "hello");
    assert!(line.is_closed().await);
}

#[tokio::test]
async fn an_answer_in_many_pieces_arrives_as_it_comes() {
    let (vendor, transport) = Vendor::new().await;
    let answering = vendor.answers("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let (heard, mut line) = tokio::join!(transport.send(vendor.request()), answering);
    let mut body = heard.unwrap().into_body();
    for n in 0..1000 {
        let piece = format!("piece {n}");
        line.says(&format!("{:x}\r\n{piece}\r\n", piece.len()))
            .await;
        assert_eq!(body.next().await.unwrap().unwrap(), piece);
    }
    line.says("0\r\n\r\n").await;
    assert!(body.next().await.is_none());
}
