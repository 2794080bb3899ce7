//! Administrative changes: made together or not at all, written down, and known to every instance.

use llm_store::{
    Account, Deletion, Moment, Record, Transaction,
    rows::{
        AccessGroup, AuditEntry, Customer, Key, Object, Organization, Project, Tag, Team, User,
    },
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Caller, Governance, Governed, Refusal,
    alerts::{Alerts, Event},
    directory::joined,
};

/// Tables whose rows spend, besides keys and teams. A member that leaves its team and comes back has spent what it has.
const SPENDERS: [&str; 6] = [
    User::TABLE,
    Organization::TABLE,
    Project::TABLE,
    Customer::TABLE,
    Tag::TABLE,
    AccessGroup::TABLE,
];

/// Who changes something.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// The user.
    pub user_id: Option<String>,
    /// The hash of the key that the change was asked with.
    pub key: Option<String>,
    /// Whom the request itself names (`litellm-changed-by`).
    pub on_behalf_of: Option<String>,
}

/// A change that is being made. Dropped, it does not happen.
pub struct Edit<'a> {
    governance: &'a Governance,
    actor: &'a Actor,
    transaction: Transaction,
    touched: Vec<(&'static str, String)>,
    /// What people are told of it when it is made.
    events: Vec<Event>,
    /// What was spent by whoever is gone then.
    closed: Vec<Account>,
    now: Moment,
}

impl Actor {
    /// Whoever asks, and whom it says it asks for.
    pub fn of(caller: &Caller, on_behalf_of: Option<String>) -> Self {
        Self {
            user_id: caller.user_id().map(str::to_owned),
            key: Some(caller.key_hash().to_owned()),
            on_behalf_of,
        }
    }

    /// The name to write down as who did it.
    pub fn name(&self) -> Option<&str> {
        self.on_behalf_of.as_deref().or(self.user_id.as_deref())
    }
}

impl Governance {
    /// Begins a change.
    pub async fn edit<'a>(&'a self, actor: &'a Actor) -> Result<Edit<'a>, Refusal> {
        Ok(Edit {
            governance: self,
            actor,
            transaction: self.store().begin().await?,
            touched: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            now: Moment::now(),
        })
    }
}

impl Edit<'_> {
    /// When it happens.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// The row with this key; nobody else changes it before this ends.
    pub async fn get<R: Record>(&mut self, key: &[&str]) -> Result<Option<R>, Refusal> {
        Ok(self.transaction.get(key).await?)
    }

    /// Rows whose columns have the values in `filters`, at most `limit`.
    pub async fn list<R: Record>(
        &mut self,
        filters: &[(&str, &str)],
        limit: i64,
    ) -> Result<Vec<R>, Refusal> {
        Ok(self.transaction.list(filters, limit).await?.rows)
    }

    /// Adds a row. `taken` is what the caller is told where there is one like it.
    pub async fn insert<R: Governed>(&mut self, row: &R, taken: Refusal) -> Result<(), Refusal> {
        match self.transaction.insert(row).await {
            Ok(()) => {}
            Err(llm_store::Error::Exists { .. }) => {
                // Somebody was faster, and may not have come to say so: that there is none holds no more.
                self.governance.forget(R::TABLE, &joined(&row.key()));
                return Err(taken);
            }
            Err(error) => return Err(error.into()),
        }
        let after = shown(row)?;
        self.note::<R>("created", &row.key(), None, Some(after))
            .await
    }

    /// Replaces a row.
    pub async fn update<R: Governed>(
        &mut self,
        before: &R,
        after: &R,
        taken: Refusal,
    ) -> Result<(), Refusal> {
        let nothing = (Object::new(), Object::new());
        self.update_secret(before, after, nothing, taken).await
    }

    /// Replaces a row with secrets. `secret` is what is written down of them: masked, before and after.
    pub(crate) async fn update_secret<R: Governed>(
        &mut self,
        before: &R,
        after: &R,
        secret: (Object, Object),
        taken: Refusal,
    ) -> Result<(), Refusal> {
        let key = before.key();
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        match self.transaction.update(&parts, after).await {
            Ok(_) => {}
            Err(llm_store::Error::Exists { .. }) => return Err(taken),
            Err(error) => return Err(error.into()),
        }
        let with = |row: Value, secret: Object| match row {
            Value::Object(mut row) => {
                row.extend(secret);
                Value::from(row)
            }
            other => other,
        };
        let (old, new) = (shown(before)?, shown(after)?);
        let (old, new) = differences(with(old, secret.0), with(new, secret.1));
        self.note::<R>("updated", &key, Some(old), Some(new)).await
    }

    /// Removes a row.
    pub async fn delete<R: Governed>(&mut self, row: &R) -> Result<(), Refusal> {
        let key = row.key();
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        self.transaction.delete::<R>(&parts).await?;
        if SPENDERS.contains(&R::TABLE) {
            self.close(row.account());
        }
        let before = shown(row)?;
        self.note::<R>("deleted", &key, Some(before), None).await
    }

    /// Whoever has this account is gone when the change is made: what it spent is no longer counted.
    pub(crate) fn close(&mut self, account: Account) {
        self.closed.push(account);
    }

    /// Adds a row whose key is a secret: written down under `of` instead.
    pub(crate) async fn add<R: Record>(&mut self, of: &str, row: &R) -> Result<(), Refusal> {
        self.transaction.insert(row).await?;
        self.note::<R>("created", &[of.to_owned()], None, None)
            .await
    }

    /// Replaces a row that nobody remembers and that is not written down.
    pub(crate) async fn replace<R: Record>(
        &mut self,
        key: &[&str],
        row: &R,
    ) -> Result<(), Refusal> {
        self.transaction.update(key, row).await?;
        Ok(())
    }

    /// Removes a row that nobody remembers and that is not written down.
    pub(crate) async fn remove<R: Record>(
        &mut self,
        key: &[&str],
        _row: &R,
    ) -> Result<(), Refusal> {
        self.transaction.delete::<R>(key).await?;
        Ok(())
    }

    /// Moves a key to the deleted ones.
    pub async fn delete_key(&mut self, key: &Key) -> Result<(), Refusal> {
        let deletion = self.deletion();
        self.transaction.delete_key(&key.token, &deletion).await?;
        self.close(key.account());
        let before = shown(key)?;
        self.note::<Key>("deleted", &Governed::key(key), Some(before), None)
            .await
    }

    /// Moves a team to the deleted ones. Its keys and members are the caller's to delete.
    pub async fn delete_team(&mut self, team: &Team) -> Result<(), Refusal> {
        let deletion = self.deletion();
        self.transaction
            .delete_team(&team.team_id, &deletion)
            .await?;
        self.close(team.account());
        let before = shown(team)?;
        self.note::<Team>("deleted", &team.key(), Some(before), None)
            .await
    }

    /// Gives a key another token; the old one works until `revoke_at`.
    pub async fn replace_token(
        &mut self,
        before: &Key,
        after: &Key,
        revoke_at: Moment,
        taken: Refusal,
    ) -> Result<(), Refusal> {
        let transaction = &mut self.transaction;
        match transaction
            .replace_token(&before.token, after, revoke_at)
            .await
        {
            Ok(_) => {}
            Err(llm_store::Error::Exists { .. }) => return Err(taken),
            Err(error) => return Err(error.into()),
        }
        let (old, new) = (shown(before)?, shown(after)?);
        let key = Governed::key(before);
        self.note::<Key>("rotated", &key, Some(old), Some(new))
            .await?;
        self.touched.push((Key::TABLE, after.token.clone()));
        Ok(())
    }

    /// Writes down a change that no row shows, and has every instance forget the row.
    pub async fn note<R: Record>(
        &mut self,
        action: &str,
        key: &[String],
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), Refusal> {
        let parts: Vec<&str> = key.iter().map(String::as_str).collect();
        let id = joined(&parts);
        if self.governance.alerts().is_some_and(Alerts::wants_events) {
            self.events.push(Event {
                table: R::TABLE,
                action: action.to_owned(),
                id: parts.join("/"),
                by: self.actor.name().map(str::to_owned),
                row: after.clone().or_else(|| before.clone()),
            });
        }
        if self.governance.settings().audit {
            let entry = AuditEntry {
                id: Uuid::now_v7().to_string(),
                updated_at: self.now,
                changed_by: self.actor.name().map(str::to_owned),
                changed_by_api_key: self.actor.key.clone(),
                action: action.to_owned(),
                table_name: R::TABLE.to_owned(),
                object_id: parts.join("/"),
                before_value: before,
                updated_values: after,
            };
            self.transaction.insert(&entry).await?;
        }
        self.touched.push((R::TABLE, id));
        Ok(())
    }

    /// Makes the change. From then on this instance goes by it, and the others within a second.
    pub async fn commit(mut self) -> Result<(), Refusal> {
        for (table, id) in &self.touched {
            self.transaction.tell(table, id, self.now).await?;
        }
        self.transaction.commit().await?;
        for (table, id) in &self.touched {
            self.governance.forget(table, id);
        }
        if !self.closed.is_empty()
            && let Err(error) = self.governance.ledger().forget(&self.closed).await
        {
            tracing::warn!(%error, "what was spent by who was deleted is still counted under the name");
        }
        if let Some(alerts) = self.governance.alerts() {
            let due = self.events.iter().filter_map(Event::alert);
            due.for_each(|alert| alerts.raise(alert));
        }
        Ok(())
    }

    fn deletion(&self) -> Deletion {
        Deletion {
            at: self.now,
            by: self.actor.user_id.clone(),
            by_api_key: self.actor.key.clone(),
            changed_by: self.actor.on_behalf_of.clone(),
        }
    }
}

/// A row as its readers see it.
pub(crate) fn shown<R: Serialize>(row: &R) -> Result<Value, Refusal> {
    serde_json::to_value(row).map_err(|error| {
        tracing::error!(%error, "a row cannot be shown");
        Refusal::internal()
    })
}

/// Of two rows, only what differs.
fn differences(old: Value, new: Value) -> (Value, Value) {
    let (Value::Object(mut old), Value::Object(mut new)) = (old, new) else {
        return (Value::Null, Value::Null);
    };
    let same: Vec<String> = old
        .iter()
        .filter(|(name, value)| new.get(*name) == Some(value))
        .map(|(name, _)| name.clone())
        .collect();
    let without = |object: &mut Object| same.iter().for_each(|name| drop(object.remove(name)));
    without(&mut old);
    without(&mut new);
    (old.into(), new.into())
}
