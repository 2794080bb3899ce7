//! Answers that stand at another address than the one that was asked: films, mostly, in a vendor's store.

use http::{HeaderMap, Method, Response, StatusCode, Uri, header::LOCATION};
use reqwest::Url;
use tokio::time::Instant;

use super::{Client, Limits, Outcome, within};
use crate::{
    Call, Download, Error, Kind,
    fetch::plain,
    protocols::openai,
    transport::{ByteStream, read_all},
};

/// How often an address may lead to another one.
const HOPS: usize = 5;

/// Where an answer stands.
pub(super) struct Link {
    pub(super) uri: String,
    /// The credential may go there.
    pub(super) trusted: bool,
}

impl Client {
    /// What stands at `link`, handed on as it comes.
    pub(super) async fn linked(
        &self,
        call: &Call<'_>,
        mut link: Link,
        limits: &Limits,
        began: Instant,
    ) -> Result<Outcome, Error> {
        for _ in 0..=HOPS {
            let opened = self.opened(call, &link);
            let (parts, body) = within(limits.first_byte, "the first byte", opened)
                .await?
                .into_parts();
            if let Some(uri) = next(&link.uri, parts.status, &parts.headers) {
                link = Link {
                    uri,
                    trusted: false,
                };
                continue;
            }
            if !parts.status.is_success() {
                let said = read_all(body, 1 << 20).await.unwrap_or_default();
                return Err(gone(&link.uri, parts.status, &said));
            }
            let begun = Download::begin(call, body, &parts.headers, limits, began);
            let download = within(limits.first_byte, "the first byte", begun).await?;
            return Ok(Outcome::Bytes(Box::new(download), parts.headers));
        }
        Err(Error::new(
            Kind::Upstream,
            format!("'{}' leads from one address to the next", plain(&link.uri)),
        ))
    }

    /// The credential goes to the vendor's own host alone; everything else is fetched as a stranger's address is.
    async fn opened(&self, call: &Call<'_>, link: &Link) -> Result<Response<ByteStream>, Error> {
        if link.trusted || is_same_origin(&link.uri, call.base_url()) {
            let request = openai::empty(Method::GET, &link.uri)?;
            return self.forward(call.target, request).await;
        }
        if self.fetcher.is_behind_a_proxy(&link.uri) {
            let request = openai::empty(Method::GET, &link.uri)?;
            return self.transport.send(request).await;
        }
        self.fetcher.open(&link.uri).await
    }
}

fn next(from: &str, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !status.is_redirection() {
        return None;
    }
    let to = headers.get(LOCATION)?.to_str().ok()?;
    Some(Url::parse(from).ok()?.join(to).ok()?.into())
}

fn is_same_origin(uri: &str, base: &str) -> bool {
    let origin = |text: &str| {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?.as_str().to_ascii_lowercase();
        let is_plain = !authority.contains('@');
        is_plain.then_some((uri.scheme_str()?.to_owned(), authority))
    };
    origin(uri).is_some_and(|found| origin(base) == Some(found))
}

fn gone(uri: &str, status: StatusCode, said: &[u8]) -> Error {
    let kind = match status.as_u16() {
        401 | 403 | 404 | 410 => Kind::NotFound,
        429 => Kind::RateLimit,
        _ => Kind::Upstream,
    };
    let said: String = String::from_utf8_lossy(said).chars().take(300).collect();
    let mut error = Error::new(kind, format!("'{}' answered {status}: {said}", plain(uri)));
    error.status = Some(status);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_to_its_own_host_alone() {
        let base = "https://api.example.com/v1";
        for own in ["https://api.example.com/files/1", "https://API.example.com"] {
            assert!(is_same_origin(own, base), "{own}");
        }
        for other in [
            "http://api.example.com/files/1",
            "https://api.example.com:8443/files/1",
            "https://api.example.com@evil.example/",
            "https://u@api.example.com/",
            "https://api.example.com.evil.example/",
            "https://evil.example/https://api.example.com/",
            "/files/1",
            "",
        ] {
            assert!(!is_same_origin(other, base), "{other}");
        }
    }

    #[test]
    fn a_redirect_may_be_relative() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "/b?x=1".parse().expect("a value"));
        let next = next("https://a.example/v1/f", StatusCode::FOUND, &headers);
        assert_eq!(next.as_deref(), Some("https://a.example/b?x=1"));
    }
}
