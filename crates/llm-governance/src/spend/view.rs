//! Whose spending a caller sees.

use llm_store::rows::{Key, OrganizationMember, TeamMember};

use crate::{Call, Refusal, Role};

/// Whose spending a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// Everybody's.
    All,
    /// A user's.
    User(String),
    /// A team's.
    Team(String),
    /// A key's.
    Key(String),
}

/// Keys of one user that a report goes through.
const KEYS: i64 = 1_000;

impl View {
    /// What the caller sees; of a team that it names, all of it if it may.
    pub(super) async fn of(call: &Call, team: Option<&str>) -> Result<Self, Refusal> {
        let caller = &call.caller;
        if caller.role.sees_all() {
            return Ok(Self::All);
        }
        if let Some(team) = team
            && sees_team(call, team).await?
        {
            return Ok(Self::Team(team.to_owned()));
        }
        match (caller.role, caller.team_id(), caller.user_id()) {
            (Role::Team, Some(team), _) => Ok(Self::Team(team.to_owned())),
            (_, _, Some(user)) => Ok(Self::User(user.to_owned())),
            _ => Ok(Self::Key(caller.key_hash().to_owned())),
        }
    }
}

/// Whether the caller sees all that a team spends: its admins do, and members whom it allows that.
pub(super) async fn sees_team(call: &Call, team: &str) -> Result<bool, Refusal> {
    let caller = &call.caller;
    if caller.role.sees_all() || caller.is_admin_of(team) {
        return Ok(true);
    }
    if caller.role == Role::Team {
        return Ok(caller.team_id() == Some(team));
    }
    let Some(user) = caller.user_id() else {
        return Ok(false);
    };
    let directory = call.governance.directory();
    let Some(member) = directory.get::<TeamMember>(&[team, user]).await? else {
        return Ok(false);
    };
    if member.row.role == "admin" {
        return Ok(true);
    }
    let team = directory.get::<llm_store::rows::Team>(&[team]).await?;
    Ok(team.is_some_and(|team| {
        let allowed = &team.row.team_member_permissions;
        allowed
            .iter()
            .any(|route| route == "/team/daily/activity" || route == "/spend/logs")
    }))
}

/// The teams that the caller is in.
pub(super) async fn teams(call: &Call) -> Result<Vec<String>, Refusal> {
    let Some(user) = call.caller.user_id() else {
        return Ok(call
            .caller
            .team_id()
            .map(str::to_owned)
            .into_iter()
            .collect());
    };
    let store = call.governance.store();
    let page = store
        .list::<TeamMember>(&[("user_id", user)], KEYS, 0)
        .await?;
    Ok(page.rows.into_iter().map(|member| member.team_id).collect())
}

/// The organizations that the caller is an admin of.
pub(super) async fn organizations(call: &Call) -> Result<Vec<String>, Refusal> {
    let Some(user) = call.caller.user_id() else {
        return Ok(Vec::new());
    };
    let store = call.governance.store();
    let page = store
        .list::<OrganizationMember>(&[("user_id", user)], KEYS, 0)
        .await?;
    let admin =
        |member: &OrganizationMember| member.user_role.as_deref() == Some(Role::OrgAdmin.name());
    let found = page.rows.into_iter().filter(admin);
    Ok(found.map(|member| member.organization_id).collect())
}

/// The hashes of the caller's keys.
pub(super) async fn keys(call: &Call) -> Result<Vec<String>, Refusal> {
    let Some(user) = call.caller.user_id() else {
        return Ok(vec![call.caller.key_hash().to_owned()]);
    };
    let page = call
        .governance
        .store()
        .list::<Key>(&[("user_id", user)], KEYS, 0)
        .await?;
    Ok(page.rows.into_iter().map(|key| key.token).collect())
}
