//! Who is calling.

/// Whoever a request's key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever runs the gateway.
    Admin,
    /// Anyone: the gateway has no master key.
    Anyone,
}

impl Caller {
    /// The key's name in logs and metrics.
    pub(crate) fn key_name(self) -> &'static str {
        match self {
            Caller::Admin => "litellm_proxy_master_key",
            Caller::Anyone => "None",
        }
    }
}
