//! Follows a recipe over the network.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Proof, Recipe, token};
use crate::{
    Credential, Error,
    auth::{
        CredentialSource,
        issuer::ask,
        kept::{Fetched, Kept},
        source::number,
    },
    transport::Transport,
};

const TENANT_WAIT: Duration = Duration::from_secs(15);
/// A machine without a metadata service lets every request hang.
const METADATA_WAIT: Duration = Duration::from_secs(3);

/// An Entra token that is fetched, and kept until shortly before it expires.
#[derive(Debug)]
pub(super) struct AzureSource {
    recipe: Recipe,
    kept: Kept,
}

impl AzureSource {
    pub(super) fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            kept: Kept::default(),
        }
    }

    async fn fetch(&self, transport: &dyn Transport, now: SystemTime) -> Result<Fetched, Error> {
        let (assertion, wait) = match &self.recipe {
            Recipe::Tenant {
                proof: Proof::Assertion(text),
                ..
            } => (Some(text.read().await?), TENANT_WAIT),
            Recipe::Tenant { .. } => (None, TENANT_WAIT),
            Recipe::Machine { .. } | Recipe::Service { .. } => (None, METADATA_WAIT),
        };
        let request = token::request(&self.recipe, assertion.as_deref())?;
        let token = token::read(&ask(transport, request, wait).await?, now)?;
        Ok(Fetched {
            credential: Credential::Token(token.text),
            expires: token.expires,
        })
    }
}

#[async_trait]
impl CredentialSource for AzureSource {
    async fn get(&self, transport: &dyn Transport, now: SystemTime) -> Result<Credential, Error> {
        self.kept.get(now, self.fetch(transport, now)).await
    }

    fn recipe(&self) -> u64 {
        number("azure", &self.recipe)
    }
}
