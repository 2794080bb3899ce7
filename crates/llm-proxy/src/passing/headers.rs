//! Which headers go on to a vendor, and which of its own come back.

use http::{HeaderMap, HeaderName, header::CONNECTION};

/// What is between two machines, or made anew for the next.
const OF_THE_HOP: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// What proves who the client is: to us, and to nobody else.
const CREDENTIALS: [&str; 12] = [
    "api-key",
    "authorization",
    "cookie",
    "litellm_user_api_key",
    "ocp-apim-subscription-key",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-api-key",
    "x-goog-api-key",
    "x-goog-user-project",
    "x-litellm-api-key",
];

/// What is said to us, or about the way to us.
const OURS: [&str; 5] = [
    "x-litellm-",
    "x-interlingua-",
    "x-forwarded-",
    "forwarded",
    "x-real-ip",
];

/// Headers that go on in any case.
const ALWAYS: [&str; 2] = ["accept", "content-type"];

/// A header of this beginning goes on without it.
const PASS: &str = "x-pass-";

/// Of a vendor's reply: what is between two machines, and what says how browsers should treat its own site.
const NOT_BACK: [&str; 12] = [
    "alt-svc",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "server",
    "set-cookie",
    "strict-transport-security",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Which headers of a client go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// All but those that must not, and not only what [`PASS`] marks.
    pub(super) all: bool,
    /// A marked credential goes on: the service is the client's business.
    pub(super) credentials: bool,
    /// More headers that hold our own keys.
    pub(super) keys: [Option<&'a str>; 2],
}

/// The headers that go on.
pub(super) fn onward(headers: &HeaderMap, rules: Rules<'_>) -> HeaderMap {
    let named = named_in_connection(headers);
    let mut all = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let text = name.as_str();
        let is_key = rules
            .keys
            .iter()
            .flatten()
            .any(|key| text.eq_ignore_ascii_case(key));
        if is_key || is_of_the_hop(text) || named.iter().any(|hop| hop == text) {
            continue;
        }
        if let Some(marked) = text.strip_prefix(PASS) {
            let secret = CREDENTIALS.contains(&marked) && !rules.credentials;
            let name: Option<HeaderName> = marked.parse().ok();
            if let Some(name) = name.filter(|_| !secret && !is_of_the_hop(marked)) {
                all.insert(name, value.clone());
            }
            continue;
        }
        let secret = CREDENTIALS.contains(&text) || OURS.iter().any(|ours| text.starts_with(ours));
        if !secret && (rules.all || ALWAYS.contains(&text)) {
            all.append(name.clone(), value.clone());
        }
    }
    all
}

/// The headers of a vendor's reply that the client gets.
pub(crate) fn offered(headers: &HeaderMap) -> HeaderMap {
    let named = named_in_connection(headers);
    let mut all = HeaderMap::with_capacity(headers.len() + 12);
    for (name, value) in headers {
        let text = name.as_str();
        let kept = !NOT_BACK.contains(&text)
            && !text.starts_with("access-control-")
            && !text.starts_with("x-litellm-")
            && !named.iter().any(|hop| hop == text);
        if kept {
            all.append(name.clone(), value.clone());
        }
    }
    all
}

fn is_of_the_hop(name: &str) -> bool {
    OF_THE_HOP.contains(&name)
}

fn named_in_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONNECTION).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let names = texts.flat_map(|text| text.split(','));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(HeaderName, http::HeaderValue)>>()
            .into_iter()
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    const SENT: &[(&str, &str)] = &[
        ("authorization", "Bearer sk-ours"),
        ("x-api-key", "sk-ours"),
        ("x-own-key", "sk-ours"),
        ("host", "gateway"),
        ("connection", "x-secret-hop"),
        ("x-secret-hop", "1"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-litellm-tags", "a"),
        ("anthropic-beta", "b"),
        ("content-type", "application/json"),
        ("x-pass-x-feature", "on"),
        ("x-pass-host", "evil.example"),
        ("x-pass-authorization", "Bearer theirs"),
    ];

    #[test]
    fn no_key_of_ours_goes_on() {
        let rules = Rules {
            all: true,
            credentials: false,
            keys: [Some("X-Own-Key"), None],
        };
        let on = onward(&headers(SENT), rules);
        assert_eq!(names(&on), ["anthropic-beta", "content-type", "x-feature"]);
    }

    #[test]
    fn only_marked_headers_go_on_where_not_all_do() {
        let rules = Rules {
            all: false,
            credentials: true,
            keys: [None, None],
        };
        let on = onward(&headers(SENT), rules);
        assert_eq!(names(&on), ["authorization", "content-type", "x-feature"]);
        assert_eq!(on["authorization"], "Bearer theirs");
    }

    #[test]
    fn replies_keep_what_is_the_vendors_to_say() {
        let back = offered(&headers(&[
            ("content-type", "a/b"),
            ("request-id", "r"),
            ("set-cookie", "x"),
            ("transfer-encoding", "chunked"),
            ("x-litellm-call-id", "theirs"),
            ("access-control-allow-origin", "*"),
            ("content-encoding", "gzip"),
        ]));
        assert_eq!(
            names(&back),
            ["content-encoding", "content-type", "request-id"]
        );
    }
}
