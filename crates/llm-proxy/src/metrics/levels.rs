//! Levels that requests bring along: what vendors still take, and what is left of callers' limits.

use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use foldhash::quality::RandomState;
use http::HeaderMap;
use llm_governance::Caller;
use llm_router::{Deployment, Router, Scope};

use super::{
    families::{Families, Level, Of},
    label::{Facts, Label},
    place,
};

/// What vendors say that they still take.
const LEFT: [(&str, Which); 2] = [
    ("x-ratelimit-remaining-requests", Which::VendorRequests),
    ("x-ratelimit-remaining-tokens", Which::VendorTokens),
];

/// Which level it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    VendorRequests,
    VendorTokens,
    ModelRequests,
    ModelTokens,
    KeyAllowed,
    KeyUsed,
    TeamAllowed,
    TeamUsed,
    ProjectAllowed,
    ProjectUsed,
}

/// One level, with all that is said of it.
#[derive(Debug)]
struct Known {
    which: Which,
    facts: Vec<(Label, String)>,
    value: AtomicU64,
}

/// The last of every level, as far as there is room. Series are made when somebody reads them, not with each request.
pub(super) struct Levels {
    all: DashMap<u64, Known>,
    most: usize,
    hasher: RandomState,
}

/// A limit of a caller, and what is left of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limited<'a> {
    /// Whose it is: `api_key`, `team`, `model_per_key`, ...
    pub(crate) scope: &'a str,
    /// `requests` or `tokens`.
    pub(crate) kind: &'a str,
    pub(crate) limit: u64,
    pub(crate) left: u64,
}

impl Levels {
    pub(super) fn new(most: usize) -> Self {
        Self {
            all: DashMap::new(),
            most,
            hasher: RandomState::default(),
        }
    }

    /// Notes what a vendor's headers say.
    pub(super) fn vendor(
        &self,
        headers: &HeaderMap,
        deployment: &Deployment,
        group: &str,
        caller: &Caller,
    ) {
        for (name, which) in LEFT {
            let left = headers.get(name).and_then(|left| left.to_str().ok());
            let Some(left) = left.and_then(|left| left.trim().parse().ok()) else {
                continue;
            };
            self.set(
                which,
                left,
                (&deployment.id, caller.key_hash(), group),
                || {
                    let said = place(Facts::default(), deployment)
                        .say(Label::Group, group)
                        .say(Label::Key, caller.key_hash())
                        .may_say(Label::KeyAlias, caller.key_alias());
                    said.kept()
                },
            );
        }
    }

    /// Notes what is left of a limit of `caller`, who asked for `model` and was answered by the deployment `id`.
    pub(super) fn limit(&self, limited: Limited<'_>, caller: &Caller, model: &str, id: &str) {
        let Limited {
            scope,
            kind,
            limit,
            left,
        } = limited;
        let used = limit.saturating_sub(left);
        let (allowed, spent) = match (scope, kind) {
            ("api_key", _) => (Which::KeyAllowed, Which::KeyUsed),
            ("team", _) => (Which::TeamAllowed, Which::TeamUsed),
            ("model_per_project", _) => (Which::ProjectAllowed, Which::ProjectUsed),
            ("model_per_key", "requests") => {
                return self.of_model(Which::ModelRequests, left, caller, (model, id));
            }
            ("model_per_key", "tokens") => {
                return self.of_model(Which::ModelTokens, left, caller, (model, id));
            }
            _ => return,
        };
        let whose = match allowed {
            Which::KeyAllowed => caller.key_hash(),
            Which::TeamAllowed => caller.team_id().unwrap_or_default(),
            _ => caller.project_id().unwrap_or_default(),
        };
        for (which, value) in [(allowed, limit), (spent, used)] {
            self.set(which, value, (whose, kind, model_of(which, model)), || {
                let facts = Facts::default().say(Label::LimitKind, kind);
                let facts = match allowed {
                    Which::KeyAllowed => facts
                        .say(Label::Key, whose)
                        .may_say(Label::KeyAlias, caller.key_alias()),
                    Which::TeamAllowed => facts
                        .say(Label::Team, whose)
                        .may_say(Label::TeamAlias, caller.team_alias()),
                    _ => facts
                        .say(Label::Project, whose)
                        .say(Label::Requested, model)
                        .may_say(Label::ProjectAlias, alias_of_project(caller)),
                };
                facts.kept()
            });
        }
    }

    fn of_model(&self, which: Which, left: u64, caller: &Caller, (model, id): (&str, &str)) {
        self.set(which, left, (caller.key_hash(), model, id), || {
            Facts::default()
                .say(Label::Key, caller.key_hash())
                .may_say(Label::KeyAlias, caller.key_alias())
                .say(Label::Model, model)
                .say(Label::ModelId, id)
                .kept()
        });
    }

    fn set(
        &self,
        which: Which,
        value: u64,
        of: (&str, &str, &str),
        facts: impl FnOnce() -> Vec<(Label, String)>,
    ) {
        let at = self.hasher.hash_one((which, of));
        if let Some(known) = self.all.get(&at) {
            known.value.store(value, Ordering::Relaxed);
        } else if self.all.len() < self.most {
            let known = Known {
                which,
                facts: facts(),
                value: value.into(),
            };
            self.all.insert(at, known);
        }
    }

    /// Sets the gauges to what was noted, and to what `router` still lets providers cost.
    pub(super) fn show(&self, families: &Families, router: &Router) {
        for known in &self.all {
            let said = known.facts.iter();
            let facts = said.fold(Facts::default(), |facts, (label, text)| {
                facts.say(*label, text)
            });
            let value = known.value.load(Ordering::Relaxed) as f64;
            gauge(families, known.which).at(&facts).set(value);
        }
        let spent = router.spent();
        for (name, budget) in &router.settings().budgets.providers {
            let is_its =
                |spent: &&llm_router::Spent| spent.scope == Scope::Provider && spent.name == *name;
            let spent = spent.iter().find(is_its).map_or(0, |spent| spent.nanos);
            let left = budget.limit as f64 - spent as f64;
            let facts = Facts::default().say(Label::Provider, name);
            families.provider_left.at(&facts).set(left / 1e9);
        }
    }
}

/// The model, where limits are told apart by it.
fn model_of(which: Which, model: &str) -> &str {
    match which {
        Which::ProjectAllowed | Which::ProjectUsed => model,
        _ => "",
    }
}

fn alias_of_project(caller: &Caller) -> Option<&str> {
    caller.project.as_ref()?.row.project_alias.as_deref()
}

fn gauge(families: &Families, which: Which) -> &Of<Level> {
    match which {
        Which::VendorRequests => &families.vendor_requests_left,
        Which::VendorTokens => &families.vendor_tokens_left,
        Which::ModelRequests => &families.model_requests_left,
        Which::ModelTokens => &families.model_tokens_left,
        Which::KeyAllowed => &families.key_limit,
        Which::KeyUsed => &families.key_used,
        Which::TeamAllowed => &families.team_limit,
        Which::TeamUsed => &families.team_used,
        Which::ProjectAllowed => &families.project_limit,
        Which::ProjectUsed => &families.project_used,
    }
}
