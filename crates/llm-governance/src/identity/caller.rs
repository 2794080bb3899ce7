use std::sync::Arc;

use http::StatusCode;
use llm_store::{
    hash_token,
    rows::{Organization, User},
};

use super::{Asked, Claims, Grant, RolePermission, TokenRules, people::Person};
use crate::{Access, Caller, Entry, Governance, Refusal, Role, Standing, route_groups};

/// What the names of tokens' accounts begin with.
const ACCOUNT: &str = "hashed-jwt-";

/// A token that is being read.
pub(super) struct Reading<'a> {
    pub(super) governance: &'a Governance,
    pub(super) rules: &'a TokenRules,
    pub(super) claims: &'a Claims,
    pub(super) asked: Asked<'a>,
}

impl Governance {
    /// Whoever the claims of a verified token are about.
    pub async fn caller_of_claims(
        &self,
        rules: &TokenRules,
        claims: &Claims,
        asked: Asked<'_>,
    ) -> Result<Arc<Caller>, Refusal> {
        let reading = Reading {
            governance: self,
            rules,
            claims,
            asked,
        };
        match reading.caller().await {
            Err(refusal)
                if refusal.kind == "no_db_connection" && self.settings().serve_without_database =>
            {
                Ok(Arc::new(Caller {
                    name: Some(reading.account()?),
                    ..Caller::plain(Role::Unowned)
                }))
            }
            other => other.map(Arc::new),
        }
    }
}

impl Reading<'_> {
    async fn caller(&self) -> Result<Caller, Refusal> {
        let role = self.role()?;
        let person = self.person(role)?;
        if role == Some(Role::ProxyAdmin) {
            return self.admin(&person).await;
        }
        let mut grant = Grant {
            models: self.models(role)?,
            customer: self.optional(self.rules.end_user_id_jwt_field.as_ref())?,
            ..Grant::default()
        };
        self.may_be_here(&person)?;
        if let Some(caller) = self.by_key(&grant).await? {
            return Ok(caller);
        }
        let user = self.user(&person).await?;
        let teams = self.teams(role, user.as_deref()).await?;
        let user = self.placed(user, &teams).await?;
        grant.organization = self.organization().await?;
        grant.teams.clone_from(&teams);
        let role = match (&user, teams.first(), role) {
            (Some(user), _, _) => self.role_of(&user.row),
            (None, Some(_), _) => Role::Team,
            (None, None, _) => Role::Unowned,
        };
        let caller = Caller {
            user,
            organization: grant.organization.clone(),
            grant: Some(Arc::new(grant)),
            name: Some(self.account()?),
            ..Caller::plain(role)
        };
        let caller = match teams.into_iter().next() {
            Some(team) => self.governance.in_team(&caller, team).await?,
            None => caller,
        };
        self.registered(caller).await
    }

    /// Whoever runs the gateway, for what such tokens may call.
    async fn admin(&self, person: &Person) -> Result<Caller, Refusal> {
        let allowed = &self.rules.admin_allowed_routes;
        self.may_call("Admin", allowed)?;
        let user = match &person.id {
            Some(id) => self.known(id, person.email.as_deref()).await?,
            None => None,
        };
        if user
            .as_ref()
            .is_some_and(|user| crate::behind::is_deactivated(&user.row))
        {
            return Err(deactivated());
        }
        Ok(Caller {
            user,
            name: Some(self.account()?),
            standing: Standing::default(),
            ..Caller::plain(Role::ProxyAdmin)
        })
    }

    /// What the token makes of its bearer, before anybody looks into the database.
    fn role(&self) -> Result<Option<Role>, Refusal> {
        let rules = self.rules;
        if self.claims.scopes().contains(&rules.admin_jwt_scope) {
            return Ok(Some(Role::ProxyAdmin));
        }
        let mapped = self.mapped()?;
        let role = if self.optional(rules.team_id_jwt_field.as_ref())?.is_some() {
            Some(Role::Team)
        } else if self.optional(rules.user_id_jwt_field.as_ref())?.is_some()
            || (!rules.user_allowed_roles.is_empty() && self.has_allowed_role()?)
        {
            Some(Role::InternalUser)
        } else {
            mapped
        };
        let role = match mapped {
            Some(Role::ProxyAdmin) => mapped,
            _ => role,
        };
        if role.is_none() && rules.enforce_rbac {
            return Err(Refusal::forbidden(
                "Unmatched token passed in. enforce_rbac is set to True. Token must belong to a proxy admin, team, or user.",
            ));
        }
        Ok(role)
    }

    /// What `role_mappings` makes of the token's roles: the first that matches.
    pub(super) fn mapped(&self) -> Result<Option<Role>, Refusal> {
        let Some(field) = &self.rules.roles_jwt_field else {
            return Ok(None);
        };
        let roles = self.claims.names(field)?;
        let mut mappings = self.rules.role_mappings.iter();
        let found = mappings.find(|mapping| roles.contains(&mapping.role));
        Ok(found.map(|mapping| mapping.internal_role))
    }

    /// The lists of models that the token's role and scopes allow; routes that they do not allow are refused.
    fn models(&self, role: Option<Role>) -> Result<Vec<Vec<String>>, Refusal> {
        let rules = self.rules;
        let mut lists = Vec::new();
        if rules.enforce_rbac {
            let of_role = |permission: &&RolePermission| Some(permission.role) == role;
            if let Some(permission) = rules.role_permissions.iter().find(of_role) {
                if let Some(routes) = &permission.routes {
                    self.may_call("Role", routes)?;
                }
                lists.extend(permission.models.clone());
            }
        }
        if rules.enforce_scope_based_access {
            let scopes = self.claims.scopes();
            let mappings = rules.scope_mappings.iter();
            let matching: Vec<_> = mappings
                .filter(|mapping| scopes.contains(&mapping.scope))
                .collect();
            let anywhere = matching.iter().any(|mapping| mapping.routes.is_none());
            if !anywhere {
                let routes = matching.iter().flat_map(|mapping| &mapping.routes);
                let routes: Vec<String> = routes.flatten().cloned().collect();
                self.may_call("Scope", &routes)?;
            }
            let models = matching.iter().flat_map(|mapping| &mapping.models);
            lists.push(models.flatten().cloned().collect());
        }
        Ok(lists)
    }

    /// Refuses a route that is not among `allowed`.
    pub(super) fn may_call(&self, who: &str, allowed: &[String]) -> Result<(), Refusal> {
        let Asked { access, path, .. } = self.asked;
        if access == Access::Public || route_groups::contain(allowed, access, path) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "auth_error",
            format!(
                "{who} not allowed to access this route. Route={path}, Allowed Routes={allowed:?}"
            ),
        ))
    }

    /// The organization that the token names.
    async fn organization(&self) -> Result<Option<Arc<Entry<Organization>>>, Refusal> {
        let rules = self.rules;
        let directory = self.governance.directory();
        let unknown = |name: &str| {
            Refusal::forbidden(format!("nobody knows the token's organization '{name}'"))
        };
        if let Some(id) = self.optional(rules.org_id_jwt_field.as_ref())? {
            let found = directory.get::<Organization>(&[&id]).await?;
            return found.map(Some).ok_or_else(|| unknown(&id));
        }
        let Some(alias) = self.optional(rules.org_alias_jwt_field.as_ref())? else {
            return Ok(None);
        };
        let by_alias = [("organization_alias", alias.as_str())];
        let store = self.governance.store();
        let found = store.list::<Organization>(&by_alias, 2, 0).await?.rows;
        match found.as_slice() {
            [one] => Ok(directory.get(&[&one.organization_id]).await?),
            _ => Err(unknown(&alias)),
        }
    }

    /// The name that a claim holds, where the rules say which claim.
    pub(super) fn optional(&self, field: Option<&String>) -> Result<Option<String>, Refusal> {
        match field {
            Some(field) => self.claims.name(field),
            None => Ok(None),
        }
    }

    fn role_of(&self, user: &User) -> Role {
        let given = user.user_role.as_deref().and_then(Role::of_user);
        let mapped = self.user_role().ok().flatten();
        mapped.or(given).unwrap_or(Role::InternalUser)
    }

    /// The name that requests are counted under: that of the bearer, not of the token, which changes by the hour.
    pub(super) fn account(&self) -> Result<String, Refusal> {
        let rules = self.rules;
        let claim = |name: &str| self.claims.name(name).map(Option::unwrap_or_default);
        let mut parts = vec![claim("iss")?, claim("sub")?];
        for field in [&rules.user_id_jwt_field, &rules.team_id_jwt_field] {
            parts.push(self.optional(field.as_ref())?.unwrap_or_default());
        }
        Ok(format!("{ACCOUNT}{}", hash_token(&parts.join("\u{1f}"))))
    }
}

pub(super) fn deactivated() -> Refusal {
    Refusal::unauthenticated("the user of this token was deactivated")
}
