use super::Want;
use crate::{Caller, Limits, budgets::Beside};

/// What a request asks for, as limits see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) model: &'a str,
    pub(crate) tags: &'a [String],
}

/// Every limit that a request falls under.
pub(crate) fn wants(caller: &Caller, asked: Asked<'_>, beside: &Beside) -> Vec<Want> {
    let mut all = Vec::new();
    if let Some(key) = &caller.key {
        let id = caller.key_hash();
        own(&mut all, "api_key", id, &key.terms.limits);
        of_model(
            &mut all,
            "model_per_key",
            id,
            asked.model,
            &key.terms.limits,
        );
        for tag in asked.tags {
            all.extend(key.terms.limits.tags.get(tag).map(|rpm| Want {
                scope: "tag",
                id: format!("{id}:{tag}"),
                rpm: Some(*rpm),
                tpm: None,
                parallel: None,
            }));
        }
    }
    if let Some(user) = &caller.user {
        own(&mut all, "user", &user.row.user_id, &user.terms.limits);
    }
    if let Some(team) = &caller.team {
        let id = &team.row.team_id;
        own(&mut all, "team", id, &team.terms.limits);
        of_model(
            &mut all,
            "model_per_team",
            id,
            asked.model,
            &team.terms.limits,
        );
    }
    if let Some(member) = &caller.member {
        let id = format!("{}:{}", member.row.team_id, member.row.user_id);
        own(&mut all, "team_member", &id, &member.terms.limits);
    }
    if let Some(project) = &caller.project {
        let id = &project.row.project_id;
        own(&mut all, "project", id, &project.terms.limits);
        of_model(
            &mut all,
            "model_per_project",
            id,
            asked.model,
            &project.terms.limits,
        );
    }
    if let Some(organization) = &caller.organization {
        let id = &organization.row.organization_id;
        own(&mut all, "organization", id, &organization.terms.limits);
        let limits = &organization.terms.limits;
        of_model(&mut all, "model_per_organization", id, asked.model, limits);
    }
    if let Some(customer) = &beside.customer {
        own(
            &mut all,
            "end_user",
            &customer.row.user_id,
            &customer.terms.limits,
        );
    }
    for tag in &beside.tags {
        own(&mut all, "tag", &tag.row.tag_name, &tag.terms.limits);
    }
    all
}

fn own(all: &mut Vec<Want>, scope: &'static str, id: &str, limits: &Limits) {
    if limits.rpm.is_some() || limits.tpm.is_some() || limits.parallel.is_some() {
        all.push(Want {
            scope,
            id: id.to_owned(),
            rpm: limits.rpm,
            tpm: limits.tpm,
            parallel: limits.parallel,
        });
    }
}

/// The limits of one model: of its name, or of its name without the provider.
fn of_model(all: &mut Vec<Want>, scope: &'static str, id: &str, model: &str, limits: &Limits) {
    let bare = model.split_once('/').map(|(_, bare)| bare);
    let names = [Some(model), bare];
    let found = names
        .into_iter()
        .flatten()
        .find_map(|name| limits.models.get_key_value(name));
    if let Some((name, limits)) = found {
        all.push(Want {
            scope,
            id: format!("{id}:{name}"),
            rpm: limits.rpm,
            tpm: limits.tpm,
            parallel: None,
        });
    }
}
