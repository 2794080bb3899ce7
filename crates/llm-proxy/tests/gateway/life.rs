//! A gateway's life: new settings, and its end.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn new_settings_hold_from_the_next_request_on() {
    let (first, second) = (Vendor::friendly().await, Vendor::friendly().await);
    let gateway = Gateway::before(&first).await;
    gateway.chat().await;
    let mut new = with_master_key(settings(&second.url));
    new.deployments[0].group = "new".into();
    gateway.running.reload(new).unwrap();
    assert_eq!(gateway.chat().await.status, 401);
    let key = [("authorization", "Bearer sk-master")];
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &key,
            chat("new").to_string(),
        )
        .await;
    assert_eq!(got.status, 200);
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &key,
            chat("gpt").to_string(),
        )
        .await;
    assert_eq!(got.status, 400);
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
}

#[tokio::test]
async fn settings_that_cannot_work_change_nothing() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let mut twice = settings(&vendor.url);
    twice.deployments.push(deployment("gpt", &vendor.url));
    assert!(gateway.running.reload(twice).is_err());
    assert_eq!(gateway.chat().await.status, 200);
}

#[tokio::test]
async fn what_is_under_way_ends_before_the_gateway_does() {
    let (vendor, say) = Vendor::told().await;
    let gateway = Gateway::before(&vendor).await;
    say.send(Ok(format!("data: {}\n\n", CHUNKS[1]).into()))
        .unwrap();
    let mut got = gateway
        .begin(
            "POST",
            "/v1/chat/completions",
            &[],
            streamed("gpt").to_string(),
        )
        .await;
    got.body_mut().frame().await.unwrap().unwrap();
    gateway.running.drain();
    for path in ["/health/readiness", "/health/liveliness"] {
        assert_eq!(gateway.get(path).await.status, 503, "{path}");
    }
    for (path, kind) in [
        ("/v1/chat/completions", "/error/type"),
        ("/v1/messages", "/error/type"),
    ] {
        let late = gateway.post(path, &chat("gpt")).await;
        let words = late.json().pointer(kind).cloned();
        let expected = match path {
            "/v1/messages" => "overloaded_error",
            _ => "internal_server_error",
        };
        assert_eq!((late.status.as_u16(), words), (503, Some(expected.into())));
        assert_eq!(
            (late.header("retry-after"), late.header("connection")),
            ("1", "close")
        );
    }
    let stopping = tokio::spawn(gateway.running.stop());
    for chunk in &CHUNKS[2..] {
        say.send(Ok(format!("data: {chunk}\n\n").into())).unwrap();
    }
    drop(say);
    let rest = got.into_body().collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"), "{rest:?}");
    assert!(stopping.await.unwrap(), "all requests ended");
}

/// An HTTP/2 connection of a client that never lets go of it.
async fn http2(
    gateway: &Gateway,
) -> (
    hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    tokio::task::JoinHandle<hyper::Result<()>>,
) {
    let socket = TcpStream::connect(gateway.running.address()).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    (client, tokio::spawn(connection))
}

#[tokio::test]
async fn an_idle_http2_connection_is_ended_and_a_busy_one_is_not() {
    let (vendor, say) = Vendor::told().await;
    let mut settings = settings(&vendor.url);
    settings.limits.head_timeout = Duration::from_millis(50);
    let gateway = Gateway::with(settings).await;
    let (mut busy, busy_connection) = http2(&gateway).await;
    say.send(Ok(format!("data: {}\n\n", CHUNKS[1]).into()))
        .unwrap();
    let request = Request::post(gateway.url("/v1/chat/completions"))
        .body(Full::new(streamed("gpt").to_string().into()))
        .unwrap();
    let mut got = busy.send_request(request).await.unwrap();
    got.body_mut().frame().await.unwrap().unwrap();

    let (mut idle, idle_connection) = http2(&gateway).await;
    let request = Request::get(gateway.url("/health/liveliness"))
        .body(Full::default())
        .unwrap();
    let alive = idle.send_request(request).await.unwrap();
    assert_eq!(alive.status(), 200);
    alive.into_body().collect().await.unwrap();
    idle_connection.await.unwrap().unwrap();

    for chunk in &CHUNKS[2..] {
        say.send(Ok(format!("data: {chunk}\n\n").into())).unwrap();
    }
    drop(say);
    let rest = got.into_body().collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"), "{rest:?}");
    busy_connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_not_waited_for() {
    let (vendor, say) = Vendor::told().await;
    let mut settings = settings(&vendor.url);
    settings.shutdown_grace = Duration::from_millis(50);
    let gateway = Gateway::with(settings).await;
    say.send(Ok(format!("data: {}\n\n", CHUNKS[1]).into()))
        .unwrap();
    let mut got = gateway
        .begin(
            "POST",
            "/v1/chat/completions",
            &[],
            streamed("gpt").to_string(),
        )
        .await;
    got.body_mut().frame().await.unwrap().unwrap();
    assert!(!gateway.running.stop().await);
}
