//! Straight to the vendor.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{
    HeaderValue, Request, Response, Uri,
    header::HOST,
    uri::{PathAndQuery, Scheme},
};
use hyper::body::Incoming;

use super::{
    BoxFuture, ByteStream, Transport, TransportSettings,
    connector::Connector,
    link::Link,
    pool::{Place, Pool},
    sending::Sending,
};
use crate::{Error, Kind, Outgoing};

/// hyper's connections and a pool of our own: half the work of hyper's client for a request, and no proxies.
pub struct HyperTransport {
    connector: Connector,
    pool: Arc<Pool>,
}

impl HyperTransport {
    /// A transport with its own pool. Knows no forward proxies, whatever `settings` say.
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        Ok(Self {
            connector: Connector::new(settings)?,
            pool: Arc::new(Pool::new(settings.idle_timeout)),
        })
    }

    async fn exchange(&self, mut request: Request<Sending>) -> Result<Response<ByteStream>, Error> {
        let (whole, place) = address(&mut request)?;
        loop {
            let waiting = self.pool.take(&place);
            let was_used = waiting.is_some();
            let mut link = match waiting {
                Some(link) => link,
                None => Box::new(Link::over(self.connector.connect(whole.clone()).await?).await?),
            };
            match link.send(request).await {
                Ok(response) => {
                    let pool = Arc::clone(&self.pool);
                    return Ok(response.map(|body| Answer::stream(body, link, place, pool)));
                }
                Err(unanswered) => match unanswered.request {
                    // The vendor closed it while it waited.
                    Some(unsent) if was_used => request = unsent,
                    _ => return Err(unanswered.error),
                },
            }
        }
    }
}

impl Transport for HyperTransport {
    fn send(
        &self,
        request: Request<Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        Box::pin(self.exchange(request.map(Sending::from)))
    }
}

/// Where a request goes. What it says of this afterwards is what a server reads: a path, and the host in a header.
fn address(request: &mut Request<Sending>) -> Result<(Uri, Place), Error> {
    let whole = request.uri().clone();
    let (Some(scheme), Some(authority)) = (whole.scheme(), whole.authority()) else {
        return Err(Error::new(
            Kind::BadRequest,
            format!("'{whole}' is not an address with a scheme and a host"),
        ));
    };
    let place = Place {
        scheme: scheme.clone(),
        authority: authority.clone(),
    };
    if !request.headers().contains_key(HOST) {
        let usual = match authority.port_u16() {
            Some(443) => *scheme == Scheme::HTTPS,
            Some(80) => *scheme == Scheme::HTTP,
            _ => false,
        };
        let host = match authority.as_str().rsplit_once('@') {
            Some((_, host)) => host,
            None => authority.as_str(),
        };
        let host = if usual { authority.host() } else { host };
        let host = HeaderValue::from_str(host)
            .map_err(|e| Error::new(Kind::BadRequest, "this is no host").because(e))?;
        request.headers_mut().insert(HOST, host);
    }
    let mut parts = http::uri::Parts::default();
    let path = whole.path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    // Without a scheme and a host any path is an address.
    *request.uri_mut() = Uri::from_parts(parts)
        .map_err(|e| Error::new(Kind::BadRequest, "this is no path").because(e))?;
    Ok((whole, place))
}

/// An answer as it arrives. One that is dropped before its end closes its connection, unless the end is there already.
struct Answer {
    body: Incoming,
    link: Option<(Box<Link>, Place)>,
    pool: Arc<Pool>,
}

impl Answer {
    fn stream(body: Incoming, link: Box<Link>, place: Place, pool: Arc<Pool>) -> ByteStream {
        Box::pin(Self {
            body,
            link: Some((link, place)),
            pool,
        })
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some((link, _)) = &mut this.link else {
            return Poll::Ready(None);
        };
        let next = link.poll_data(&mut this.body, cx);
        match &next {
            Poll::Ready(None) => {
                if let Some((link, place)) = this.link.take() {
                    this.pool.give(place, link);
                }
            }
            Poll::Ready(Some(Err(_))) => this.link = None,
            _ => {}
        }
        next
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Whoever has read a stream's last event does not ask for what ends its body.
        if let Some((mut link, place)) = self.link.take()
            && link.is_at_the_end(&mut self.body)
        {
            self.pool.give(place, link);
        }
    }
}
