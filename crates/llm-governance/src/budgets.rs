//! Whose money a request spends, and what is said when there is not enough of it.

use std::sync::Arc;

use http::StatusCode;
use llm_cost::NanoDollars;
use llm_ledger::Spender;
use llm_store::{
    Account, Scope,
    rows::{AccessGroup, Customer, Tag},
};

use crate::{Caller, Entry, Refusal, Settings, terms::Terms};

/// What a request is charged to besides its caller.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) customer: Option<Arc<Entry<Customer>>>,
    /// What bounds that customer, also where there is no row of it yet.
    pub(crate) customer_terms: Option<Terms>,
    pub(crate) tags: Vec<Arc<Entry<Tag>>>,
    pub(crate) access_groups: Vec<Arc<Entry<AccessGroup>>>,
}

/// Every account of a request, in the order in which an exhausted one is named.
pub(crate) fn spenders(
    caller: &Caller,
    model: &str,
    beside: &Beside,
    settings: &Settings,
) -> Vec<Spender> {
    let mut all = Vec::with_capacity(8);
    match &caller.key {
        Some(key) => all.extend(key.terms.spenders.first().cloned()),
        None => {
            let named = caller.name.as_ref();
            all.extend(named.map(|name| Spender::of(Account::of(Scope::Key, name))));
        }
    }
    let mut add = |terms: &Terms| {
        all.extend(terms.spenders.iter().cloned());
        all.extend(of_model(terms, model));
    };
    caller
        .project
        .iter()
        .for_each(|project| add(&project.terms));
    caller.team.iter().for_each(|team| add(&team.terms));
    caller.organization.iter().for_each(|one| add(&one.terms));
    beside.tags.iter().for_each(|tag| add(&tag.terms));
    beside
        .access_groups
        .iter()
        .for_each(|group| add(&group.terms));
    if let Some(user) = &caller.user {
        // What a user may spend itself is not what its teams give it.
        if caller.team.is_none() || settings.user_budget_on_team_keys {
            add(&user.terms);
        } else {
            all.push(Spender::of(Account::of(Scope::User, &user.row.user_id)));
        }
    }
    if let Some(member) = &caller.member {
        all.extend(member.terms.spenders.iter().cloned());
    }
    if let Some(terms) = &beside.customer_terms {
        all.extend(terms.spenders.iter().cloned());
        all.extend(of_model(terms, model));
    }
    if let Some(key) = &caller.key {
        all.extend(key.terms.spenders.iter().skip(1).cloned());
        all.extend(of_model(&key.terms, model));
    }
    let everybody = Spender::of(Account::of(Scope::Global, ""));
    all.push(Spender {
        max: settings.max_budget,
        window: settings.budget_duration.map(|period| llm_ledger::Window {
            period,
            calendar: Arc::new(settings.calendar.clone()),
        }),
        ..everybody
    });
    all
}

/// The budgets of this model.
fn of_model<'a>(terms: &'a Terms, model: &'a str) -> impl Iterator<Item = Spender> + 'a {
    let models = terms.models.iter();
    models
        .filter(move |(name, _)| is_model(name, model))
        .map(|(_, spender)| spender.clone())
}

/// Whether a budget for `name` is one for `model`: the same, or the same without its provider.
fn is_model(name: &str, model: &str) -> bool {
    name == model || model.split_once('/').is_some_and(|(_, bare)| bare == name)
}

/// What is said where there is not enough left of `whose` account.
pub(crate) fn exceeded(refusal: &llm_ledger::Refusal, whose: &str) -> Refusal {
    let (account, max) = (&refusal.account, refusal.max.to_f64());
    let spent = refusal.spent.to_f64();
    let is_person = matches!(account.scope, Scope::User | Scope::Customer);
    let what = match account.meter.split_once(':') {
        Some(("window", window)) => format!(" over {window} budget."),
        Some(("model", model)) => format!(" over budget for model={model}."),
        _ if is_person => " over budget.".to_owned(),
        _ => String::new(),
    };
    // Scripts look for either word.
    let word = match what.is_empty() {
        true => "",
        false => "ExceededBudget: ",
    };
    let mut message = format!(
        "Budget has been exceeded! {word}{whose}{what} Current cost: {spent}, Max budget: {max}"
    );
    if refusal.spent < refusal.max {
        let wanted = refusal.wanted.to_f64();
        message.push_str(&format!(", this request may cost {wanted}"));
    }
    if refusal.reserved.0 > 0 {
        let held = refusal.reserved.to_f64();
        message.push_str(&format!(", held for requests under way: {held}"));
    }
    let headers = refusal
        .resets_at
        .map(|at| ("reset_at", at.to_jiff().to_string()));
    if let Some((_, at)) = &headers {
        message.push_str(&format!(". It resets at {at}"));
    }
    let taken = refusal.spent.0.saturating_add(refusal.reserved.0);
    Refusal {
        left: Some(NanoDollars(refusal.max.0.saturating_sub(taken))),
        headers: headers.into_iter().collect(),
        ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "budget_exceeded", message)
    }
}
