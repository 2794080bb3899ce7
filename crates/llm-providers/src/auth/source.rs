//! Credentials that must be fetched.

use std::{fmt, time::SystemTime};

use async_trait::async_trait;

use super::Credential;
use crate::{Error, transport::Transport};

/// Fetches a credential, and keeps it as long as it is good.
#[async_trait]
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// A credential that can be put on a request now: a key, a token or AWS keys, never another source.
    async fn get(&self, transport: &dyn Transport, now: SystemTime) -> Result<Credential, Error>;
}
