//! Invitations: whoever has one sets the user's password, once and within a week.

use aws_lc_rs::rand;
use llm_store::{
    Moment,
    rows::{Invitation, User},
};
use serde_json::{Value, json};

use super::{oversees, password, sessions, unknown};
use crate::{Actor, Answer, Call, Refusal, edit::shown};

/// How long an invitation lasts, in milliseconds.
const LASTS: i64 = 7 * 86_400_000;

/// `POST /invitation/new`.
pub(super) async fn new(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let user = call.body.need("user_id")?;
    if !oversees(governance, &call.caller, user).await? {
        return Err(unknown());
    }
    if governance.store().get::<User>(&[user]).await?.is_none() {
        return Err(unknown());
    }
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Refusal::internal())?;
    let now = Moment::now();
    let invitation = Invitation {
        id: uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string(),
        user_id: user.to_owned(),
        is_accepted: false,
        accepted_at: None,
        expires_at: now.plus(LASTS),
        created_at: now,
        created_by: call.actor.user_id.clone(),
        updated_at: now,
        updated_by: call.actor.user_id.clone(),
    };
    let mut edit = governance.edit(&call.actor).await?;
    edit.add(&invitation.user_id, &invitation).await?;
    edit.commit().await?;
    Ok(shown(&invitation)?.into())
}

async fn named(call: &Call, id: Option<&str>) -> Result<Invitation, Refusal> {
    let none = || Refusal::missing("invitation_id", "there is no such invitation");
    let id = id.ok_or_else(none)?;
    let found = call.governance.store().get::<Invitation>(&[id]).await?;
    found.ok_or_else(none)
}

/// `GET /invitation/info`.
pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let invitation = named(&call, call.query.text("invitation_id")).await?;
    Ok(shown(&invitation)?.into())
}

/// `POST /invitation/update`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let before = named(&call, Some(call.body.need("invitation_id")?)).await?;
    let accepted = call.body.is_true("is_accepted");
    let now = Moment::now();
    let after = Invitation {
        is_accepted: accepted,
        accepted_at: accepted.then_some(now),
        updated_at: now,
        updated_by: call.actor.user_id.clone(),
        ..before
    };
    let mut edit = call.governance.edit(&call.actor).await?;
    edit.replace(&[&after.id], &after).await?;
    edit.commit().await?;
    Ok(shown(&after)?.into())
}

/// `POST /invitation/delete`.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let invitation = named(&call, Some(call.body.need("invitation_id")?)).await?;
    if !oversees(&call.governance, &call.caller, &invitation.user_id).await? {
        return Err(Refusal::missing(
            "invitation_id",
            "there is no such invitation",
        ));
    }
    let mut edit = call.governance.edit(&call.actor).await?;
    edit.remove(&[&invitation.id], &invitation).await?;
    edit.commit().await?;
    Ok(shown(&invitation)?.into())
}

/// `GET /onboarding/get_token`.
pub(super) async fn open(call: Call) -> Result<Answer, Refusal> {
    let invitation = named(&call, call.query.text("invite_link")).await?;
    in_force(&invitation)?;
    let user = call
        .governance
        .store()
        .get::<User>(&[&invitation.user_id])
        .await?;
    let user = user.ok_or_else(unknown)?;
    Ok(json!({"user_id": user.user_id, "user_email": user.user_email}).into())
}

/// `POST /onboarding/claim_token`.
pub(super) async fn claim(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("invitation_link")?.to_owned();
    let given = form.need("password")?;
    password::check(given)?;
    let before = named(&call, Some(&id)).await?;
    in_force(&before)?;
    if form
        .text("user_id")
        .is_some_and(|user| user != before.user_id)
    {
        return Err(Refusal::bad(
            "user_id",
            "the invitation is for another user",
        ));
    }
    let actor = Actor {
        user_id: Some(before.user_id.clone()),
        ..Actor::default()
    };
    let mut edit = governance.edit(&actor).await?;
    // Of two who use it at the same time, one is too late.
    let locked = edit.get::<Invitation>(&[&id]).await?;
    let before = locked.ok_or_else(unknown)?;
    in_force(&before)?;
    let now = edit.now();
    let after = Invitation {
        is_accepted: true,
        accepted_at: Some(now),
        updated_at: now,
        updated_by: Some(before.user_id.clone()),
        ..before
    };
    edit.replace(&[&id], &after).await?;
    edit.commit().await?;
    governance
        .set_password(&actor, &after.user_id, given)
        .await?;
    let user = governance.store().get::<User>(&[&after.user_id]).await?;
    let email = user.and_then(|user| user.user_email);
    let answer = json!({"user_id": after.user_id, "user_email": email, "is_accepted": true});
    match governance.settings().sign_in.signing.is_some() {
        true => sessions::opened(governance, &after.user_id, answer).await,
        false => Ok(Value::into(answer)),
    }
}

fn in_force(invitation: &Invitation) -> Result<(), Refusal> {
    if invitation.is_accepted {
        let message = "this invitation was used: ask for another one";
        return Err(Refusal::unauthenticated(message));
    }
    if invitation.expires_at <= Moment::now() {
        let message = "this invitation is too old: ask for another one";
        return Err(Refusal::unauthenticated(message));
    }
    Ok(())
}
