use std::time::Duration;

use llm_cost::NanoDollars;
use llm_ledger::Calendar;
use llm_store::rows::Object;
use serde_json::Value;

use crate::{Retention, SignIn, limits::LimitRules};

/// Who may make keys, and what these must have. The gateway's admins make any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyMakers {
    /// Roles of users that make keys for themselves; `None`: all that may.
    pub roles: Option<Vec<String>>,
    /// Fields that such a key must have.
    pub fields: Vec<String>,
    /// Roles in a team (`admin`, `user`) that make keys for it; `None`: all that may.
    pub team_roles: Option<Vec<String>>,
    /// Fields that such a key must have.
    pub team_fields: Vec<String>,
}

/// Reads what a key or a team says of routing (`router_settings`): what of it has no effect, or which part of it is wrong
/// and why.
pub type RoutingCheck = fn(&Value) -> Result<Vec<String>, (String, String)>;

/// How a gateway is governed, as its configuration says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long rows are remembered though nobody says that they changed (`user_api_key_cache_ttl`).
    pub cache_ttl: Duration,
    /// Rows of each kind that are remembered.
    pub cached_rows: usize,
    /// Where days begin, for budgets.
    pub calendar: Calendar,
    /// The most that everybody together may spend, and its window (`max_budget`, `budget_duration`).
    pub max_budget: Option<NanoDollars>,
    /// The window of `max_budget`.
    pub budget_duration: Option<llm_ledger::Period>,
    /// What keys are made with where the request says nothing (`default_key_generate_params`).
    pub key_defaults: Object,
    /// The most that requests for keys may ask for (`upperbound_key_generate_params`).
    pub key_bounds: Object,
    /// What users are made with where the request says nothing (`default_internal_user_params`).
    pub user_defaults: Object,
    /// What teams are made with where the request says nothing (`default_team_params`).
    pub team_defaults: Object,
    /// The most that requests for users may ask for.
    pub user_bounds: Object,
    /// The most that requests for teams may ask for.
    pub team_bounds: Object,
    /// Whether an admin of the gateway who makes a team is not put into it (`disable_auto_add_proxy_admin_to_teams`).
    pub admins_stay_out_of_teams: bool,
    /// How often it is looked for keys that are due to be replaced (`LITELLM_KEY_ROTATION_ENABLED`); never, if absent.
    pub rotate_every: Option<Duration>,
    /// How long a key that was replaced by itself goes on to work (`LITELLM_KEY_ROTATION_GRACE_PERIOD`).
    pub rotation_grace: Option<String>,
    /// The most that a customer without a budget may spend (`max_end_user_budget`).
    pub max_customer_budget: Option<NanoDollars>,
    /// The budget of customers that have none (`max_end_user_budget_id`).
    pub customer_budget_id: Option<String>,
    /// Whether a user's own budget counts for what its team keys spend (`apply_user_budget_to_team_keys`).
    pub user_budget_on_team_keys: bool,
    /// Whether requests are served while the database is away (`allow_requests_on_db_unavailable`).
    pub serve_without_database: bool,
    /// How long spend rows are kept; for ever, if nobody says.
    pub retention: Option<Retention>,
    /// How limits are meant.
    pub limits: LimitRules,
    /// Whether every administrative change is written down (`store_audit_logs`).
    pub audit: bool,
    /// How people sign in.
    pub sign_in: SignIn,
    /// Fields that every request must have (`enforced_params`).
    pub enforced_params: Vec<String>,
    /// Who may make keys, and what these must have (`key_generation_settings`).
    pub key_makers: KeyMakers,
    /// Who knows what can be said of routing.
    pub check_routing: RoutingCheck,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache_ttl: Duration::from_secs(60),
            cached_rows: 100_000,
            calendar: Calendar::utc(),
            max_budget: None,
            budget_duration: None,
            key_defaults: Object::new(),
            key_bounds: Object::new(),
            user_defaults: Object::new(),
            team_defaults: Object::new(),
            user_bounds: Object::new(),
            team_bounds: Object::new(),
            admins_stay_out_of_teams: false,
            rotate_every: None,
            rotation_grace: Some("24h".to_owned()),
            max_customer_budget: None,
            customer_budget_id: None,
            user_budget_on_team_keys: false,
            serve_without_database: false,
            retention: None,
            limits: LimitRules::default(),
            audit: true,
            sign_in: SignIn::default(),
            enforced_params: Vec::new(),
            key_makers: KeyMakers::default(),
            check_routing: |_| Ok(Vec::new()),
        }
    }
}
