//! Credentials that must be fetched.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::LazyLock,
    time::SystemTime,
};

use async_trait::async_trait;

use super::Credential;
use crate::{Error, transport::Transport};

/// Fetches a credential, and keeps it as long as it is good.
#[async_trait]
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// A credential that can be put on a request now: a key, a token or AWS keys, never another source.
    async fn get(&self, transport: &dyn Transport, now: SystemTime) -> Result<Credential, Error>;

    /// A number that two sources share if they would fetch the same: whoever has one already needs no second. Means
    /// something in this process only, and tells nothing of the secrets that went into it.
    fn recipe(&self) -> u64;
}

/// The number of a recipe of some kind, secrets and all.
pub(crate) fn number(kind: &str, recipe: &impl Hash) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEYS.hash_one((kind, recipe))
}
