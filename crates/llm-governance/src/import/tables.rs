//! LiteLLM's tables: how they are read, and in which order they are taken over.

use llm_store::{Error, Foreign};

use super::{ImportError, Report, rows, transfer::Transfer};

pub(super) const KEYS: &str = "LiteLLM_VerificationToken";
pub(super) const BUDGETS: &str = "LiteLLM_BudgetTable";
pub(super) const PERMISSIONS: &str = "LiteLLM_ObjectPermissionTable";
pub(super) const ALIASES: &str = "LiteLLM_ModelTable";
pub(super) const GROUPS: &str = "LiteLLM_AccessGroupTable";
pub(super) const GROUP_BUDGETS: &str = "LiteLLM_ModelAccessGroupBudgetTable";

/// All rows of a table, each as JSON: columns that a version does not have are absent, new ones are seen.
macro_rules! select {
    ($table:literal by $key:literal) => {
        concat!(
            "SELECT CAST(to_jsonb(t) AS TEXT) FROM \"",
            $table,
            "\" AS t ORDER BY ",
            $key
        )
    };
}
pub(super) use select;

/// How many rows a table has, and what they have spent, in nano-dollars. The text of a double is its shortest decimal.
macro_rules! count {
    ($table:literal spends) => {
        concat!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(ROUND(CAST(CAST(spend AS TEXT) AS NUMERIC) * 1000000000)), 0) AS BIGINT) \
             FROM \"",
            $table,
            "\""
        )
    };
    ($table:literal) => {
        concat!("SELECT COUNT(*), CAST(0 AS BIGINT) FROM \"", $table, "\"")
    };
}
pub(super) use count;

pub(super) const BUDGET_ROWS: &str = select!("LiteLLM_BudgetTable" by "budget_id");
pub(super) const PERMISSION_ROWS: &str =
    select!("LiteLLM_ObjectPermissionTable" by "object_permission_id");
pub(super) const ALIAS_ROWS: &str = select!("LiteLLM_ModelTable" by "id");

/// Members are named in their team's row; what they may spend is in a table of its own. A member that is named by its
/// address alone is the user of that address.
macro_rules! members {
    ($select:literal) => {
        concat!(
            "WITH named AS (SELECT t.team_id, t.created_at, e.value AS member FROM \"LiteLLM_TeamTable\" AS t \
             CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(CAST(t.members_with_roles AS jsonb)) \
             WHEN 'array' THEN CAST(t.members_with_roles AS jsonb) ELSE CAST('[]' AS jsonb) END) AS e), \
             known AS (SELECT DISTINCT ON (team_id, user_id) team_id, created_at, member, \
             COALESCE(member->>'user_id', (SELECT MIN(u.user_id) FROM \"LiteLLM_UserTable\" AS u \
             WHERE u.user_email = member->>'user_email')) AS user_id FROM named), \
             members AS (SELECT COALESCE(k.team_id, s.team_id) AS team_id, COALESCE(k.user_id, s.user_id) AS user_id, \
             k.created_at, k.member, to_jsonb(s) AS place FROM known AS k FULL OUTER JOIN \
             \"LiteLLM_TeamMembership\" AS s ON s.team_id = k.team_id AND s.user_id = k.user_id) ",
            $select
        )
    };
}
pub(super) use members;

/// A group of models has its budget in a table of its own, by its name; it may have no other row.
macro_rules! groups {
    ($select:literal) => {
        concat!(
            "WITH groups AS (SELECT COALESCE(to_jsonb(b), CAST('{}' AS jsonb)) || COALESCE(to_jsonb(g), CAST('{}' AS jsonb)) \
             AS row FROM \"LiteLLM_AccessGroupTable\" AS g FULL OUTER JOIN \"LiteLLM_ModelAccessGroupBudgetTable\" AS b \
             ON b.access_group_name = g.access_group_name) ",
            $select
        )
    };
}
pub(super) use groups;

/// Takes over one table after the other: first who is referred to.
pub(super) async fn all(
    transfer: &mut Transfer<'_>,
    report: &mut Report,
) -> Result<(), ImportError> {
    transfer.copy(&rows::BUDGET, report).await?;
    transfer.copy(&rows::ORGANIZATION, report).await?;
    transfer.copy(&rows::USER, report).await?;
    transfer.copy(&rows::TEAM, report).await?;
    transfer.copy(&rows::MEMBER, report).await?;
    transfer.copy(&rows::ORGANIZATION_MEMBER, report).await?;
    transfer.copy(&rows::PROJECT, report).await?;
    match transfer.from.has_table(GROUPS).await? && transfer.from.has_table(GROUP_BUDGETS).await? {
        true => transfer.copy(&rows::GROUP_AND_BUDGET, report).await?,
        // Older databases have the one or the other.
        false => {
            transfer.copy(&rows::GROUP, report).await?;
            transfer.copy(&rows::GROUP_BUDGET, report).await?;
        }
    }
    transfer.copy(&rows::TAG, report).await?;
    transfer.copy(&rows::CUSTOMER, report).await?;
    transfer.copy(&rows::KEY, report).await?;
    transfer.copy(&rows::CREDENTIAL, report).await?;
    transfer.copy(&rows::MODEL, report).await
}

/// What is not taken over, where there is any of it.
pub(super) async fn beside(from: &mut Foreign) -> Result<Vec<(&'static str, i64)>, Error> {
    let mut beside = Vec::new();
    for (name, statement) in BESIDE {
        if from.has_table(name).await? {
            let [rows, _] = from.numbers(statement).await?;
            if rows > 0 {
                beside.push((*name, rows));
            }
        }
    }
    Ok(beside)
}

const BESIDE: &[(&str, &str)] = &[
    ("LiteLLM_Config", count!("LiteLLM_Config")),
    ("LiteLLM_SpendLogs", count!("LiteLLM_SpendLogs")),
    (
        "LiteLLM_BudgetWindowSpend",
        count!("LiteLLM_BudgetWindowSpend"),
    ),
    ("LiteLLM_DailyUserSpend", count!("LiteLLM_DailyUserSpend")),
    (
        "LiteLLM_DeletedVerificationToken",
        count!("LiteLLM_DeletedVerificationToken"),
    ),
    (
        "LiteLLM_DeprecatedVerificationToken",
        count!("LiteLLM_DeprecatedVerificationToken"),
    ),
    (
        "LiteLLM_DeletedTeamTable",
        count!("LiteLLM_DeletedTeamTable"),
    ),
    ("LiteLLM_InvitationLink", count!("LiteLLM_InvitationLink")),
    ("LiteLLM_AuditLog", count!("LiteLLM_AuditLog")),
    ("LiteLLM_MCPServerTable", count!("LiteLLM_MCPServerTable")),
    ("LiteLLM_GuardrailsTable", count!("LiteLLM_GuardrailsTable")),
    ("LiteLLM_PolicyTable", count!("LiteLLM_PolicyTable")),
    ("LiteLLM_PromptTable", count!("LiteLLM_PromptTable")),
    (
        "LiteLLM_SearchToolsTable",
        count!("LiteLLM_SearchToolsTable"),
    ),
    ("LiteLLM_AgentsTable", count!("LiteLLM_AgentsTable")),
    ("LiteLLM_JWTKeyMapping", count!("LiteLLM_JWTKeyMapping")),
    ("LiteLLM_SSOConfig", count!("LiteLLM_SSOConfig")),
    (
        "LiteLLM_ManagedFileTable",
        count!("LiteLLM_ManagedFileTable"),
    ),
    (
        "LiteLLM_ManagedVectorStoresTable",
        count!("LiteLLM_ManagedVectorStoresTable"),
    ),
];
