use serde::Serialize;
use serde_json::{Value, json};

/// What an alert is about. Its name is what `alert_types` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// A request failed on the provider's side.
    LlmExceptions,
    /// An answer took too long.
    LlmTooSlow,
    /// A request is not answered.
    LlmRequestsHanging,
    /// A budget was crossed, or nearly.
    BudgetAlerts,
    /// The database cannot be reached, or can again.
    DbExceptions,
    /// A deployment fails again and again.
    OutageAlerts,
    /// Somebody else answered than was asked.
    FallbackReports,
    /// What was spent in the week or the month that ended.
    SpendReports,
    /// A key was made.
    NewVirtualKey,
    /// A key was changed, or replaced.
    VirtualKeyUpdated,
    /// A key was deleted.
    VirtualKeyDeleted,
    /// A team was made.
    NewTeam,
    /// A team was changed.
    TeamUpdated,
    /// A team was deleted.
    TeamDeleted,
    /// A user was made.
    NewUser,
    /// A user was changed.
    UserUpdated,
    /// A user was deleted.
    UserDeleted,
}

impl AlertKind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::LlmExceptions,
        Self::LlmTooSlow,
        Self::LlmRequestsHanging,
        Self::BudgetAlerts,
        Self::DbExceptions,
        Self::OutageAlerts,
        Self::FallbackReports,
        Self::SpendReports,
        Self::NewVirtualKey,
        Self::VirtualKeyUpdated,
        Self::VirtualKeyDeleted,
        Self::NewTeam,
        Self::TeamUpdated,
        Self::TeamDeleted,
        Self::NewUser,
        Self::UserUpdated,
        Self::UserDeleted,
    ];

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LlmExceptions => "llm_exceptions",
            Self::LlmTooSlow => "llm_too_slow",
            Self::LlmRequestsHanging => "llm_requests_hanging",
            Self::BudgetAlerts => "budget_alerts",
            Self::DbExceptions => "db_exceptions",
            Self::OutageAlerts => "outage_alerts",
            Self::FallbackReports => "fallback_reports",
            Self::SpendReports => "spend_reports",
            Self::NewVirtualKey => "new_virtual_key_created",
            Self::VirtualKeyUpdated => "virtual_key_updated",
            Self::VirtualKeyDeleted => "virtual_key_deleted",
            Self::NewTeam => "new_team_created",
            Self::TeamUpdated => "team_updated",
            Self::TeamDeleted => "team_deleted",
            Self::NewUser => "new_internal_user_created",
            Self::UserUpdated => "internal_user_updated",
            Self::UserDeleted => "internal_user_deleted",
        }
    }

    /// Whether it is raised where nobody says which ones are.
    pub(super) const fn is_usual(self) -> bool {
        matches!(
            self,
            Self::LlmExceptions
                | Self::LlmTooSlow
                | Self::LlmRequestsHanging
                | Self::BudgetAlerts
                | Self::DbExceptions
                | Self::OutageAlerts
                | Self::FallbackReports
                | Self::SpendReports
        )
    }

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What it is about.
    pub kind: AlertKind,
    /// The same words for the same thing: it is not repeated within a minute.
    pub about: String,
    /// What happened, in one or more lines.
    pub text: String,
    /// The budget, where it is about one.
    pub budget: Option<Box<BudgetAlert>>,
    /// Whom a letter goes to.
    pub emails: Vec<String>,
}

/// A budget that was crossed or a key, a team or a user that was changed, as webhooks are told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BudgetAlert {
    /// Dollars spent in the window.
    pub spend: f64,
    /// Dollars that may be.
    pub max_budget: Option<f64>,
    /// Dollars from which on an alert is due.
    pub soft_budget: Option<f64>,
    /// The hash of the key.
    pub token: Option<String>,
    /// The customer.
    pub customer_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The team.
    pub team_id: Option<String>,
    /// What the team is called.
    pub team_alias: Option<String>,
    /// The organization.
    pub organization_id: Option<String>,
    /// The user's address.
    pub user_email: Option<String>,
    /// What the key is called.
    pub key_alias: Option<String>,
    /// `budget_crossed`, `threshold_crossed`, `soft_budget_crossed`, `key_created`, `key_rotated`, ...
    pub event: &'static str,
    /// What kind of entity it is.
    pub event_group: String,
    /// What happened.
    pub event_message: String,
}

impl Alert {
    /// One that is about no budget.
    pub fn new(kind: AlertKind, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind,
            about: about.into(),
            text: text.into(),
            budget: None,
            emails: Vec::new(),
        }
    }

    /// As a webhook is told.
    pub(super) fn json(&self) -> Value {
        let Some(budget) = &self.budget else {
            return json!({
                "event": self.kind.name(), "event_group": "proxy", "event_message": self.text,
            });
        };
        let mut value = serde_json::to_value(budget).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            for unknown in ["projected_exceeded_date", "projected_spend"] {
                fields.insert(unknown.to_owned(), Value::Null);
            }
        }
        value
    }
}
