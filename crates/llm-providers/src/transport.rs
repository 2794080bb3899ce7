//! The only thing that touches the network.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};
use http_body_util::{BodyStream, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{Error, Kind};

/// A body as it arrives.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A future with its type erased.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one request. In production hyper, or reqwest behind a forward proxy; recorded replies in tests.
pub trait Transport: Send + Sync {
    /// Sends `request` and returns as soon as the reply's headers are there.
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ByteStream>, Error>>;
}

/// How connections are made.
#[derive(Debug, Clone)]
pub struct TransportSettings {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Whether to verify certificates (off only on the user's explicit word).
    pub verify: bool,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<String>,
    /// A forward proxy for everything, whatever the environment says.
    pub proxy: Option<String>,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            verify: true,
            ca_file: None,
            proxy: None,
        }
    }
}

/// hyper's own client: a quarter less CPU a request than reqwest, and no proxies.
pub struct HyperTransport(Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HyperTransport {
    /// A transport with its own pool.
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(settings.connect_timeout));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|e| {
                Error::new(Kind::Connection, "the system's certificates cannot be read").because(e)
            })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Hyper::builder(TokioExecutor::new())
            .pool_idle_timeout(settings.idle_timeout)
            .pool_timer(TokioTimer::new())
            .build(https);
        Ok(Self(client))
    }
}

impl Transport for HyperTransport {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        let sent = self.0.request(request.map(Full::new));
        Box::pin(async move {
            let response = sent.await.map_err(|e| connection(&e, e.is_connect()))?;
            Ok(response.map(|body| Box::pin(Body(BodyStream::new(body))) as ByteStream))
        })
    }
}

struct Body(BodyStream<hyper::body::Incoming>);

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use std::task::Poll;
        loop {
            return match Pin::new(&mut self.0).poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(connection(&e, false)))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => continue,
                },
            };
        }
    }
}

fn connection(e: &(dyn std::error::Error + 'static), connecting: bool) -> Error {
    let mut text = if connecting {
        "the connection could not be made".to_owned()
    } else {
        "the connection broke".to_owned()
    };
    let mut cause = e.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    Error::new(Kind::Connection, text)
}

/// Reads a body to its end, refusing more than `most` bytes.
pub async fn read_all(mut body: ByteStream, most: usize) -> Result<Bytes, Error> {
    use futures_util::StreamExt;
    let Some(first) = body.next().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let Some(second) = body.next().await.transpose()? else {
        return Ok(first);
    };
    let mut all = Vec::with_capacity((first.len() + second.len()) * 2);
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    while let Some(more) = body.next().await.transpose()? {
        if all.len() + more.len() > most {
            return Err(Error::new(
                Kind::Decode,
                format!("the answer is longer than {most} bytes"),
            ));
        }
        all.extend_from_slice(&more);
    }
    Ok(all.into())
}
