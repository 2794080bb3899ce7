//! The rows behind a request: its user, its team and whatever else bounds it.

use std::sync::Arc;

use llm_store::rows::{Key, Organization, Project, Team, TeamMember, User};

use crate::{Caller, Entry, Governance, Refusal};

/// Whose a request is, by ids.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ids<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) team: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
    /// Where there is no team that says otherwise.
    pub(crate) organization: Option<&'a str>,
}

/// The rows, as far as there are any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behind {
    pub(crate) user: Option<Arc<Entry<User>>>,
    pub(crate) team: Option<Arc<Entry<Team>>>,
    pub(crate) member: Option<Arc<Entry<TeamMember>>>,
    pub(crate) project: Option<Arc<Entry<Project>>>,
    pub(crate) organization: Option<Arc<Entry<Organization>>>,
}

impl<'a> Ids<'a> {
    /// Those that a key names.
    pub(crate) fn of(key: &'a Key) -> Self {
        Self {
            user: key.user_id.as_deref(),
            team: key.team_id.as_deref(),
            project: key.project_id.as_deref(),
            organization: key.organization_id.as_deref(),
        }
    }
}

impl Governance {
    /// The rows behind a request. Whose user was deactivated, or whose team or project is blocked, is refused.
    pub(crate) async fn behind(&self, ids: Ids<'_>) -> Result<Behind, Refusal> {
        let directory = self.directory();
        let mut behind = Behind::default();
        if let Some(id) = ids.user {
            behind.user = directory.get::<User>(&[id]).await?;
        }
        if let Some(user) = &behind.user
            && is_deactivated(&user.row)
        {
            return Err(Refusal::unauthenticated("this user was deactivated"));
        }
        if let Some(id) = ids.team {
            behind.team = directory.get::<Team>(&[id]).await?;
            if let Some(user) = ids.user {
                behind.member = directory.get::<TeamMember>(&[id, user]).await?;
            }
        }
        if let Some(team) = behind.team.as_ref().filter(|team| team.row.blocked) {
            return Err(team_is_blocked(&team.row));
        }
        if let Some(id) = ids.project {
            behind.project = directory.get::<Project>(&[id]).await?;
        }
        if let Some(project) = behind.project.as_ref().filter(|one| one.row.blocked) {
            return Err(Refusal::unauthenticated(format!(
                "Project={} is blocked. Update via `/project/update` if you're an admin.",
                project.row.project_id
            )));
        }
        let of_team = behind.team.as_ref();
        let of_team = of_team.and_then(|team| team.row.organization_id.as_deref());
        if let Some(id) = of_team.or(ids.organization) {
            behind.organization = directory.get::<Organization>(&[id]).await?;
        }
        Ok(behind)
    }
}

impl Behind {
    /// The caller with these rows.
    pub(crate) fn bind(self, caller: Caller) -> Caller {
        Caller {
            user: self.user,
            team: self.team,
            member: self.member,
            project: self.project,
            organization: self.organization,
            ..caller
        }
    }
}

/// SCIM takes users away by this.
pub(crate) fn is_deactivated(user: &User) -> bool {
    user.metadata.get("scim_active") == Some(&serde_json::Value::Bool(false))
}

/// What is said to whoever asks for a blocked team.
pub(crate) fn team_is_blocked(team: &Team) -> Refusal {
    Refusal::unauthenticated(format!(
        "Team={} is blocked. Update via `/team/unblock` if you're an admin.",
        team.team_id
    ))
}
