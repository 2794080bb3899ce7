//! Sockets: accepting, TLS, HTTP, and ending without cutting anyone off.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Version;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    alerting, books, gateway,
    logs::{self, Lines},
    probing,
    record::Hub,
    routes::pages,
    settings::Settings,
    state::{Gateway, Live},
    tls,
};

/// Between two signs of life that are asked of an HTTP/2 connection, and how long each may take.
const PING: Duration = Duration::from_secs(30);

/// A gateway that answers.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    checking: JoinHandle<()>,
}

/// How connections are served.
struct Serving {
    http: Builder<TokioExecutor>,
    gateway: Arc<Gateway>,
    pages: axum::Router,
    stop: watch::Receiver<bool>,
    tls: Option<TlsAcceptor>,
    /// How long a connection may take until its first request is there.
    patience: Duration,
}

/// Serves `settings` on `listener`, logging to standard error.
pub async fn serve(listener: TcpListener, settings: Settings) -> Result<Running> {
    let lines = Lines::to(std::io::stderr());
    logs::install(&settings.logs, &lines);
    serve_logging(listener, settings, lines).await
}

pub(crate) async fn serve_logging(
    listener: TcpListener,
    settings: Settings,
    lines: Lines,
) -> Result<Running> {
    let address = listener.local_addr()?;
    let tls = settings
        .listen
        .tls
        .as_ref()
        .map(tls::acceptor)
        .transpose()?;
    let limits = settings.limits;
    let hub = Arc::new(Hub::new(&settings.logs, &settings.metrics, lines));
    if let Some(alerts) = alerting::start(&settings)? {
        let _ = hub.alerts.set(alerts);
    }
    let live = Live::new(settings)?;
    let gateway = Arc::new(Gateway::new(live, hub));
    books::open(&gateway, &gateway.live().settings).await?;
    gateway.resume_batches();
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head.max(8 << 10));
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(PING))
        .keep_alive_timeout(PING)
        .max_concurrent_streams(1000);
    let (stop, stopped) = watch::channel(false);
    let serving = Arc::new(Serving {
        http,
        pages: pages::router(Arc::clone(&gateway)),
        gateway: Arc::clone(&gateway),
        stop: stopped,
        tls,
        patience: limits.head_timeout,
    });
    let accepting = tokio::spawn(accept(listener, serving));
    let checking = tokio::spawn(probing::run(Arc::downgrade(&gateway)));
    Ok(Running {
        address,
        gateway,
        stop,
        accepting,
        checking,
    })
}

impl Running {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts new settings to work for the requests that come from now on.
    pub fn reload(&self, settings: Settings) -> Result<()> {
        self.gateway.replace(settings)
    }

    /// Readiness says no from now on, requests under way are still answered, and new ones are asked to come again.
    pub fn drain(&self) {
        self.gateway.drain();
    }

    /// Requests under way.
    pub fn under_way(&self) -> u64 {
        self.gateway.under_way()
    }

    /// Drains, waits for the requests under way, at most the configured time, and stops. Says whether all could end.
    pub async fn stop(self) -> bool {
        self.drain();
        let grace = self.gateway.live().settings.shutdown_grace;
        let rested = timeout(grace, self.gateway.rest_batches());
        // Batches go on elsewhere, or later: nobody is cut off who waits for them.
        let (all, _) = tokio::join!(timeout(grace, self.gateway.idle()), rested);
        let all = all.is_ok();
        self.accepting.abort();
        self.checking.abort();
        let _ = self.stop.send(true);
        // The last bytes of finished answers are still on their way to their sockets.
        let closed = timeout(Duration::from_secs(1), self.stop.closed()).await;
        if let Some(governance) = self.gateway.governance() {
            governance.close().await;
        }
        self.gateway.hub.lines.flush();
        all && closed.is_ok()
    }

    pub(crate) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }
}

async fn accept(listener: TcpListener, serving: Arc<Serving>) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let _ = socket.set_nodelay(true);
                tokio::spawn(connection(socket, peer, Arc::clone(&serving)));
            }
            Err(error) => {
                // Out of file descriptors, mostly: accepting again at once would only burn the processor.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, peer: SocketAddr, serving: Arc<Serving>) {
    let Some(tls) = &serving.tls else {
        return http(socket, peer, &serving).await;
    };
    let handshake = timeout(Duration::from_secs(10), tls.accept(socket)).await;
    match handshake {
        Ok(Ok(socket)) => http(socket, peer, &serving).await,
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn http(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    serving: &Arc<Serving>,
) {
    let begun = AtomicBool::new(false);
    let streams = Arc::new(Streams::default());
    let service = service_fn(|request: hyper::Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        let open = (request.version() == Version::HTTP_2).then(|| Streams::open(&streams));
        let (gateway, pages) = (Arc::clone(&serving.gateway), serving.pages.clone());
        // On the heap: hyper moves it from hand to hand.
        Box::pin(async move {
            let reply = gateway::handle(gateway, pages, peer, request).await;
            Ok::<_, std::convert::Infallible>(match open {
                Some(open) => reply.map(|body| body.on(open)),
                None => reply,
            })
        })
    });
    let mut stop = serving.stop.clone();
    let connection = serving
        .http
        .serve_connection_with_upgrades(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let given_up = async {
        tokio::select! {
            () = told(&mut stop) => true,
            () = streams.idle(serving.patience) => true,
            () = silent(serving.patience, &begun) => false,
        }
    };
    // Looked at only when it has something to say, not whenever the connection has.
    let mut given_up = FuturesUnordered::from_iter([given_up]);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        Some(heard) = given_up.next() => {
            if !heard {
                tracing::debug!(%peer, "a connection brought no request");
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// Ends when `patience` has passed without a request. Hyper's own limit starts after the bytes that tell HTTP/1 from
/// HTTP/2, and never for HTTP/2: without this one, connections that say nothing would stay for good.
async fn silent(patience: Duration, begun: &AtomicBool) {
    tokio::time::sleep(patience).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// The open requests of an HTTP/2 connection. Hyper ends an HTTP/1 connection that stays silent, and no HTTP/2 one.
#[derive(Debug, Default)]
struct Streams {
    open: AtomicUsize,
    none_left: Notify,
}

/// One open request, until its reply is sent or dropped.
#[derive(Debug)]
pub(crate) struct Stream(Arc<Streams>);

impl Streams {
    fn open(streams: &Arc<Self>) -> Stream {
        streams.open.fetch_add(1, Ordering::AcqRel);
        Stream(Arc::clone(streams))
    }

    /// Ends when there were requests, and then none for as long as `patience`.
    async fn idle(&self, patience: Duration) {
        self.none_left.notified().await;
        loop {
            let again = timeout(patience, self.none_left.notified()).await.is_ok();
            if again {
                continue;
            }
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            self.none_left.notified().await;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_one();
        }
    }
}

/// Waits until the gateway stops.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
