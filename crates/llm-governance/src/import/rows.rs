//! The rows of each table, as ours.

use llm_store::{
    Keyring, hash_token,
    rows::{
        AccessGroup, Budget, Credential, Customer, Key, Model, Object, Organization,
        OrganizationMember, Project, Tag, Team, TeamMember, User,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    source::text,
    tables::{count, groups, members, select},
    transfer::{Reading, Table},
};
use crate::secrets;

pub(super) const BUDGET: Table<Budget> = Table {
    name: "LiteLLM_BudgetTable",
    rows: select!("LiteLLM_BudgetTable" by "budget_id"),
    count: count!("LiteLLM_BudgetTable"),
    // When its windows end is counted for each of those who name it.
    used: &["budget_reset_at"],
    take: |_, row| typed(row),
    hidden: nothing,
};

pub(super) const ORGANIZATION: Table<Organization> = Table {
    name: "LiteLLM_OrganizationTable",
    rows: select!("LiteLLM_OrganizationTable" by "organization_id"),
    count: count!("LiteLLM_OrganizationTable" spends),
    used: &["object_permission_id", "model_spend"],
    take: |reading, row| typed(granted(reading, row)),
    hidden: nothing,
};

pub(super) const USER: Table<User> = Table {
    name: "LiteLLM_UserTable",
    rows: select!("LiteLLM_UserTable" by "user_id"),
    count: count!("LiteLLM_UserTable" spends),
    // Teams know their members.
    used: &["object_permission_id", "model_spend", "teams", "team_id"],
    take: |reading, row| {
        let mut row = granted(reading, row);
        unique(reading, &mut row, "user_id", "user_email");
        unique(reading, &mut row, "user_id", "sso_user_id");
        let password = text(&row, "password");
        let user: User = typed(row)?;
        Ok(User { password, ..user })
    },
    hidden: |user, _| json!(user.password),
};

pub(super) const TEAM: Table<Team> = Table {
    name: "LiteLLM_TeamTable",
    rows: select!("LiteLLM_TeamTable" by "team_id"),
    count: count!("LiteLLM_TeamTable" spends),
    // Members are rows of their own.
    used: &[
        "object_permission_id",
        "model_spend",
        "model_id",
        "admins",
        "members",
        "members_with_roles",
    ],
    take: |reading, row| {
        let mut row = granted(reading, row);
        let aliases = row.remove("model_id").and_then(|id| id.as_i64());
        let aliases = aliases.and_then(|id| reading.source.aliases.get(&id));
        if let Some(aliases @ Value::Object(_)) = aliases {
            row.insert("model_aliases".to_owned(), aliases.clone());
        }
        typed(row)
    },
    hidden: nothing,
};

pub(super) const MEMBER: Table<TeamMember> = Table {
    name: "LiteLLM_TeamMembership",
    rows: members!(
        "SELECT CAST(to_jsonb(m) AS TEXT) FROM members AS m ORDER BY m.team_id, m.user_id"
    ),
    count: members!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(ROUND(CAST(place->>'spend' AS NUMERIC) * 1000000000)), 0) AS BIGINT) FROM members"
    ),
    used: &["member", "place"],
    take: member,
    hidden: nothing,
};

pub(super) const ORGANIZATION_MEMBER: Table<OrganizationMember> = Table {
    name: "LiteLLM_OrganizationMembership",
    rows: select!("LiteLLM_OrganizationMembership" by "organization_id, user_id"),
    count: count!("LiteLLM_OrganizationMembership"),
    used: &[],
    take: |_, row| typed(row),
    hidden: nothing,
};

pub(super) const PROJECT: Table<Project> = Table {
    name: "LiteLLM_ProjectTable",
    rows: select!("LiteLLM_ProjectTable" by "project_id"),
    count: count!("LiteLLM_ProjectTable" spends),
    used: &["object_permission_id", "model_spend"],
    take: |reading, row| typed(granted(reading, row)),
    hidden: nothing,
};

pub(super) const GROUP: Table<AccessGroup> = Table {
    name: "LiteLLM_AccessGroupTable",
    rows: select!("LiteLLM_AccessGroupTable" by "access_group_id"),
    count: count!("LiteLLM_AccessGroupTable"),
    used: &[],
    take: group,
    hidden: nothing,
};

pub(super) const GROUP_BUDGET: Table<AccessGroup> = Table {
    name: "LiteLLM_ModelAccessGroupBudgetTable",
    rows: select!("LiteLLM_ModelAccessGroupBudgetTable" by "access_group_name"),
    count: count!("LiteLLM_ModelAccessGroupBudgetTable" spends),
    used: &[],
    take: group,
    hidden: nothing,
};

pub(super) const GROUP_AND_BUDGET: Table<AccessGroup> = Table {
    name: "LiteLLM_AccessGroupTable",
    rows: groups!("SELECT CAST(row AS TEXT) FROM groups ORDER BY row->>'access_group_name'"),
    count: groups!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(ROUND(CAST(row->>'spend' AS NUMERIC) * 1000000000)), 0) AS BIGINT) FROM groups"
    ),
    used: &[],
    take: group,
    hidden: nothing,
};

pub(super) const TAG: Table<Tag> = Table {
    name: "LiteLLM_TagTable",
    rows: select!("LiteLLM_TagTable" by "tag_name"),
    count: count!("LiteLLM_TagTable" spends),
    used: &[],
    take: |_, mut row| {
        let name = row.remove("tag_name");
        row.extend(name.map(|name| ("name".to_owned(), name)));
        typed(row)
    },
    hidden: nothing,
};

pub(super) const CUSTOMER: Table<Customer> = Table {
    name: "LiteLLM_EndUserTable",
    rows: select!("LiteLLM_EndUserTable" by "user_id"),
    count: count!("LiteLLM_EndUserTable" spends),
    used: &["object_permission_id"],
    take: |reading, row| typed(granted(reading, row)),
    hidden: nothing,
};

pub(super) const KEY: Table<Key> = Table {
    name: super::tables::KEYS,
    rows: select!("LiteLLM_VerificationToken" by "token"),
    count: count!("LiteLLM_VerificationToken" spends),
    used: &[
        "object_permission_id",
        "model_spend",
        "soft_budget_cooldown",
        "settings_updated_at",
    ],
    take: |reading, row| {
        let mut row = granted(reading, row);
        unique(reading, &mut row, "token", "key_alias");
        let mut key: Key = typed(row)?;
        if key.token.starts_with("sk-") {
            // As the first versions kept keys.
            key.token = hash_token(&key.token);
        }
        Ok(key)
    },
    hidden: nothing,
};

pub(super) const CREDENTIAL: Table<Credential> = Table {
    name: "LiteLLM_CredentialsTable",
    rows: select!("LiteLLM_CredentialsTable" by "credential_id"),
    count: count!("LiteLLM_CredentialsTable"),
    used: &[],
    take: |reading, mut row| {
        let name = text(&row, "credential_name").unwrap_or_default();
        let values = opened(reading, &name, row.remove("credential_values"))?;
        let mut credential: Credential = typed(row)?;
        let id = &credential.credential_id;
        credential.credential_values =
            secrets::seal::<Credential>(reading.keyring, "credential_values", id, &values)
                .map_err(|refusal| refusal.message)?;
        Ok(credential)
    },
    hidden: |credential, ring| {
        let (id, sealed) = (&credential.credential_id, &credential.credential_values);
        json!(secrets::open::<Credential>(ring, "credential_values", id, sealed).ok())
    },
};

pub(super) const MODEL: Table<Model> = Table {
    name: "LiteLLM_ProxyModelTable",
    rows: select!("LiteLLM_ProxyModelTable" by "model_id"),
    count: count!("LiteLLM_ProxyModelTable"),
    used: &[],
    take: |reading, mut row| {
        let id = text(&row, "model_id").unwrap_or_default();
        let params = opened(reading, &id, row.remove("litellm_params"))?;
        let mut model: Model = typed(row)?;
        let team = model.model_info.get("team_id").and_then(Value::as_str);
        model.team_id = team.map(str::to_owned);
        model.model_info.insert("id".to_owned(), json!(id));
        model.litellm_params =
            secrets::seal::<Model>(reading.keyring, "litellm_params", &id, &params)
                .map_err(|refusal| refusal.message)?;
        Ok(model)
    },
    hidden: |model, ring| {
        let (id, sealed) = (&model.model_id, &model.litellm_params);
        json!(secrets::open::<Model>(ring, "litellm_params", id, sealed).ok())
    },
};

fn nothing<R>(_: &R, _: &Keyring) -> Value {
    Value::Null
}

fn typed<R: DeserializeOwned>(row: Object) -> Result<R, String> {
    let shown = |row: &Object| {
        let names = [
            "token",
            "user_id",
            "team_id",
            "budget_id",
            "organization_id",
            "project_id",
        ];
        let name = names.iter().find_map(|name| text(row, name));
        name.unwrap_or_default()
    };
    let name = shown(&row);
    serde_json::from_value(row.into())
        .map_err(|error| format!("{name} is left out, it cannot be read: {error}"))
}

/// A row with what it may use beside models, which is in a table of its own.
fn granted(reading: &Reading<'_>, mut row: Object) -> Object {
    let id = text(&row, "object_permission_id");
    if let Some(grants) = id.and_then(|id| reading.source.permissions.get(&id)) {
        row.insert("object_permission".to_owned(), grants.clone());
    }
    row
}

/// Names that several rows had there and one may have here: the first keeps it.
fn unique(reading: &mut Reading<'_>, row: &mut Object, key: &str, column: &'static str) {
    let Some(value) = text(row, column) else {
        return;
    };
    if reading.is_first(column, &value) {
        return;
    }
    let name = text(row, key).unwrap_or_default();
    let note =
        format!("{name}: another row has its {column} '{value}'; here it is in its metadata");
    reading.notes.push(note);
    row.remove(column);
    let metadata = row.entry("metadata").or_insert_with(|| json!({}));
    if let Value::Object(metadata) = metadata {
        metadata.insert(column.to_owned(), value.into());
    }
}

fn member(reading: &mut Reading<'_>, mut row: Object) -> Result<TeamMember, String> {
    let part = |row: &mut Object, name: &str| match row.remove(name) {
        Some(Value::Object(part)) => part,
        _ => Object::new(),
    };
    let (mut named, mut place) = (part(&mut row, "member"), part(&mut row, "place"));
    let team = text(&row, "team_id").unwrap_or_default();
    if text(&row, "user_id").is_none() {
        let who = text(&named, "user_email").unwrap_or_default();
        return Err(format!(
            "{team}/{who} is left out: no user has this address"
        ));
    }
    for name in ["user_email", "role"] {
        row.extend(named.remove(name).map(|value| (name.to_owned(), value)));
    }
    row.entry("role").or_insert_with(|| json!("user"));
    if let Some(id) = text(&place, "budget_id") {
        if let Some(models) = reading.source.allowed_models.get(&id) {
            row.insert("allowed_models".to_owned(), models.clone());
        }
        row.extend(
            place
                .remove("budget_id")
                .map(|id| ("budget_id".to_owned(), id)),
        );
    }
    let made = row.get("created_at").cloned();
    row.extend(made.map(|made| ("updated_at".to_owned(), made)));
    row.retain(|_, value| !value.is_null());
    typed(row)
}

/// A group that has a budget and no row of its own is known by its name.
fn group(_: &mut Reading<'_>, mut row: Object) -> Result<AccessGroup, String> {
    let name = row.get("access_group_name").cloned().unwrap_or_default();
    row.entry("access_group_id").or_insert(name);
    typed(row)
}

/// The values of an object whose texts are encrypted.
fn opened(reading: &Reading<'_>, name: &str, sealed: Option<Value>) -> Result<Object, String> {
    let Some(Value::Object(mut values)) = sealed else {
        return Err(format!("{name} is left out: it has no values"));
    };
    let Some(salt) = &reading.source.salt else {
        return Err(format!(
            "{name} is left out: its values are encrypted, and no salt key is given"
        ));
    };
    for (field, value) in &mut values {
        if let Value::String(text) = value {
            *text = salt.decrypt(text).ok_or_else(|| {
                format!("{name} is left out: '{field}' was encrypted with another salt key")
            })?;
        }
    }
    Ok(values)
}
