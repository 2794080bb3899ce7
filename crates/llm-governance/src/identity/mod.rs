//! Who somebody is that another party vouches for: a token's claims, or what a hook answers.

mod asked;
mod caller;
mod claims;
mod grant;
mod mapping;
mod people;
mod rules;
mod teams;
mod vouched;

pub use asked::Asked;
pub use claims::Claims;
pub use grant::Grant;
pub(crate) use mapping::ROUTES;
pub use rules::{
    RoleMapping, RolePermission, ScopeMapping, TokenRules, Unregistered, UserRoleMapping,
};
pub use vouched::Vouched;
