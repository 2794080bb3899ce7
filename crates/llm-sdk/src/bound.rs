//! What a request may cost at most, before it is sent.

mod counted;
mod wanted;

use std::sync::Arc;

use llm_cost::{Cost, Measures, NanoDollars, Terms, adjust};
use llm_router::{Ask, Deployment, Fallback};
use llm_types::{JsonObject, Op, Usage, Verb};

pub use counted::{Counted, Counting};

use crate::{Charge, Engine, Passing, Request, attached::Attached};

/// What a request may cost at most, wherever it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Nothing: everybody who may answer it says that it is free, or nobody is asked for anything that costs.
    Free,
    /// This, or less.
    AtMost(NanoDollars),
    /// Nobody knows how much at most: about this.
    About(NanoDollars),
    /// Nobody knows the price.
    Unpriced,
}

/// What a request may consume at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumption {
    /// Tokens of the prompt.
    pub input: u64,
    /// About how many tokens the prompt will have.
    pub usual_input: u64,
    /// Tokens of the answer; `None` where the request sets no end.
    pub output: Option<u64>,
}

/// Tokens of a prompt are bound by its bytes, as counting them truly takes longer than all else the gateway does: no
/// vocabulary has more of them, and most texts have three to five bytes to a token.
const USUAL_BYTES_A_TOKEN: u64 = 4;

/// What vendors write around a prompt, besides what stands for the words of its JSON: the frame of a conversation, and
/// the date and the rules that open models are told (about 70).
const FRAME: u64 = 100;

/// The most that a vendor documents for telling a model that it has tools (Anthropic's 530).
const TOOLS: u64 = 600;

/// What an answer without any limit is taken to be.
pub(crate) const UNLIMITED: u64 = 4096;

/// What is said in a request, and what is known of how long it is.
#[derive(Clone, Copy)]
struct Prompt<'a> {
    op: Op,
    body: &'a JsonObject,
    attached: Attached,
    counted: Option<&'a Counted>,
}

impl Engine {
    /// What `request` may cost at most, over all deployments of its group, and what it may consume at most at the first of
    /// them.
    pub fn foreseen(&self, request: &Request) -> (Bound, Consumption) {
        let prompt = Prompt::of(request.op, &request.body);
        (
            self.bound_of(request, prompt),
            self.consumed(request, prompt),
        )
    }

    /// What `request` may cost at most where its tokens were counted.
    pub fn counted_bound(&self, request: &Request, counted: &Counted) -> Bound {
        let prompt = Prompt::of(request.op, &request.body);
        self.bound_of(request, prompt.counted(Some(counted)))
    }

    /// `request`, to be counted for all whom it may go to; `None` where that is of no use.
    pub fn counting(&self, request: &Request) -> Option<Counting> {
        let router = self.router().filter(|_| counts_tokens(request.op))?;
        let own = Fallback::to(request.route_as.as_ref().unwrap_or(&request.model));
        let groups = [own].into_iter().chain(self.beyond(request));
        let deployments: Vec<&Arc<Deployment>> = groups
            .flat_map(|group| router.deployments(&group.group))
            .collect();
        let models = deployments.iter().map(|one| one.target.model.as_str());
        let attached = Prompt::of(request.op, &request.body).attached;
        Counting::of(&request.body, attached, models)
    }

    /// What `request` may consume at most at the first deployment of its group.
    pub fn consumption(&self, request: &Request) -> Consumption {
        self.consumed(request, Prompt::of(request.op, &request.body))
    }

    fn bound_of(&self, request: &Request, prompt: Prompt<'_>) -> Bound {
        let Some(router) = self.router().filter(|_| is_made(request.op, request.verb)) else {
            return Bound::Free;
        };
        let name = request.route_as.as_ref().unwrap_or(&request.model);
        if name.is_empty() {
            // A file, a batch, a video made anew: what it costs shows when it is done.
            return Bound::About(NanoDollars(0));
        }
        if request.op == Op::Realtime {
            return self.session_bound(name);
        }
        // Most groups are one model with several keys.
        let kinds = router
            .deployments(name)
            .chunk_by(|one, other| self.are_alike(one, other, prompt.body));
        let bounds = kinds.filter_map(<[_]>::first).map(|deployment| {
            let model = &deployment.target.model;
            self.at(deployment, model, prompt)
        });
        bounds.reduce(Bound::or).unwrap_or(Bound::Unpriced)
    }

    /// Whether a request costs the same at both.
    fn are_alike(&self, one: &Deployment, other: &Deployment, body: &JsonObject) -> bool {
        let facts = |deployment: &Deployment| {
            let facts = &deployment.target.facts;
            let longest = wanted::longest(deployment, body);
            (facts.max_input_tokens, facts.max_output_tokens, longest)
        };
        self.prices().are_alike(one, other) && facts(one) == facts(other)
    }

    /// The same, should `request` go on to any group that it falls back to; `None` where it stays with its own.
    pub fn fallback_bound(&self, request: &Request, counted: Option<&Counted>) -> Option<Bound> {
        let router = self.router()?;
        let prompt = Prompt::of(request.op, &request.body);
        let bounds = self.beyond(request).into_iter().flat_map(|fallback| {
            // What it says then may be something else.
            let counted = counted.filter(|_| fallback.overrides.is_empty());
            let mut body = request.body.clone();
            for (key, value) in fallback.overrides {
                body.set(key, &value);
            }
            let deployments = router.deployments(&fallback.group).iter();
            let prompt = Prompt {
                body: &body,
                ..prompt.counted(counted)
            };
            let bounds: Vec<Bound> = deployments
                .map(|d| self.at(d, &d.target.model, prompt))
                .collect();
            bounds
        });
        bounds.reduce(Bound::or)
    }

    /// The groups that `request` may fall back to.
    fn beyond(&self, request: &Request) -> Vec<Fallback> {
        let route = &request.route;
        let own = [
            &route.fallbacks,
            &route.window_fallbacks,
            &route.policy_fallbacks,
        ];
        let Some(router) = self.router() else {
            return Vec::new();
        };
        let leads_on = router.has_fallbacks()
            || own.iter().any(|list| list.is_some())
            || !route.context_window_fallbacks.is_empty();
        if route.disable_fallbacks || !leads_on || !is_made(request.op, request.verb) {
            return Vec::new();
        }
        let [general, window, policy] = own.map(Clone::clone);
        let ask = Ask {
            fallbacks: general,
            context_window_fallbacks: window,
            content_policy_fallbacks: policy,
            ..Ask::new(request.route_as.as_ref().unwrap_or(&request.model))
        };
        let longer = route.context_window_fallbacks.values();
        let mut all = router.beyond(&ask);
        all.extend(longer.map(|group| Fallback::to(group.as_str())));
        all
    }

    /// The same of a request in a vendor's own format. What is not known there may cost anything.
    pub fn passing_bound(&self, request: &Passing, counted: Option<&Counted>) -> Bound {
        if let Some(flat) = request.flat {
            return match adjust(flat, &Terms::default()).total {
                NanoDollars(0) => Bound::Free,
                total => Bound::AtMost(total),
            };
        }
        let (Some(op), Some(router)) = (request.native.op, self.router()) else {
            return Bound::About(NanoDollars(0));
        };
        if !is_made(op, Verb::Create) {
            return Bound::Free;
        }
        let prompt = Prompt::of(op, &request.fields).counted(counted);
        let bounds = router.deployments(&request.group).iter();
        let bounds =
            bounds.map(|deployment| self.at(deployment, named(request, deployment), prompt));
        bounds.reduce(Bound::or).unwrap_or(Bound::Unpriced)
    }

    /// Such a request, to be counted; `None` where that is of no use.
    pub fn passing_counting(&self, request: &Passing) -> Option<Counting> {
        let op = request.native.op.filter(|op| counts_tokens(*op))?;
        let deployments = self.router()?.deployments(&request.group).iter();
        let models = deployments.map(|deployment| named(request, deployment));
        let attached = Prompt::of(op, &request.fields).attached;
        Counting::of(&request.fields, attached, models)
    }

    /// The same of a session with `model`: nobody knows how long it will last.
    fn session_bound(&self, model: &str) -> Bound {
        let deployments = self.router().map(|router| router.deployments(model));
        let bounds = deployments.into_iter().flatten().map(|deployment| {
            let word = Usage::new(1, 1);
            let charge = self.prices().expected(deployment, &word);
            match charge.total() {
                None => Bound::Unpriced,
                Some(_) if is_free(&charge) => Bound::Free,
                Some(_) => Bound::About(NanoDollars(0)),
            }
        });
        bounds.reduce(Bound::or).unwrap_or(Bound::Unpriced)
    }

    fn consumed(&self, request: &Request, prompt: Prompt<'_>) -> Consumption {
        let name = request.route_as.as_ref().unwrap_or(&request.model);
        let deployments = self.router().map(|router| router.deployments(name));
        match deployments.and_then(<[_]>::first) {
            // What will be said in a session nobody knows.
            Some(deployment) if request.op != Op::Realtime => {
                consumption(deployment, &deployment.target.model, prompt)
            }
            _ => Consumption::default(),
        }
    }

    fn at(&self, deployment: &Arc<Deployment>, model: &str, prompt: Prompt<'_>) -> Bound {
        let consumption = consumption(deployment, model, prompt);
        let Prompt {
            op, body, attached, ..
        } = prompt;
        let facts = &deployment.target.facts;
        // What may be as long as the model takes is paid for as if it were.
        let whole = facts.max_input_tokens.filter(|_| attached.endless);
        let input = whole.unwrap_or(consumption.input);
        let answers = wanted::answers(op, body);
        let longest = facts.max_output_tokens;
        let output = consumption.output.or(longest).unwrap_or(UNLIMITED);
        let usage = match speaks(op) {
            true => Usage::new(input, output.saturating_mul(answers)),
            false => Usage::new(input, 0),
        };
        let measures = Measures::of(op, body, None);
        let price = |usage: &Usage, measures| {
            self.prices()
                .expected_of(deployment, model, usage, measures)
        };
        let other = wanted::spoken(body, &usage);
        let other = other
            .iter()
            .filter_map(|usage| price(usage, Measures::default()).total())
            .max();
        let charge = price(&usage, measures);
        let known = consumption.output.is_some() && !attached.endless;
        match charge.total() {
            None => Bound::Unpriced,
            Some(_) if is_free(&charge) => Bound::Free,
            Some(total) => {
                let total = other.map_or(total, |other| total.max(other));
                match known && counts_tokens(op) {
                    true => Bound::AtMost(total),
                    false => Bound::About(total),
                }
            }
        }
    }
}

impl Bound {
    /// What to hold for a request that is bound by this, and by `other` only if it goes on to another group.
    pub fn with_fallback(self, other: Option<Self>) -> Self {
        match (self, other) {
            (own, None | Some(Self::Free)) => own,
            (Self::Free, Some(other)) => other,
            (Self::Unpriced, _) => Self::Unpriced,
            (own, Some(Self::Unpriced)) => own,
            (own, Some(other)) => own.or(other),
        }
    }

    /// The bound of a request that may go either way.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unpriced, _) | (_, Self::Unpriced) => Self::Unpriced,
            (Self::Free, other) | (other, Self::Free) => other,
            (Self::AtMost(a), Self::AtMost(b)) => Self::AtMost(a.max(b)),
            (Self::AtMost(a) | Self::About(a), Self::AtMost(b) | Self::About(b)) => {
                Self::About(a.max(b))
            }
        }
    }
}

impl<'a> Prompt<'a> {
    fn of(op: Op, body: &'a JsonObject) -> Self {
        Self {
            op,
            body,
            attached: match speaks(op) {
                true => Attached::of(body),
                false => Attached::default(),
            },
            counted: None,
        }
    }

    fn counted(self, counted: Option<&'a Counted>) -> Self {
        Self { counted, ..self }
    }
}

fn consumption(deployment: &Deployment, model: &str, prompt: Prompt<'_>) -> Consumption {
    let Prompt {
        op, body, attached, ..
    } = prompt;
    let facts = &deployment.target.facts;
    let bytes: usize = body.iter().map(|(_, value)| value.len()).sum();
    let bytes = (bytes as u64).saturating_sub(attached.bytes);
    let around = match speaks(op) {
        true => FRAME + tools(body),
        false => 0,
    };
    let text = bytes.saturating_add(around);
    let counted = prompt.counted.and_then(|counted| counted.of(model));
    let text = counted.map_or(text, |counted| counted.min(text));
    let pictures = attached.tokens(model);
    let whole = facts.max_input_tokens.unwrap_or(u64::MAX);
    let usual = bytes.div_ceil(USUAL_BYTES_A_TOKEN);
    Consumption {
        input: text.saturating_add(pictures).min(whole),
        usual_input: usual.saturating_add(pictures / 2).min(whole),
        output: match speaks(op) {
            true => wanted::longest(deployment, body),
            false => Some(0),
        },
    }
}

/// What a model is told besides, where it has tools.
fn tools(body: &JsonObject) -> u64 {
    // Neither `null` nor an empty list.
    let has = |key: &str| body.raw(key).is_some_and(|raw| raw.len() > 4);
    match has("tools") || has("functions") {
        true => TOOLS,
        false => 0,
    }
}

/// The model that answers a request in a vendor's own format.
fn named<'a>(request: &'a Passing, deployment: &'a Deployment) -> &'a str {
    let own = &deployment.target.model;
    match request.rename && !own.is_empty() {
        true => own,
        false => &request.native.model,
    }
}

/// Whether a vendor makes something for it, which is what costs. What is read, removed, stopped or counted does not.
fn is_made(op: Op, verb: Verb) -> bool {
    matches!(verb, Verb::Create | Verb::Compact | Verb::Remix) && op != Op::CountTokens
}

/// Whether a bill is nothing because nothing is to be paid, and not because what is to be paid for is not known yet: the
/// pages of a document, the seconds of a recording.
pub(crate) fn is_free(charge: &Charge) -> bool {
    let is_whole = |cost: &Cost| cost.free || cost.gaps.is_empty();
    charge.total() == Some(NanoDollars(0)) && charge.cost.as_ref().is_some_and(is_whole)
}

/// Whether answers are made of tokens.
fn speaks(op: Op) -> bool {
    matches!(
        op,
        Op::Chat | Op::Completion | Op::Messages | Op::Responses | Op::GenerateContent
    )
}

/// Whether it is tokens that are paid, so that counting them bounds the price.
fn counts_tokens(op: Op) -> bool {
    speaks(op) || matches!(op, Op::Embedding | Op::Moderation)
}
