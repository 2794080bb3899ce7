//! Follows a recipe over the network.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Recipe, Temporary, metadata, refused, sts};
use crate::{
    Credential, Error,
    auth::{
        CredentialSource,
        issuer::ask,
        kept::{Fetched, Kept},
        source::number,
    },
    transport::{BoxFuture, Transport},
};

/// A machine without a metadata service lets every request hang.
const METADATA_WAIT: Duration = Duration::from_secs(2);
const STS_WAIT: Duration = Duration::from_secs(15);

/// AWS keys that are fetched, and kept until shortly before they expire.
#[derive(Debug)]
pub(super) struct AwsSource {
    recipe: Recipe,
    kept: Kept,
}

impl AwsSource {
    pub(super) fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            kept: Kept::default(),
        }
    }
}

#[async_trait]
impl CredentialSource for AwsSource {
    async fn get(&self, transport: &dyn Transport, now: SystemTime) -> Result<Credential, Error> {
        self.kept
            .get(now, async {
                let got = follow(&self.recipe, transport, now).await?;
                Ok(Fetched {
                    credential: Credential::Aws(got.keys),
                    expires: got.expires,
                })
            })
            .await
    }

    fn recipe(&self) -> u64 {
        number("aws", &self.recipe)
    }
}

fn follow<'a>(
    recipe: &'a Recipe,
    transport: &'a dyn Transport,
    now: SystemTime,
) -> BoxFuture<'a, Result<Temporary, Error>> {
    Box::pin(async move {
        match recipe {
            Recipe::Keys(keys) => Ok(Temporary {
                keys: keys.clone(),
                expires: None,
            }),
            Recipe::AssumeRole { base, role } => {
                let base = follow(base, transport, now).await?;
                let request = sts::assume_role(role, &base.keys, now)?;
                sts::read(&ask(transport, request, STS_WAIT).await?)
            }
            Recipe::WebIdentity { token, role } => {
                let request = sts::assume_role_with(&token.read().await?, role)?;
                sts::read(&ask(transport, request, STS_WAIT).await?)
            }
            Recipe::Container { url, token } => {
                let token = match token {
                    Some(token) => Some(token.read().await?),
                    None => None,
                };
                let request = metadata::container_request(url, token.as_deref())?;
                metadata::keys(&ask(transport, request, METADATA_WAIT).await?)
            }
            Recipe::Instance { endpoint } => instance(endpoint, transport).await,
        }
    })
}

async fn instance(endpoint: &str, transport: &dyn Transport) -> Result<Temporary, Error> {
    let token = ask(transport, metadata::token_request(endpoint)?, METADATA_WAIT)
        .await
        .map_err(|e| {
            refused(
                "Unable to locate credentials: set aws_access_key_id and aws_secret_access_key, a profile, a role or an API key",
            )
            .because(e)
        })?;
    let token = metadata::text(&token)?;
    let answer = async |role: Option<&str>| {
        let request = metadata::role_request(endpoint, &token, role)?;
        ask(transport, request, METADATA_WAIT).await
    };
    let roles = metadata::text(&answer(None).await?)?;
    let role = roles.lines().next().unwrap_or_default();
    metadata::keys(&answer(Some(role)).await?)
}
