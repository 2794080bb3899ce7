//! Follows a recipe over the network.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::Request;
use serde_json::Value;

use super::{
    Place, Recipe, Secret, Subject, refused,
    token::{self, Token},
};
use crate::{
    Credential, Error, Outgoing, Reply,
    auth::{
        CredentialSource,
        kept::{Fetched, Kept},
        source::number,
    },
    transport::{BoxFuture, Transport, read_all},
};

/// A machine outside Google has no metadata service, and every request to it hangs.
const METADATA_WAIT: Duration = Duration::from_secs(3);
const TOKEN_WAIT: Duration = Duration::from_secs(15);
const LONGEST: usize = 1 << 20;

/// A token that is fetched, and kept until shortly before it expires.
#[derive(Debug)]
struct GoogleSource {
    recipe: Recipe,
    kept: Kept,
}

/// What fetches tokens by `recipe`.
pub(super) fn source(recipe: Recipe) -> Arc<dyn CredentialSource> {
    Arc::new(GoogleSource {
        recipe,
        kept: Kept::default(),
    })
}

#[async_trait]
impl CredentialSource for GoogleSource {
    async fn get(&self, transport: &dyn Transport, now: SystemTime) -> Result<Credential, Error> {
        let fetch = async {
            let token = follow(&self.recipe, transport, now).await?;
            Ok(Fetched {
                credential: Credential::Token(token.text),
                expires: token.expires,
            })
        };
        self.kept.get(now, fetch).await
    }

    fn recipe(&self) -> u64 {
        number("google", &self.recipe)
    }
}

fn follow<'a>(
    recipe: &'a Recipe,
    transport: &'a dyn Transport,
    now: SystemTime,
) -> BoxFuture<'a, Result<Token, Error>> {
    Box::pin(async move {
        let request = match recipe {
            Recipe::ServiceAccount {
                email,
                key,
                key_id,
                token_uri,
            } => token::service_account(email, key, key_id.as_deref(), token_uri, now)?,
            Recipe::User {
                client_id,
                client_secret,
                refresh_token,
                token_uri,
            } => token::user(client_id, client_secret, refresh_token, token_uri)?,
            Recipe::External {
                audience,
                token_type,
                token_url,
                subject,
            } => {
                let subject = subject_token(subject, transport).await?;
                token::exchange(audience, token_type, subject.expose(), token_url)?
            }
            Recipe::Impersonate {
                base,
                url,
                delegates,
            } => {
                let base = follow(base, transport, now).await?;
                token::impersonate(url, delegates, &base)?
            }
            Recipe::Machine { host } => return machine(host, transport, now).await,
        };
        token::read(&send(transport, request, TOKEN_WAIT).await?, now)
    })
}

async fn machine(host: &str, transport: &dyn Transport, now: SystemTime) -> Result<Token, Error> {
    let reply = send(transport, token::machine(host)?, METADATA_WAIT).await;
    let reply = reply.map_err(|e| {
        refused(
            "no Google credentials: set vertex_credentials, GOOGLE_APPLICATION_CREDENTIALS, or run \
             'gcloud auth application-default login'",
        )
        .because(e)
    })?;
    token::read(&reply, now)
}

/// Another issuer's token: it changes under our feet, so it is read anew for each exchange.
async fn subject_token(subject: &Subject, transport: &dyn Transport) -> Result<Secret, Error> {
    let text = match &subject.place {
        Place::File(path) => read_file(path).await?,
        Place::Url { url, headers } => {
            let reply = send(transport, token::get(url, headers)?, TOKEN_WAIT).await?;
            if !reply.status.is_success() {
                return Err(token::failure(&reply));
            }
            String::from_utf8_lossy(&reply.body).into_owned()
        }
    };
    let Some(field) = &subject.field else {
        return Ok(Secret::new(text.trim()));
    };
    let json: Value = serde_json::from_str(&text)
        .map_err(|e| refused("the external account's token is not JSON").because(e))?;
    match json[field].as_str() {
        Some(token) => Ok(Secret::new(token)),
        None => Err(refused(format!(
            "the external account's token has no field '{field}'"
        ))),
    }
}

async fn read_file(path: &str) -> Result<String, Error> {
    let unreadable = || {
        refused(format!(
            "the external account's token file '{path}' cannot be read"
        ))
    };
    let name = path.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(name)).await;
    match read {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(e)) => Err(unreadable().because(e)),
        Err(e) => Err(unreadable().because(e)),
    }
}

async fn send(
    transport: &dyn Transport,
    request: Request<Outgoing>,
    wait: Duration,
) -> Result<Reply, Error> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let work = async {
        let (parts, body) = transport.send(request).await?.into_parts();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body: read_all(body, LONGEST).await?,
        })
    };
    let answer = tokio::time::timeout(wait, work).await;
    answer.unwrap_or_else(|_| Err(refused(format!("no Google token from {host} in time"))))
}
