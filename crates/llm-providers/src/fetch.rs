//! Fetches what a request must carry as bytes though the caller gave an address: images for vendors that download none.
//!
//! The addresses come from strangers, so nothing inside our own network may be reached through them: the guard sits in
//! the name resolution of the connection itself, where a name cannot change its mind between check and use.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

use crate::{
    Error, Fetched, Kind,
    transport::{ByteStream, TransportSettings, tls},
};

/// What may be fetched, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchSettings {
    /// The longest file.
    pub max_file: usize,
    /// The most that all files of one request may be together.
    pub max_total: usize,
    /// How long one file may take.
    pub timeout: Duration,
    /// Whether addresses inside private networks may be reached.
    pub allow_private: bool,
    /// Hosts that may be reached wherever they are.
    pub allowed_hosts: Vec<String>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            max_file: 50 << 20,
            max_total: 200 << 20,
            timeout: Duration::from_secs(30),
            allow_private: false,
            allowed_hosts: Vec::new(),
        }
    }
}

/// Fetches files for requests. Makes its connections on first use.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    settings: Arc<FetchSettings>,
    /// Files behind a forward proxy are refused: it would resolve their names, out of the guard's sight.
    connections: TransportSettings,
    http: OnceLock<reqwest::Client>,
}

impl Fetcher {
    /// The same with other rules.
    pub(crate) fn ruled_by(&self, settings: FetchSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            connections: self.connections.clone(),
            http: OnceLock::new(),
        }
    }

    /// The same over other connections.
    pub(crate) fn over(&self, connections: TransportSettings) -> Self {
        Self {
            settings: self.settings.clone(),
            connections,
            http: OnceLock::new(),
        }
    }

    /// All of `urls`, a few at a time.
    pub(crate) async fn fetch(
        &self,
        urls: Vec<String>,
    ) -> Result<BTreeMap<String, Fetched>, Error> {
        let http = self.http()?;
        let mut files = stream::iter(urls)
            .map(|url| async move {
                let file = self.one(http, &url).await;
                file.map(|file| (url.clone(), file))
                    .map_err(|why| refused(&url, &why))
            })
            .buffered(4);
        let (mut all, mut total) = (BTreeMap::new(), 0_usize);
        while let Some((url, file)) = files.try_next().await? {
            total = total.saturating_add(file.bytes.len());
            if total > self.settings.max_total {
                return Err(refused(&url, "the request's files are too large together"));
            }
            all.insert(url, file);
        }
        Ok(all)
    }

    /// What a vendor's reply refers to, as it comes: whoever runs that vendor may name any address, too.
    pub(crate) async fn open(&self, url: &str) -> Result<http::Response<ByteStream>, Error> {
        let failed = |kind, why: &str| {
            let message = format!("'{}' cannot be fetched: {why}", plain(url));
            Error::new(kind, message)
        };
        let place = Url::parse(url).map_err(|e| failed(Kind::Upstream, &e.to_string()))?;
        self.check(&place)
            .map_err(|why| failed(Kind::Upstream, &why))?;
        // Whoever reads it has limits of its own.
        let sent = self.http()?.get(place).timeout(LONGEST).send();
        let mut response = sent
            .await
            .map_err(|e| failed(Kind::Connection, &cause(&e)))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = response.bytes_stream().map_err(|e| {
            let message = format!("the connection broke: {}", cause(&e));
            Error::new(Kind::Connection, message)
        });
        let mut opened = http::Response::new(Box::pin(body) as ByteStream);
        *opened.status_mut() = status;
        *opened.headers_mut() = headers;
        Ok(opened)
    }

    /// Whether an address is reached through a forward proxy.
    pub(crate) fn is_behind_a_proxy(&self, url: &str) -> bool {
        let uri = url.parse();
        uri.is_ok_and(|uri| self.connections.proxies.matcher().intercept(&uri).is_some())
    }

    async fn one(&self, http: &reqwest::Client, url: &str) -> Result<Fetched, String> {
        let url = Url::parse(url).map_err(|e| e.to_string())?;
        self.check(&url)?;
        let response = http.get(url).send().await.map_err(|e| cause(&e))?;
        if !response.status().is_success() {
            return Err(format!("the server answered {}", response.status()));
        }
        let max = self.settings.max_file;
        let too_long = || format!("it is longer than {max} bytes");
        if response.content_length().is_some_and(|n| n > max as u64) {
            return Err(too_long());
        }
        let content_type = response
            .headers()
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        let mut body = response.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(more) = body.try_next().await.map_err(|e| cause(&e))? {
            if bytes.len() + more.len() > max {
                return Err(too_long());
            }
            bytes.extend_from_slice(&more);
        }
        Ok(Fetched {
            content_type,
            bytes: bytes.into(),
        })
    }

    /// Addresses written as numbers are never resolved, so they are checked here.
    fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http and https addresses are fetched".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        let uri = url.as_str().parse().map_err(|_| "it is no address")?;
        if self.connections.proxies.matcher().intercept(&uri).is_some() {
            return Err(BEHIND_A_PROXY.to_owned());
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        match literal {
            Ok(ip) if !self.settings.allows(host, ip) => Err(FORBIDDEN.to_owned()),
            _ => Ok(()),
        }
    }

    fn http(&self) -> Result<&reqwest::Client, Error> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let TransportSettings {
            verify, ca_file, ..
        } = &self.connections;
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(tls::config(*verify, ca_file.as_deref())?)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.settings.timeout)
            .dns_resolver(Arc::new(Guard(self.settings.clone())))
            .build()
            .map_err(|e| Error::new(Kind::Connection, "files cannot be fetched here").because(e))?;
        Ok(self.http.get_or_init(|| http))
    }
}

impl FetchSettings {
    fn allows(&self, host: &str, ip: IpAddr) -> bool {
        self.allow_private
            || is_public(ip)
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

/// How long a file may take that is handed on as it comes.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const FORBIDDEN: &str = "its address is not a public one";
const BEHIND_A_PROXY: &str =
    "it is behind a forward proxy: send the file itself, or list its host in NO_PROXY";

/// Resolves names to those of their addresses that may be reached.
struct Guard(Arc<FetchSettings>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let settings = self.0.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| settings.allows(host, address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(FORBIDDEN.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public internet.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = match (a, b) {
        // This network, shared address space, protocol assignments, benchmarks, multicast and beyond.
        (0, _) | (100, 64..=127) | (198, 18 | 19) | (224.., _) => true,
        (192, 0) => c == 0,
        _ => false,
    };
    // Azure's metadata service has a public address of its own.
    let metadata = ip == Ipv4Addr::new(168, 63, 129, 16);
    !(reserved
        || metadata
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        // IPv4 in its disguises: mapped, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo and other protocol assignments; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

fn refused(url: &str, why: &str) -> Error {
    let message = format!("'{}' cannot be fetched: {why}", plain(url));
    Error::bad_request("messages", message)
}

/// An address to be shown: without the query, where signed ones carry secrets.
pub(crate) fn plain(url: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    address.chars().take(200).collect()
}

/// The innermost cause: the outer ones repeat the address.
fn cause(e: &reqwest::Error) -> String {
    if e.is_timeout() {
        return "it did not come in time".to_owned();
    }
    let mut inner: &dyn std::error::Error = e;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::transport::Proxies;

    /// Answers every connection with `reply`, and returns its port.
    async fn server(reply: String) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = socket.read(&mut head).await;
                let _ = socket.write_all(reply.as_bytes()).await;
            }
        });
        port
    }

    fn open() -> FetchSettings {
        FetchSettings {
            allow_private: true,
            max_file: 1000,
            ..FetchSettings::default()
        }
    }

    fn ok(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: image/PNG; x=1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn only_the_public_internet_is_public() {
        let hidden = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "ff02::1",
            "::7f00:1",
        ];
        for ip in hidden {
            assert!(!is_public(ip.parse().expect("an address")), "{ip}");
        }
        for ip in [
            "8.8.8.8",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(ip.parse().expect("an address")), "{ip}");
        }
    }

    #[tokio::test]
    async fn a_file_comes_with_its_type() {
        let port = server(ok("pixels")).await;
        let url = format!("http://127.0.0.1:{port}/a.png?sig=1");
        let files = Fetcher::default()
            .ruled_by(open())
            .fetch(vec![url.clone()])
            .await
            .expect("a file");
        assert_eq!(files[&url].content_type.as_deref(), Some("image/png"));
        assert_eq!(files[&url].bytes, "pixels");
    }

    #[tokio::test]
    async fn nothing_private_is_reached_under_any_spelling() {
        let port = server(ok("secret")).await;
        let guarded = Fetcher::default();
        for host in [
            "127.0.0.1",
            "localhost",
            "0x7f.1",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            let url = format!("http://{host}:{port}/");
            let error = guarded.fetch(vec![url]).await.expect_err("refused");
            assert!(error.message.ends_with(FORBIDDEN), "{host}: {error}");
            assert_eq!(error.kind, Kind::BadRequest);
        }
        let error = guarded
            .fetch(vec!["file:///etc/passwd".into()])
            .await
            .expect_err("refused");
        assert!(error.message.contains("only http"), "{error}");
        let allowed = Fetcher::default().ruled_by(FetchSettings {
            allowed_hosts: vec!["localhost".into()],
            ..FetchSettings::default()
        });
        assert!(
            allowed
                .fetch(vec![format!("http://localhost:{port}/")])
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn refusals_redirects_and_long_files_are_errors() {
        let long = "x".repeat(1001);
        let cases = [
            (ok(&long), "longer than 1000"),
            (
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{long}"),
                "longer than 1000",
            ),
            (
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".into(),
                "answered 404",
            ),
            (
                "HTTP/1.1 302 Found\r\nlocation: http://example.com/\r\ncontent-length: 0\r\n\r\n"
                    .into(),
                "answered 302",
            ),
        ];
        for (reply, expected) in cases {
            let port = server(reply).await;
            let url = format!("http://127.0.0.1:{port}/a?token=hidden");
            let error = Fetcher::default()
                .ruled_by(open())
                .fetch(vec![url])
                .await
                .expect_err("refused");
            assert!(error.message.contains(expected), "{error}");
            assert!(!error.message.contains("hidden"), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_fetched_through_a_proxy() {
        let port = server(ok("pixels")).await;
        let mut connections = TransportSettings {
            proxies: Proxies::all("http://127.0.0.1:9"),
            ..TransportSettings::default()
        };
        let url = format!("http://127.0.0.1:{port}/a.png");
        let fetcher = Fetcher::default()
            .over(connections.clone())
            .ruled_by(open());
        let error = fetcher.fetch(vec![url.clone()]).await.expect_err("refused");
        assert!(error.message.contains("forward proxy"), "{error}");
        connections.proxies.except = Some("127.0.0.1".into());
        assert!(fetcher.over(connections).fetch(vec![url]).await.is_ok());
    }

    #[tokio::test]
    async fn all_files_together_have_a_limit() {
        let port = server(ok(&"x".repeat(600))).await;
        let settings = FetchSettings {
            max_total: 1000,
            ..open()
        };
        let urls = (0..2)
            .map(|i| format!("http://127.0.0.1:{port}/{i}"))
            .collect();
        let error = Fetcher::default()
            .ruled_by(settings)
            .fetch(urls)
            .await
            .expect_err("refused");
        assert!(error.message.contains("together"), "{error}");
    }
}
