//! Usage times prices.

use llm_types::Usage;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    CostContext, Dollars, Factor, Kind, NanoDollars, Pricing, Quantity, Service, classes::Classes,
    habits::Habits, pricing::Circumstances, reported, tools, units,
};

/// What one request costs, and why. As JSON the total is in nano-dollars, every other amount in dollars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The bill: the exact sum of all parts, rounded half up to nano-dollars once.
    pub total: NanoDollars,
    /// The same before rounding.
    pub exact: Dollars,
    /// Uncached input of every modality, and everything billed by request, page, second or character of input.
    pub input: Dollars,
    /// Input read from the vendor's cache.
    pub cached: Dollars,
    /// Input written to the vendor's cache.
    pub cache_write: Dollars,
    /// Output of every modality, without reasoning.
    pub output: Dollars,
    /// Reasoning.
    pub reasoning: Dollars,
    /// Tools that the vendor ran: searches, code, files, maps.
    pub tools: Dollars,
    /// Audio, in and out: already contained in the fields above.
    pub audio: Dollars,
    /// Every line of the bill. Their amounts sum to [`Cost::exact`].
    pub parts: Vec<Part>,
    /// What was consumed without a price, or cannot be told. Empty on a complete bill.
    pub gaps: Vec<Gap>,
    /// Whether the vendor's own figure was taken instead of prices.
    pub reported: bool,
    /// Whether the model is known to cost nothing.
    pub free: bool,
}

/// One line of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What was consumed.
    pub what: Kind,
    /// How much of it.
    pub quantity: Quantity,
    /// Dollars per unit, multipliers included.
    pub unit_price: Dollars,
    /// Which price that is: cached tokens of a model without a cache price are billed as input.
    pub priced_as: Kind,
    /// `quantity` times `unit_price`, exactly.
    pub amount: Dollars,
}

/// Something consumed that no part of the bill covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What was consumed.
    pub what: Kind,
    /// How much of it; nothing where even that is not known.
    pub quantity: Quantity,
    /// Why it is not on the bill.
    pub why: GapReason,
}

/// Why something is not on the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The price list has no price for it.
    NoPrice,
    /// A price asks for it, and nobody said how much there was.
    UnknownQuantity,
    /// The usage's breakdown claims more of it than its total.
    BeyondTotal,
    /// The usage's grand total is larger than input and output together.
    Unattributed,
}

/// Why a bill is zero: never silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroReason {
    /// The model is known to cost nothing.
    Free,
    /// Something was consumed that has no price.
    Unpriced,
    /// The vendor says that it cost nothing.
    Reported,
    /// Nothing was consumed.
    NothingConsumed,
}

/// Prices a usage. Pure: the same prices, usage and context give the same bill for ever.
pub fn cost(pricing: &Pricing, usage: &Usage, ask: &CostContext<'_>) -> Cost {
    if let Some(amount) = reported::amount(usage, ask) {
        return reported_cost(amount);
    }
    let mut bill = Bill::new(pricing, usage, ask);
    let units_billed = units::bill(&mut bill, usage, ask);
    let images = usage.completion_tokens > 0
        && pricing.base(Kind::OutputImageToken).is_some()
        && pricing.base(Kind::Output).is_none();
    let classes = Classes::of(usage, images);
    for (kind, tokens) in classes.input.iter().chain(&classes.output) {
        bill.tokens(*kind, *tokens, units_billed);
    }
    for (kind, tokens) in &classes.excess {
        bill.gap(*kind, Quantity::count(*tokens), GapReason::BeyondTotal);
    }
    if classes.unattributed > 0 {
        let tokens = Quantity::count(classes.unattributed);
        bill.gap(Kind::Output, tokens, GapReason::Unattributed);
    }
    tools::bill(&mut bill, usage, ask);
    bill.finish()
}

impl Cost {
    /// What the prompt costs: input, cache reads and writes.
    pub fn prompt(&self) -> Dollars {
        self.input.plus(self.cached).plus(self.cache_write)
    }

    /// What the answer costs: output and reasoning.
    pub fn completion(&self) -> Dollars {
        self.output.plus(self.reasoning)
    }

    /// The bill by groups, in dollars under LiteLLM's names: input and output contain what is listed apart.
    pub fn breakdown(&self) -> Map<String, Value> {
        let groups = [
            ("input_cost", self.prompt()),
            ("cache_read_cost", self.cached),
            ("cache_creation_cost", self.cache_write),
            ("output_cost", self.completion()),
            ("reasoning_cost", self.reasoning),
            ("tool_usage_cost", self.tools),
            ("total_cost", self.exact),
        ];
        let entry = |(name, amount): (&str, Dollars)| (name.to_owned(), amount.to_f64().into());
        groups.into_iter().map(entry).collect()
    }

    /// Why the bill is zero; `None` if it is not.
    pub fn zero_reason(&self) -> Option<ZeroReason> {
        if !self.exact.is_zero() {
            return None;
        }
        let unpriced = |gap: &Gap| gap.why != GapReason::BeyondTotal;
        Some(match () {
            () if self.reported => ZeroReason::Reported,
            () if self.gaps.iter().any(unpriced) => ZeroReason::Unpriced,
            () if self.free => ZeroReason::Free,
            () if self.parts.iter().any(|part| !part.quantity.is_zero()) => ZeroReason::Free,
            () => ZeroReason::NothingConsumed,
        })
    }

    /// This bill and another one on top of it, rounded together once: a model router's fee and the routed model.
    pub fn plus(mut self, other: Cost) -> Cost {
        self.parts.extend(other.parts);
        self.gaps.extend(other.gaps);
        summed(Cost {
            parts: self.parts,
            gaps: self.gaps,
            reported: self.reported || other.reported,
            free: self.free && other.free,
            ..Cost::default()
        })
    }
}

/// The lines of a bill while it is written.
pub(crate) struct Bill<'a> {
    pub(crate) pricing: &'a Pricing,
    pub(crate) under: Circumstances,
    /// What the vendor charges where its list is silent.
    pub(crate) habits: Habits,
    factors: Vec<Factor>,
    parts: Vec<Part>,
    gaps: Vec<Gap>,
}

impl<'a> Bill<'a> {
    fn new(pricing: &'a Pricing, usage: &Usage, ask: &CostContext<'_>) -> Self {
        Self {
            pricing,
            under: Circumstances {
                prompt_tokens: usage.prompt_tokens,
                results: ask.results.unwrap_or_default(),
                service: service(usage, ask),
                threshold_included: ask.provider == "xai",
                at: ask.at,
            },
            habits: Habits::of(ask.provider),
            factors: factors(pricing, usage, ask),
            parts: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// One class of tokens at its own price, else at the price of the class that contains it.
    fn tokens(&mut self, kind: Kind, tokens: u64, covered: bool) {
        let quantity = Quantity::count(tokens);
        let mut chain = std::iter::successors(Some(kind), |kind| contained_in(*kind));
        let found = chain.find_map(|kind| Some((kind, self.pricing.price(kind, &self.under)?)));
        match found {
            Some((Kind::Input, price)) if kind == Kind::CacheRead && self.habits.half_cached => {
                self.line(kind, quantity, price.divided(2), Kind::Input);
            }
            Some((priced_as, price)) => self.line(kind, quantity, price, priced_as),
            None if covered => {}
            None if self.habits.free => self.line(kind, quantity, Dollars::ZERO, kind),
            None => self.gap(kind, quantity, GapReason::NoPrice),
        }
    }

    /// A line with the request's multipliers applied to its unit price.
    pub(crate) fn line(&mut self, what: Kind, quantity: Quantity, price: Dollars, as_: Kind) {
        let price = self.factors.iter().fold(price, |price, f| price.scaled(*f));
        self.flat(what, quantity, price, as_);
    }

    /// A line that no multiplier touches.
    pub(crate) fn flat(&mut self, what: Kind, quantity: Quantity, price: Dollars, as_: Kind) {
        self.parts.push(Part {
            what,
            quantity,
            unit_price: price,
            priced_as: as_,
            amount: price.times(quantity),
        });
    }

    pub(crate) fn gap(&mut self, what: Kind, quantity: Quantity, why: GapReason) {
        self.gaps.push(Gap {
            what,
            quantity,
            why,
        });
    }

    fn finish(self) -> Cost {
        summed(Cost {
            parts: self.parts,
            gaps: self.gaps,
            free: self.pricing.is_free() || (self.habits.free && !self.pricing.is_known()),
            ..Cost::default()
        })
    }
}

fn summed(mut cost: Cost) -> Cost {
    for part in &cost.parts {
        let group = match part.what {
            Kind::CacheRead
            | Kind::ExplicitCacheRead
            | Kind::CacheReadAudio
            | Kind::CacheReadImage => &mut cost.cached,
            Kind::CacheWrite | Kind::CacheWrite1h | Kind::CacheWriteAudio => &mut cost.cache_write,
            Kind::Reasoning => &mut cost.reasoning,
            kind if kind.is_output() => &mut cost.output,
            kind if kind.is_tool() => &mut cost.tools,
            _ => &mut cost.input,
        };
        *group = group.plus(part.amount);
        if part.what.is_audio() {
            cost.audio = cost.audio.plus(part.amount);
        }
    }
    cost.exact = cost.parts.iter().map(|part| part.amount).sum();
    cost.total = cost.exact.to_nano();
    cost
}

fn reported_cost(amount: Dollars) -> Cost {
    summed(Cost {
        parts: vec![Part {
            what: Kind::Reported,
            quantity: Quantity::count(1),
            unit_price: amount,
            priced_as: Kind::Reported,
            amount,
        }],
        reported: true,
        ..Cost::default()
    })
}

/// The class whose price stands in where `kind` has none.
fn contained_in(kind: Kind) -> Option<Kind> {
    Some(match kind {
        Kind::ExplicitCacheRead | Kind::CacheReadAudio | Kind::CacheReadImage => Kind::CacheRead,
        Kind::CacheWrite1h | Kind::CacheWriteAudio => Kind::CacheWrite,
        Kind::CacheRead
        | Kind::CacheWrite
        | Kind::InputAudio
        | Kind::InputImageToken
        | Kind::InputVideoToken => Kind::Input,
        Kind::Reasoning | Kind::OutputAudio | Kind::OutputImageToken | Kind::OutputVideoToken => {
            Kind::Output
        }
        _ => return None,
    })
}

/// The vendor's word on what it served wins over the caller's.
fn service(usage: &Usage, ask: &CostContext<'_>) -> Service {
    if ask.batch {
        return Service::Batches;
    }
    let said = usage
        .extra
        .get("service_tier")
        .and_then(|tier| tier.as_str());
    said.or(ask.service_tier)
        .map(Service::from_tier)
        .unwrap_or_default()
}

/// What the place and the speed of processing multiply every price by.
fn factors(pricing: &Pricing, usage: &Usage, ask: &CostContext<'_>) -> Vec<Factor> {
    let said = |name: &str| usage.extra.get(name).and_then(|value| value.as_str());
    let residency = ask.data_residency.and_then(|place| {
        pricing.factor(&format!("regional_processing_uplift_multiplier_{place}"))
    });
    let location = ask
        .vertex_location
        .filter(|location| *location != "global")
        .and_then(|_| pricing.factor("regional_endpoint_uplift_multiplier"));
    let geography = said("inference_geo")
        .filter(|geography| !matches!(*geography, "global" | "not_available"))
        .and_then(|geography| pricing.factor(&geography.to_ascii_lowercase()));
    let speed = said("speed")
        .filter(|speed| *speed == "fast")
        .and_then(|speed| pricing.factor(speed));
    [residency, location, geography, speed]
        .into_iter()
        .flatten()
        .collect()
}
