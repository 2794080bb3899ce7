use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// Addresses, one by one or as ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// These: `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`. Tells which one is none.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let net = |text: &str| {
            let text = text.trim();
            let one = text.parse::<IpAddr>();
            let one = one.map(|address| IpNet::from(address.to_canonical()));
            let net = one.or_else(|_| text.parse::<IpNet>());
            net.map_err(|_| format!("{text:?} is neither an address nor a range of addresses"))
        };
        texts
            .into_iter()
            .map(net)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this address is among them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Whom a connection from `socket` speaks for. Of `X-Forwarded-For` only what our own proxies added is believed: the
    /// last address that is none of theirs.
    pub(crate) fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contain(socket) {
            return socket;
        }
        let values = headers.get_all("x-forwarded-for").into_iter();
        let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        let mut client = socket;
        for text in texts.iter().rev().flat_map(|text| text.rsplit(',')) {
            let Some(address) = address(text.trim()) else {
                break;
            };
            client = address;
            if !self.contain(address) {
                break;
            }
        }
        client
    }
}

/// An address, also one with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || {
        let socket: std::net::SocketAddr = text.parse().ok()?;
        Some(socket.ip())
    };
    let parsed: Option<IpAddr> = bare.parse().ok();
    parsed
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], socket: &str, forwarded: &[&str]) -> String {
        let proxies = Networks::parse(proxies.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies
            .client(socket.parse().unwrap(), &headers)
            .to_string()
    }

    #[test]
    fn only_what_our_proxies_added_is_believed() {
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        for (socket, forwarded, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["127.0.0.1, 198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["127.0.0.1", "198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
        ] {
            assert_eq!(
                client(&proxies, socket, forwarded),
                expected,
                "{socket} {forwarded:?}"
            );
        }
        assert!(Networks::parse(["10.0.0.0/33"]).is_err());
        assert!(Networks::parse(["example.com"]).is_err());
    }
}
