//! How a connection is made: a socket, and TLS over it where the address wants that.

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::{TransportSettings, broken, tls};
use crate::Error;

/// What bytes go over.
pub(super) type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Makes connections, without forward proxies.
#[derive(Clone)]
pub(super) struct Connector(HttpsConnector<HttpConnector>);

impl Connector {
    pub(super) fn new(settings: &TransportSettings) -> Result<Self, Error> {
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
        Ok(Self(https))
    }

    pub(super) async fn connect(&self, address: Uri) -> Result<Io, Error> {
        let made = self.0.clone().oneshot(address).await;
        made.map_err(|e| broken(true, Some(&*e)))
    }
}
