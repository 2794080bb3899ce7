//! Keys that are replaced: when somebody asks for it, and from time to time by themselves.

use std::{sync::Weak, time::Duration};

use llm_ledger::Period;
use llm_store::{Moment, Order, hash_token, rows::Key};
use serde_json::Value;

use super::{administers, allocation, belonging, change, fields, generate, may_manage, secret};
use crate::{
    Actor, Answer, Call, Edit, Form, Governance, Refusal, governance::Inner, keys::generate::Made,
};

/// The permission of a team's members to replace its keys.
const ROUTE: &str = "/key/regenerate";

/// Keys that one round replaces at most; what is left waits for the next.
const BATCH: i64 = 100;

/// The name of the job that one process alone does.
const JOB: &str = "key rotation";

/// `POST /key/regenerate` and `POST /key/{key}/regenerate`.
pub(super) async fn regenerate(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    if form.has("new_master_key") {
        return Err(Refusal::bad(
            "new_master_key",
            "the master key is part of the configuration: change it there, and keep the old salt key",
        ));
    }
    let named = match call.part("key") {
        "" => form.need("key")?,
        part => part,
    };
    let named = governance.named_key(Some(named), None).await?;
    may_manage(&call.caller, &named, ROUTE)?;
    change::may_change(&call.caller, &named, form)?;
    generate::bounded(governance, form)?;
    let mut edit = governance.edit(&call.actor).await?;
    let plain = match form.text("new_key") {
        Some(chosen) => secret::checked(chosen)?,
        None => secret::new()?,
    };
    let own = !administers(&call.caller, &named);
    let made = replace(&mut edit, &call.actor, (&named.token, own), plain, form).await?;
    edit.commit().await?;
    if form.has("budget_duration") || form.has("budget_id") {
        made.open_window(governance).await?;
    }
    Ok(Value::Object(made.answer(form)?).into())
}

/// Gives a key another token, and whatever else `form` says. The old token works for the form's `grace_period`. What
/// bounds the key stays where somebody does so who has it, and does not administer it (`own`).
async fn replace(
    edit: &mut Edit<'_>,
    actor: &Actor,
    (token, own): (&str, bool),
    plain: String,
    form: &Form,
) -> Result<Made, Refusal> {
    let now = edit.now();
    let before: Key = edit
        .get(&[token])
        .await?
        .ok_or_else(|| super::unknown(token))?;
    let new = hash_token(&plain);
    if edit.get::<Key>(&[&new]).await?.is_some() {
        return Err(Refusal::bad("new_key", "this key exists"));
    }
    let team = generate::team_of(edit, form).await?;
    let budget = generate::budget_of(edit, form).await?;
    let mut after = form.applied(fields::REGENERATE, &before)?;
    if own {
        change::keep_bounds(&before, &mut after, form);
    }
    generate::finish(&mut after, form, now)?;
    belonging::settle(edit, &mut after, team.as_ref(), form).await?;
    after.token = new;
    after.key_name = Some(secret::name(&plain));
    after.rotation_count = Some(after.rotation_count.unwrap_or(0) + 1);
    after.last_rotation_at = Some(now);
    schedule(&mut after, now)?;
    after.updated_at = now;
    after.updated_by.clone_from(&actor.user_id);
    allocation::of_key(edit, &after, token).await?;
    let grace = form.period("grace_period");
    let revoke_at = grace.map_or(now, |period| period.after(now));
    edit.replace_token(&before, &after, revoke_at, generate::taken(&after))
        .await?;
    Ok(Made::of(after, plain, budget))
}

/// When a key is replaced next.
pub(super) fn schedule(key: &mut Key, now: Moment) -> Result<(), Refusal> {
    if key.auto_rotate != Some(true) {
        key.key_rotation_at = None;
        return Ok(());
    }
    let interval = key.rotation_interval.as_deref();
    let Some(interval) = interval.and_then(|text| text.parse::<Period>().ok()) else {
        return Err(Refusal::bad(
            "rotation_interval",
            "a key with 'auto_rotate' needs a 'rotation_interval' such as 30d",
        ));
    };
    key.key_rotation_at = Some(interval.after(now));
    Ok(())
}

/// Replaces keys when their time has come, until the governance is gone. One process does it at a time.
pub(crate) async fn follow(governance: Weak<Inner>, every: Duration) {
    let owner = uuid::Uuid::now_v7().to_string();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = governance.upgrade() else {
            return;
        };
        let governance = Governance::of(inner);
        if let Err(refusal) = governance.rotate_in_turn(&owner, every).await {
            tracing::warn!(reason = refusal.message, "keys were not replaced");
        }
    }
}

impl Governance {
    /// Replaces the keys that are due, if no other process is at it or was so a moment ago.
    async fn rotate_in_turn(&self, owner: &str, every: Duration) -> Result<(), Refusal> {
        let now = Moment::now();
        let pause = i64::try_from(every.as_millis()).unwrap_or(i64::MAX / 4);
        // A round that takes longer is another process's to begin again: what is replaced is not due any more.
        let until = now.plus(pause);
        if !self.store().begin_job(JOB, owner, until, now).await? {
            return Ok(());
        }
        self.rotate_due(now).await?;
        Ok(self.store().end_job(JOB, owner, until).await?)
    }

    /// Replaces the keys that are due; says how many. The new key itself is told nobody: whoever has the old one asks for
    /// it before the grace ends.
    pub async fn rotate_due(&self, now: Moment) -> Result<usize, Refusal> {
        let due = [("rotates_by", now.0.to_string())];
        let found = self
            .store()
            .find::<Key>(&due, Order::default(), BATCH, 0)
            .await?;
        let mut done = 0;
        for key in found.rows {
            match self.rotate(&key).await {
                Ok(()) => done += 1,
                Err(refusal) => {
                    tracing::warn!(
                        key = key.key_name,
                        reason = refusal.message,
                        "a key was not replaced"
                    );
                }
            }
        }
        Ok(done)
    }

    async fn rotate(&self, key: &Key) -> Result<(), Refusal> {
        let actor = Actor {
            user_id: Some("key rotation".to_owned()),
            ..Actor::default()
        };
        let mut form = Form::default();
        if let Some(grace) = &self.settings().rotation_grace {
            form.set("grace_period", grace.clone().into());
        }
        let mut edit = self.edit(&actor).await?;
        replace(
            &mut edit,
            &actor,
            (&key.token, false),
            secret::new()?,
            &form,
        )
        .await?;
        edit.commit().await
    }
}
