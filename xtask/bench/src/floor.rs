//! The floor: the least that a gateway must do. It reads the request once, puts the vendor's model and key into it,
//! sends it on, and reads the answer's usage. No users, no prices, no retries, no log.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::{say, scenario::PREFIX};

type Body = BoxBody<Bytes, hyper::Error>;
type Vendor = Client<HttpConnector, Full<Bytes>>;

/// Serves until the process ends.
pub(crate) fn main(upstream: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(upstream))
}

async fn serve(upstream: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("http://{}", listener.local_addr()?))?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let vendor: Vendor = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(connection(socket, vendor.clone(), upstream));
    }
}

async fn connection(socket: TcpStream, vendor: Vendor, upstream: SocketAddr) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| {
        let vendor = vendor.clone();
        async move {
            let reply = forward(&vendor, upstream, request).await;
            Ok::<_, std::convert::Infallible>(reply.unwrap_or_else(|error| failed(&error)))
        }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    // A client that leaves is no concern of anyone else.
    let _ = serving.await;
}

async fn forward(
    vendor: &Vendor,
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (mut head, body) = request.into_parts();
    let mut body: Value = serde_json::from_slice(&body.collect().await?.to_bytes())?;
    let model = body["model"].as_str().context("no model")?;
    let model = model.strip_prefix(PREFIX).unwrap_or(model).to_owned();
    body["model"] = model.into();
    head.uri = Uri::builder()
        .scheme("http")
        .authority(upstream.to_string())
        .path_and_query(head.uri.path())
        .build()?;
    head.headers.remove(HOST);
    head.headers.remove(CONTENT_LENGTH);
    head.headers
        .insert(AUTHORIZATION, HeaderValue::from_static("Bearer sk-vendor"));
    let streamed = body["stream"] == true;
    let sent = Request::from_parts(head, Full::new(serde_json::to_vec(&body)?.into()));
    let answer = vendor.request(sent).await?;
    if streamed {
        return Ok(answer.map(BodyExt::boxed));
    }
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    let read: Value = serde_json::from_slice(&body)?;
    std::hint::black_box(read["usage"]["total_tokens"].as_u64());
    Ok(Response::from_parts(head, full(body)))
}

fn failed(error: &anyhow::Error) -> Response<Body> {
    let mut reply = Response::new(full(Bytes::from(format!("{error:#}"))));
    *reply.status_mut() = StatusCode::BAD_GATEWAY;
    reply
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}
