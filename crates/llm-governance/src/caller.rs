use std::sync::Arc;

use llm_store::rows::{Key, Organization, Project, Team, TeamMember, User};

use crate::{Entry, Role, Standing, identity::Grant};

/// The name that the master key's requests are counted under.
pub const MASTER: &str = "litellm_proxy_master_key";

/// The user of the master key's requests.
pub const MASTER_USER: &str = "default_user_id";

/// Whoever asks, and whatever bounds it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What it may do.
    pub role: Role,
    /// The key it came with; `None` of the master key, of a token, and without a master key.
    pub key: Option<Arc<Entry<Key>>>,
    /// Whose key it is.
    pub user: Option<Arc<Entry<User>>>,
    /// The team it spends for.
    pub team: Option<Arc<Entry<Team>>>,
    /// The user in that team.
    pub member: Option<Arc<Entry<TeamMember>>>,
    /// The organization it spends for.
    pub organization: Option<Arc<Entry<Organization>>>,
    /// The project it spends for.
    pub project: Option<Arc<Entry<Project>>>,
    /// The name its requests are counted under, where it has no key.
    pub name: Option<String>,
    /// What its token says that it may do, where it came with one.
    pub grant: Option<Arc<Grant>>,
    /// What its user is in teams and organizations; empty but on management routes.
    pub standing: Standing,
}

impl Caller {
    /// Somebody with this role and nothing else.
    pub fn plain(role: Role) -> Self {
        Self {
            role,
            key: None,
            user: None,
            team: None,
            member: None,
            organization: None,
            project: None,
            name: None,
            grant: None,
            standing: Standing::default(),
        }
    }

    /// Whoever has the master key.
    pub fn master() -> Self {
        Self {
            name: Some(MASTER.to_owned()),
            ..Self::plain(Role::ProxyAdmin)
        }
    }

    /// Anybody: there is no master key.
    pub fn anyone() -> Self {
        Self::plain(Role::Anyone)
    }

    /// The hash of its key, or the name its requests are counted under.
    pub fn key_hash(&self) -> &str {
        match &self.key {
            Some(key) => &key.row.token,
            None => self.name.as_deref().unwrap_or_default(),
        }
    }

    /// The name of whoever has what it makes and what is kept for it: its user, or else its team, or itself. All keys of
    /// a user are the same there, and a key stays the same when it is replaced.
    pub fn owner(&self) -> String {
        if let Some(user) = self.user_id() {
            return format!("user/{user}");
        }
        if let Some(team) = self.team_id() {
            return format!("team/{team}");
        }
        match &self.key {
            Some(key) => format!("key/{}", key.row.account().id),
            None => format!("key/{}", self.key_hash()),
        }
    }

    /// The user.
    pub fn user_id(&self) -> Option<&str> {
        match (&self.user, &self.key) {
            (Some(user), _) => Some(&user.row.user_id),
            (None, Some(key)) => key.row.user_id.as_deref(),
            (None, None) => (self.name.as_deref() == Some(MASTER)).then_some(MASTER_USER),
        }
    }

    /// The team.
    pub fn team_id(&self) -> Option<&str> {
        match (&self.team, &self.key) {
            (Some(team), _) => Some(&team.row.team_id),
            (None, key) => key.as_ref()?.row.team_id.as_deref(),
        }
    }

    /// The organization.
    pub fn organization_id(&self) -> Option<&str> {
        let own = self.organization.as_ref();
        own.map(|organization| organization.row.organization_id.as_str())
    }

    /// The project.
    pub fn project_id(&self) -> Option<&str> {
        self.project
            .as_ref()
            .map(|project| project.row.project_id.as_str())
    }

    /// The alias of its key.
    pub fn key_alias(&self) -> Option<&str> {
        self.key.as_ref()?.row.key_alias.as_deref()
    }

    /// The alias of its team.
    pub fn team_alias(&self) -> Option<&str> {
        self.team.as_ref()?.row.team_alias.as_deref()
    }

    /// Whether some of its limits hold only while a model is in trouble.
    pub fn has_dynamic_limits(&self) -> bool {
        let of_key = self.key.as_ref().map(|key| &key.terms.limits);
        let of_team = self.team.as_ref().map(|team| &team.terms.limits);
        let all = [of_key, of_team].into_iter().flatten();
        all.into_iter()
            .any(|limits| limits.dynamic_rpm || limits.dynamic_tpm)
    }

    /// Whether it runs the gateway.
    pub fn is_admin(&self) -> bool {
        self.role == Role::ProxyAdmin
    }

    /// Whether it is an admin of `team`.
    pub fn is_admin_of(&self, team: &str) -> bool {
        let as_member =
            |member: &Entry<TeamMember>| member.row.team_id == team && member.row.role == "admin";
        self.is_admin()
            || self.standing.is_admin_of(team)
            || self.member.as_ref().is_some_and(|member| as_member(member))
    }

    /// Whether it is an admin of `organization`.
    pub fn is_admin_of_organization(&self, organization: &str) -> bool {
        self.is_admin() || self.standing.is_admin_of_organization(organization)
    }
}
