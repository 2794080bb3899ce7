//! What proves who we are, and how it goes on a request.

mod apply;
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "only the client follows a recipe")
)]
pub(crate) mod aws;
#[cfg_attr(
    not(feature = "client"),
    expect(dead_code, reason = "only the client fetches tokens")
)]
pub(crate) mod azure;
pub(crate) mod google;
mod issuer;
#[cfg(feature = "client")]
pub(crate) mod kept;
mod secret;
#[cfg(feature = "sigv4")]
mod sigv4;

pub(crate) use apply::SignedFor;
pub use apply::apply;
pub use secret::Secret;
#[cfg(feature = "sigv4")]
pub use sigv4::sign;

#[cfg(feature = "client")]
mod iam;
#[cfg(feature = "client")]
mod source;
#[cfg(feature = "client")]
pub use iam::TokenForm;
#[cfg(feature = "client")]
pub use source::CredentialSource;

/// A deployment's credential, as configured.
#[derive(Debug, Clone, Default)]
pub enum Credential {
    /// There is none.
    #[default]
    None,
    /// There should be one; every call fails and says what to do.
    Missing(String),
    /// A key that does not change.
    Key(Secret),
    /// A bearer token that does not change, where a plain key would go elsewhere.
    Token(Secret),
    /// AWS keys that do not change.
    Aws(AwsKeys),
    /// Fetched, cached and refreshed by the client: Google, Azure, AWS roles, IAM tokens.
    #[cfg(feature = "client")]
    Source(std::sync::Arc<dyn CredentialSource>),
}

/// AWS keys, temporary ones with their session token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AwsKeys {
    /// Not secret.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: Secret,
    /// With temporary keys.
    pub session_token: Option<Secret>,
}

impl Credential {
    /// A key that does not change.
    pub fn key(text: impl Into<String>) -> Self {
        Self::Key(Secret::new(text))
    }
}
