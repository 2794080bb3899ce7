//! Straight to the vendor.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};
use http_body_util::BodyStream;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    BoxFuture, ByteStream, Transport, TransportSettings, connection, sending::Sending, tls,
};
use crate::{Error, Outgoing};

/// hyper's own client: a quarter less CPU a request than reqwest, and no proxies.
pub struct HyperTransport(Hyper<HttpsConnector<HttpConnector>, Sending>);

impl HyperTransport {
    /// A transport with its own pool. Knows no forward proxies, whatever `settings` say.
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(settings.connect_timeout));
        let tls = tls::config(settings.verify, settings.ca_file.as_deref())?;
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
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
    fn send(
        &self,
        request: Request<Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        let sent = self.0.request(request.map(Sending::from));
        Box::pin(async move {
            let response = sent.await.map_err(|e| connection(&e, e.is_connect()))?;
            Ok(response.map(|body| Box::pin(Body(BodyStream::new(body))) as ByteStream))
        })
    }
}

struct Body(BodyStream<hyper::body::Incoming>);

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
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
