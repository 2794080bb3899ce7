//! What bounds a request.

use std::{fmt, time::Duration};

use llm_ledger::Estimate;

use super::{
    Counts, Kind, LimitRules, TokenKind, Want,
    holders::{self, Holder, Id},
};
use crate::{Caller, Limits, ModelLimits, Work, budgets::Beside};

/// What an answer counts beforehand, at most, where nobody says how long it may get.
const USUAL_ANSWER: u64 = 1024;

/// How long a session's count goes on.
const SESSION: Duration = Duration::from_secs(3600);

/// What a request asks for, as limits see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) work: &'a Work<'a>,
    pub(crate) tags: &'a [String],
    pub(crate) rules: &'a LimitRules,
}

/// The priority that a request has at a model that is limited as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Priority {
    pub(crate) name: String,
    /// The model as a whole.
    pub(crate) whole: Want,
    /// What those of this priority may have of it.
    pub(crate) part: Want,
}

/// Every limit that a request falls under.
pub(crate) fn wants(caller: &Caller, asked: Asked<'_>, beside: &Beside) -> Vec<Want> {
    let mut all = All {
        wants: Vec::new(),
        asked,
    };
    for holder in holders::of(caller) {
        all.of(&holder);
    }
    all.of_key(caller);
    if let Some(terms) = &beside.customer_terms {
        let id = asked.work.customer.unwrap_or_default();
        all.own("end_user", &id, &terms.limits, None);
    }
    for tag in &beside.tags {
        all.own("tag", &tag.row.tag_name, &tag.terms.limits, None);
    }
    let everybody = Want::of("global", "", asked.rules.window);
    all.push(everybody.at_most(Kind::Parallel, asked.rules.at_once));
    all.wants
}

impl Priority {
    /// That of a request, where the model is limited and somebody said who comes first.
    pub(crate) fn of(caller: &Caller, asked: Asked<'_>) -> Option<Self> {
        let priorities = asked.rules.priorities.as_ref()?;
        let capacity = asked.work.capacity;
        if capacity.rpm.is_none() && capacity.tpm.is_none() {
            return None;
        }
        let of_key = caller.key.as_ref().map(|key| &key.row.metadata);
        let of_team = caller.team.as_ref().map(|team| &team.row.metadata);
        let said = [of_key, of_team].into_iter().flatten();
        let mut said = said.filter_map(|metadata| metadata.get("priority")?.as_str());
        // All that nothing is reserved for share one part.
        let name = said.next().filter(|name| priorities.knows(name));
        let name = name.unwrap_or("default");
        let (rpm, tpm) = priorities.of(name, capacity.rpm, capacity.tpm);
        let want = |scope, id: String, rpm, tpm| {
            let mut want = Want::of(scope, id, asked.rules.window)
                .at_most(Kind::Requests, rpm)
                .at_most(Kind::Tokens, tpm);
            want.asks = asked.asks(&want, None);
            want
        };
        let model = asked.work.model;
        Some(Self {
            whole: want("model", model.to_owned(), capacity.rpm, capacity.tpm),
            part: want("priority_model", format!("{model}:{name}"), rpm, tpm),
            name: name.to_owned(),
        })
    }
}

impl Asked<'_> {
    /// How much of each kind the request asks for, until it is known what it used.
    fn asks(&self, want: &Want, limits: Option<&Limits>) -> Counts {
        let input = self.work.prompt_tokens;
        let limit = want.limits[Kind::Tokens as usize];
        let usual = || limit.map_or(USUAL_ANSWER, |limit| (limit / 4).min(USUAL_ANSWER));
        let said = limits.and_then(|limits| limits.usual_answer(self.work.model));
        let output = self.work.answer_tokens.or(said).unwrap_or_else(usual);
        let mut asks = Counts::default();
        asks[Kind::Parallel as usize] = 1;
        asks[Kind::Requests as usize] = 1;
        for (kind, tokens) in [
            (Kind::Tokens, counted(self.rules, input, output)),
            (Kind::Input, input),
            (Kind::Output, output),
        ] {
            // Whoever has used its limit up waits, whether or not anything is held.
            asks[kind as usize] = if self.rules.reserve_tokens { tokens } else { 1 };
        }
        asks[Kind::Spend as usize] = match self.work.estimate {
            Estimate::Free => 0,
            Estimate::AtMost(amount) => u64::try_from(amount.0).unwrap_or(1).max(1),
            // As budgets do: it may overrun once.
            Estimate::About(_) | Estimate::Unpriced => 1,
        };
        asks
    }
}

/// How many of these tokens a limit of tokens counts.
pub(crate) fn counted(rules: &LimitRules, input: u64, output: u64) -> u64 {
    match rules.tokens {
        TokenKind::Total => input.saturating_add(output),
        TokenKind::Input => input,
        TokenKind::Output => output,
    }
}

struct All<'a> {
    wants: Vec<Want>,
    asked: Asked<'a>,
}

impl All<'_> {
    fn of(&mut self, holder: &Holder<'_>) {
        let Holder {
            scope,
            per_model,
            id,
            limits,
            ..
        } = holder;
        let is_key = *scope == "api_key";
        let at_once = self.asked.rules.at_once_of_key.filter(|_| is_key);
        self.own(scope, id, limits, at_once);
        let Some(per_model) = per_model else { return };
        let is_limited = self.of_model(per_model, id, limits);
        let usual = self.asked.work.usual;
        if is_key && !is_limited && usual != ModelLimits::default() {
            let id = format!("{id}:{}", self.asked.work.model);
            let want = Want::of(per_model, id, self.asked.rules.window);
            self.push(of_usual(want, usual));
        }
    }

    /// What a key alone may limit.
    fn of_key(&mut self, caller: &Caller) {
        let Some(key) = &caller.key else { return };
        let (id, limits, asked) = (caller.key_hash(), &key.terms.limits, self.asked);
        for tag in asked.tags {
            if let Some(rpm) = limits.tags.get(tag) {
                let want = Want::of("tag", format!("{id}:{tag}"), asked.rules.window);
                self.push(want.at_most(Kind::Requests, Some(*rpm)));
            }
        }
        if let Some(session) = asked.work.session {
            let budget = limits.session_budget;
            let budget = budget.and_then(|budget| u64::try_from(budget.0).ok());
            let want = Want::of("session", format!("{id}:{session}"), SESSION)
                .at_most(Kind::Requests, limits.iterations)
                .at_most(Kind::Spend, budget);
            self.push(want);
        }
    }

    /// The limits of whoever it is; `at_once` where they do not say how many requests may go on together.
    fn own(
        &mut self,
        scope: &'static str,
        id: &dyn fmt::Display,
        limits: &Limits,
        at_once: Option<u64>,
    ) {
        let parallel = limits.parallel.or(at_once);
        if limits.rpm.is_none() && limits.tpm.is_none() && parallel.is_none() {
            return;
        }
        let want = Want::of(scope, id.to_string(), self.asked.rules.window)
            .at_most(Kind::Requests, limits.rpm)
            .at_most(Kind::Tokens, limits.tpm)
            .at_most(Kind::Parallel, parallel);
        self.push_of(want, limits);
    }

    /// The limits of one model: of its name, or of its name without the provider. Says whether there are any.
    fn of_model(&mut self, scope: &'static str, id: &Id<'_>, limits: &Limits) -> bool {
        if limits.models.is_empty() {
            return false;
        }
        let model = self.asked.work.model;
        let bare = model.split_once('/').map(|(_, bare)| bare);
        let names = [Some(model), bare];
        let found = names
            .into_iter()
            .flatten()
            .find_map(|name| limits.models.get_key_value(name));
        let Some((name, of_model)) = found else {
            return false;
        };
        let want = Want::of(scope, format!("{id}:{name}"), self.asked.rules.window);
        let want = of_usual(want, *of_model)
            .at_most(Kind::Input, of_model.itpm)
            .at_most(Kind::Output, of_model.otpm);
        self.push_of(want, limits);
        true
    }

    /// Limits that are dynamic are counted always, and hold while the model is in trouble.
    fn push_of(&mut self, mut want: Want, limits: &Limits) {
        if !want.is_limited() {
            return;
        }
        want.asks = self.asked.asks(&want, Some(limits));
        if !self.asked.work.is_ailing {
            for (kind, dynamic) in [
                (Kind::Requests, limits.dynamic_rpm),
                (Kind::Tokens, limits.dynamic_tpm),
            ] {
                if dynamic {
                    want.limits[kind as usize] = None;
                }
            }
        }
        self.wants.push(want);
    }

    fn push(&mut self, mut want: Want) {
        if want.is_limited() {
            want.asks = self.asked.asks(&want, None);
            self.wants.push(want);
        }
    }
}

fn of_usual(want: Want, limits: ModelLimits) -> Want {
    want.at_most(Kind::Requests, limits.rpm)
        .at_most(Kind::Tokens, limits.tpm)
}
