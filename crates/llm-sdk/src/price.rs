//! What answers cost, at the prices of the deployment that gave them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use foldhash::HashMap;
use llm_cost::{
    Adjusted, Basis, Cost, Kind, Measures, NanoDollars, PriceTable, Pricing, Quantity, Terms,
    adjust, cost,
};
use llm_providers::{ModelFacts, Target};
use llm_router::{Deployment, TokenPrice};
use llm_types::{JsonObject, Map, Op, Usage};
use serde_json::Value;

use crate::{
    settled::{self, Settled},
    surroundings::prices,
};

/// Deployments whose prices are remembered, at most: wildcard groups have as many models as clients can name.
const REMEMBERED: usize = 4096;

/// What a request costs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charge {
    /// The bill, part by part; `None` where nothing is known of the model's prices or of its usage.
    pub cost: Option<Cost>,
    /// The bill after discount and margin.
    pub adjusted: Option<Adjusted>,
    /// What it was made of besides the usage; nothing where several bills are one.
    pub basis: Option<Box<Basis>>,
}

impl Charge {
    /// What is to be paid; `None` where that is not known. Never a silent zero.
    pub fn total(&self) -> Option<NanoDollars> {
        self.adjusted.map(|adjusted| adjusted.total)
    }
}

/// Deployment id -> model -> prices, where it has any. In two steps, so that a look-up needs no key of its own.
type Known = HashMap<String, HashMap<String, Option<Arc<Pricing>>>>;

/// The prices of an engine: the table, the operator's terms, and what deployments say of themselves.
#[derive(Debug)]
pub struct Prices {
    /// `None`: the process's own table, which may grow while it runs.
    table: Option<Arc<PriceTable>>,
    discounts: Option<Value>,
    margins: Option<Value>,
    known: RwLock<Known>,
    /// Batches that were charged.
    pub(crate) settled: Arc<Settled>,
}

impl Prices {
    /// Prices from `table`, with LiteLLM's `cost_discount_config` and `cost_margin_config`.
    pub fn new(table: Arc<PriceTable>, discounts: Option<Value>, margins: Option<Value>) -> Self {
        Self {
            table: Some(table),
            discounts,
            margins,
            known: RwLock::default(),
            settled: Arc::default(),
        }
    }

    /// The same prices, knowing what was charged at `old` ones.
    pub fn succeeding(mut self, old: &Self) -> Self {
        self.settled = Arc::clone(&old.settled);
        self
    }

    /// The process's own table: the build's, with what was registered since.
    pub fn of_process() -> Self {
        Self {
            table: None,
            discounts: None,
            margins: None,
            known: RwLock::default(),
            settled: Arc::default(),
        }
    }

    /// The table.
    pub fn table(&self) -> Arc<PriceTable> {
        self.table.clone().unwrap_or_else(prices)
    }

    /// What `usage` would cost at `deployment`.
    pub fn expected(&self, deployment: &Deployment, usage: &Usage) -> Charge {
        let model = &deployment.target.model;
        self.expected_of(deployment, model, usage, Measures::default())
    }

    /// The same of `model` there, and of a request that is also measured otherwise than in tokens.
    pub(crate) fn expected_of(
        &self,
        deployment: &Deployment,
        model: &str,
        usage: &Usage,
        measures: Measures,
    ) -> Charge {
        let asked = Asked {
            deployment,
            model,
            measures: &measures,
            took: None,
        };
        self.bill(asked, usage, SystemTime::now())
    }

    /// What a request that was answered at `at` and took so long costs by these prices.
    pub fn again(
        &self,
        deployment: &Deployment,
        usage: &Usage,
        basis: &Basis,
        (at, took): (SystemTime, Duration),
    ) -> Charge {
        let asked = Asked {
            deployment,
            model: &basis.model,
            measures: &basis.measures,
            took: Some(took),
        };
        self.bill(asked, usage, at)
    }

    /// The bill of a usage, without its basis.
    fn bill(&self, asked: Asked<'_>, usage: &Usage, at: SystemTime) -> Charge {
        let Asked {
            deployment,
            model,
            measures,
            took,
        } = asked;
        let provider = deployment.target.provider.name;
        let draws = measures.images.is_some();
        let by_image = || draws.then(|| self.image_pricing(asked)).flatten();
        let by_token = || self.pricing(deployment, model);
        let pricing = match draws && usage.total_tokens == 0 {
            true => by_image(),
            false => by_token().or_else(by_image),
        };
        let mut context = measures.context(provider);
        context.vertex_location = deployment.target.setting("vertex_location");
        context.at = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()
            .map(|since| since.as_secs());
        // What the vendor counted itself wins over what was asked for.
        let units = &usage.units;
        context.queries = units.queries.or(context.queries);
        context.pages = units.pages.or(context.pages);
        context.annotated_pages = units.annotated_pages.or(context.annotated_pages);
        context.input_images = units.input_images;
        context.seconds = units.seconds.or(context.seconds);
        context.prompt_characters = units.characters.or(context.prompt_characters);
        context.elapsed = took.map(|took| took.as_secs_f64());
        let unknown = Pricing::default();
        let bill = cost(pricing.as_deref().unwrap_or(&unknown), usage, &context);
        if pricing.is_none() && !bill.reported {
            return Charge {
                cost: Some(bill),
                adjusted: None,
                basis: None,
            };
        }
        let terms = Terms::of(provider, self.discounts.as_ref(), self.margins.as_ref());
        let adjusted = adjust(bill.exact, &terms);
        Charge {
            cost: Some(bill),
            adjusted: Some(adjusted),
            basis: None,
        }
    }

    /// Whether the same usage costs the same at both.
    pub(crate) fn are_alike(&self, one: &Deployment, other: &Deployment) -> bool {
        let (a, b) = (&one.target, &other.target);
        let location = "vertex_location";
        (a.provider.name, &a.model) == (b.provider.name, &b.model)
            && a.setting(location) == b.setting(location)
            && one.model_info.get("base_model") == other.model_info.get("base_model")
            && self.pricing(one, &a.model) == self.pricing(other, &b.model)
    }

    /// The prices of one deployment's model, remembered.
    fn pricing(&self, deployment: &Deployment, model: &str) -> Option<Arc<Pricing>> {
        if self.table.is_none() {
            return self.look_up(deployment, model).map(Arc::new);
        }
        if let Some(known) = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&deployment.id)
            .and_then(|models| models.get(model))
        {
            return known.clone();
        }
        let found = self.look_up(deployment, model).map(Arc::new);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.values().map(HashMap::len).sum::<usize>() >= REMEMBERED {
            known.clear();
        }
        known
            .entry(deployment.id.clone())
            .or_default()
            .insert(model.to_owned(), found.clone());
        found
    }

    /// The prices of an image, which lists split by quality and size.
    fn image_pricing(&self, asked: Asked<'_>) -> Option<Arc<Pricing>> {
        let deployment = asked.deployment;
        let base = deployment.model_info.get("base_model");
        let model = base.and_then(Value::as_str).unwrap_or(asked.model);
        let found = self.table().get_image(
            deployment.target.provider.name,
            model,
            asked.measures.image_quality.as_deref(),
            asked.measures.image_size.as_deref(),
        );
        let listed = found
            .as_ref()
            .map(|found| found.row.pricing())
            .filter(|pricing| pricing.is_known());
        match Pricing::custom(listed, &deployment.model_info).or_else(|| listed.cloned()) {
            Some(pricing) => Some(Arc::new(pricing)),
            None => self.pricing(deployment, asked.model),
        }
    }

    fn look_up(&self, deployment: &Deployment, model: &str) -> Option<Pricing> {
        let (target, info) = (&deployment.target, &deployment.model_info);
        pricing(&self.table(), target, info, model)
    }
}

/// What a token of `target`'s model costs, where its prices of both prompts and answers are known.
pub(crate) fn of_tokens(table: &PriceTable, target: &Target, info: &Map) -> Option<TokenPrice> {
    let pricing = pricing(table, target, info, &target.model)?;
    let million = |kind| {
        let price = pricing.base(kind)?.times(Quantity::count(1_000_000));
        u64::try_from(price.to_nano().0).ok()
    };
    let (input, output) = (million(Kind::Input), million(Kind::Output));
    // Embeddings have no answer to pay for.
    let output = output.or_else(|| input.map(|_| 0));
    Some(TokenPrice {
        input: input?,
        output: output?,
        cached: million(Kind::CacheRead),
    })
}

/// The prices of `model` at `target`: the list's, and those of the configuration over them.
fn pricing(table: &PriceTable, target: &Target, info: &Map, model: &str) -> Option<Pricing> {
    let base = info.get("base_model").and_then(Value::as_str);
    let provider = target.provider.name;
    let region = target.setting("aws_region_name");
    let find = |name: &str| match region {
        Some(region) => table.get_in_region(provider, region, name),
        None => table.get(provider, name),
    };
    let listed = base
        .and_then(find)
        .or_else(|| find(model))
        .filter(|found| found.row.pricing().is_known());
    let listed = listed.as_ref().map(|found| found.row.pricing());
    Pricing::custom(listed, info).or_else(|| listed.cloned())
}

/// What a bill is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    deployment: &'a Deployment,
    model: &'a str,
    measures: &'a Measures,
    /// Nothing where that is still to come.
    took: Option<Duration>,
}

/// All that the price of one request depends on besides its usage.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) prices: Arc<Prices>,
    pub(crate) deployment: Arc<Deployment>,
    /// The vendor's name for the model.
    pub(crate) model: String,
    /// What was asked for, and what of it was delivered.
    pub(crate) measures: Measures,
    pub(crate) started: Instant,
}

impl Rates {
    /// Sharper videos of some models are listed as models of their own.
    pub(crate) fn sharpen(&mut self) {
        let side = self.measures.resolution.as_deref();
        let side = side.and_then(|side| side.strip_suffix('p')?.parse::<u32>().ok());
        if side.is_none_or(|side| side <= 720) {
            return;
        }
        let sharp = format!("{}-high-res", self.model);
        let provider = self.deployment.target.provider.name;
        if self.prices.table().get(provider, &sharp).is_some() {
            self.model = sharp;
        }
    }

    /// The rates of another `model` of the same vendor, by the list: what the configuration says is said of its own model.
    pub(crate) fn beside(&self, model: &str) -> Self {
        let mut rates = self.clone();
        if self.model == model {
            return rates;
        }
        let mut deployment = (*self.deployment).clone();
        deployment.model_info.clear();
        deployment.id.push_str("/beside");
        rates.deployment = Arc::new(deployment);
        model.clone_into(&mut rates.model);
        rates
    }

    /// What a response of the background costs besides its usage; the id of its bill, unless it was told.
    pub(crate) fn late(&mut self, response: &Bytes) -> Option<String> {
        let response = JsonObject::parse(response).ok()?;
        if matches!(&*response.str("status")?, "queued" | "in_progress") {
            return None;
        }
        let id = settled::once(self, "response", &response.str("id")?)?;
        self.measures = Measures::of(Op::Responses, &response, Some(&response));
        if let Some(model) = response.str("model").filter(|model| !model.is_empty()) {
            self.model = model.into_owned();
        }
        Some(id)
    }

    /// Takes the tools that the vendor ran for an answer into the bill: no usage counts them all.
    pub(crate) fn used(&mut self, op: Op, asked: &JsonObject, answer: &Bytes) {
        let may_have = asked.contains("tools") || asked.contains("web_search_options");
        if may_have && let Ok(answer) = JsonObject::parse(answer) {
            let expected = self.measures.web_searches;
            self.measures = Measures::of(op, asked, Some(&answer));
            if op == Op::Chat {
                self.measures.web_searches = self.measures.web_searches.max(expected);
            }
        }
    }

    /// Prices `usage`.
    pub(crate) fn charge(&self, usage: Option<&Usage>) -> Charge {
        let Some(usage) = usage else {
            return Charge::default();
        };
        let asked = Asked {
            deployment: &self.deployment,
            model: &self.model,
            measures: &self.measures,
            took: Some(self.started.elapsed()),
        };
        let basis = Basis {
            model: self.model.clone(),
            measures: self.measures.clone(),
        };
        Charge {
            basis: Some(Box::new(basis)),
            ..self.prices.bill(asked, usage, SystemTime::now())
        }
    }
}

/// What the table and the configuration know of `target`'s model.
pub fn facts(table: &PriceTable, target: &Target, model_info: &Map) -> ModelFacts {
    let base = model_info.get("base_model").and_then(Value::as_str);
    let found = table.get(target.provider.name, base.unwrap_or(&target.model));
    let listed = found.iter().flat_map(|found| found.row.fields());
    let mut facts = ModelFacts::default();
    for (key, value) in listed.chain(model_info) {
        match (key.as_str(), value) {
            ("mode", Value::String(mode)) => facts.mode = Some(mode.clone()),
            ("max_input_tokens", value) => {
                facts.max_input_tokens = value.as_u64().or(facts.max_input_tokens)
            }
            ("max_output_tokens", value) => {
                facts.max_output_tokens = value.as_u64().or(facts.max_output_tokens)
            }
            (key, Value::Bool(yes)) => {
                if let Some(what) = key.strip_prefix("supports_") {
                    facts.supports.insert(what.to_owned(), *yes);
                }
            }
            _ => {}
        }
    }
    facts
}

#[cfg(test)]
mod tests;
