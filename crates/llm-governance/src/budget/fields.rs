//! The fields of budgets.

use crate::{
    Field,
    form::Kind::{Count, Dollars, Duration, ModelBudgets, Moment, Text, Texts},
};

/// What a budget bounds. Customers, tags, access groups and projects take the same fields for a budget of their own.
pub(crate) const BUDGET: &[Field] = &[
    Field::column("max_budget", Dollars),
    Field::column("soft_budget", Dollars),
    Field::column("budget_duration", Duration),
    Field::column("model_max_budget", ModelBudgets),
    Field::column("tpm_limit", Count),
    Field::column("rpm_limit", Count),
    Field::column("tpd_limit", Count),
    Field::column("max_parallel_requests", Count),
    Field::column("temp_budget_increase", Dollars),
    Field::column("temp_budget_expiry", Moment),
];

pub(super) const NEW: &[&[Field]] = &[BUDGET, &[Field::apart("budget_id", Text)]];

pub(super) const INFO: &[&[Field]] = &[&[Field::apart("budgets", Texts)]];

pub(super) const WHICH: &[&[Field]] = &[&[Field::apart("budget_id", Text)]];

pub(super) const DELETE: &[&[Field]] = &[&[Field::apart("id", Text)]];

/// What the settings page shows: name, type and purpose.
pub(super) const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "max_budget",
        "Float",
        "The most that may be spent in one window.",
    ),
    ("soft_budget", "Float", "An alert is due above this."),
    (
        "budget_duration",
        "String",
        "How long a window is: 30s, 1h, 7d, 1mo.",
    ),
    ("max_parallel_requests", "Integer", "Requests at one time."),
    ("tpm_limit", "Integer", "Tokens a minute."),
    ("rpm_limit", "Integer", "Requests a minute."),
    ("tpd_limit", "Integer", "Tokens a day, for batches."),
];
