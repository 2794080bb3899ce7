//! Rules that are a handful of numbers: retry budgets, rivals, learned limits, queues.

use std::time::Duration;

use llm_router::{AdaptiveRules, HedgeRules, QueueRules, RetryShare};
use serde_json::Value;

use super::{
    Place, RouterSettings,
    read::{Reader, mapping, unknown},
};

impl RouterSettings {
    pub(super) fn rules(&mut self, reader: &mut Reader<'_>) {
        let router = &mut self.router;
        if let Some(given) = switch("retry_budget", &["ratio", "least"], reader) {
            router.retry_share = given.map(|numbers| {
                let mut share = RetryShare::default();
                for (name, number) in numbers {
                    match name {
                        "ratio" => share.ratio = number,
                        _ => share.least = number as u32,
                    }
                }
                share
            });
        }
        let names = ["quantile", "least", "share", "price_ratio"];
        if let Some(given) = switch("hedging", &names, reader) {
            router.hedge = given.map(hedge);
        }
        let names = ["start", "least", "most", "tolerance"];
        if let Some(given) = switch("adaptive_concurrency", &names, reader) {
            router.adaptive = given.map(adaptive);
        }
        if let Some(given) = switch("queue", &["size", "wait"], reader) {
            router.queue = queue(given, router.queue);
        }
        if let Some(poll) = reader.seconds("polling_interval") {
            router.queue.poll = poll;
        }
        if let Some(priority) = reader.take("default_priority") {
            router.queue.default_priority = priority;
        }
    }
}

fn hedge(numbers: Vec<(&str, f64)>) -> HedgeRules {
    let mut rules = HedgeRules::default();
    for (name, number) in numbers {
        match name {
            "quantile" => rules.quantile = number.min(1.0),
            "least" => rules.least = seconds(number),
            "share" => rules.share.ratio = number,
            _ => rules.price_ratio = number,
        }
    }
    rules
}

fn adaptive(numbers: Vec<(&str, f64)>) -> AdaptiveRules {
    let mut rules = AdaptiveRules::default();
    for (name, number) in numbers {
        match name {
            "start" => rules.start = number as u32,
            "least" => rules.least = number as u32,
            "most" => rules.most = number as u32,
            _ => rules.tolerance = number,
        }
    }
    rules
}

/// `false` is a queue without room: a busy group refuses at once.
fn queue(given: Option<Vec<(&str, f64)>>, before: QueueRules) -> QueueRules {
    let mut rules = QueueRules {
        default_priority: before.default_priority,
        poll: before.poll,
        ..QueueRules::default()
    };
    let Some(numbers) = given else {
        rules.size = 0;
        return rules;
    };
    for (name, number) in numbers {
        match name {
            "size" => rules.size = number as usize,
            _ => rules.wait = seconds(number),
        }
    }
    rules
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}

/// `true` or a mapping of numbers switches something on, `false` or `off` switches it off. `None`: nothing is said.
#[expect(
    clippy::option_option,
    reason = "unsaid, off, and on with numbers are three things"
)]
fn switch<'n>(
    key: &str,
    names: &[&'n str],
    reader: &mut Reader<'_>,
) -> Option<Option<Vec<(&'n str, f64)>>> {
    let value = reader.value(key)?;
    match &value {
        Value::Bool(false) => return Some(None),
        Value::Bool(true) => return Some(Some(Vec::new())),
        Value::String(off) if off == "off" => return Some(None),
        _ => {}
    }
    let place = Place::of(key);
    let mut numbers = Vec::new();
    for (name, value) in mapping(key, &value, &place, reader) {
        let place = place.key(name);
        let Some(name) = names.iter().find(|known| *known == name) else {
            reader.notice(place.itself(), unknown(name, key, names));
            continue;
        };
        match value.as_f64().filter(|number| *number >= 0.0) {
            Some(number) => numbers.push((*name, number)),
            None => {
                let message = format!("'{name}' of {key} must be a number of at least 0");
                reader.mistake(place, message);
            }
        }
    }
    Some(Some(numbers))
}
