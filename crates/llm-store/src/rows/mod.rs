//! The rows of the store. Their JSON is what the management routes answer.

mod entities;
mod keys;
mod models;
mod searches;
pub(crate) mod spend;
mod teams;

pub use entities::{AccessGroup, Budget, Customer, Invitation, KeyMapping, Project, Tag, User};
pub use keys::{DeletedKey, Key, RetiredKey};
pub use models::{AuditEntry, Credential, Model};
pub use spend::{SpendDay, SpendRow};
pub use teams::{DeletedTeam, Organization, OrganizationMember, Team, TeamMember};

/// Free JSON with text keys: metadata, aliases, limits for each model.
pub type Object = serde_json::Map<String, serde_json::Value>;
