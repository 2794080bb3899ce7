//! Through a forward proxy.

use futures_util::TryStreamExt;
use http::{Request, Response};
use reqwest::{NoProxy, Proxy};

use super::{
    BoxFuture, ByteStream, Proxies, Transport, TransportSettings, connection, sending::Sending, tls,
};
use crate::{Error, Kind, Outgoing};

/// reqwest's client, which knows forward proxies: plain, tunnels and SOCKS.
pub struct ReqwestTransport(reqwest::Client);

impl ReqwestTransport {
    /// A transport with its own pool. Reads no environment: proxies are those of `settings`.
    pub fn new(settings: &TransportSettings) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(settings.idle_timeout)
            .tls_backend_preconfigured(tls::config(settings.verify, settings.ca_file.as_deref())?);
        for proxy in proxies(&settings.proxies)? {
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|e| {
            Error::new(Kind::Connection, "connections cannot be made here").because(e)
        })?;
        Ok(Self(client))
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        request: Request<Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        Box::pin(async move {
            let request = reqwest::Request::try_from(
                request.map(|body| reqwest::Body::wrap(Sending::from(body))),
            )
            .map_err(|e| Error::new(Kind::BadRequest, "the address is not valid").because(e))?;
            let response = self.0.execute(request).await;
            let mut response = response.map_err(|e| connection(&e, e.is_connect()))?;
            let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
            let body = response.bytes_stream().map_err(|e| connection(&e, false));
            let mut answer = Response::new(Box::pin(body) as ByteStream);
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(answer)
        })
    }
}

fn proxies(proxies: &Proxies) -> Result<Vec<Proxy>, Error> {
    let except = proxies.except.as_deref().and_then(NoProxy::from_string);
    // The address may hold a password: it is not repeated.
    let invalid = |e| {
        Error::new(
            Kind::BadRequest,
            "the address of the forward proxy is not valid",
        )
        .because(e)
    };
    let http = proxies.http.as_deref().map(Proxy::http);
    let https = proxies.https.as_deref().map(Proxy::https);
    http.into_iter()
        .chain(https)
        .map(|proxy| Ok(proxy.map_err(invalid)?.no_proxy(except.clone())))
        .collect()
}
