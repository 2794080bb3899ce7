use serde::{Deserialize, Serialize};

/// What somebody is to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Whoever runs the gateway: everything.
    ProxyAdmin,
    /// Sees everything and changes nothing.
    ProxyAdminViewer,
    /// Manages what belongs to the organizations it is an admin of.
    OrgAdmin,
    /// Uses models and manages its own keys.
    InternalUser,
    /// Sees what is its own.
    InternalUserViewer,
    /// A team that speaks for itself, by a token.
    Team,
    /// Somebody whom a client's request is for.
    Customer,
    /// A key without an owner: models, and what concerns the key itself.
    Unowned,
    /// Nobody known: the gateway has no master key.
    Anyone,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ProxyAdmin,
        Self::ProxyAdminViewer,
        Self::OrgAdmin,
        Self::InternalUser,
        Self::InternalUserViewer,
        Self::Team,
        Self::Customer,
        Self::Unowned,
        Self::Anyone,
    ];

    /// Roles that a user may be given.
    pub const OF_USERS: [Self; 4] = [
        Self::ProxyAdmin,
        Self::ProxyAdminViewer,
        Self::InternalUser,
        Self::InternalUserViewer,
    ];

    /// Its name in requests, answers and tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProxyAdmin => "proxy_admin",
            Self::ProxyAdminViewer => "proxy_admin_viewer",
            Self::OrgAdmin => "org_admin",
            Self::InternalUser => "internal_user",
            Self::InternalUserViewer => "internal_user_viewer",
            Self::Team => "team",
            Self::Customer => "customer",
            Self::Unowned => "unknown",
            Self::Anyone => "anyone",
        }
    }

    /// The role of this name that a user may have.
    pub fn of_user(name: &str) -> Option<Self> {
        Self::OF_USERS.into_iter().find(|role| role.name() == name)
    }

    /// Whether it sees what belongs to others, all of it.
    pub fn sees_all(self) -> bool {
        matches!(self, Self::ProxyAdmin | Self::ProxyAdminViewer)
    }
}
