//! Who may hold limits that a request falls under.

use std::fmt;

use crate::{Caller, Limits};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder<'a> {
    pub(super) scope: &'static str,
    /// The scope of limits that hold for one model.
    pub(super) per_model: Option<&'static str>,
    /// The scope of limits that hold for a day.
    pub(super) per_day: &'static str,
    pub(super) id: Id<'a>,
    pub(super) limits: &'a Limits,
}

/// What a holder is called; written out only where there is a limit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Id<'a> {
    Of(&'a str),
    Member { team: &'a str, user: &'a str },
}

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(id) => f.write_str(id),
            Self::Member { team, user } => write!(f, "{team}:{user}"),
        }
    }
}

/// All of a caller.
pub(super) fn of(caller: &Caller) -> impl Iterator<Item = Holder<'_>> {
    let key = caller.key.as_ref().map(|key| Holder {
        scope: "api_key",
        per_model: Some("model_per_key"),
        per_day: "api_key_per_day",
        id: Id::Of(caller.key_hash()),
        limits: &key.terms.limits,
    });
    let user = caller.user.as_ref().map(|user| Holder {
        scope: "user",
        per_model: None,
        per_day: "user_per_day",
        id: Id::Of(&user.row.user_id),
        limits: &user.terms.limits,
    });
    let team = caller.team.as_ref().map(|team| Holder {
        scope: "team",
        per_model: Some("model_per_team"),
        per_day: "team_per_day",
        id: Id::Of(&team.row.team_id),
        limits: &team.terms.limits,
    });
    let member = caller.member.as_ref().map(|member| Holder {
        scope: "team_member",
        per_model: None,
        per_day: "team_member_per_day",
        id: Id::Member {
            team: &member.row.team_id,
            user: &member.row.user_id,
        },
        limits: &member.terms.limits,
    });
    let project = caller.project.as_ref().map(|project| Holder {
        scope: "project",
        per_model: Some("model_per_project"),
        per_day: "project_per_day",
        id: Id::Of(&project.row.project_id),
        limits: &project.terms.limits,
    });
    let organization = caller.organization.as_ref().map(|one| Holder {
        scope: "organization",
        per_model: Some("model_per_organization"),
        per_day: "organization_per_day",
        id: Id::Of(&one.row.organization_id),
        limits: &one.terms.limits,
    });
    [key, user, team, member, project, organization]
        .into_iter()
        .flatten()
}
