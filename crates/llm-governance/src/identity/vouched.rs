//! Callers whom a hook or a proxy in front describes, in the shape of a key.

use std::sync::Arc;

use llm_store::{
    hash_token,
    rows::{Key, Object},
};
use serde_json::Value;

use super::Grant;
use crate::{
    Caller, Entry, Form, Governance, Refusal, Role, authenticate::in_force, behind::Ids,
    keys::fields,
};

/// What is written down of such a caller's key instead of letters of it.
const NAME: &str = "sk-...auth";

/// Somebody whom another party vouches for.
#[derive(Debug, Clone, Copy)]
pub struct Vouched<'a> {
    /// What that party says: fields as keys have them, with `user_role` and `end_user_id`.
    pub fields: &'a Object,
    /// What makes the caller the same one the next time: its requests are counted under a hash of it.
    pub name: &'a str,
    /// Whether its user, team and organization bound it, too, as they bound keys.
    pub checks: bool,
}

impl Governance {
    /// The caller that another party vouches for. Refuses with 503, as that party's mistake, what cannot be a caller.
    pub async fn caller_vouched(&self, vouched: Vouched<'_>) -> Result<Arc<Caller>, Refusal> {
        let (key, role, customer) = described(vouched)?;
        in_force(&key)?;
        let role = match (role, &key.user_id) {
            (Some(role), _) => Some(role),
            (None, Some(_)) => None,
            (None, None) => Some(Role::Unowned),
        };
        let grant = Grant {
            customer,
            ..Grant::default()
        };
        let budget = self.budget(key.budget_id.as_deref()).await?;
        let settings = self.settings();
        let caller = Caller {
            key: Some(Arc::new(Entry::new(
                key,
                budget.as_ref(),
                &settings.calendar,
            ))),
            grant: Some(Arc::new(grant)),
            ..Caller::plain(role.unwrap_or(Role::InternalUser))
        };
        match vouched.checks {
            true => Ok(Arc::new(self.bound(caller, role.is_some()).await?)),
            false => Ok(Arc::new(caller)),
        }
    }

    /// The caller with the rows that bound it.
    async fn bound(&self, caller: Caller, has_role: bool) -> Result<Caller, Refusal> {
        let Some(key) = &caller.key else {
            return Ok(caller);
        };
        let behind = self.behind(Ids::of(&key.row)).await?;
        let of_row = behind
            .user
            .as_ref()
            .and_then(|user| user.row.user_role.as_deref());
        let of_row = of_row.and_then(Role::of_user);
        let role = match has_role {
            true => caller.role,
            false => of_row.unwrap_or(caller.role),
        };
        Ok(behind.bind(Caller { role, ..caller }))
    }
}

/// The key that the fields describe, the role, and whom its requests are for.
fn described(vouched: Vouched<'_>) -> Result<(Key, Option<Role>, Option<String>), Refusal> {
    let known = fields::KEY.iter().map(|field| field.name);
    let mut given = Object::new();
    for name in known {
        // A null is as good as nothing.
        if let Some(value) = vouched.fields.get(name).filter(|value| !value.is_null()) {
            given.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(organization) = text(vouched.fields, "org_id")? {
        given.insert("organization_id".to_owned(), organization.into());
    }
    let form = Form::check(&[fields::KEY], given, "body").map_err(wrong)?;
    let blank = Key {
        token: hash_token(&format!("vouched:{}", vouched.name)),
        key_name: Some(NAME.to_owned()),
        ..Key::default()
    };
    let mut key = form.applied(&[fields::KEY], &blank).map_err(wrong)?;
    if let Some(end) = vouched.fields.get("expires") {
        key.expires = serde_json::from_value(end.clone()).map_err(|_| garbled("expires"))?;
    }
    for empty in [&mut key.user_id, &mut key.team_id, &mut key.organization_id] {
        empty.take_if(|id| id.is_empty());
    }
    let role = match text(vouched.fields, "user_role")? {
        None => None,
        Some(name) => {
            let known = Role::of_user(&name).or_else(|| {
                [Role::Team, Role::Customer]
                    .into_iter()
                    .find(|role| role.name() == name)
            });
            Some(known.ok_or_else(|| garbled("user_role"))?)
        }
    };
    Ok((key, role, text(vouched.fields, "end_user_id")?))
}

fn text(fields: &Object, name: &'static str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= 512 && !text.chars().any(char::is_control) => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(garbled(name)),
    }
}

fn wrong(refusal: Refusal) -> Refusal {
    garbled(refusal.param.as_deref().unwrap_or("a field"))
}

/// Whoever vouches says what makes no sense: to go on would let in somebody else than was meant.
fn garbled(field: &str) -> Refusal {
    tracing::error!(%field, "what vouches for a caller answered a field that cannot be read");
    Refusal::new(
        http::StatusCode::SERVICE_UNAVAILABLE,
        "auth_provider_unavailable",
        format!("what vouches for callers here answered what cannot be read ('{field}')"),
    )
}
