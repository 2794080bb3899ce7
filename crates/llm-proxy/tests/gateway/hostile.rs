//! Requests that are wrong, by mistake or on purpose.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

async fn refused(
    gateway: &Gateway,
    path: &str,
    body: impl Into<bytes::Bytes>,
) -> (u16, String, String, String) {
    let got = gateway.send("POST", path, &[], body).await;
    let param = got.json()["error"]["param"]
        .as_str()
        .unwrap_or("null")
        .to_owned();
    let (status, kind, message) = got.error();
    (status, kind, message, param)
}

#[tokio::test]
async fn wrong_bodies_are_refused_with_a_reason() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let messages = r#""messages":[{"role":"user","content":"Hi"}]"#;
    let deep = format!(
        r#"{{"model":"gpt",{messages},"x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let open = format!(r#"{{"model":"gpt",{messages},"x":{}"#, "[".repeat(100_000));
    let long = format!(r#"{{"model":"{}",{messages}}}"#, "m".repeat(100_000));
    let cases: [(&str, Vec<u8>, &str); 22] = [
        ("nothing", vec![], "request_body"),
        ("no JSON", b"model=gpt".to_vec(), "request_body"),
        ("half", b"{\"model\":\"gpt\"".to_vec(), "request_body"),
        ("a list", b"[]".to_vec(), "request_body"),
        ("a string", b"\"x\"".to_vec(), "request_body"),
        ("null", b"null".to_vec(), "request_body"),
        ("two documents", b"{}{}".to_vec(), "request_body"),
        ("no UTF-8", b"{\"model\":\"\xff\"}".to_vec(), "request_body"),
        ("a raw NUL", b"{\"model\":\"a\0\"}".to_vec(), "request_body"),
        (
            "a byte order mark",
            [b"\xef\xbb\xbf", &b"{}"[..]].concat(),
            "request_body",
        ),
        (
            "a key twice",
            format!(r#"{{"model":"gpt","model":"x",{messages}}}"#).into(),
            "model",
        ),
        ("too deep", deep.into(), "request_body"),
        ("deep and open", open.into(), "request_body"),
        (
            "half a character",
            format!(r#"{{"model":"gpt",{messages},"x":"\ud800"}}"#).into(),
            "request_body",
        ),
        ("no model", format!("{{{messages}}}").into(), "model"),
        (
            "a number as model",
            format!(r#"{{"model":7,{messages}}}"#).into(),
            "model",
        ),
        (
            "an empty model",
            format!(r#"{{"model":"",{messages}}}"#).into(),
            "model",
        ),
        (
            "a model with a NUL",
            format!(r#"{{"model":"a\u0000b",{messages}}}"#).into(),
            "model",
        ),
        ("an endless model", long.into(), "model"),
        ("no messages", br#"{"model":"gpt"}"#.to_vec(), "messages"),
        (
            "null messages",
            br#"{"model":"gpt","messages":null}"#.to_vec(),
            "messages",
        ),
        (
            "text as messages",
            br#"{"model":"gpt","messages":"Hi"}"#.to_vec(),
            "messages",
        ),
    ];
    for (name, body, param) in cases {
        let (status, _, message, got) = refused(&gateway, "/v1/chat/completions", body).await;
        assert_eq!((status, got.as_str()), (400, param), "{name}: {message}");
        assert!(message.len() < 1000, "{name}");
    }
    for (path, body, param) in [
        ("/v1/embeddings", json!({"model": "gpt"}), "input"),
        ("/v1/completions", json!({"model": "gpt"}), "prompt"),
        (
            "/v1/rerank",
            json!({"model": "gpt", "query": "x"}),
            "documents",
        ),
    ] {
        let (status, _, message, got) = refused(&gateway, path, body.to_string()).await;
        assert_eq!((status, got.as_str()), (400, param), "{path}: {message}");
    }
    assert!(vendor.asked().is_empty());
    assert_eq!(gateway.chat().await.status, 200, "and the gateway is well");
}

#[tokio::test]
async fn unknown_models_are_refused_with_their_neighbours() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings
        .deployments
        .push(deployment("claude-sonnet", &vendor.url));
    let gateway = Gateway::with(settings).await;
    let got = gateway
        .post("/v1/chat/completions", &chat("claude-sonet"))
        .await;
    let (status, kind, message) = got.error();
    assert_eq!((status, kind.as_str()), (400, "invalid_request_error"));
    assert!(
        message.starts_with("/chat/completions: Invalid model name passed in model=claude-sonet."),
        "{message}"
    );
    assert!(message.contains("Did you mean claude-sonnet?"), "{message}");
    for name in [
        "../../etc/passwd",
        "gpt?x=1",
        "gpt#",
        "id-gpt/../x",
        "http://169.254.169.254/",
        "%2e%2e",
    ] {
        assert_eq!(
            gateway
                .post("/v1/chat/completions", &chat(name))
                .await
                .status,
            400,
            "{name}"
        );
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn fields_that_would_point_credentials_elsewhere_are_refused() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let mut bodies = Vec::new();
    for key in [
        "api_base",
        "base_url",
        "api_key",
        "aws_role_name",
        "vertex_credentials",
        "langfuse_host",
        "input_cost_per_token",
        "model_list",
    ] {
        let mut top = chat("gpt");
        top[key] = "http://evil.example".into();
        bodies.push(top);
    }
    let mut nested = chat("gpt");
    nested["metadata"] = json!({"api_base": "http://evil.example"});
    bodies.push(nested);
    let mut fallback = chat("gpt");
    fallback["fallbacks"] = json!([{"model": "gpt", "api_base": "http://evil.example"}]);
    bodies.push(fallback);
    for body in bodies {
        let (status, kind, message, _) =
            refused(&gateway, "/v1/chat/completions", body.to_string()).await;
        assert_eq!((status, kind.as_str()), (401, "auth_error"), "{body}");
        assert!(
            message.contains("is not allowed in request body"),
            "{message}"
        );
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.limits.body = 1000;
    let gateway = Gateway::with(settings).await;
    let mut body = chat("gpt");
    body["x"] = "y".repeat(2000).into();
    let got = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(got.error().0, 413);
    let text = body.to_string();
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
        text.len()
    );
    assert!(
        raw(&gateway, chunked.as_bytes())
            .await
            .starts_with("HTTP/1.1 413")
    );
    assert_eq!(gateway.chat().await.status, 200);
}

#[tokio::test]
async fn a_form_is_no_json() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    let got = gateway
        .send("POST", "/v1/chat/completions", &headers, "--x--")
        .await;
    assert_eq!(got.error().0, 415);
}

#[tokio::test]
async fn json_is_json_whatever_it_is_called() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-8",
    ] {
        let headers = [("content-type", kind)];
        let got = gateway
            .send(
                "POST",
                "/v1/chat/completions",
                &headers,
                chat("gpt").to_string(),
            )
            .await;
        assert_eq!(got.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn endless_heads_are_refused() {
    let mut settings = settings("http://127.0.0.1:1/v1");
    settings.limits.head = 16 << 10;
    let gateway = Gateway::with(settings).await;
    let long = format!(
        "GET /test HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "y".repeat(64 << 10)
    );
    assert!(
        raw(&gateway, long.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    let many = (0..500)
        .map(|i| format!("x-{i}: y\r\n"))
        .collect::<String>();
    let many = format!("GET /test HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(
        raw(&gateway, many.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    assert_eq!(gateway.get("/test").await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_http_harm_nobody() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ] {
        let _ = raw(&gateway, bytes).await;
    }
    let smuggled = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}";
    assert!(raw(&gateway, smuggled).await.starts_with("HTTP/1.1 400"));
    assert_eq!(gateway.get("/test").await.status, 200);
}

#[tokio::test]
async fn too_many_at_once_are_asked_to_come_back() {
    let vendor = Vendor::answering(|_| reply(200, "application/json", endless(vec![], ()))).await;
    let mut settings = settings(&vendor.url);
    settings.limits.requests = Some(1);
    let gateway = Gateway::with(settings).await;
    let first = gateway.chat();
    tokio::pin!(first);
    let second = async {
        while vendor.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        gateway.chat().await
    };
    let got = tokio::select! {
        _ = &mut first => panic!("nobody answers"),
        got = second => got,
    };
    assert_eq!(got.error().0, 503);
    assert_eq!(got.header("retry-after"), "1");
}

/// Sends bytes and reads until the gateway hangs up.
async fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(gateway.running.address()).await.unwrap();
    // The gateway may have hung up in the middle: that is an answer too.
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}
