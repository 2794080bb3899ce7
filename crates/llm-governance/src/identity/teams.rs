//! The teams of tokens.

use std::sync::Arc;

use llm_store::rows::{Team, User};

use super::{caller::Reading, people::MOST};
use crate::{Access, Entry, Refusal, Role, behind::team_is_blocked, route_groups, teams};

/// The teams that a token names.
#[derive(Default)]
struct Named {
    /// The one.
    one: Option<String>,
    /// One by its alias.
    alias: Option<String>,
    /// Several.
    several: Vec<String>,
}

type Teams = Vec<Arc<Entry<Team>>>;

impl Reading<'_> {
    /// The teams that may be spent for, the first first; none where the token has none and needs none.
    pub(super) async fn teams(
        &self,
        role: Option<Role>,
        user: Option<&Entry<User>>,
    ) -> Result<Teams, Refusal> {
        let named = self.named(role)?;
        let mut all = match named.is_nothing() {
            true => self.of_nobody(user).await?,
            false => self.resolved(&named, user).await?,
        };
        if let Some(wanted) = self.asked.team {
            all = chosen(all, wanted)?;
        } else if let (Some(one), true) = (&named.one, all.len() > 1) {
            // The one team is the one, and the list says which others may be asked for by the header.
            all.retain(|team| team.row.team_id == *one);
        }
        if all.is_empty() {
            if self.rules.enforce_team_based_model_access && self.asked.access == Access::Model {
                return Err(Refusal::forbidden(
                    "No teams found in token. `enforce_team_based_model_access` is set to True. \
                     Token must belong to a team.",
                ));
            }
            return Ok(all);
        }
        if let Some(blocked) = all.first().filter(|team| team.row.blocked)
            && all.iter().all(|team| team.row.blocked)
        {
            return Err(team_is_blocked(&blocked.row));
        }
        all.retain(|team| !team.row.blocked);
        let allowed = &self.rules.team_allowed_routes;
        if route_groups::contain(allowed, self.asked.access, self.asked.path) {
            return Ok(all);
        }
        if user.is_none() || self.asked.access == Access::Model {
            self.may_call("Team", allowed)?;
        }
        // What is no team's to call, its user may call for itself.
        Ok(Vec::new())
    }

    /// Whether tokens say which teams their users are in.
    pub(super) fn names_teams(&self) -> bool {
        let rules = self.rules;
        rules.team_id_jwt_field.is_some()
            || rules.team_ids_jwt_field.is_some()
            || rules.team_alias_jwt_field.is_some()
    }

    fn named(&self, role: Option<Role>) -> Result<Named, Refusal> {
        let rules = self.rules;
        let is_team = role == Some(Role::Team) && self.mapped()? == Some(Role::Team);
        let object = match is_team {
            true => self.optional(rules.object_id_jwt_field.as_ref())?,
            false => None,
        };
        let several = match &rules.team_ids_jwt_field {
            Some(field) => self.claims.names(field)?,
            None => Vec::new(),
        };
        let mut named = Named {
            one: self.optional(rules.team_id_jwt_field.as_ref())?.or(object),
            alias: self.optional(rules.team_alias_jwt_field.as_ref())?,
            several,
        };
        if named.is_nothing() {
            named.one.clone_from(&rules.team_id_default);
        }
        match &rules.team_id_jwt_field {
            Some(field) if named.is_nothing() => Err(Refusal::unauthenticated(format!(
                "No team id found in token. Checked team_id field '{field}'"
            ))),
            _ => Ok(named),
        }
    }

    /// The teams that nobody named: those of the user, where the rules say so, or its only one.
    async fn of_nobody(&self, user: Option<&Entry<User>>) -> Result<Teams, Refusal> {
        let Some(user) = user else {
            return Ok(Vec::new());
        };
        let teams = self.of_user(user).await?;
        match self.rules.fallback_to_db_teams || teams.len() == 1 {
            true => Ok(teams),
            false => Ok(Vec::new()),
        }
    }

    async fn of_user(&self, user: &Entry<User>) -> Result<Teams, Refusal> {
        let directory = self.governance.directory();
        let mut teams = Vec::new();
        for id in directory.teams_of(&user.row.user_id, MOST).await?.iter() {
            teams.extend(directory.get::<Team>(&[id]).await?);
        }
        Ok(teams)
    }

    /// The teams that the token names and somebody knows.
    async fn resolved(&self, named: &Named, user: Option<&Entry<User>>) -> Result<Teams, Refusal> {
        let directory = self.governance.directory();
        let mut found: Teams = Vec::new();
        for id in named.one.iter().chain(&named.several) {
            if found.iter().any(|team| team.row.team_id == *id) {
                continue;
            }
            let mut team = directory.get::<Team>(&[id]).await?;
            if team.is_none() && self.rules.team_id_upsert {
                self.make_team(id).await?;
                team = directory.get::<Team>(&[id]).await?;
            }
            found.extend(team);
        }
        if let Some(alias) = &named.alias {
            found.extend(self.by_alias(alias).await?);
        }
        let misses_the_one = |id: &String| !found.iter().any(|team| team.row.team_id == *id);
        let missing = named.one.as_ref().filter(|id| misses_the_one(id));
        if !found.is_empty() && missing.is_none() {
            return Ok(found);
        }
        if self.rules.team_claim_fallback
            && let Some(user) = user
        {
            let own = self.of_user(user).await?;
            if own.len() == 1 {
                return Ok(own);
            }
        }
        let names = named.one.iter().chain(&named.alias).chain(&named.several);
        let names: Vec<&str> = names.map(String::as_str).collect();
        Err(Refusal::forbidden(format!(
            "Team doesn't exist in db. Team={}. Create team via `/team/new` call.",
            names.join(",")
        )))
    }

    /// The only team of this alias.
    async fn by_alias(&self, alias: &str) -> Result<Option<Arc<Entry<Team>>>, Refusal> {
        let by_alias = [("team_alias", alias)];
        let store = self.governance.store();
        let found = store.list::<Team>(&by_alias, 2, 0).await?.rows;
        match found.as_slice() {
            [one] => Ok(self.governance.directory().get(&[&one.team_id]).await?),
            _ => Ok(None),
        }
    }

    async fn make_team(&self, id: &str) -> Result<(), Refusal> {
        let actor = self.actor(id);
        let mut edit = self.governance.edit(&actor).await?;
        match teams::register(self.governance, &mut edit, id).await {
            Ok(team) => {
                edit.commit().await?;
                if team.budget_duration.is_some() {
                    self.governance.rewindow(&team, None).await?;
                }
                Ok(())
            }
            // Of two requests at the same time one is too late: the team is there.
            Err(refusal) if refusal.status == http::StatusCode::CONFLICT => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

impl Named {
    fn is_nothing(&self) -> bool {
        self.one.is_none() && self.alias.is_none() && self.several.is_empty()
    }
}

/// The one that the request wants, by its id or by an alias that only one has.
fn chosen(all: Teams, wanted: &str) -> Result<Teams, Refusal> {
    let by_id = all.iter().find(|team| team.row.team_id == wanted);
    let mut by_alias = all
        .iter()
        .filter(|team| team.row.team_alias.as_deref() == Some(wanted));
    let found = by_id.or(match (by_alias.next(), by_alias.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    });
    match found {
        Some(team) => Ok(vec![Arc::clone(team)]),
        None => {
            let ids: Vec<&str> = all.iter().map(|team| team.row.team_id.as_str()).collect();
            Err(Refusal::forbidden(format!(
                "'x-litellm-team-id' names no team id and no team alias that this token may be used for. \
                 Allowed team ids: {}",
                ids.join(", ")
            ))
            .of("x-litellm-team-id"))
        }
    }
}
