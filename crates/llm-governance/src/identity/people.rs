//! The users of tokens.

use std::sync::Arc;

use llm_store::rows::{Team, TeamMember, User};

use super::caller::{Reading, deactivated};
use crate::{
    Actor, Entry, MASTER_USER, Refusal, Role, behind::is_deactivated, teams::members, users,
};

/// Teams of one user that are looked at.
pub(super) const MOST: i64 = 1_000;

/// Whom a token is about.
pub(super) struct Person {
    pub(super) id: Option<String>,
    pub(super) email: Option<String>,
}

impl Reading<'_> {
    pub(super) fn person(&self, role: Option<Role>) -> Result<Person, Refusal> {
        let rules = self.rules;
        let email = self.optional(rules.user_email_jwt_field.as_ref())?;
        let own = self.optional(rules.user_id_jwt_field.as_ref())?;
        let object = match (role, self.mapped()?) {
            (Some(Role::InternalUser), Some(Role::InternalUser)) => {
                self.optional(rules.object_id_jwt_field.as_ref())?
            }
            _ => None,
        };
        Ok(Person {
            id: own.or(object).or_else(|| email.clone()),
            email,
        })
    }

    /// Refuses users whose address or roles are not let in.
    pub(super) fn may_be_here(&self, person: &Person) -> Result<(), Refusal> {
        if person.id.is_none() {
            return Ok(());
        }
        if let Some(domain) = &self.rules.user_allowed_email_domain {
            let domain = domain.trim_start_matches('@');
            let email = person.email.as_deref().unwrap_or_default();
            let inside = email
                .rsplit_once('@')
                .is_some_and(|(name, host)| !name.is_empty() && host.eq_ignore_ascii_case(domain));
            if !inside {
                let message = format!("only users with an address at '{domain}' are let in");
                return Err(Refusal::forbidden(message));
            }
        }
        if !self.rules.user_allowed_roles.is_empty() && !self.has_allowed_role()? {
            let message = "the token has none of the roles that are let in (user_allowed_roles)";
            return Err(Refusal::forbidden(message));
        }
        Ok(())
    }

    pub(super) fn has_allowed_role(&self) -> Result<bool, Refusal> {
        let Some(field) = &self.rules.user_roles_jwt_field else {
            return Ok(false);
        };
        let roles = self.claims.names(field)?;
        let allowed = &self.rules.user_allowed_roles;
        Ok(roles.iter().any(|role| allowed.contains(role)))
    }

    /// The role that the token gives its user.
    pub(super) fn user_role(&self) -> Result<Option<Role>, Refusal> {
        let Some(field) = &self.rules.roles_jwt_field else {
            return Ok(None);
        };
        let roles = self.claims.names(field)?;
        let mut mappings = self.rules.jwt_litellm_role_map.iter();
        let found = mappings.find(|mapping| roles.iter().any(|role| fits(&mapping.jwt_role, role)));
        Ok(found.map(|mapping| mapping.litellm_role))
    }

    /// The user of this id, or else of this id at the identity provider, or of this address.
    pub(super) async fn known(
        &self,
        id: &str,
        email: Option<&str>,
    ) -> Result<Option<Arc<Entry<User>>>, Refusal> {
        if id == MASTER_USER {
            // Whoever runs the gateway has this name, and nobody else gets it from a token.
            return Err(Refusal::forbidden(format!(
                "no token is for the user '{id}'"
            )));
        }
        let directory = self.governance.directory();
        if let Some(user) = directory.get::<User>(&[id]).await? {
            return Ok(Some(user));
        }
        let email = email.and_then(|email| users::address(email).ok());
        let mut filters = vec![("sso_user_id", id)];
        filters.extend(email.as_deref().map(|email| ("user_email", email)));
        for filter in filters {
            let page = self
                .governance
                .store()
                .list::<User>(&[filter], 1, 0)
                .await?;
            if let Some(user) = page.rows.first() {
                return Ok(directory.get::<User>(&[&user.user_id]).await?);
            }
        }
        Ok(None)
    }

    /// The user of the token; one that nobody knows is made or refused.
    pub(super) async fn user(&self, person: &Person) -> Result<Option<Arc<Entry<User>>>, Refusal> {
        let Some(id) = person.id.as_deref() else {
            return Ok(None);
        };
        let email = person.email.as_deref();
        let mut found = self.known(id, email).await?;
        if found.is_none() {
            if !self.rules.user_id_upsert && self.rules.user_allowed_email_domain.is_none() {
                return Err(Refusal::unauthenticated(format!(
                    "User doesn't exist in db. 'user_id'={id}. Create user via `/user/new` call."
                )));
            }
            self.make_user(id, email).await?;
            found = self.known(id, email).await?;
        }
        let user = found.ok_or_else(Refusal::internal)?;
        if is_deactivated(&user.row) {
            return Err(deactivated());
        }
        Ok(Some(user))
    }

    async fn make_user(&self, id: &str, email: Option<&str>) -> Result<(), Refusal> {
        let role = self.user_role()?;
        let actor = self.actor(id);
        let mut edit = self.governance.edit(&actor).await?;
        let made = users::register(self.governance, &mut edit, id, email, role).await;
        // Of two requests at the same time one is too late: the user is there.
        match made {
            Ok(_) => edit.commit().await,
            Err(refusal) if refusal.status == http::StatusCode::CONFLICT => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// The user, put into the teams it came with and given the role it came with, where the rules say so.
    pub(super) async fn placed(
        &self,
        user: Option<Arc<Entry<User>>>,
        teams: &[Arc<Entry<Team>>],
    ) -> Result<Option<Arc<Entry<User>>>, Refusal> {
        let Some(user) = user else { return Ok(None) };
        let sync = self.rules.sync_user_role_and_teams;
        if sync || self.rules.upsert_sso_user_to_team {
            self.join(&user.row, teams).await?;
        }
        if !sync {
            return Ok(Some(user));
        }
        if self.names_teams() {
            self.leave(&user.row, teams).await?;
        }
        let role = self.user_role()?.map(Role::name);
        if role.is_none() || role == user.row.user_role.as_deref() {
            return Ok(Some(user));
        }
        let id = user.row.user_id.as_str();
        let actor = self.actor(id);
        let mut edit = self.governance.edit(&actor).await?;
        if let Some(before) = edit.get::<User>(&[id]).await? {
            let after = User {
                user_role: role.map(str::to_owned),
                updated_at: edit.now(),
                ..before.clone()
            };
            edit.update(&before, &after, users::taken(&after)).await?;
            edit.commit().await?;
        }
        Ok(self.governance.directory().get::<User>(&[id]).await?)
    }

    async fn join(&self, user: &User, teams: &[Arc<Entry<Team>>]) -> Result<(), Refusal> {
        let directory = self.governance.directory();
        for team in teams {
            let key = [team.row.team_id.as_str(), user.user_id.as_str()];
            if directory.get::<TeamMember>(&key).await?.is_some() {
                continue;
            }
            let member = members::form_of(&serde_json::json!({"user_id": user.user_id}))?;
            let actor = self.actor(&user.user_id);
            let mut edit = self.governance.edit(&actor).await?;
            match members::join(&mut edit, &actor, &team.row, &member).await {
                Ok(joined) => {
                    edit.commit().await?;
                    self.governance.open_windows(&[joined]).await?;
                }
                Err(refusal) if refusal.kind == "team_member_already_in_team" => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    async fn leave(&self, user: &User, teams: &[Arc<Entry<Team>>]) -> Result<(), Refusal> {
        let directory = self.governance.directory();
        for id in directory.teams_of(&user.user_id, MOST).await?.iter() {
            if teams.iter().any(|team| team.row.team_id == *id) {
                continue;
            }
            let actor = self.actor(&user.user_id);
            let mut edit = self.governance.edit(&actor).await?;
            let key = [id.as_str(), user.user_id.as_str()];
            let Some(member) = edit.get::<TeamMember>(&key).await? else {
                continue;
            };
            let team = edit.get::<Team>(&[id]).await?;
            let of_team = team.as_ref().and_then(crate::teams::member_budget);
            members::leave(&mut edit, &member, of_team).await?;
            edit.commit().await?;
        }
        Ok(())
    }

    /// Who is written down for what a token changes: its user.
    pub(super) fn actor(&self, user: &str) -> Actor {
        Actor {
            user_id: Some(user.to_owned()),
            key: self.account().ok(),
            on_behalf_of: None,
        }
    }
}

/// Whether a role has the form of `pattern`, where stars stand for anything.
fn fits(pattern: &str, role: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = role.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, role) in [
            ("ADMIN", "ADMIN"),
            ("*", ""),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*b*c", "a-b-b-c"),
        ] {
            assert!(fits(pattern, role), "{pattern} {role}");
        }
        for (pattern, role) in [
            ("ADMIN", "ADMINS"),
            ("a*b", "a"),
            ("a*b*b", "ab"),
            ("", "x"),
        ] {
            assert!(!fits(pattern, role), "{pattern} {role}");
        }
    }
}
