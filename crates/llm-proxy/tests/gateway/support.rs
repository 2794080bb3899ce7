//! The vendor, the gateway and the client of every test.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
pub(crate) use llm_providers::resolve::Nothing;
use llm_providers::{Credential, Secret, Target, lookup};
use llm_proxy::{Running, serve, settings::Settings};
use llm_router::Deployment;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

/// What a vendor was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the vendor was sent JSON")
    }
}

/// A vendor on the loopback interface.
pub(crate) struct Vendor {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Vendor {
    pub(crate) async fn answering(
        answer: impl Fn(Asked) -> Response<Body> + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let router = axum::Router::new().fallback(move |request: Request<Body>| {
            let (answer, seen) = (answer.clone(), Arc::clone(&seen));
            async move {
                let (head, body) = request.into_parts();
                let asked = Asked {
                    path: head.uri.path().to_owned(),
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body: body.collect().await.unwrap().to_bytes(),
                };
                seen.lock().unwrap().push(asked.clone());
                Ok::<_, Infallible>(answer(asked))
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    /// A vendor that answers every chat with "Hello".
    pub(crate) async fn friendly() -> Self {
        Self::answering(|asked| {
            if asked.path.ends_with("/embeddings") {
                return whole(&embedding());
            }
            if asked.json()["stream"] == true {
                return events(&CHUNKS.map(|chunk| format!("data: {chunk}\n\n")).concat());
            }
            whole(&completion("Hello"))
        })
        .await
    }

    /// A vendor whose one stream goes on as the test says.
    pub(crate) async fn told() -> (Self, mpsc::UnboundedSender<std::io::Result<Bytes>>) {
        let (say, says) = mpsc::unbounded_channel();
        let says = Arc::new(Mutex::new(Some(says)));
        let vendor = Self::answering(move |_| {
            let says = says.lock().unwrap().take().expect("one stream");
            let body = stream::unfold(says, |mut says: mpsc::UnboundedReceiver<_>| async move {
                let piece = says.recv().await?;
                Some((piece, says))
            });
            reply(200, "text/event-stream", Body::from_stream(body))
        })
        .await;
        (vendor, say)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) const CHUNKS: [&str; 5] = [
    r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"vendor-model","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"vendor-model","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}"#,
    r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"vendor-model","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}"#,
    r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"vendor-model","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#,
    "[DONE]",
];

pub(crate) fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "vendor-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}, "vendor_field": [1],
    })
}

pub(crate) fn embedding() -> Value {
    json!({
        "object": "list", "model": "vendor-model",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -1.5e-7]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    })
}

pub(crate) fn whole(body: &Value) -> Response<Body> {
    reply(200, "application/json", body.to_string())
}

pub(crate) fn events(text: &str) -> Response<Body> {
    reply(200, "text/event-stream", text.to_owned())
}

pub(crate) fn reply(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-ratelimit-remaining-requests", "41")
        .header("x-request-id", "req_1")
        .body(body.into())
        .unwrap()
}

/// A body that sends `pieces` and then goes on forever. `hold` is dropped with it.
pub(crate) fn endless<T: Send + 'static>(pieces: Vec<String>, hold: T) -> Body {
    let first = stream::iter(
        pieces
            .into_iter()
            .map(|p| Ok::<_, Infallible>(Bytes::from(p))),
    );
    let rest = stream::once(async move {
        std::future::pending::<()>().await;
        drop(hold);
        Ok(Bytes::new())
    });
    Body::from_stream(futures_util::StreamExt::chain(first, rest))
}

/// A body that breaks off in the middle.
pub(crate) fn broken(text: &str) -> Body {
    let pieces = [
        Ok(Bytes::from(text.to_owned())),
        Err(std::io::Error::other("gone")),
    ];
    Body::from_stream(stream::iter(pieces))
}

/// Settings with one model, `gpt`, at `url`, and no retries.
pub(crate) fn settings(url: &str) -> Settings {
    let mut settings = Settings::base(&Nothing);
    settings.deployments = vec![deployment("gpt", url)];
    settings.router.num_retries = 0;
    settings.logs.requests = false;
    settings
}

pub(crate) fn deployment(group: &str, url: &str) -> Deployment {
    let target = Target::new(
        lookup("openai").unwrap(),
        "vendor-model",
        Credential::key("sk-vendor"),
    );
    Deployment::new(format!("id-{group}"), group, target.at(url))
}

pub(crate) fn with_master_key(mut settings: Settings) -> Settings {
    settings.master_key = Some(Secret::new("sk-master"));
    settings
}

/// A running gateway and a client of it.
pub(crate) struct Gateway {
    pub(crate) running: Running,
    client: Hyper<HttpConnector, Full<Bytes>>,
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The parts of an OpenAI error.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |key: &str| error[key].as_str().unwrap_or("null").to_owned();
        assert_eq!(text("code"), self.status.as_str());
        (self.status.as_u16(), text("type"), text("message"))
    }
}

impl Gateway {
    pub(crate) async fn with(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            running: serve(listener, settings).await.unwrap(),
            client: Hyper::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// In front of `vendor`, as model `gpt`.
    pub(crate) async fn before(vendor: &Vendor) -> Self {
        Self::with(settings(&vendor.url)).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }

    /// Starts a request; the body is still to come.
    pub(crate) async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<hyper::body::Incoming> {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        self.client.request(request).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Got {
        let (head, body) = self.begin(method, path, headers, body).await.into_parts();
        Got {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Got {
        self.send("POST", path, &[], body.to_string()).await
    }

    pub(crate) async fn chat(&self) -> Got {
        self.post("/v1/chat/completions", &chat("gpt")).await
    }

    /// Waits until no request is under way: then all are recorded.
    pub(crate) async fn settled(&self) {
        while self.running.under_way() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The value of the first metric line that has all `parts`.
    pub(crate) async fn metric(&self, parts: &[&str]) -> f64 {
        let got = self.get("/metrics").await;
        let mut lines = got.text().lines().filter(|line| !line.starts_with('#'));
        let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
        line.map_or(0.0, |line| {
            line.rsplit(' ').next().unwrap().parse().unwrap()
        })
    }
}

pub(crate) fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
}

pub(crate) fn streamed(model: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "Hi"}]})
}
