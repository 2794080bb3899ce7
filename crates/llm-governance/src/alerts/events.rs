//! Keys, teams and users that were made, changed or deleted.

use llm_store::hash_token;
use serde_json::Value;

use super::{Alert, AlertKind, BudgetAlert};

/// A change that was made.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) table: &'static str,
    pub(crate) action: String,
    pub(crate) id: String,
    /// Who did it.
    pub(crate) by: Option<String>,
    /// The row as it is now, or as far as it was changed.
    pub(crate) row: Option<Value>,
}

impl Event {
    /// The alert that is due with it, if one is.
    pub(crate) fn alert(&self) -> Option<Alert> {
        use AlertKind::{
            NewTeam, NewUser, NewVirtualKey, TeamDeleted, TeamUpdated, UserDeleted, UserUpdated,
            VirtualKeyDeleted, VirtualKeyUpdated,
        };
        let (kind, event) = match (self.table, self.action.as_str()) {
            ("keys", "created") => (NewVirtualKey, "key_created"),
            ("keys", "rotated") => (VirtualKeyUpdated, "key_rotated"),
            ("keys", "deleted") => (VirtualKeyDeleted, "key_deleted"),
            ("keys", _) => (VirtualKeyUpdated, "key_updated"),
            ("teams", "created") => (NewTeam, "team_created"),
            ("teams", "deleted") => (TeamDeleted, "team_deleted"),
            ("teams", _) => (TeamUpdated, "team_updated"),
            ("users", "created") => (NewUser, "internal_user_created"),
            ("users", "deleted") => (UserDeleted, "internal_user_deleted"),
            ("users", _) => (UserUpdated, "internal_user_updated"),
            _ => return None,
        };
        let said = |name: &str| {
            let value = self.row.as_ref()?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let id = |table: &str| (self.table == table).then(|| self.id.clone());
        let (group, what) = match self.table {
            "keys" => ("key", "The key"),
            "teams" => ("team", "The team"),
            _ => ("internal_user", "The user"),
        };
        let alias = ["key_alias", "team_alias", "user_alias"]
            .iter()
            .find_map(|name| said(name));
        let called = match &alias {
            Some(alias) => format!("{} ({alias})", self.id),
            None => self.id.clone(),
        };
        let by = self.by.as_deref().unwrap_or("the gateway");
        let text = format!("{what} {called} was {} by {by}.", self.action);
        let told = BudgetAlert {
            token: id("keys"),
            team_id: id("teams").or(said("team_id")),
            user_id: id("users").or(said("user_id")),
            user_email: said("user_email"),
            key_alias: said("key_alias"),
            team_alias: said("team_alias"),
            event,
            event_group: group.to_owned(),
            event_message: text.clone(),
            ..BudgetAlert::default()
        };
        let state = self.row.as_ref().map(Value::to_string).unwrap_or_default();
        let about = format!("{event} {} {}", self.id, hash_token(&state));
        Some(Alert {
            budget: Some(Box::new(told)),
            ..Alert::new(kind, about, text)
        })
    }
}
