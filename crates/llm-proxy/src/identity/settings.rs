use std::time::Duration;

use llm_governance::identity::TokenRules;

use super::{Hook, Introspection, Proxied, UserInfo};

/// Who vouches for callers besides the gateway's own keys.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IdentitySettings {
    /// Tokens of identity providers (`enable_jwt_auth`).
    pub tokens: Option<Tokens>,
    /// A service of the operator's that says who asks (`custom_auth`).
    pub hook: Option<Hook>,
    /// The issuer of tokens that say nothing themselves (`enable_oauth2_auth`).
    pub introspection: Option<Introspection>,
    /// A proxy in front that says who asks (`enable_oauth2_proxy_auth`).
    pub proxied: Option<Proxied>,
}

/// How tokens of identity providers are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokens {
    /// Whose tokens are taken.
    pub issuers: Vec<Issuer>,
    /// Who says whom tokens are for that say nothing themselves (`oidc_userinfo_enabled`).
    pub userinfo: Option<UserInfo>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// How long fetched keys are used before they are fetched again (`public_key_ttl`).
    pub fresh: Duration,
    /// How long they are used where they cannot be fetched again.
    pub stale: Duration,
    /// How often a key that nobody knows makes them be fetched again.
    pub refresh_every: Duration,
}

/// An identity provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Issuer {
    /// Its name, exactly as tokens have it; empty: any whose keys are at the addresses below.
    pub names: Vec<String>,
    /// For whom its tokens have to be; empty: anybody.
    pub audiences: Vec<String>,
    /// Where its keys are: sets of keys, or discovery documents that say where.
    pub urls: Vec<String>,
    /// What its claims mean.
    pub rules: TokenRules,
}

impl Tokens {
    /// Tokens of these, with the usual times.
    pub fn of(issuers: Vec<Issuer>) -> Self {
        Self {
            issuers,
            userinfo: None,
            leeway: Duration::from_secs(30),
            fresh: Duration::from_secs(600),
            stale: Duration::from_secs(3600),
            refresh_every: Duration::from_secs(10),
        }
    }
}
