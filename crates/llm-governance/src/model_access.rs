//! Which models somebody may ask.

use http::StatusCode;
use llm_store::rows::Team;

use crate::{Caller, Governance, Refusal};

/// Lets a key ask whatever its team may.
const TEAM: &str = "all-team-models";

/// Lets somebody ask every model there is.
const ALL: &str = "all-proxy-models";

/// Lets a user ask none but by a team's key.
const NONE: &str = "no-default-models";

impl Governance {
    /// The model that `name` is to this caller: an alias of its key, or of its team.
    pub fn model_of<'a>(&self, caller: &'a Caller, name: &str) -> Option<&'a str> {
        let own = caller.key.as_ref().map(|key| &key.row.aliases);
        let of_team = caller.team.as_ref().map(|team| &team.row.model_aliases);
        let mut aliases = own.into_iter().chain(of_team);
        aliases.find_map(|aliases| aliases.get(name)?.as_str())
    }

    /// Refuses a model that the caller may not ask. `groups` are the access groups that the model is in
    /// ([`Governance::groups_of`]).
    pub fn may_ask(&self, caller: &Caller, model: &str, groups: &[String]) -> Result<(), Refusal> {
        let wanted = Wanted { model, groups };
        let granted = caller.grant.iter().flat_map(|grant| &grant.models);
        if let Some(models) = granted.into_iter().find(|models| !wanted.is_named(models)) {
            return Err(denied("token", model, models));
        }
        if let Some(key) = &caller.key {
            let models = &key.row.models;
            let by_team = models.iter().any(|name| name == TEAM);
            let by_group = wanted.is_of(&key.row.access_group_ids);
            if !by_team && !by_group && !wanted.is_in(models) {
                return Err(denied("key", model, models));
            }
        }
        if let Some(team) = &caller.team
            && !team_may_ask(&team.row, model, groups)
        {
            return Err(denied("team", model, &team.row.models));
        }
        if let Some(member) = &caller.member
            && !wanted.is_in(&member.row.allowed_models)
        {
            return Err(denied("team_member", model, &member.row.allowed_models));
        }
        // A user's own list is for its own keys.
        if let Some(user) = caller.user.as_ref().filter(|_| caller.team.is_none())
            && !wanted.is_in(&user.row.models)
        {
            return Err(denied("user", model, &user.row.models));
        }
        if let Some(project) = &caller.project
            && !wanted.is_in(&project.row.models)
        {
            return Err(denied("project", model, &project.row.models));
        }
        if let Some(organization) = &caller.organization
            && !wanted.is_in(&organization.row.models)
        {
            return Err(denied("org", model, &organization.row.models));
        }
        Ok(())
    }
}

struct Wanted<'a> {
    model: &'a str,
    groups: &'a [String],
}

impl Wanted<'_> {
    /// Whether a list allows it; an empty one allows everything.
    fn is_in(&self, models: &[String]) -> bool {
        models.is_empty() || models.iter().any(|name| self.is(name))
    }

    /// Whether a list names it; an empty one names nothing.
    fn is_named(&self, models: &[String]) -> bool {
        models.iter().any(|name| self.is(name))
    }

    /// Whether it is in one of these access groups.
    fn is_of(&self, groups: &[String]) -> bool {
        groups.iter().any(|group| self.groups.contains(group))
    }

    fn is(&self, name: &str) -> bool {
        match name {
            ALL | "*" => true,
            NONE => false,
            name if name == self.model || self.groups.iter().any(|group| group == name) => true,
            pattern => match pattern.split_once('*') {
                Some((start, end)) => {
                    self.model.len() >= start.len() + end.len()
                        && self.model.starts_with(start)
                        && self.model.ends_with(end)
                }
                // `gpt-4o` on the list allows `openai/gpt-4o`, and never the other way round.
                None => self
                    .model
                    .split_once('/')
                    .is_some_and(|(_, bare)| bare == pattern),
            },
        }
    }
}

/// Whether a team may ask a model that is in these groups.
pub(crate) fn team_may_ask(team: &Team, model: &str, groups: &[String]) -> bool {
    let wanted = Wanted { model, groups };
    wanted.is_of(&team.access_group_ids) || wanted.is_in(&team.models)
}

/// Whether a list names a model, by itself or by a pattern. An empty list names none.
pub(crate) fn names(models: &[String], model: &str) -> bool {
    let wanted = Wanted { model, groups: &[] };
    wanted.is_named(models)
}

fn denied(whose: &str, model: &str, models: &[String]) -> Refusal {
    let kind = match whose {
        "key" | "token" => "key_model_access_denied",
        "team" | "team_member" => "team_model_access_denied",
        "user" => "user_model_access_denied",
        "project" => "project_model_access_denied",
        "customer" => "customer_model_access_denied",
        _ => "org_model_access_denied",
    };
    let shown: String = model
        .chars()
        .take(200)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let whom = match whose {
        "key" => "API key",
        "org" => "organization",
        "team_member" => "team member",
        other => other,
    };
    let message = format!(
        "The requested model '{shown}' is not available for this {whom}, or the model name is invalid. \
         Models it may ask: {}. Call `/v1/models` to view available models for your key.",
        models.join(", ")
    );
    Refusal::new(StatusCode::FORBIDDEN, kind, message).of("model")
}

/// Refuses a model that a customer may not be served by.
pub(crate) fn customer_may_ask(models: &[String], model: &str) -> Result<(), Refusal> {
    let wanted = Wanted { model, groups: &[] };
    if wanted.is_in(models) {
        return Ok(());
    }
    Err(denied("customer", model, models))
}
