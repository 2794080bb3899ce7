//! A token service on the loopback: it answers by what it is asked, and remembers it.

use std::{
    fmt::Display,
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

/// A running token service.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request, its head and its body, with a status and a body.
    pub(crate) fn start<B: Display>(answer: impl Fn(&str) -> (u16, B) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                while !whole(&request) {
                    let count = stream.read(&mut piece).unwrap();
                    request.extend_from_slice(&piece[..count]);
                }
                let request = String::from_utf8(request).unwrap();
                let (status, body) = answer(&request);
                log.lock().unwrap().push(request);
                let body = body.to_string();
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        Self { url, seen }
    }

    /// What it was asked so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("content-length: ")?.parse().ok()
    });
    body.len() >= length.unwrap_or(0)
}
