//! Names that an administrator knows, for refusals: a key is no hash there.

use llm_store::{
    Account, Scope,
    rows::{Key, Team},
};

use crate::{Caller, Refusal, budgets};

/// What is said where the ledger refuses a request of `caller`.
pub(crate) fn refused(error: llm_ledger::Error, caller: &Caller) -> Refusal {
    match error.refusal() {
        Some(refusal) => budgets::exceeded(refusal, &whose(&refusal.account, caller)),
        None => error.into(),
    }
}

/// Whose account it is: `Key=ci (sk-...1234)`.
pub(crate) fn whose(account: &Account, caller: &Caller) -> String {
    let id = account.id.replace(Account::SEPARATOR, ":");
    let key = caller.key.as_ref().filter(|key| {
        let own = key.row.account();
        (own.scope, &own.id) == (account.scope, &account.id)
    });
    let team = caller.team.as_ref();
    let team = team.filter(|team| team.row.team_id == id);
    match account.scope {
        Scope::Key => format!("Key={}", key.map_or(id, |key| key_name(&key.row))),
        Scope::Team => format!("Team={}", team.map_or(id, |team| team_name(&team.row))),
        Scope::Member => format!("TeamMember={id}"),
        Scope::Organization => format!("Organization={id}"),
        Scope::Project => format!("Project={id}"),
        Scope::Tag => format!("Tag={id}"),
        Scope::AccessGroup => format!("Model access group={id}"),
        Scope::User => format!("User={id}"),
        Scope::Customer => format!("End User={id}"),
        _ => "Proxy".to_owned(),
    }
}

/// The id of a limit, which may begin with the hash of the caller's key, or the id of its team.
pub(crate) fn limited(id: &str, caller: &Caller) -> String {
    let key = caller.key.as_ref();
    let key = key.map(|key| (key.row.token.as_str(), key_name(&key.row)));
    let team = caller.team.as_ref();
    let team = team.map(|team| (team.row.team_id.as_str(), team_name(&team.row)));
    for (own, name) in [key, team].into_iter().flatten() {
        match id.strip_prefix(own) {
            Some("") => return name,
            Some(rest) if rest.starts_with(':') => return format!("{name}{rest}"),
            _ => {}
        }
    }
    id.to_owned()
}

fn key_name(key: &Key) -> String {
    let name = key.key_name.as_deref().unwrap_or(&key.token);
    match key.key_alias.as_deref().filter(|alias| !alias.is_empty()) {
        Some(alias) => format!("{alias} ({name})"),
        None => name.to_owned(),
    }
}

fn team_name(team: &Team) -> String {
    match team.team_alias.as_deref().filter(|alias| !alias.is_empty()) {
        Some(alias) => format!("{alias} ({})", team.team_id),
        None => team.team_id.clone(),
    }
}
