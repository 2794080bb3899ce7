//! What bounds somebody: budgets and limits, as a row says and as the shared budget that it names adds.

use std::{collections::BTreeMap, str::FromStr, sync::Arc, time::Duration};

use llm_cost::NanoDollars;
use llm_ledger::{Calendar, Period, Spender, Window};
use llm_store::{
    Account, Moment,
    rows::{Budget, Object},
};
use serde_json::Value;

/// What bounds somebody. Read once, when the row is.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The budget, and further windows with limits of their own.
    pub spenders: Vec<Spender>,
    /// Budgets of single models: a name or a pattern, and what may be spent on it.
    pub models: Vec<(String, Spender)>,
    /// An alert is due above this.
    pub soft_budget: Option<NanoDollars>,
    /// Requests and tokens.
    pub limits: Limits,
    /// When a budget ends that is larger for a time: these terms hold no longer.
    pub until: Option<Moment>,
}

/// How much somebody may ask for at once. `None`: as much as there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Tokens a day, for batches.
    pub tpd: Option<u64>,
    /// Requests at the same time.
    pub parallel: Option<u64>,
    /// Requests and tokens a minute of single models.
    pub models: BTreeMap<String, ModelLimits>,
    /// Requests a minute of single tags.
    pub tags: BTreeMap<String, u64>,
    /// Requests are limited only while the model is in trouble (`rpm_limit_type: dynamic`).
    pub dynamic_rpm: bool,
    /// Tokens likewise (`tpm_limit_type: dynamic`).
    pub dynamic_tpm: bool,
    /// Requests of one session.
    pub iterations: Option<u64>,
    /// What one session may cost.
    pub session_budget: Option<NanoDollars>,
    /// How many tokens an answer counts beforehand where the request does not say.
    pub usual_answer: Option<u64>,
    /// The same of single models.
    pub usual_answers: BTreeMap<String, u64>,
}

/// How much of one model somebody may ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Tokens of prompts a minute.
    pub itpm: Option<u64>,
    /// Tokens of answers a minute.
    pub otpm: Option<u64>,
}

/// What a row says of its own bounds.
#[derive(Debug, Clone, Default)]
pub struct Own<'a> {
    /// The most it may spend.
    pub max_budget: Option<NanoDollars>,
    /// Added to that until a moment.
    pub increase: Option<(NanoDollars, Moment)>,
    /// An alert is due above this.
    pub soft_budget: Option<NanoDollars>,
    /// The window of the budget.
    pub budget_duration: Option<&'a str>,
    /// Further windows.
    pub budget_limits: Option<&'a Value>,
    /// Budgets of single models.
    pub model_max_budget: Option<&'a Object>,
    /// Requests a minute.
    pub rpm: Option<i64>,
    /// Tokens a minute.
    pub tpm: Option<i64>,
    /// Tokens a day.
    pub tpd: Option<i64>,
    /// Requests at the same time.
    pub parallel: Option<i64>,
    /// Requests a minute of single models.
    pub model_rpm: Option<&'a Object>,
    /// Tokens a minute of single models.
    pub model_tpm: Option<&'a Object>,
    /// Tokens of prompts a minute of single models.
    pub model_itpm: Option<&'a Object>,
    /// Tokens of answers a minute of single models.
    pub model_otpm: Option<&'a Object>,
    /// Requests a minute of single tags.
    pub tag_rpm: Option<&'a Object>,
    /// The row's metadata, where more of its limits are.
    pub metadata: Option<&'a Object>,
}

/// What bounds somebody and is kept in a row's metadata: whoever may only replace the metadata leaves it as it is.
pub(crate) const IN_METADATA: [&str; 14] = [
    "model_rpm_limit",
    "model_tpm_limit",
    "model_itpm_limit",
    "model_otpm_limit",
    "tag_rpm_limit",
    "temp_budget_increase",
    "temp_budget_expiry",
    "rpm_limit_type",
    "tpm_limit_type",
    "max_iterations",
    "max_budget_per_session",
    "default_estimated_output_tokens",
    "default_estimated_output_tokens_per_model",
    "priority",
];

/// Keeps what bounds somebody as it was, whatever the metadata was replaced by.
pub(crate) fn keep_in_metadata(before: &Object, after: &mut Object) {
    for name in IN_METADATA {
        match before.get(name) {
            Some(value) => drop(after.insert(name.to_owned(), value.clone())),
            None => drop(after.remove(name)),
        }
    }
}

impl<'a> Own<'a> {
    /// Adds the limits that are kept in a row's metadata.
    pub fn with_metadata(mut self, metadata: &'a Object) -> Self {
        let object = |name: &str| metadata.get(name).and_then(Value::as_object);
        self.model_rpm = self.model_rpm.or(object("model_rpm_limit"));
        self.model_tpm = self.model_tpm.or(object("model_tpm_limit"));
        self.model_itpm = self.model_itpm.or(object("model_itpm_limit"));
        self.model_otpm = self.model_otpm.or(object("model_otpm_limit"));
        self.tag_rpm = self.tag_rpm.or(object("tag_rpm_limit"));
        self.metadata = Some(metadata);
        let increase = metadata.get("temp_budget_increase").and_then(dollars);
        let until = metadata
            .get("temp_budget_expiry")
            .and_then(|until| serde_json::from_value(until.clone()).ok());
        self.increase = self.increase.or(increase.zip(until));
        self
    }
}

impl Terms {
    /// The terms of `account`: its own, and where it has none, those of the budget that it names.
    pub fn of(
        account: &Account,
        own: &Own<'_>,
        shared: Option<&Budget>,
        calendar: &Calendar,
    ) -> Self {
        let with = |pick: fn(&Budget) -> Option<i64>| shared.and_then(pick);
        let count = |own: Option<i64>, shared: Option<i64>| {
            own.or(shared).and_then(|count| u64::try_from(count).ok())
        };
        let duration = own
            .budget_duration
            .or(shared.and_then(|budget| budget.budget_duration.as_deref()));
        let mut spender = Spender::of(account.clone());
        spender.window = duration.and_then(|text| window(text, calendar));
        spender.max = own
            .max_budget
            .or(shared.and_then(|budget| budget.max_budget));
        let increase =
            own.increase.or(shared
                .and_then(|budget| budget.temp_budget_increase.zip(budget.temp_budget_expiry)));
        let increase = increase.filter(|(_, until)| *until > Moment::now());
        let until = increase.map(|(_, until)| until);
        if let (Some(max), Some((more, _))) = (spender.max, increase) {
            spender.max = Some(NanoDollars(max.0.saturating_add(more.0)));
        }
        let mut spenders = vec![spender];
        spenders.extend(windows(account, own.budget_limits, calendar));
        let shared_models = shared
            .and_then(|budget| budget.model_max_budget.as_ref())
            .and_then(Value::as_object);
        let models = own
            .model_max_budget
            .filter(|models| !models.is_empty())
            .or(shared_models);
        let mut limits = Limits {
            rpm: count(own.rpm, with(|budget| budget.rpm_limit)),
            tpm: count(own.tpm, with(|budget| budget.tpm_limit)),
            tpd: count(own.tpd, with(|budget| budget.tpd_limit)),
            parallel: count(own.parallel, with(|budget| budget.max_parallel_requests)),
            tags: counts(own.tag_rpm).collect(),
            ..Limits::said(own.metadata)
        };
        limits.of_models(own);
        for (model, terms) in models.into_iter().flatten() {
            let count = |name: &str| terms.get(name).and_then(Value::as_u64);
            let entry = ModelLimits {
                rpm: count("rpm_limit"),
                tpm: count("tpm_limit"),
                ..ModelLimits::default()
            };
            if entry != ModelLimits::default() {
                let known = limits.models.entry(model.clone()).or_default();
                known.rpm = known.rpm.or(entry.rpm);
                known.tpm = known.tpm.or(entry.tpm);
            }
        }
        Self {
            spenders,
            models: model_budgets(account, models, calendar),
            soft_budget: own
                .soft_budget
                .or(shared.and_then(|budget| budget.soft_budget)),
            limits,
            until,
        }
    }

    /// How long they hold at most.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        let left = self.until?.0.saturating_sub(Moment::now().0);
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// Whether any budget has a limit.
    pub fn is_budgeted(&self) -> bool {
        let bounded = |spender: &Spender| spender.max.is_some();
        self.spenders.iter().any(bounded) || !self.models.is_empty()
    }
}

impl Limits {
    /// What a row's metadata says of how its limits are meant, and of sessions.
    fn said(metadata: Option<&Object>) -> Self {
        let get = |name: &str| metadata.and_then(|metadata| metadata.get(name));
        let is_dynamic = |name: &str| get(name).and_then(Value::as_str) == Some("dynamic");
        let usual = get("default_estimated_output_tokens_per_model");
        Self {
            dynamic_rpm: is_dynamic("rpm_limit_type"),
            dynamic_tpm: is_dynamic("tpm_limit_type"),
            iterations: get("max_iterations").and_then(Value::as_u64),
            session_budget: get("max_budget_per_session").and_then(dollars),
            usual_answer: get("default_estimated_output_tokens").and_then(Value::as_u64),
            usual_answers: counts(usual.and_then(Value::as_object)).collect(),
            ..Self::default()
        }
    }

    fn of_models(&mut self, own: &Own<'_>) {
        type Meter = fn(&mut ModelLimits) -> &mut Option<u64>;
        let meters: [(Option<&Object>, Meter); 4] = [
            (own.model_rpm, |limits| &mut limits.rpm),
            (own.model_tpm, |limits| &mut limits.tpm),
            (own.model_itpm, |limits| &mut limits.itpm),
            (own.model_otpm, |limits| &mut limits.otpm),
        ];
        for (given, meter) in meters {
            for (model, count) in counts(given) {
                *meter(self.models.entry(model).or_default()) = Some(count);
            }
        }
    }

    /// How many tokens an answer of `model` counts beforehand.
    pub(crate) fn usual_answer(&self, model: &str) -> Option<u64> {
        let bare = model.split_once('/').map_or(model, |(_, bare)| bare);
        let of_model = self.usual_answers.get(model);
        let of_model = of_model.or_else(|| self.usual_answers.get(bare));
        of_model.copied().or(self.usual_answer)
    }
}

/// The window that a text names; rows hold only texts that were checked.
pub(crate) fn window(text: &str, calendar: &Calendar) -> Option<Window> {
    let period = Period::from_str(text).ok()?;
    Some(Window {
        period,
        calendar: Arc::new(calendar.clone()),
    })
}

/// `[{"budget_duration": "1d", "max_budget": 10}]`: every window has an account of its own.
fn windows<'a>(
    account: &'a Account,
    limits: Option<&'a Value>,
    calendar: &'a Calendar,
) -> impl Iterator<Item = Spender> + 'a {
    let limits = limits.and_then(Value::as_array).into_iter().flatten();
    limits.filter_map(move |limit| {
        let duration = limit.get("budget_duration")?.as_str()?;
        let max = dollars(limit.get("max_budget")?)?;
        let meter = format!("window:{duration}");
        let spender = Spender::of(account.clone().metered(meter)).at_most(max);
        Some(spender.within(window(duration, calendar)?))
    })
}

/// `{"gpt-4o": {"budget_limit": 10, "time_period": "1d"}}`.
fn model_budgets(
    account: &Account,
    models: Option<&Object>,
    calendar: &Calendar,
) -> Vec<(String, Spender)> {
    let models = models.into_iter().flatten();
    let budgets = models.filter_map(|(model, terms)| {
        let either = |a: &str, b: &str| terms.get(a).or_else(|| terms.get(b)).cloned();
        let max = dollars(&either("budget_limit", "max_budget")?)?;
        let spender = Spender::of(account.clone().metered(format!("model:{model}"))).at_most(max);
        let duration = either("time_period", "budget_duration");
        let within = duration
            .as_ref()
            .and_then(Value::as_str)
            .and_then(|text| window(text, calendar));
        let spender = match within {
            Some(window) => spender.within(window),
            None => spender,
        };
        Some((model.clone(), spender))
    });
    budgets.collect()
}

fn counts(object: Option<&Object>) -> impl Iterator<Item = (String, u64)> + '_ {
    let entries = object.into_iter().flatten();
    entries.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)))
}

/// An amount of dollars in JSON.
pub(crate) fn dollars(value: &Value) -> Option<NanoDollars> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    llm_cost::Dollars::parse_nearest(&text).map(|amount| amount.to_nano())
}
