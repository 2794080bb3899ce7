//! Tokens that stand for a virtual key: `/jwt/key/mapping/*`.

use std::sync::Arc;

use aws_lc_rs::rand;
use llm_store::rows::{Key, KeyMapping};
use serde_json::json;

use super::{Grant, Unregistered, caller::Reading};
use crate::{
    Answer, Call, Caller, Field, Form, Governance, Refusal,
    edit::shown,
    form::Kind::{Count, Flag, Text},
    keys::{generate, token_of},
    routes::{Route, route},
};

const NEW: &[&[Field]] = &[&[
    Field::apart("jwt_claim_name", Text),
    Field::apart("jwt_claim_value", Text),
    Field::apart("jwt_issuer", Text),
    Field::apart("key", Text),
    Field::column("description", Text),
    Field::column("is_active", Flag),
]];

const UPDATE: &[&[Field]] = &[&[
    Field::apart("id", Text),
    Field::apart("key", Text),
    Field::column("description", Text),
    Field::column("is_active", Flag),
]];

const WHICH: &[&[Field]] = &[&[Field::apart("id", Text)]];

const LIST: &[&[Field]] = &[&[Field::apart("page", Count), Field::apart("size", Count)]];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/jwt/key/mapping/new", Admin, make, "Lets tokens with a claim stand for a virtual key.", body NEW),
    route!(Post "/jwt/key/mapping/update", Admin, update, "Changes which key a claim stands for, or whether it does.", body UPDATE),
    route!(Post "/jwt/key/mapping/delete", Admin, delete, "Forgets that a claim stands for a key.", body WHICH),
    route!(Get "/jwt/key/mapping/list", Admin, list, "Lists the claims that stand for keys.", query LIST),
    route!(Get "/jwt/key/mapping/info", Admin, info, "Says what is known of a claim that stands for a key.", query WHICH),
];

/// Mappings on a page, where nobody says how many.
const PAGE: u64 = 50;

/// Mappings on a page, at most.
const MOST: u64 = 500;

async fn make(call: Call) -> Result<Answer, Refusal> {
    let form = &call.body;
    let (name, value) = (form.need("jwt_claim_name")?, form.need("jwt_claim_value")?);
    let issuer = form.text("jwt_issuer").unwrap_or_default();
    let key = key_of(&call.governance, form.need("key")?).await?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let blank = KeyMapping {
        is_active: true,
        created_by: call.actor.user_id.clone(),
        updated_by: call.actor.user_id.clone(),
        ..blank(&edit, name, value, issuer, key.token)?
    };
    let mapping = form.applied(NEW, &blank)?;
    edit.insert(&mapping, taken()).await?;
    edit.commit().await?;
    Ok(shown(&mapping)?.into())
}

async fn update(call: Call) -> Result<Answer, Refusal> {
    let form = &call.body;
    let found = named(&call.governance, form.need("id")?).await?;
    let key = match form.text("key") {
        Some(key) => Some(key_of(&call.governance, key).await?.token),
        None => None,
    };
    let mut edit = call.governance.edit(&call.actor).await?;
    let before = edit.get::<KeyMapping>(&parts(&found)).await?;
    let before = before.ok_or_else(unknown)?;
    let mut after = form.applied(UPDATE, &before)?;
    after.token = key.unwrap_or(after.token);
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    edit.update(&before, &after, taken()).await?;
    edit.commit().await?;
    Ok(shown(&after)?.into())
}

async fn delete(call: Call) -> Result<Answer, Refusal> {
    let mapping = named(&call.governance, call.body.need("id")?).await?;
    let mut edit = call.governance.edit(&call.actor).await?;
    edit.delete(&mapping).await?;
    edit.commit().await?;
    Ok(json!({"status": "success", "id": mapping.id}).into())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let page = call.query.count("page").unwrap_or(1).max(1);
    let size = call.query.count("size").unwrap_or(PAGE).clamp(1, MOST);
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let offset = signed((page - 1).saturating_mul(size));
    let store = call.governance.store();
    let found = store.list::<KeyMapping>(&[], signed(size), offset).await?;
    Ok(json!({
        "mappings": found.rows, "total": found.total, "page": page, "size": size,
    })
    .into())
}

async fn info(call: Call) -> Result<Answer, Refusal> {
    Ok(shown(&named(&call.governance, call.query.need("id")?).await?)?.into())
}

fn blank(
    edit: &crate::Edit<'_>,
    name: &str,
    value: &str,
    issuer: &str,
    token: String,
) -> Result<KeyMapping, Refusal> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Refusal::internal())?;
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    Ok(KeyMapping {
        jwt_claim_name: name.to_owned(),
        jwt_claim_value: value.to_owned(),
        jwt_issuer: issuer.to_owned(),
        id: id.to_string(),
        token,
        created_at: edit.now(),
        updated_at: edit.now(),
        ..KeyMapping::default()
    })
}

async fn named(governance: &Governance, id: &str) -> Result<KeyMapping, Refusal> {
    let by_id = [("id", id)];
    let page = governance.store().list::<KeyMapping>(&by_id, 1, 0).await?;
    page.rows.into_iter().next().ok_or_else(unknown)
}

async fn key_of(governance: &Governance, named: &str) -> Result<Key, Refusal> {
    let found = governance.store().get::<Key>(&[&token_of(named)]).await?;
    found.ok_or_else(|| Refusal::missing("key", "there is no such key"))
}

fn parts(mapping: &KeyMapping) -> [&str; 3] {
    [
        &mapping.jwt_claim_name,
        &mapping.jwt_claim_value,
        &mapping.jwt_issuer,
    ]
}

fn unknown() -> Refusal {
    Refusal::missing("id", "there is no such mapping")
}

fn taken() -> Refusal {
    Refusal::taken("jwt_claim_value", "this claim stands for a key already")
}

impl Reading<'_> {
    /// Whoever has the key that the token stands for.
    pub(super) async fn by_key(&self, grant: &Grant) -> Result<Option<Caller>, Refusal> {
        let Some(field) = &self.rules.virtual_key_claim_field else {
            return Ok(None);
        };
        let Some(value) = self.claims.name(field)? else {
            return match self.rules.unregistered_jwt_client_behavior {
                Unregistered::FallbackTeamMapping => Ok(None),
                _ => Err(Refusal::forbidden(format!(
                    "the token has no claim '{field}', by which its key is found"
                ))),
            };
        };
        let Some(mapping) = self.mapping(field, &value).await? else {
            return match self.rules.unregistered_jwt_client_behavior {
                Unregistered::Reject => Err(unregistered(field)),
                _ => Ok(None),
            };
        };
        if !mapping.is_active {
            return Err(unregistered(field));
        }
        let key = self.governance.directory().key(&mapping.token).await?;
        let key = key.ok_or_else(|| unregistered(field))?;
        let caller = self.governance.caller_of(key).await?;
        Ok(Some(Caller {
            grant: Some(Arc::new(grant.clone())),
            ..caller
        }))
    }

    /// The mapping of the token's issuer, or else of any.
    async fn mapping(&self, field: &str, value: &str) -> Result<Option<KeyMapping>, Refusal> {
        let issuer = self.claims.name("iss")?.unwrap_or_default();
        let directory = self.governance.directory();
        for issuer in [issuer.as_str(), ""] {
            let key = [field, value, issuer];
            if let Some(mapping) = directory.get::<KeyMapping>(&key).await? {
                return Ok(Some(mapping.row.clone()));
            }
        }
        Ok(None)
    }

    /// The caller with a key of its own, where tokens that stand for none get one.
    pub(super) async fn registered(&self, caller: Caller) -> Result<Caller, Refusal> {
        let rules = self.rules;
        let field = match &rules.virtual_key_claim_field {
            Some(field)
                if rules.unregistered_jwt_client_behavior == Unregistered::AutoRegister
                    && !caller.is_admin() =>
            {
                field
            }
            _ => return Ok(caller),
        };
        let Some(value) = self.claims.name(field)? else {
            return Ok(caller);
        };
        let issuer = self.claims.name("iss")?.unwrap_or_default();
        let mut form = Form::default();
        let ids = [
            ("user_id", caller.user_id()),
            ("team_id", caller.team_id()),
            ("organization_id", caller.organization_id()),
        ];
        for (name, id) in ids {
            if let Some(id) = id {
                form.set(name, id.into());
            }
        }
        let of_token = json!({"jwt_claim_name": field, "jwt_claim_value": value});
        form.set("metadata", of_token);
        generate::settle(self.governance, &mut form)?;
        let actor = self.actor(caller.user_id().unwrap_or(&value));
        let mut edit = self.governance.edit(&actor).await?;
        let made = generate::insert(&mut edit, &actor, &form).await?;
        let mapping = KeyMapping {
            is_active: true,
            description: Some("made by the token's first request".to_owned()),
            ..blank(&edit, field, &value, &issuer, made.key.token.clone())?
        };
        match edit.insert(&mapping, taken()).await {
            Ok(()) => {
                edit.commit().await?;
                made.open_window(self.governance).await?;
            }
            // Of two first requests one is too late: the key is there.
            Err(refusal) if refusal.status == http::StatusCode::CONFLICT => drop(edit),
            Err(refusal) => return Err(refusal),
        }
        let grant = caller.grant.as_deref().cloned().unwrap_or_default();
        let of_key = Grant {
            models: grant.models,
            customer: grant.customer,
            ..Grant::default()
        };
        let found = self.by_key(&of_key).await?;
        found.ok_or_else(|| unregistered(field))
    }
}

fn unregistered(field: &str) -> Refusal {
    Refusal::forbidden(format!(
        "no virtual key is registered for this token's claim '{field}'"
    ))
}
