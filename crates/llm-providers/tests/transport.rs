//! Connections as the settings say: trust in certificates, and forward proxies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderValue, Request};
use llm_providers::{
    Client, Kind,
    transport::{Proxies, TransportSettings, read_all},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tls");

/// Answers one request a connection with its name, and remembers the heads of requests.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(name: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                match &tls {
                    None => serve(socket, name, &log).await,
                    Some(tls) => {
                        // A client that does not trust us hangs up.
                        if let Ok(socket) = tls.accept(socket).await {
                            serve(socket, name, &log).await;
                        }
                    }
                }
            }
        });
        Self { port, seen }
    }

    /// With the certificate that nobody trusts.
    async fn with_certificate() -> Self {
        let chain = vec![CertificateDer::from_pem_file(format!("{TLS}/localhost.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(format!("{TLS}/localhost.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start("safe", Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    name: &str,
    log: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    log.lock().unwrap().push(String::from_utf8(head).unwrap());
    let length = name.len();
    let reply = format!(
        "HTTP/1.1 200 OK\r\nx-by: {name}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{name}"
    );
    socket.write_all(reply.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
}

async fn get(settings: &TransportSettings, url: &str) -> Result<String, llm_providers::Error> {
    let transport = Client::transport(settings)?;
    let request = Request::get(url)
        .body(llm_providers::Outgoing::default())
        .unwrap();
    let (parts, body) = transport.send(request).await?.into_parts();
    let body = String::from_utf8(read_all(body, 1000).await?.to_vec()).unwrap();
    assert_eq!(parts.headers["x-by"], body.as_str());
    Ok(body)
}

/// The same settings straight, and over the client that knows proxies but uses none here.
fn both(settings: TransportSettings) -> [TransportSettings; 2] {
    let proxied = TransportSettings {
        proxies: Proxies {
            except: Some("localhost".into()),
            ..Proxies::all("http://127.0.0.1:9")
        },
        ..settings.clone()
    };
    [settings, proxied]
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let server = Server::with_certificate().await;
    for settings in both(TransportSettings::default()) {
        let error = get(&settings, &format!("https://localhost:{}/", server.port))
            .await
            .unwrap_err();
        assert_eq!(error.kind, Kind::Connection);
        assert!(error.message.contains("UnknownIssuer"), "{error}");
    }
    assert!(server.seen().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted() {
    let server = Server::with_certificate().await;
    let trusting = TransportSettings {
        ca_file: Some(format!("{TLS}/ca.pem")),
        ..TransportSettings::default()
    };
    for settings in both(trusting) {
        let url = format!("https://localhost:{}/", server.port);
        assert_eq!(get(&settings, &url).await.unwrap(), "safe");
    }
}

#[tokio::test]
async fn whoever_asks_for_no_checks_gets_none() {
    let server = Server::with_certificate().await;
    let careless = TransportSettings {
        verify: false,
        ..TransportSettings::default()
    };
    for settings in both(careless) {
        let url = format!("https://localhost:{}/", server.port);
        assert_eq!(get(&settings, &url).await.unwrap(), "safe");
    }
}

#[tokio::test]
async fn a_file_without_authorities_is_named() {
    for file in ["localhost.key", "missing.pem"] {
        let settings = TransportSettings {
            ca_file: Some(format!("{TLS}/{file}")),
            ..TransportSettings::default()
        };
        let error = Client::transport(&settings).err().expect("no transport");
        assert!(error.message.contains(file), "{error}");
    }
}

#[tokio::test]
async fn a_forward_proxy_is_asked_for_the_whole_address() {
    let proxy = Server::start("proxy", None).await;
    let settings = TransportSettings {
        proxies: Proxies::all(format!("http://me:word@127.0.0.1:{}", proxy.port)),
        ..TransportSettings::default()
    };
    let answer = get(&settings, "http://vendor.invalid/v1/chat%2Fx?a=b").await;
    assert_eq!(answer.unwrap(), "proxy");
    let head = proxy.seen().remove(0);
    assert!(
        head.starts_with("GET http://vendor.invalid/v1/chat%2Fx?a=b HTTP/1.1\r\n"),
        "{head}"
    );
    // me:word
    assert!(head.contains("Basic bWU6d29yZA=="), "{head}");
}

#[tokio::test]
async fn hosts_that_are_excepted_are_called_straight() {
    let (proxy, vendor) = (
        Server::start("proxy", None).await,
        Server::start("vendor", None).await,
    );
    let mut settings = TransportSettings {
        proxies: Proxies::all(format!("http://127.0.0.1:{}", proxy.port)),
        ..TransportSettings::default()
    };
    let url = format!("http://127.0.0.1:{}/", vendor.port);
    assert_eq!(get(&settings, &url).await.unwrap(), "proxy");
    settings.proxies.except = Some("other.example, 127.0.0.0/8".into());
    assert_eq!(get(&settings, &url).await.unwrap(), "vendor");
    assert_eq!(proxy.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_is_the_same_either_way() {
    let vendor = Server::start("vendor", None).await;
    let url = format!("http://localhost:{}/", vendor.port);
    for settings in both(TransportSettings::default()) {
        let transport = Client::transport(&settings).unwrap();
        let mut request = Request::post(&url)
            .body(llm_providers::Outgoing::from("{}"))
            .unwrap();
        let key = HeaderValue::from_static("Bearer k");
        request.headers_mut().insert("authorization", key);
        let (parts, body) = transport.send(request).await.unwrap().into_parts();
        assert_eq!(parts.status, 200);
        let expected = HeaderMap::from_iter([
            ("x-by".parse().unwrap(), HeaderValue::from_static("vendor")),
            ("content-length".parse().unwrap(), HeaderValue::from(6)),
            (
                "connection".parse().unwrap(),
                HeaderValue::from_static("close"),
            ),
        ]);
        assert_eq!(parts.headers, expected);
        assert_eq!(read_all(body, 100).await.unwrap(), "vendor");
    }
    for head in vendor.seen() {
        assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer k\r\n"), "{head}");
        assert!(head.contains("content-length: 2\r\n"), "{head}");
    }
}
