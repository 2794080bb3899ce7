//! Keeps one fetched credential until shortly before it expires; many who ask at once wait for one fetch.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::Credential;
use crate::Error;

/// How long before its end a credential is renewed.
const EARLY: Duration = Duration::from_secs(300);

/// A credential and its end.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    /// What goes on requests.
    pub(crate) credential: Credential,
    /// When it ends; `None`: never.
    pub(crate) expires: Option<SystemTime>,
}

/// One credential, kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    current: ArcSwapOption<Fetched>,
    fetching: Mutex<()>,
}

impl Kept {
    /// The credential: the one that is kept if it is good for a while, else the one that `fetch` brings.
    pub(crate) async fn get(
        &self,
        now: SystemTime,
        fetch: impl Future<Output = Result<Fetched, Error>>,
    ) -> Result<Credential, Error> {
        if let Some(credential) = self.good(now + EARLY) {
            return Ok(credential);
        }
        let _one = self.fetching.lock().await;
        // Somebody else may have fetched it while this one waited.
        if let Some(credential) = self.good(now + EARLY) {
            return Ok(credential);
        }
        match fetch.await {
            Ok(fetched) => {
                let credential = fetched.credential.clone();
                self.current.store(Some(Arc::new(fetched)));
                Ok(credential)
            }
            // The old one is still good for a little: a short failure of the issuer need not be ours.
            Err(e) => self.good(now).ok_or(e),
        }
    }

    fn good(&self, until: SystemTime) -> Option<Credential> {
        let current = self.current.load();
        let fetched = current.as_ref()?;
        let good = fetched.expires.is_none_or(|end| end > until);
        good.then(|| fetched.credential.clone())
    }
}
