//! Requests for tokens, and what they are answered with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::{DateTime, date_time::Format};
use http::{Method, Request, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Deserialize;
use serde_json::json;

use super::{Secret, refused};
use crate::{Error, Kind, Outgoing, Reply, path};

/// What the token may be used for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How long a service account's own statement is good, in seconds: the most that Google takes.
const HOUR: u64 = 3600;

/// An access token and its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) expires: Option<SystemTime>,
}

/// A service account's request, signed with its key.
pub(super) fn service_account(
    email: &str,
    key: &Secret,
    key_id: Option<&str>,
    uri: &str,
    now: SystemTime,
) -> Result<Request<Outgoing>, Error> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({"iss": email, "scope": SCOPE, "aud": uri, "iat": now, "exp": now + HOUR});
    let mut head = Header::new(Algorithm::RS256);
    head.kid = key_id.map(str::to_owned);
    let signed = EncodingKey::from_rsa_pem(key.expose().as_bytes())
        .and_then(|key| jsonwebtoken::encode(&head, &claims, &key))
        .map_err(|e| refused("the service account's private key cannot be used").because(e))?;
    form(uri, &[("grant_type", JWT_BEARER), ("assertion", &signed)])
}

/// A person's request.
pub(super) fn user(
    client_id: &str,
    client_secret: &Secret,
    refresh_token: &Secret,
    uri: &str,
) -> Result<Request<Outgoing>, Error> {
    form(
        uri,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("client_secret", client_secret.expose()),
            ("refresh_token", refresh_token.expose()),
        ],
    )
}

/// The exchange of another issuer's token.
pub(super) fn exchange(
    audience: &str,
    token_type: &str,
    subject: &str,
    uri: &str,
) -> Result<Request<Outgoing>, Error> {
    form(
        uri,
        &[
            ("grant_type", EXCHANGE),
            ("audience", audience),
            ("scope", SCOPE),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token", subject),
            ("subject_token_type", token_type),
        ],
    )
}

/// The request to act as a service account.
pub(super) fn impersonate(
    url: &str,
    delegates: &[String],
    base: &Token,
) -> Result<Request<Outgoing>, Error> {
    let body = json!({"scope": [SCOPE], "delegates": delegates, "lifetime": format!("{HOUR}s")});
    let bearer = format!("Bearer {}", base.text.expose());
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, bearer);
    built(request.body(body.to_string().into()))
}

/// The request to the machine's metadata service.
pub(super) fn machine(host: &str) -> Result<Request<Outgoing>, Error> {
    let uri = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    get(&uri, &[("Metadata-Flavor".to_owned(), "Google".to_owned())])
}

/// A plain question.
pub(super) fn get(uri: &str, headers: &[(String, String)]) -> Result<Request<Outgoing>, Error> {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    built(request.body(Outgoing::default()))
}

/// Reads a token endpoint's answer.
pub(super) fn read(reply: &Reply, now: SystemTime) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
        expires_in: Option<u64>,
        #[serde(rename = "accessToken")]
        impersonated: Option<String>,
        #[serde(rename = "expireTime")]
        until: Option<String>,
    }
    if !reply.status.is_success() {
        return Err(failure(reply));
    }
    let answer: Answer = serde_json::from_slice(&reply.body)
        .map_err(|e| refused("Google's token endpoint answered something else").because(e))?;
    let text = answer
        .access_token
        .or(answer.impersonated)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| refused("Google's token endpoint answered without a token"))?;
    let until = answer.until.as_deref().and_then(time);
    let lasts = answer.expires_in.map(Duration::from_secs);
    Ok(Token {
        text: Secret::new(text),
        expires: until.or_else(|| now.checked_add(lasts?)),
    })
}

/// What Google says against the credentials.
pub(super) fn failure(reply: &Reply) -> Error {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let words = body["error_description"]
        .as_str()
        .or_else(|| body["error"]["message"].as_str())
        .or_else(|| body["error"].as_str())
        .unwrap_or("no reason given");
    let kind = match reply.status.as_u16() {
        429 => Kind::RateLimit,
        500.. => Kind::Upstream,
        _ => Kind::Auth,
    };
    let mut error = Error::new(
        kind,
        format!("Google gave no token for these credentials: {words}"),
    );
    error.status = Some(reply.status).filter(|_| kind != Kind::Auth);
    error
}

fn time(text: &str) -> Option<SystemTime> {
    let time = DateTime::from_str(text, Format::DateTime).ok()?;
    SystemTime::try_from(time).ok()
}

fn form(uri: &str, fields: &[(&str, &str)]) -> Result<Request<Outgoing>, Error> {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", path::query(value)))
        .collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    built(request.body(pairs.join("&").into()))
}

fn built(request: Result<Request<Outgoing>, http::Error>) -> Result<Request<Outgoing>, Error> {
    request.map_err(|e| refused("Google's credentials name no valid address").because(e))
}
