//! What a request may cost at most, before it is sent.

use std::sync::Arc;

use llm_cost::{Measures, NanoDollars, Terms, adjust};
use llm_router::Deployment;
use llm_types::{JsonObject, Map, Op, Usage, Verb};

use crate::{Engine, Passing, Request};

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
    /// Tokens of the answer; `None` where the request sets no end.
    pub output: Option<u64>,
}

/// Tokens of a prompt are counted from its bytes, as counting them truly takes longer than all else the gateway does:
/// texts have three to five bytes to a token, and the shortest words two.
const BYTES_A_TOKEN: u64 = 2;

/// What an answer without any limit is taken to be.
const UNLIMITED: u64 = 4096;

impl Engine {
    /// What `request` may cost at most, over all deployments of its group.
    pub fn bound(&self, request: &Request) -> Bound {
        let Some(router) = self.router().filter(|_| request.verb == Verb::Create) else {
            return Bound::Free;
        };
        let name = request.route_as.as_ref().unwrap_or(&request.model);
        let deployments = router.deployments(name);
        let bounds = deployments.iter().map(|deployment| {
            let model = &deployment.target.model;
            self.at(deployment, model, request.op, &request.body)
        });
        bounds.reduce(Bound::or).unwrap_or(Bound::Unpriced)
    }

    /// The same of a request in a vendor's own format. What is not known there may cost anything.
    pub fn passing_bound(&self, request: &Passing) -> Bound {
        if let Some(flat) = request.flat {
            return match adjust(flat, &Terms::default()).total {
                NanoDollars(0) => Bound::Free,
                total => Bound::AtMost(total),
            };
        }
        let (Some(op), Some(router)) = (request.native.op, self.router()) else {
            return Bound::About(NanoDollars(0));
        };
        let bounds = router.deployments(&request.group).iter().map(|deployment| {
            let own = &deployment.target.model;
            let model = match request.rename && !own.is_empty() {
                true => own,
                false => &request.native.model,
            };
            self.at(deployment, model, op, &request.fields)
        });
        bounds.reduce(Bound::or).unwrap_or(Bound::Unpriced)
    }

    /// What `request` may consume at most at the first deployment of its group.
    pub fn consumption(&self, request: &Request) -> Consumption {
        let name = request.route_as.as_ref().unwrap_or(&request.model);
        let deployments = self.router().map(|router| router.deployments(name));
        match deployments.and_then(<[_]>::first) {
            Some(deployment) => consumption(deployment, request.op, &request.body),
            None => Consumption::default(),
        }
    }

    fn at(&self, deployment: &Arc<Deployment>, model: &str, op: Op, body: &JsonObject) -> Bound {
        let consumption = consumption(deployment, op, body);
        let answers = body
            .get::<u64>("n")
            .ok()
            .flatten()
            .unwrap_or(1)
            .clamp(1, 1024);
        let longest = deployment.target.facts.max_output_tokens;
        let output = consumption.output.or(longest).unwrap_or(UNLIMITED);
        let usage = match speaks(op) {
            true => Usage::new(consumption.input, output.saturating_mul(answers)),
            false => Usage::new(consumption.input, 0),
        };
        let measures = Measures::of(op, body, None);
        let charge = self
            .prices()
            .expected_of(deployment, model, &usage, measures);
        let known = consumption.output.is_some();
        match charge.total() {
            None => Bound::Unpriced,
            Some(NanoDollars(0)) => Bound::Free,
            Some(total) if known && counts_tokens(op) => Bound::AtMost(total),
            Some(total) => Bound::About(total),
        }
    }
}

impl Bound {
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

fn consumption(deployment: &Deployment, op: Op, body: &JsonObject) -> Consumption {
    let facts = &deployment.target.facts;
    let bytes: usize = body.iter().map(|(_, value)| value.len()).sum();
    let input = (bytes as u64).div_ceil(BYTES_A_TOKEN);
    Consumption {
        input: input.min(facts.max_input_tokens.unwrap_or(u64::MAX)),
        output: match speaks(op) {
            true => limited(deployment, body),
            false => Some(0),
        },
    }
}

/// How long the request lets its answer get.
fn limited(deployment: &Deployment, body: &JsonObject) -> Option<u64> {
    let number = |key: &str| {
        let own = body.get::<u64>(key).ok().flatten();
        own.or_else(|| deployment.defaults.get(key).ok().flatten())
    };
    ["max_completion_tokens", "max_tokens", "max_output_tokens"]
        .into_iter()
        .find_map(number)
        .or_else(|| {
            // Google's clients say it one level below.
            let config: Map = body.get("generationConfig").ok().flatten()?;
            config.get("maxOutputTokens")?.as_u64()
        })
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
