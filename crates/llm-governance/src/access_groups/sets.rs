//! Access groups as wholes: what is in them, and which teams and keys have them.

use http::StatusCode;
use llm_store::rows::{AccessGroup, Key, Team};
use serde_json::Value;
use uuid::Uuid;

use super::{SET, taken};
use crate::{Answer, Call, Edit, Governed, Refusal, edit::shown, routes::Content};

pub(super) async fn make(call: Call) -> Result<Answer, Refusal> {
    call.body.need("access_group_name")?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let blank = AccessGroup {
        access_group_id: Uuid::now_v7().to_string(),
        created_at: edit.now(),
        created_by: call.actor.user_id.clone(),
        updated_at: edit.now(),
        updated_by: call.actor.user_id.clone(),
        ..AccessGroup::default()
    };
    let group = call.body.applied(&[SET], &blank)?;
    assign(&mut edit, &blank, &group).await?;
    edit.insert(&group, taken(&group)).await?;
    edit.commit().await?;
    Ok(Answer {
        status: StatusCode::CREATED,
        ..answer(&group)?
    })
}

pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("access_group_id");
    let mut edit = call.governance.edit(&call.actor).await?;
    let before: AccessGroup = edit.get(&[id]).await?.ok_or_else(|| super::unknown(id))?;
    let mut after = call.body.applied(&[SET], &before)?;
    if after.access_group_name.is_empty() {
        let message = "an access group has a name";
        return Err(Refusal::bad("access_group_name", message));
    }
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    assign(&mut edit, &before, &after).await?;
    edit.update(&before, &after, taken(&after)).await?;
    edit.commit().await?;
    answer(&after)
}

pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("access_group_id");
    let group = call.governance.store().get::<AccessGroup>(&[id]).await?;
    answer(&group.ok_or_else(|| super::unknown(id))?)
}

pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let page = call
        .governance
        .store()
        .list::<AccessGroup>(&[], i64::MAX, 0)
        .await?;
    let all: Result<Vec<Value>, Refusal> = page.rows.iter().map(shown).collect();
    Ok(Value::from(all?).into())
}

pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("access_group_id");
    let mut edit = call.governance.edit(&call.actor).await?;
    let group: AccessGroup = edit.get(&[id]).await?.ok_or_else(|| super::unknown(id))?;
    unassign(&mut edit, &group).await?;
    edit.delete(&group).await?;
    edit.commit().await?;
    Ok(Answer {
        status: StatusCode::NO_CONTENT,
        body: Content::Text("text/plain", String::new()),
        headers: Vec::new(),
    })
}

/// Takes a group away from everybody who has it.
pub(super) async fn unassign(edit: &mut Edit<'_>, group: &AccessGroup) -> Result<(), Refusal> {
    let nobody = AccessGroup {
        assigned_team_ids: Vec::new(),
        assigned_key_ids: Vec::new(),
        ..group.clone()
    };
    assign(edit, group, &nobody).await
}

/// Teams and keys know which groups they have: requests look there.
async fn assign(
    edit: &mut Edit<'_>,
    before: &AccessGroup,
    after: &AccessGroup,
) -> Result<(), Refusal> {
    let id = &after.access_group_id;
    let (old, new) = (&before.assigned_team_ids, &after.assigned_team_ids);
    each(edit, id, (old, new), "assigned_team_ids", of_team).await?;
    let (old, new) = (&before.assigned_key_ids, &after.assigned_key_ids);
    each(edit, id, (old, new), "assigned_key_ids", of_key).await
}

fn of_team(team: &mut Team) -> &mut Vec<String> {
    &mut team.access_group_ids
}

fn of_key(key: &mut Key) -> &mut Vec<String> {
    &mut key.access_group_ids
}

async fn each<R: Governed>(
    edit: &mut Edit<'_>,
    group: &str,
    (old, new): (&[String], &[String]),
    field: &'static str,
    groups: fn(&mut R) -> &mut Vec<String>,
) -> Result<(), Refusal> {
    for id in old.iter().filter(|id| !new.contains(id)) {
        // Who is gone has nothing to lose.
        if let Some(row) = edit.get::<R>(&[id]).await? {
            let mut changed = row.clone();
            groups(&mut changed).retain(|one| one != group);
            edit.update(&row, &changed, Refusal::internal()).await?;
        }
    }
    for id in new.iter().filter(|id| !old.contains(id)) {
        let Some(row) = edit.get::<R>(&[id]).await? else {
            let message = format!("{} has no '{id}'", R::TABLE);
            return Err(Refusal::bad(field, message));
        };
        let mut changed = row.clone();
        if !groups(&mut changed).iter().any(|one| one == group) {
            groups(&mut changed).push(group.to_owned());
            edit.update(&row, &changed, Refusal::internal()).await?;
        }
    }
    Ok(())
}

fn answer(group: &AccessGroup) -> Result<Answer, Refusal> {
    Ok(shown(group)?.into())
}
