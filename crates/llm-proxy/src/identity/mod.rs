//! Who asks, where no key of ours says so: tokens of identity providers, hooks, and proxies in front.

mod fetch;
mod hook;
mod introspection;
mod keys;
mod networks;
mod proxied;
mod remembered;
mod settings;
mod token;
mod tokens;
mod userinfo;

use std::{fmt, sync::Arc};

use anyhow::Result;
use http::{HeaderMap, StatusCode};
use llm_governance::{Access, Caller, Governance, identity::Asked};
use llm_providers::{Client, transport::Transport};

pub use hook::Hook;
pub use introspection::Introspection;
pub use networks::Networks;
pub use proxied::Proxied;
pub use settings::{IdentitySettings, Issuer, Tokens};
pub use userinfo::UserInfo;

use crate::{door::Door, error::Refusal, settings::Settings};
use hook::Asker;
use introspection::Inspector;
use tokens::Verifier;
use userinfo::Informer;

/// The header in which a client says which of its teams a request is for.
const TEAM: &str = "x-litellm-team-id";

/// Whatever vouches for callers. It outlives a reload that does not concern it: keys that were fetched stay known.
pub(crate) struct Identities {
    settings: IdentitySettings,
    net: Arc<dyn Transport>,
    tokens: Option<Verifier>,
    userinfo: Option<Informer>,
    hook: Option<Asker>,
    inspector: Option<Inspector>,
}

/// Who asks, as whatever vouches for callers sees it.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) governance: Option<&'a Governance>,
    pub(crate) door: Door<'a>,
    pub(crate) headers: &'a HeaderMap,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Identities {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let identity = settings.identity.clone();
        let tokens = identity.tokens.as_ref();
        let verified = tokens.filter(|tokens| !tokens.issuers.is_empty());
        let asked = tokens.and_then(|tokens| tokens.userinfo.as_ref());
        Ok(Self {
            net: Client::transport(&settings.transport)?,
            tokens: verified.map(Verifier::new),
            userinfo: asked.map(Informer::new),
            hook: identity.hook.as_ref().map(Asker::new),
            inspector: identity.introspection.as_ref().map(Inspector::new),
            settings: identity,
        })
    }

    /// Whether somebody else may know whose a request is, whatever key it has.
    pub(crate) fn asks_others(&self) -> bool {
        self.hook.is_some() || self.settings.proxied.is_some()
    }

    /// Whom the operator's service or the proxy in front names. They come before keys and need none.
    pub(crate) async fn named(
        &self,
        asking: Asking<'_>,
        key: &str,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        let Asking { door, headers, .. } = asking;
        if let Some(hook) = &self.hook {
            let governance = asking.governance()?;
            let net = self.net.as_ref();
            let named = hook.caller(net, governance, key, door, headers).await?;
            if named.is_some() {
                return Ok(named);
            }
        }
        match &self.settings.proxied {
            Some(proxied) => {
                let governance = asking.governance()?;
                proxied.caller(governance, door.peer.socket, headers).await
            }
            None => Ok(None),
        }
    }

    /// Whoever has a key that is none of ours: a token, which says itself whose it is, or whose issuer does.
    pub(crate) async fn bearer(
        &self,
        asking: Asking<'_>,
        key: &str,
    ) -> Result<Option<Arc<Caller>>, Refusal> {
        let (door, net) = (asking.door, self.net.as_ref());
        let team = asking.headers.get(TEAM);
        let asked = Asked {
            access: door.access,
            method: door.method,
            path: door.path,
            team: team.and_then(|value| value.to_str().ok()),
        };
        if let Some(tokens) = &self.tokens
            && token::looks_like_one(key)
        {
            let caller = tokens.caller(net, asking.governance()?, key, asked);
            return caller.await.map(Some);
        }
        // Such tokens ask models, and manage nothing.
        if let Some(inspector) = &self.inspector
            && matches!(door.access, Access::Model | Access::Info)
            && let Some(caller) = inspector.caller(net, asking.governance()?, key).await?
        {
            return Ok(Some(caller));
        }
        match &self.userinfo {
            Some(informer) => {
                let governance = asking.governance()?;
                informer.caller(net, governance, key, asked).await
            }
            None => Ok(None),
        }
    }
}

impl<'a> Asking<'a> {
    /// Whoever is vouched for belongs to users and teams, and these are rows.
    fn governance(&self) -> Result<&'a Governance, Refusal> {
        self.governance.ok_or_else(|| {
            let message = "users and teams are kept in a database: start the gateway with --db or DATABASE_URL";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Refusal::new(status, "no_db_connection", message)
        })
    }
}

/// Whoever vouches for callers does not answer: that is no caller's fault.
fn unavailable(message: &str) -> Refusal {
    Refusal {
        retry_after: Some(2),
        ..Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "auth_provider_unavailable",
            message,
        )
    }
}
