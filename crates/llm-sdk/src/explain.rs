//! What would be done with a request, and what it may cost, without doing it.

use std::sync::Arc;

use llm_providers::Error;
use llm_router::{Explanation, Router};
use llm_types::{JsonObject, Usage};
use serde::Serialize;

use crate::{Engine, Request, ask, ask::Asking};

/// What the router would do with a request, and what that may cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// Who would be asked, and why.
    #[serde(flatten)]
    pub route: Explanation,
    /// What it may cost there.
    pub expected: Expected,
}

/// What a request may consume; `None` where a number is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Expected {
    /// Tokens of the prompt, about.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, at most.
    pub max_output_tokens: Option<u64>,
    /// Dollars.
    pub cost_usd: Option<CostRange>,
}

/// From what the prompt alone costs to what the longest answer costs, in dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CostRange {
    /// The prompt alone.
    pub least: Option<f64>,
    /// With the longest answer.
    pub most: Option<f64>,
}

impl Engine {
    /// What the router would do with `request`. Nothing is sent, counted or held. Counts tokens, which takes a moment
    /// where a vocabulary was not used before.
    pub fn explain(&self, request: &Request) -> Result<Explained, Error> {
        let (router, route) = self.explained(request)?;
        let expected = self.expected(router, &route, &request.body);
        Ok(Explained { route, expected })
    }

    /// The same without what it may cost, and without a count of tokens that nothing depends on.
    pub fn explain_route(&self, request: &Request) -> Result<Explanation, Error> {
        Ok(self.explained(request)?.1)
    }

    fn explained(&self, request: &Request) -> Result<(&Arc<Router>, Explanation), Error> {
        let Some(router) = self.router() else {
            return Err(Error::bad_request("model", "there is no router"));
        };
        let asking = Asking {
            op: request.op,
            model: request.route_as.as_ref().unwrap_or(&request.model),
            body: &request.body,
            options: &request.options,
            route: &request.route,
        };
        Ok((router, router.explain(&asking.of(router))?))
    }

    fn expected(&self, router: &Router, route: &Explanation, body: &JsonObject) -> Expected {
        let deployment = route.picked.as_deref().and_then(|id| router.deployment(id));
        let Some(deployment) = deployment else {
            return Expected::default();
        };
        let input = ask::tokens(&deployment.target.model, body);
        let number = |key: &str| {
            let own = body.get::<u64>(key).ok().flatten();
            own.or_else(|| deployment.defaults.get(key).ok().flatten())
        };
        let longest = number("max_completion_tokens")
            .or_else(|| number("max_tokens"))
            .or_else(|| number("max_output_tokens"))
            .or(deployment.target.facts.max_output_tokens);
        let price = |output: u64| {
            let usage = Usage::new(input, output);
            let charge = self.prices().expected(deployment, &usage);
            charge.total().map(|total| total.to_f64())
        };
        Expected {
            input_tokens: Some(input),
            max_output_tokens: longest,
            cost_usd: Some(CostRange {
                least: price(0),
                most: longest.and_then(price),
            }),
        }
    }
}
