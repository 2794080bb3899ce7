use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose money a request spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything this gateway spends.
    Global,
    /// A virtual key, by its hash.
    Key,
    /// A user.
    User,
    /// A team.
    Team,
    /// A user within a team.
    Member,
    /// An organization.
    Organization,
    /// A customer: the end user a request names.
    Customer,
    /// A tag of a request.
    Tag,
    /// A project.
    Project,
    /// A group of models.
    AccessGroup,
    /// A model.
    Model,
    /// A provider.
    Provider,
    /// A session of an agent.
    Session,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 13] = [
        Self::Global,
        Self::Key,
        Self::User,
        Self::Team,
        Self::Member,
        Self::Organization,
        Self::Customer,
        Self::Tag,
        Self::Project,
        Self::AccessGroup,
        Self::Model,
        Self::Provider,
        Self::Session,
    ];

    /// The name it is stored under.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Member => "member",
            Self::Organization => "organization",
            Self::Customer => "customer",
            Self::Tag => "tag",
            Self::Project => "project",
            Self::AccessGroup => "access_group",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Session => "session",
        }
    }
}

/// Where money is counted: one scope's, under one meter.
///
/// The meter is empty for an entity's own budget; concurrent windows (`1d`) and budgets for one model (`gpt-4o@1d`) are
/// meters of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// What kind of entity.
    pub scope: Scope,
    /// Which one.
    #[serde(default)]
    pub id: String,
    /// Which of its counts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub meter: String,
}

impl Account {
    /// Between the parts of a composed id: no name has a control character.
    pub const SEPARATOR: char = '\u{1f}';

    /// The main count of an entity.
    pub fn of(scope: Scope, id: impl Into<String>) -> Self {
        let mut id = id.into();
        if id.contains('\0') {
            // As the database would: an account has one name everywhere.
            id = id.replace('\0', "\u{fffd}");
        }
        Self {
            scope,
            id,
            meter: String::new(),
        }
    }

    /// The main count of a user within a team.
    pub fn member(team: &str, user: &str) -> Self {
        Self::of(Scope::Member, format!("{team}{}{user}", Self::SEPARATOR))
    }

    /// Another count of the same entity.
    pub fn metered(self, meter: impl Into<String>) -> Self {
        Self {
            meter: meter.into(),
            ..self
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.replace(Self::SEPARATOR, "/");
        write!(f, "{} {id}", self.scope.name())?;
        match self.meter.as_str() {
            "" => Ok(()),
            meter => write!(f, " ({meter})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, Scope};

    #[test]
    fn stored_names_are_the_names_in_json() {
        for scope in Scope::ALL {
            let json = serde_json::to_string(&scope).unwrap();
            assert_eq!(json, format!("\"{}\"", scope.name()));
        }
    }

    #[test]
    fn the_same_words_in_another_place_are_another_member() {
        assert_ne!(Account::member("a/b", "c"), Account::member("a", "b/c"));
    }
}
