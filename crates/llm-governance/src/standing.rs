//! What somebody is in its teams and organizations.

use std::sync::Arc;

use llm_store::rows::{OrganizationMember, Team, TeamMember};

use crate::{Caller, Governance, Refusal, Role};

/// What a user is in its teams and organizations: read where that matters, not for every request to a model.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    teams: Vec<Place>,
    /// The organizations that it is an admin of.
    organizations: Vec<String>,
}

/// A user's place in a team.
#[derive(Debug, Clone)]
struct Place {
    team: String,
    organization: Option<String>,
    is_admin: bool,
    /// Routes that the team lets its members call.
    routes: Vec<String>,
}

/// Teams and organizations of one user that are looked at.
const MOST: i64 = 10_000;

/// What every member may see of its team's keys.
const ALWAYS: [&str; 2] = ["/key/info", "/key/health"];

impl Standing {
    /// Whether the user is in this team.
    pub(crate) fn is_in(&self, team: &str) -> bool {
        self.teams.iter().any(|place| place.team == team)
    }

    /// The organizations that the user is an admin of.
    pub(crate) fn organizations(&self) -> &[String] {
        &self.organizations
    }

    /// Whether the user is an admin of this team, or of the organization it is in.
    pub(crate) fn is_admin_of(&self, team: &str) -> bool {
        self.teams.iter().any(|place| {
            let above = place.organization.as_ref();
            place.team == team
                && (place.is_admin || above.is_some_and(|one| self.organizations.contains(one)))
        })
    }

    /// The organization that this team of the user's is in.
    pub(crate) fn organization_of(&self, team: &str) -> Option<&str> {
        let place = self.teams.iter().find(|place| place.team == team)?;
        place.organization.as_deref()
    }

    /// Whether the user is an admin of this organization.
    pub(crate) fn is_admin_of_organization(&self, organization: &str) -> bool {
        self.organizations.iter().any(|one| one == organization)
    }

    /// Whether this team lets its members call `route` for its keys.
    pub(crate) fn may(&self, team: &str, route: &str) -> bool {
        let place = self.teams.iter().find(|place| place.team == team);
        place.is_some_and(|place| {
            ALWAYS.contains(&route) || place.routes.iter().any(|one| one == route)
        })
    }
}

impl Governance {
    /// The caller with what it is in its teams and organizations; one who sees all anyway stays as it is.
    pub(crate) async fn placed(&self, caller: Arc<Caller>) -> Result<Arc<Caller>, Refusal> {
        let Some(user) = caller.user_id().filter(|_| !caller.role.sees_all()) else {
            return Ok(caller);
        };
        let store = self.store();
        let of_user = [("user_id", user)];
        let places = store.list::<OrganizationMember>(&of_user, MOST, 0).await?;
        let admin = places
            .rows
            .into_iter()
            .filter(|place| place.user_role.as_deref() == Some(Role::OrgAdmin.name()));
        let mut standing = Standing {
            teams: Vec::new(),
            organizations: admin.map(|place| place.organization_id).collect(),
        };
        for member in store.list::<TeamMember>(&of_user, MOST, 0).await?.rows {
            let Some(team) = self.directory().get::<Team>(&[&member.team_id]).await? else {
                continue;
            };
            standing.teams.push(Place {
                team: member.team_id,
                organization: team.row.organization_id.clone(),
                is_admin: member.role == "admin",
                routes: team.row.team_member_permissions.clone(),
            });
        }
        let users = [Role::InternalUser, Role::InternalUserViewer];
        let role = match users.contains(&caller.role) && !standing.organizations.is_empty() {
            true => Role::OrgAdmin,
            false => caller.role,
        };
        Ok(Arc::new(Caller {
            role,
            standing,
            ..(*caller).clone()
        }))
    }
}
