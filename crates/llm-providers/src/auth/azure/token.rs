//! Requests for tokens, and the answers.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;

use super::{Proof, Recipe, refused};
use crate::{Error, Outgoing, Reply, auth::Secret, path};

/// The metadata service of Azure's machines.
pub(super) const MACHINE: &str = "http://169.254.169.254";

/// A token and its end.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) expires: Option<SystemTime>,
}

/// Asks for the token of `recipe`. `assertion` is another issuer's token, where the recipe shows one.
pub(super) fn request(
    recipe: &Recipe,
    assertion: Option<&str>,
) -> Result<Request<Outgoing>, Error> {
    match recipe {
        Recipe::Tenant {
            authority,
            tenant,
            client,
            scope,
            proof,
        } => {
            let mut fields = vec![("client_id", client.as_str()), ("scope", scope)];
            match proof {
                Proof::Secret(secret) => {
                    fields.push(("grant_type", "client_credentials"));
                    fields.push(("client_secret", secret.expose()));
                }
                Proof::Password {
                    user,
                    password,
                    secret,
                } => {
                    fields.push(("grant_type", "password"));
                    fields.push(("username", user));
                    fields.push(("password", password.expose()));
                    if let Some(secret) = secret {
                        fields.push(("client_secret", secret.expose()));
                    }
                }
                Proof::Assertion(_) => {
                    fields.push(("grant_type", "client_credentials"));
                    fields.push((
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ));
                    fields.push(("client_assertion", assertion.unwrap_or_default().trim()));
                }
            }
            let tenant = path::segment(tenant)?;
            let uri = path::join(authority, &format!("{tenant}/oauth2/v2.0/token"));
            let request = Request::builder()
                .method(Method::POST)
                .uri(uri)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            built(request, pairs(&fields).into())
        }
        Recipe::Machine {
            resource,
            client,
            endpoint,
        } => {
            let mut fields = vec![
                ("api-version", "2018-02-01"),
                ("resource", resource.as_str()),
            ];
            fields.extend(client.as_deref().map(|client| ("client_id", client)));
            let place = path::join(endpoint, "metadata/identity/oauth2/token");
            let request = Request::get(format!("{place}?{}", pairs(&fields)));
            built(request.header("metadata", "true"), Bytes::new())
        }
        Recipe::Service {
            resource,
            client,
            endpoint,
            header,
        } => {
            let mut fields = vec![
                ("api-version", "2019-08-01"),
                ("resource", resource.as_str()),
            ];
            fields.extend(client.as_deref().map(|client| ("client_id", client)));
            let mark = if endpoint.contains('?') { '&' } else { '?' };
            let request = Request::get(format!("{endpoint}{mark}{}", pairs(&fields)));
            built(
                request.header("x-identity-header", header.expose()),
                Bytes::new(),
            )
        }
    }
}

/// The token in an answer.
pub(super) fn read(reply: &Reply, now: SystemTime) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Wire {
        access_token: Option<String>,
        #[serde(default)]
        expires_in: Value,
        #[serde(default)]
        expires_on: Value,
        error: Option<Value>,
        error_description: Option<String>,
    }
    let wire: Wire = serde_json::from_slice(&reply.body).map_err(|e| {
        refused(format!(
            "the answer to the request for a token ({}) cannot be read: {e}",
            reply.status.as_u16()
        ))
    })?;
    let Some(token) = wire.access_token.filter(|_| reply.status.is_success()) else {
        let code = wire
            .error
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut error = refused(format!(
            "no token ({}): {code} {}",
            reply.status.as_u16(),
            wire.error_description.unwrap_or_default()
        ));
        error.status = Some(reply.status);
        error.code = Some(code.to_owned()).filter(|code| !code.is_empty());
        return Err(error);
    };
    // Seconds as a number or, from metadata services, as text.
    let seconds = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    };
    let at = |start: SystemTime, n| start.checked_add(Duration::from_secs(n));
    let expires = seconds(&wire.expires_in)
        .and_then(|n| at(now, n))
        .or_else(|| at(SystemTime::UNIX_EPOCH, seconds(&wire.expires_on)?));
    Ok(Token {
        text: Secret::new(token),
        expires,
    })
}

fn pairs(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", path::query(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn built(request: http::request::Builder, body: Bytes) -> Result<Request<Outgoing>, Error> {
    request
        .body(body.into())
        .map_err(|e| refused(format!("the token cannot be asked for: {e}")))
}
