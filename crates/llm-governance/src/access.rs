use http::Method;

use crate::Role;

/// Who may call a route. Every route has one of these; what a caller may do *within* a route (own rows, own team) is the
/// route's own to decide where this says `Managed`, `Own` or `Info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody, without a key.
    Public,
    /// Anybody with a valid key: models.
    Model,
    /// Anybody with a valid key: what concerns the caller, which the route filters.
    Info,
    /// Users, for what is their own, and admins.
    Own,
    /// The route decides: admins, and the admins of a team or an organization for what belongs to it.
    Managed,
    /// Admins; viewers where the method changes nothing.
    Admin,
    /// Admins and viewers: nothing changes, whatever the method.
    Seen,
}

impl Access {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Public,
        Self::Model,
        Self::Info,
        Self::Own,
        Self::Managed,
        Self::Admin,
        Self::Seen,
    ];

    /// Its name in the documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Model => "model",
            Self::Info => "info",
            Self::Own => "own",
            Self::Managed => "managed",
            Self::Admin => "admin",
            Self::Seen => "seen",
        }
    }

    /// The whole matrix: whether somebody of `role` may call such a route with `method`.
    pub fn allows(self, role: Role, method: &Method) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match (self, role) {
            (Self::Public, _) | (_, Role::ProxyAdmin) => true,
            // Nobody has a key of a gateway without a master key, and only this machine reaches it: models are for all,
            // and what is stored is for nobody.
            (Self::Model | Self::Info, Role::Anyone) => true,
            (_, Role::Anyone) => false,
            (Self::Model, Role::ProxyAdminViewer) => false,
            (Self::Model, _) => true,
            (Self::Info, _) => true,
            (Self::Admin, Role::ProxyAdminViewer) => reads,
            (Self::Admin, _) => false,
            (Self::Seen, role) => role == Role::ProxyAdminViewer,
            (Self::Own | Self::Managed, Role::ProxyAdminViewer | Role::InternalUserViewer) => reads,
            (Self::Own | Self::Managed, Role::InternalUser | Role::OrgAdmin) => true,
            (Self::Own, Role::Team) => reads,
            (Self::Managed, Role::Team) => false,
            (Self::Own | Self::Managed, Role::Customer | Role::Unowned) => false,
        }
    }
}
