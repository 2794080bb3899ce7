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
    /// A limit, and how much of it is used.
    Key,
    Team,
    Project,
}

/// One level, with all that is said of it.
#[derive(Debug)]
struct Known {
    which: Which,
    facts: Vec<(Label, String)>,
    value: AtomicU64,
    used: AtomicU64,
}

/// The last of every level, as far as there is room. Series are made when somebody reads them, not with each request.
pub(super) struct Levels {
    all: DashMap<u64, Known, RandomState>,
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
            all: DashMap::default(),
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
                (left, 0),
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
        let (which, whose) = match (scope, kind) {
            ("api_key", _) => (Which::Key, caller.key_hash()),
            ("team", _) => (Which::Team, caller.team_id().unwrap_or_default()),
            ("model_per_project", _) => (Which::Project, caller.project_id().unwrap_or_default()),
            ("model_per_key", "requests") => {
                return self.of_model(Which::ModelRequests, left, caller, (model, id));
            }
            ("model_per_key", "tokens") => {
                return self.of_model(Which::ModelTokens, left, caller, (model, id));
            }
            _ => return,
        };
        // Those of projects are told apart by model.
        let of_model = if which == Which::Project { model } else { "" };
        self.set(which, (limit, used), (whose, kind, of_model), || {
            let facts = Facts::default().say(Label::LimitKind, kind);
            let facts = match which {
                Which::Key => facts
                    .say(Label::Key, whose)
                    .may_say(Label::KeyAlias, caller.key_alias()),
                Which::Team => facts
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

    fn of_model(&self, which: Which, left: u64, caller: &Caller, (model, id): (&str, &str)) {
        self.set(which, (left, 0), (caller.key_hash(), model, id), || {
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
        (value, used): (u64, u64),
        of: (&str, &str, &str),
        facts: impl FnOnce() -> Vec<(Label, String)>,
    ) {
        let at = self.hasher.hash_one((which, of));
        if let Some(known) = self.all.get(&at) {
            known.value.store(value, Ordering::Relaxed);
            known.used.store(used, Ordering::Relaxed);
        } else if self.all.len() < self.most {
            let known = Known {
                which,
                facts: facts(),
                value: value.into(),
                used: used.into(),
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
            let (value, used) = gauges(families, known.which);
            let level = known.value.load(Ordering::Relaxed) as f64;
            value.at(&facts).set(level);
            if let Some(gauge) = used {
                let level = known.used.load(Ordering::Relaxed) as f64;
                gauge.at(&facts).set(level);
            }
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

fn alias_of_project(caller: &Caller) -> Option<&str> {
    caller.project.as_ref()?.row.project_alias.as_deref()
}

fn gauges(families: &Families, which: Which) -> (&Of<Level>, Option<&Of<Level>>) {
    match which {
        Which::VendorRequests => (&families.vendor_requests_left, None),
        Which::VendorTokens => (&families.vendor_tokens_left, None),
        Which::ModelRequests => (&families.model_requests_left, None),
        Which::ModelTokens => (&families.model_tokens_left, None),
        Which::Key => (&families.key_limit, Some(&families.key_used)),
        Which::Team => (&families.team_limit, Some(&families.team_used)),
        Which::Project => (&families.project_limit, Some(&families.project_used)),
    }
}
