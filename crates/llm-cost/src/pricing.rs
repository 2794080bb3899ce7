//! All prices of one model, and which of them a request is subject to.

use serde_json::{Map, Value};

use crate::{Dollars, Factor, Kind, Rate, Service, hours::OffPeak};

/// What one model costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pricing {
    /// By [`Rate::place`]: the prices of one kind are together.
    rates: Vec<Rate>,
    bands: Vec<Band>,
    off_peak: Option<OffPeak>,
    search: Option<SearchPrices>,
    search_per_query: bool,
    factors: Vec<(Box<str>, Factor)>,
}

/// Prices for requests of a certain size: they replace the flat ones for the whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Band {
    /// The largest request it is for; the last band has no end.
    up_to: u64,
    /// What of a request is measured.
    size: Size,
    rates: Vec<Rate>,
}

/// What of a request decides on its band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// How long its prompt is, in tokens.
    Prompt,
    /// How many results it asks a search for.
    Results,
}

/// Dollars per web search, by how much context it brings in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SearchPrices {
    low: Option<Dollars>,
    medium: Option<Dollars>,
    high: Option<Dollars>,
}

/// What decides between the prices of one model.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Circumstances {
    pub(crate) prompt_tokens: u64,
    /// How many results a search is asked for.
    pub(crate) results: u64,
    pub(crate) service: Service,
    /// Whether a prompt of exactly the threshold's length is above it.
    pub(crate) threshold_included: bool,
    /// Seconds since 1970, where hours matter.
    pub(crate) at: Option<u64>,
}

impl Pricing {
    /// Reads every price among the fields of a price-list entry, or of a deployment's own prices. Other fields and
    /// `null` are passed over; so are prices that are not non-negative numbers, which [`Pricing::unreadable`] names.
    pub fn from_fields(fields: &Map<String, Value>) -> Self {
        let mut pricing = Self {
            rates: rates(fields),
            ..Self::default()
        };
        for (name, value) in fields {
            match name.as_str() {
                "tiered_pricing" => pricing.bands = bands(value),
                "off_peak_pricing" => pricing.off_peak = OffPeak::from_json(value),
                "search_context_cost_per_query" => pricing.search = SearchPrices::from_json(value),
                "web_search_billing_unit" => {
                    pricing.search_per_query = value.as_str() == Some("per_query");
                }
                "provider_specific_entry" => pricing.factors_from(value),
                _ => {
                    if name.contains("_uplift_multiplier")
                        && let Some(factor) = Factor::from_json(value)
                    {
                        pricing.factors.push((name.as_str().into(), factor));
                    }
                }
            }
        }
        pricing
    }

    /// The fields that are prices and whose values are not: what a configuration must be refused for.
    pub fn unreadable(fields: &Map<String, Value>) -> Vec<&str> {
        let is_price = |name: &str| Rate::parse(name, Dollars::ZERO).is_some();
        fields
            .iter()
            .filter(|(name, value)| is_price(name) && !value.is_null())
            .filter(|(_, value)| Dollars::from_json(value).is_none())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Whether there is any price at all, be it zero.
    pub fn is_known(&self) -> bool {
        !self.rates.is_empty() || !self.bands.is_empty() || self.search.is_some()
    }

    /// Whether every price is known to be zero.
    pub fn is_free(&self) -> bool {
        self.is_known()
            && self.rates.iter().all(|rate| rate.price.is_zero())
            && self
                .bands
                .iter()
                .all(|band| band.rates.iter().all(|rate| rate.price.is_zero()))
            && self.search.is_none_or(SearchPrices::is_free)
    }

    /// The base price of `kind` on the standard service, in dollars per unit: what price lists show.
    pub fn base(&self, kind: Kind) -> Option<Dollars> {
        let circumstances = Circumstances::default();
        self.price(kind, &circumstances)
    }

    /// Whether a non-zero price of `kind` is listed, of whatever size.
    pub(crate) fn asks(&self, kind: Kind) -> bool {
        let listed = |rate: &Rate| rate.kind == kind && !rate.price.is_zero();
        self.rates.iter().any(listed)
    }

    /// The prices of a deployment whose configuration carries its own: `fields` alone where they price both input and
    /// output or a second, else `list` with the given ones replaced. `None` if `fields` has no price.
    pub fn custom(list: Option<&Self>, fields: &Map<String, Value>) -> Option<Self> {
        let own = Self::from_fields(fields);
        if !own.is_known() {
            return None;
        }
        let has = |kinds: &[Kind]| kinds.iter().any(|kind| own.base(*kind).is_some());
        let by_token = has(&[Kind::Input]) && has(&[Kind::Output]);
        let complete = by_token || has(&[Kind::Second, Kind::InputSecond, Kind::OutputSecond]);
        match list {
            Some(list) if !complete => Some(list.overlaid(own)),
            _ => Some(own),
        }
    }

    fn overlaid(&self, own: Self) -> Self {
        let mut merged = self.clone();
        merged
            .rates
            .retain(|old| own.rates.iter().all(|new| new.place() != old.place()));
        merged.rates.extend(own.rates);
        merged.rates.sort_by(|a, b| a.place().cmp(&b.place()));
        if !own.bands.is_empty() {
            merged.bands = own.bands;
        }
        merged.off_peak = own.off_peak.or(merged.off_peak);
        merged.search = own.search.or(merged.search);
        merged.search_per_query |= own.search_per_query;
        merged
            .factors
            .retain(|(old, _)| own.factors.iter().all(|(new, _)| new != old));
        merged.factors.extend(own.factors);
        merged
    }

    /// Every single price, for display.
    pub fn rates(&self) -> &[Rate] {
        &self.rates
    }

    pub(crate) fn factor(&self, name: &str) -> Option<Factor> {
        let found = self.factors.iter().find(|(key, _)| &**key == name)?;
        Some(found.1)
    }

    pub(crate) fn search_per_query(&self) -> bool {
        self.search_per_query
    }

    /// Dollars per web search; a size without its own price costs what a medium one does.
    pub(crate) fn search(&self, size: &str) -> Option<Dollars> {
        let prices = self.search?;
        let own = match size {
            "low" | "search_context_size_low" => prices.low,
            "high" | "search_context_size_high" => prices.high,
            _ => prices.medium,
        };
        own.or(prices.medium).or(prices.low).or(prices.high)
    }

    /// The price of `kind`, of any size, under the circumstances.
    pub(crate) fn price(&self, kind: Kind, under: &Circumstances) -> Option<Dollars> {
        self.sized(kind, None, under)
    }

    /// The price of `kind` in one size, else of any size.
    pub(crate) fn sized(
        &self,
        kind: Kind,
        size: Option<&str>,
        under: &Circumstances,
    ) -> Option<Dollars> {
        let special = self
            .off_peak
            .as_ref()
            .filter(|off_peak| under.at.is_some_and(|at| off_peak.contains(at)))
            .and_then(|off_peak| pick(&off_peak.rates, kind, size, under))
            .or_else(|| pick(self.band(under)?, kind, size, under));
        special.or_else(|| pick(&self.rates, kind, size, under))
    }

    fn band(&self, under: &Circumstances) -> Option<&[Rate]> {
        let holds = |band: &&Band| match band.size {
            Size::Prompt => under.prompt_tokens <= band.up_to,
            Size::Results => under.results <= band.up_to,
        };
        let band = self.bands.iter().find(holds).or(self.bands.last())?;
        Some(&band.rates)
    }

    fn factors_from(&mut self, entry: &Value) {
        for (name, value) in entry.as_object().into_iter().flatten() {
            if let Some(factor) = Factor::from_json(value) {
                self.factors.push((name.as_str().into(), factor));
            }
        }
    }
}

/// The price in `rates`, sorted, for the highest threshold that the prompt crossed and the service that was given.
fn pick(rates: &[Rate], kind: Kind, size: Option<&str>, under: &Circumstances) -> Option<Dollars> {
    let rates = &rates[rates.partition_point(|rate| rate.kind < kind)..];
    let rates = &rates[..rates.partition_point(|rate| rate.kind == kind)];
    if rates.is_empty() {
        return None;
    }
    let crossed = |rate: &&Rate| {
        rate.above == 0
            || under.prompt_tokens > rate.above
            || (under.threshold_included && under.prompt_tokens == rate.above)
    };
    let sizes = [size, None];
    let sizes = if size.is_some() {
        &sizes[..]
    } else {
        &sizes[1..]
    };
    for size in sizes {
        let of_kind = || {
            rates
                .iter()
                .filter(|rate| rate.size.as_deref() == *size)
                .filter(crossed)
        };
        let highest = |service: Service| {
            of_kind()
                .filter(|rate| rate.service == service)
                .max_by_key(|rate| rate.above)
        };
        let standard = highest(Service::Standard);
        let own = highest(under.service);
        let chosen = match (own, standard) {
            // A long prompt on a service whose own list stops short of that length.
            (Some(own), Some(standard)) if own.above < standard.above => {
                Some(adjusted(standard, under.service))
            }
            (Some(own), _) => Some(own.price),
            (None, Some(standard)) => Some(adjusted(standard, under.service)),
            (None, None) => None,
        };
        if chosen.is_some() {
            return chosen;
        }
    }
    None
}

/// A standard price where the service has none of its own: batches cost half everywhere.
fn adjusted(standard: &Rate, service: Service) -> Dollars {
    match service {
        Service::Batches => standard.price.divided(2),
        _ => standard.price,
    }
}

pub(crate) fn rates(fields: &Map<String, Value>) -> Vec<Rate> {
    let read = |(name, value): (&String, &Value)| Rate::parse(name, Dollars::from_json(value)?);
    let mut sorted: Vec<_> = fields.iter().collect();
    // `cache_read_input_token_cost` before its alias `input_cost_per_token_cache_hit`: the first one stays.
    sorted.sort_by_key(|(name, _)| name.as_str());
    let mut rates: Vec<Rate> = sorted.into_iter().filter_map(read).collect();
    rates.sort_by(|a, b| a.place().cmp(&b.place()));
    rates.dedup_by(|a, b| a.place() == b.place());
    rates.shrink_to_fit();
    rates
}

fn bands(value: &Value) -> Vec<Band> {
    let band = |entry: &Value| {
        let fields = entry.as_object()?;
        let (size, range) = match fields.get("range") {
            Some(range) => (Size::Prompt, range),
            None => (Size::Results, fields.get("max_results_range")?),
        };
        let end = range.get(1)?.as_f64()?;
        Some(Band {
            up_to: end as u64,
            size,
            rates: rates(fields),
        })
    };
    let mut bands: Vec<Band> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(band)
        .collect();
    bands.sort_by_key(|band| band.up_to);
    bands
}

impl SearchPrices {
    fn from_json(value: &Value) -> Option<Self> {
        let price = |name| Dollars::from_json(value.get(name)?);
        let prices = Self {
            low: price("search_context_size_low"),
            medium: price("search_context_size_medium"),
            high: price("search_context_size_high"),
        };
        (prices.low.or(prices.medium).or(prices.high).is_some()).then_some(prices)
    }

    fn is_free(self) -> bool {
        [self.low, self.medium, self.high]
            .into_iter()
            .flatten()
            .all(Dollars::is_zero)
    }
}
