//! Bearer tokens bought with a form: IBM's IAM, Databricks' machine-to-machine login, OAuth client credentials at large.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Credential, CredentialSource, Secret, source::number};
use crate::{
    Error, Kind, Outgoing,
    transport::{Transport, read_all},
};

/// A token is fetched anew when it has this long left.
const EARLY: Duration = Duration::from_secs(300);

/// How long a token is taken to live where the server does not say.
const UNSAID: Duration = Duration::from_secs(1800);

/// Fetches bearer tokens at one address, and keeps each as long as it is good. Many callers cause one fetch.
pub struct TokenForm {
    uri: String,
    /// The identity, where it goes into the header and not into the form.
    basic: Option<(String, Secret)>,
    form: Vec<(&'static str, Secret)>,
    held: ArcSwapOption<Held>,
    fetching: Mutex<()>,
}

struct Held {
    token: Secret,
    until: SystemTime,
}

impl TokenForm {
    /// Tokens of IBM Cloud for an API key.
    pub fn ibm(uri: impl Into<String>, api_key: Secret) -> Self {
        let grant = Secret::new("urn:ibm:params:oauth:grant-type:apikey");
        Self::new(uri, None, vec![("grant_type", grant), ("apikey", api_key)])
    }

    /// OAuth client credentials, the identity in the header.
    pub fn client_credentials(
        uri: impl Into<String>,
        id: impl Into<String>,
        secret: Secret,
        scope: &str,
    ) -> Self {
        let form = vec![
            ("grant_type", Secret::new("client_credentials")),
            ("scope", Secret::new(scope)),
        ];
        Self::new(uri, Some((id.into(), secret)), form)
    }

    fn new(
        uri: impl Into<String>,
        basic: Option<(String, Secret)>,
        form: Vec<(&'static str, Secret)>,
    ) -> Self {
        Self {
            uri: uri.into(),
            basic,
            form,
            held: ArcSwapOption::empty(),
            fetching: Mutex::new(()),
        }
    }

    fn good(&self, now: SystemTime) -> Option<Credential> {
        let held = self.held.load();
        let held = held.as_ref()?;
        (held.until > now + EARLY).then(|| Credential::Token(held.token.clone()))
    }

    fn request(&self) -> Result<Request<Outgoing>, Error> {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form: Vec<String> = self
            .form
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value.expose())))
            .collect();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form.join("&").into())
            .map_err(|_| refused("the address of the login is not valid"))?;
        if let Some((id, secret)) = &self.basic {
            let pair = STANDARD.encode(format!("{id}:{}", secret.expose()));
            let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
                .map_err(|_| refused("the client's secret cannot be sent"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn fetch(&self, transport: &dyn Transport, now: SystemTime) -> Result<Held, Error> {
        let (parts, body) = transport
            .send(self.request()?.map(Into::into))
            .await?
            .into_parts();
        let body = read_all(body, 1 << 20).await?;
        let answer: TokenAnswer = serde_json::from_slice(&body).unwrap_or_default();
        match answer.access_token {
            Some(token) if parts.status.is_success() => {
                let life = answer.expires_in.map_or(UNSAID, Duration::from_secs);
                Ok(Held {
                    token: Secret::new(token),
                    until: now + life,
                })
            }
            _ => {
                let said = [answer.error_description, answer.error_message, answer.error];
                let said = said.into_iter().flatten().next().unwrap_or_default();
                let mut error = refused(&format!("no token: {} {said}", parts.status));
                if parts.status.is_server_error() {
                    error.kind = Kind::Upstream;
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl CredentialSource for TokenForm {
    async fn get(&self, transport: &dyn Transport, now: SystemTime) -> Result<Credential, Error> {
        if let Some(token) = self.good(now) {
            return Ok(token);
        }
        let _alone = self.fetching.lock().await;
        if let Some(token) = self.good(now) {
            return Ok(token);
        }
        let held = self.fetch(transport, now).await?;
        let token = held.token.clone();
        self.held.store(Some(held.into()));
        Ok(Credential::Token(token))
    }

    fn recipe(&self) -> u64 {
        number("form", &(&self.uri, &self.basic, &self.form))
    }
}

impl fmt::Debug for TokenForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenForm")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TokenAnswer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
    #[serde(rename = "errorMessage")]
    error_message: Option<String>,
}

fn refused(message: &str) -> Error {
    Error::new(Kind::Auth, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use futures_util::stream;
    use http::Response;

    use bytes::Bytes;

    use super::*;
    use crate::transport::{BoxFuture, ByteStream};

    /// Answers each request with the next of its replies.
    struct Script {
        replies: Lock<Vec<(u16, &'static str)>>,
        seen: Lock<Vec<Request<Outgoing>>>,
    }

    impl Script {
        fn new(mut replies: Vec<(u16, &'static str)>) -> Self {
            replies.reverse();
            Self {
                replies: Lock::new(replies),
                seen: Lock::default(),
            }
        }
    }

    impl Transport for Script {
        fn send(
            &self,
            request: Request<Outgoing>,
        ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
            self.seen.lock().expect("a lock").push(request);
            let (status, body) = self.replies.lock().expect("a lock").pop().expect("a reply");
            Box::pin(async move {
                let body: ByteStream =
                    Box::pin(stream::iter([Ok(Bytes::from_static(body.as_bytes()))]));
                Ok(Response::builder()
                    .status(status)
                    .body(body)
                    .expect("a response"))
            })
        }
    }

    fn token(credential: Credential) -> String {
        match credential {
            Credential::Token(token) => token.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        let script = Script::new(vec![
            (200, r#"{"access_token":"one","expires_in":3600}"#),
            (200, r#"{"access_token":"two","expires_in":3600}"#),
        ]);
        let source = TokenForm::ibm("https://iam.example/identity/token", Secret::new("a+b&c"));
        let start = SystemTime::UNIX_EPOCH;
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(
            token(source.get(&script, at(0)).await.expect("a token")),
            "one"
        );
        assert_eq!(
            token(source.get(&script, at(3299)).await.expect("a token")),
            "one"
        );
        assert_eq!(
            token(source.get(&script, at(3300)).await.expect("a token")),
            "two"
        );
        let seen = script.seen.lock().expect("a lock");
        assert_eq!(
            seen[0].body().bytes().expect("in memory"),
            "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant%2Dtype%3Aapikey&apikey=a%2Bb%26c"
        );
        assert!(!format!("{source:?}").contains("a+b"));
    }

    #[tokio::test]
    async fn the_identity_goes_into_the_header() {
        let script = Script::new(vec![(200, r#"{"access_token":"t"}"#)]);
        let uri = "https://w.example/oidc/v1/token";
        let source = TokenForm::client_credentials(uri, "id", Secret::new("s"), "all-apis");
        source
            .get(&script, SystemTime::UNIX_EPOCH)
            .await
            .expect("a token");
        let seen = script.seen.lock().expect("a lock");
        assert_eq!(seen[0].headers()[AUTHORIZATION], "Basic aWQ6cw==");
        assert_eq!(
            seen[0].body().bytes().expect("in memory"),
            "grant_type=client%5Fcredentials&scope=all%2Dapis"
        );
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_is_not_kept() {
        let script = Script::new(vec![
            (
                400,
                r#"{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}"#,
            ),
            (503, "busy"),
            (200, r#"{"access_token":"t","expires_in":60}"#),
        ]);
        let source = TokenForm::ibm("https://iam.example/", Secret::new("k"));
        let now = SystemTime::UNIX_EPOCH;
        let error = source.get(&script, now).await.expect_err("refused");
        assert_eq!(error.kind, Kind::Auth);
        assert!(error.message.contains("could not be found"), "{error}");
        let error = source.get(&script, now).await.expect_err("refused");
        assert_eq!(error.kind, Kind::Upstream);
        assert_eq!(token(source.get(&script, now).await.expect("a token")), "t");
    }
}
