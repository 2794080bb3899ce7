//! WebSockets to vendors.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, client::IntoClientRequest, protocol::WebSocketConfig},
};

use super::{
    TransportSettings,
    connector::{Connector, Io},
};
use crate::{Error, Kind, Reply, classify};

/// The longest message: fifteen megabytes of sound in base64 fit.
const LONGEST_MESSAGE: usize = 32 << 20;
/// How much may wait for a peer that reads slowly.
const WAITING: usize = LONGEST_MESSAGE * 2;

/// A connection to a vendor, over which messages go both ways.
pub type Socket = WebSocketStream<TokioIo<Io>>;

/// Limits of every socket, a client's as well as a vendor's.
pub fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE))
        .max_write_buffer_size(WAITING)
}

/// Opens sockets.
#[derive(Clone)]
pub(crate) struct Dialer {
    connector: Connector,
    settings: Arc<TransportSettings>,
}

impl Dialer {
    pub(crate) fn new(settings: TransportSettings) -> Result<Self, Error> {
        Ok(Self {
            connector: Connector::new(&settings)?,
            settings: Arc::new(settings),
        })
    }

    /// Opens a socket at the address and with the headers of `request`.
    pub(crate) async fn open<T>(
        &self,
        provider: &'static str,
        request: &Request<T>,
        limit: Duration,
    ) -> Result<Socket, Error> {
        let opening = self.connect(provider, request.uri(), request.headers());
        match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened.map_err(|e| e.of(provider)),
            Err(_) => Err(Error::new(
                Kind::Timeout,
                format!(
                    "the session did not open within {:.1} s",
                    limit.as_secs_f64()
                ),
            )
            .of(provider)),
        }
    }

    async fn connect(
        &self,
        provider: &'static str,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Socket, Error> {
        if !self.settings.proxies.is_empty() {
            return Err(Error::new(
                Kind::Connection,
                "two-way sessions cannot be opened through a forward proxy",
            ));
        }
        let stream = self.connector.connect(uri.clone()).await?;
        let mut request = socket_uri(uri)?
            .into_client_request()
            .map_err(|e| broken(provider, e))?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        let io = TokioIo::new(stream);
        let opened = client_async_with_config(request, io, Some(limits())).await;
        let (socket, _) = opened.map_err(|e| broken(provider, e))?;
        Ok(socket)
    }
}

fn socket_uri(uri: &Uri) -> Result<Uri, Error> {
    let mut parts = uri.clone().into_parts();
    let scheme = match uri.scheme_str() {
        Some("http" | "ws") => "ws",
        _ => "wss",
    };
    parts.scheme = scheme.parse().ok();
    Uri::from_parts(parts)
        .map_err(|e| Error::new(Kind::BadRequest, "this is no address for a session").because(e))
}

/// What the vendor refused the session with, where it said something.
fn broken(provider: &'static str, error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Http(response) => {
            let (head, body) = response.into_parts();
            classify(
                provider,
                &Reply {
                    status: head.status,
                    headers: head.headers,
                    body: body.unwrap_or_default().into(),
                },
            )
        }
        other => Error::new(Kind::Connection, "the session could not be opened").because(other),
    }
}
