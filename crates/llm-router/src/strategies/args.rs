//! Reading a strategy's arguments so that none is overlooked.

use llm_types::{Map, nearest::nearest};

use crate::SettingsError;

/// A strategy's arguments. Those that nobody took are refused at the end.
pub(super) struct Args<'a> {
    strategy: &'a str,
    given: &'a Map,
    known: Vec<&'static str>,
}

impl<'a> Args<'a> {
    pub(super) fn new(strategy: &'a str, given: &'a Map) -> Self {
        Self {
            strategy,
            given,
            known: Vec::new(),
        }
    }

    /// Accepts an argument of LiteLLM's that there is nothing to do for: counts here are exact and per minute, and need
    /// no time to live.
    pub(super) fn passed_over(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// A number within `range`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, SettingsError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refuse(
                key,
                &format!(
                    "expected a number from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    /// A whole number, at least 1.
    pub(super) fn count(&mut self, key: &'static str) -> Result<Option<usize>, SettingsError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) if n > 0 => Ok(Some(n)),
            _ => Err(self.refuse(key, "expected a whole number above 0")),
        }
    }

    /// Names with whole numbers.
    pub(super) fn ranks(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Vec<(String, i64)>>, SettingsError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let pairs = value.as_object().and_then(|map| {
            let rank =
                |(name, rank): (&String, &serde_json::Value)| Some((name.clone(), rank.as_i64()?));
            map.iter().map(rank).collect::<Option<Vec<_>>>()
        });
        match pairs {
            Some(pairs) => Ok(Some(pairs)),
            None => Err(self.refuse(key, "expected model names, each with a whole number")),
        }
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), SettingsError> {
        let unknown = self
            .given
            .keys()
            .find(|key| !self.known.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => Err(SettingsError(format!(
                "routing_strategy_args: '{}' has no argument '{key}'{}",
                self.strategy,
                hint(key, &self.known)
            ))),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a serde_json::Value> {
        self.known.push(key);
        self.given.get(key).filter(|value| !value.is_null())
    }

    fn refuse(&self, key: &str, what: &str) -> SettingsError {
        SettingsError(format!("routing_strategy_args: '{key}': {what}"))
    }
}

/// The known name that was probably meant, or all of them.
pub(super) fn hint(unknown: &str, known: &[&str]) -> String {
    match nearest(unknown, known.iter().copied()) {
        None if known.is_empty() => String::new(),
        None => format!(": expected one of {}", known.join(", ")),
        Some(name) => format!(": did you mean '{name}'?"),
    }
}
