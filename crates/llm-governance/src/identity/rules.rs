use serde::Deserialize;

use crate::Role;

/// What the claims of tokens mean (`litellm_jwtauth`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct TokenRules {
    /// The scope of those who run the gateway.
    pub admin_jwt_scope: String,
    /// What these may call.
    pub admin_allowed_routes: Vec<String>,
    /// The claim with the team. A token without it is refused, unless `team_id_default` says another.
    pub team_id_jwt_field: Option<String>,
    /// The claim with several teams.
    pub team_ids_jwt_field: Option<String>,
    /// The claim with the team's alias.
    pub team_alias_jwt_field: Option<String>,
    /// The team of tokens that name none.
    pub team_id_default: Option<String>,
    /// What may be called for a team.
    pub team_allowed_routes: Vec<String>,
    /// Whether a team that nobody knows is made.
    pub team_id_upsert: bool,
    /// Whether a token whose teams nobody knows is for the one team of its user.
    pub team_claim_fallback: bool,
    /// Whether a token without teams is for the teams of its user.
    pub fallback_to_db_teams: bool,
    /// Whether a token without a team may ask no model.
    pub enforce_team_based_model_access: bool,
    /// The claim with the organization.
    pub org_id_jwt_field: Option<String>,
    /// The claim with the organization's alias.
    pub org_alias_jwt_field: Option<String>,
    /// The claim with the user.
    pub user_id_jwt_field: Option<String>,
    /// The claim with the user's address.
    pub user_email_jwt_field: Option<String>,
    /// The only domain that users' addresses may be of. Such users are made.
    pub user_allowed_email_domain: Option<String>,
    /// The claim with the user's roles.
    pub user_roles_jwt_field: Option<String>,
    /// The roles of which a user must have one.
    #[serde(deserialize_with = "one_or_more")]
    pub user_allowed_roles: Vec<String>,
    /// Whether a user that nobody knows is made.
    pub user_id_upsert: bool,
    /// Whether a user joins the team it comes with.
    pub upsert_sso_user_to_team: bool,
    /// Whether a user's role and teams are always those of the token.
    pub sync_user_role_and_teams: bool,
    /// The claim with whom requests are for.
    pub end_user_id_jwt_field: Option<String>,
    /// The claim with roles that `role_mappings` and `jwt_litellm_role_map` read.
    pub roles_jwt_field: Option<String>,
    /// What the identity provider's roles are here.
    pub role_mappings: Vec<RoleMapping>,
    /// The claim with the id of whatever `role_mappings` makes of the token.
    pub object_id_jwt_field: Option<String>,
    /// What the identity provider's roles are as users' roles.
    pub jwt_litellm_role_map: Vec<UserRoleMapping>,
    /// Whether a token must belong to an admin, a team or a user, with `role_permissions`.
    pub enforce_rbac: bool,
    /// What roles may do (`general_settings.role_permissions`).
    pub role_permissions: Vec<RolePermission>,
    /// What scopes let their bearer ask.
    pub scope_mappings: Vec<ScopeMapping>,
    /// Whether only what scopes allow is allowed.
    pub enforce_scope_based_access: bool,
    /// The claim by which a virtual key is found.
    pub virtual_key_claim_field: Option<String>,
    /// What becomes of tokens without such a key.
    pub unregistered_jwt_client_behavior: Unregistered,
}

/// What becomes of tokens that no virtual key is mapped to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unregistered {
    /// They are read as tokens of users and teams.
    #[default]
    FallbackTeamMapping,
    /// They are refused.
    Reject,
    /// They get a key.
    AutoRegister,
}

/// What a role of the identity provider is here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RoleMapping {
    /// The identity provider's.
    pub role: String,
    /// Ours.
    pub internal_role: Role,
}

/// What a role of the identity provider is as a user's role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UserRoleMapping {
    /// The identity provider's; stars stand for anything.
    pub jwt_role: String,
    /// Ours.
    pub litellm_role: Role,
}

/// What a role may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RolePermission {
    /// The role.
    pub role: Role,
    /// The models it may ask; `None`: any.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// The routes it may call; `None`: any that it could.
    #[serde(default)]
    pub routes: Option<Vec<String>>,
}

/// What a scope lets its bearer ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ScopeMapping {
    /// The scope.
    pub scope: String,
    /// The models.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// The routes; `None`: any.
    #[serde(default)]
    pub routes: Option<Vec<String>>,
}

impl Default for TokenRules {
    fn default() -> Self {
        let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect();
        Self {
            admin_jwt_scope: "litellm_proxy_admin".to_owned(),
            admin_allowed_routes: names(&[
                "management_routes",
                "spend_tracking_routes",
                "global_spend_tracking_routes",
                "info_routes",
            ]),
            team_id_jwt_field: None,
            team_ids_jwt_field: None,
            team_alias_jwt_field: None,
            team_id_default: None,
            team_allowed_routes: names(&["openai_routes", "info_routes", "mcp_routes"]),
            team_id_upsert: false,
            team_claim_fallback: false,
            fallback_to_db_teams: false,
            enforce_team_based_model_access: false,
            org_id_jwt_field: None,
            org_alias_jwt_field: None,
            user_id_jwt_field: None,
            user_email_jwt_field: None,
            user_allowed_email_domain: None,
            user_roles_jwt_field: None,
            user_allowed_roles: Vec::new(),
            user_id_upsert: false,
            upsert_sso_user_to_team: false,
            sync_user_role_and_teams: false,
            end_user_id_jwt_field: None,
            roles_jwt_field: None,
            role_mappings: Vec::new(),
            object_id_jwt_field: None,
            jwt_litellm_role_map: Vec::new(),
            enforce_rbac: false,
            role_permissions: Vec::new(),
            scope_mappings: Vec::new(),
            enforce_scope_based_access: false,
            virtual_key_claim_field: None,
            unregistered_jwt_client_behavior: Unregistered::default(),
        }
    }
}

impl TokenRules {
    /// What makes no sense of these rules, in words for whoever wrote them.
    pub fn check(&self) -> Result<(), String> {
        let no_user = |mapping: &&UserRoleMapping| !Role::OF_USERS.contains(&mapping.litellm_role);
        if let Some(mapping) = self.jwt_litellm_role_map.iter().find(no_user) {
            let name = mapping.litellm_role.name();
            return Err(format!("'jwt_litellm_role_map': no user can be '{name}'"));
        }
        let known = [Role::ProxyAdmin, Role::Team, Role::InternalUser];
        let other = |mapping: &&RoleMapping| !known.contains(&mapping.internal_role);
        if let Some(mapping) = self.role_mappings.iter().find(other) {
            let name = mapping.internal_role.name();
            return Err(format!(
                "'role_mappings': a token is a proxy_admin, a team or an internal_user, not '{name}'"
            ));
        }
        let needs = |is_set: bool, what: &str, field: &Option<String>, name: &str| match field {
            None if is_set => Err(format!("'{what}' needs '{name}'")),
            _ => Ok(()),
        };
        let roles = &self.roles_jwt_field;
        let mapped = !self.role_mappings.is_empty();
        needs(mapped, "role_mappings", roles, "roles_jwt_field")?;
        let mapped = !self.jwt_litellm_role_map.is_empty();
        needs(mapped, "jwt_litellm_role_map", roles, "roles_jwt_field")?;
        let limited = !self.user_allowed_roles.is_empty();
        let (field, name) = (&self.user_roles_jwt_field, "user_roles_jwt_field");
        needs(limited, "user_allowed_roles", field, name)?;
        let limited = self.user_allowed_email_domain.is_some();
        let (field, name) = (&self.user_email_jwt_field, "user_email_jwt_field");
        needs(limited, "user_allowed_email_domain", field, name)
    }
}

/// A text, or a list of texts.
fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        More(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(one) => vec![one],
        Given::More(all) => all,
    })
}
