use llm_store::rows::TeamMember;
use serde_json::json;

use super::{administers, locked, member_budget, membership_of, named, unknown};
use crate::{
    Answer, Call, Governed, Refusal, budget::linked::abandon, edit::shown, terms::dollars,
};

/// `POST /team/{team_id}/member/{user_id}/reset_spend`: to nothing, unless it says to what.
pub(super) async fn spend(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let (id, user) = (call.part("team_id"), call.part("user_id"));
    let team = named(governance, id).await?;
    administers(&call.caller, &team)?;
    let found = governance.store().get::<TeamMember>(&[id, user]).await?;
    let member = found.ok_or_else(|| unknown_member(id))?;
    let to = call
        .body
        .get("reset_to")
        .and_then(dollars)
        .unwrap_or_default();
    if to > member.spend {
        let message = format!(
            "'reset_to' must not be above what was spent: {}",
            member.spend.to_f64()
        );
        return Err(Refusal::bad("reset_to", message));
    }
    let after = TeamMember {
        spend: to,
        ..member.clone()
    };
    let mut edit = governance.edit(&call.actor).await?;
    let old = json!({"spend": shown(&member)?["spend"]});
    let new = json!({"spend": shown(&after)?["spend"]});
    edit.note::<TeamMember>("updated", &member.key(), Some(old), Some(new))
        .await?;
    edit.commit().await?;
    governance.ledger().set_spent(&member.account(), to).await?;
    let budget = governance.budget(after.budget_id.as_deref()).await?;
    Ok(membership_of(&team, &after, budget.as_ref())?.into())
}

/// `POST /team/{team_id}/member/{user_id}/reset_budget`.
pub(super) async fn budget(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let (id, user) = (call.part("team_id"), call.part("user_id"));
    administers(&call.caller, &named(governance, id).await?)?;
    let mut edit = governance.edit(&call.actor).await?;
    let team = locked(&mut edit, id).await?;
    let found = edit.get::<TeamMember>(&[id, user]).await?;
    let before = found.ok_or_else(|| unknown_member(id))?;
    let usual = member_budget(&team).map(str::to_owned);
    let after = TeamMember {
        budget_id: usual.clone(),
        temp_budget_increase: None,
        temp_budget_expiry: None,
        updated_at: edit.now(),
        ..before.clone()
    };
    edit.update(&before, &after, unknown(id)).await?;
    let own = before
        .budget_id
        .as_ref()
        .filter(|id| Some(*id) != usual.as_ref());
    if let Some(own) = own {
        abandon(&mut edit, own).await?;
    }
    edit.commit().await?;
    let budget = governance.budget(usual.as_deref()).await?;
    governance.rewindow(&after, budget.as_ref()).await?;
    Ok(membership_of(&team, &after, budget.as_ref())?.into())
}

fn unknown_member(team: &str) -> Refusal {
    Refusal::missing("user_id", format!("this user is not in the team '{team}'"))
}
