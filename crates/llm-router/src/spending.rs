//! What was spent of budgets, and when they begin anew.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Deployment, Moment, News, Settings, SettingsError, Shared};

/// An amount of money for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How much, in nano-dollars.
    pub limit: u64,
    /// For how long. It begins with the first spending, and anew with the first one after its end.
    pub period: Period,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Always the same.
    Of(Duration),
    /// Months of the calendar.
    Months(u32),
}

/// What was spent of one budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// What the budget is for.
    pub scope: Scope,
    /// Its provider, deployment or tag.
    pub name: String,
    /// How much, in nano-dollars.
    pub nanos: u64,
    /// When it begins anew.
    pub until: Moment,
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A provider.
    Provider,
    /// A deployment.
    Deployment,
    /// A tag of requests.
    Tag,
}

/// What was spent of all budgets. There is an entry only for what has a budget, so configurations bound it.
#[derive(Debug, Default)]
pub(crate) struct Spending([Mutex<HashMap<String, Window>>; 3]);

#[derive(Debug, Clone, Copy)]
struct Window {
    nanos: u64,
    until: Moment,
}

impl Spending {
    /// When the budget begins anew, if it is spent.
    pub(crate) fn over(
        &self,
        scope: Scope,
        name: &str,
        budget: &Budget,
        now: Moment,
    ) -> Option<Moment> {
        let windows = self
            .of(scope)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let spent = windows.get(name).filter(|window| window.until > now);
        match spent {
            Some(window) => (window.nanos >= budget.limit).then_some(window.until),
            // A budget of nothing is always spent.
            None => (budget.limit == 0).then(|| budget.period.end(now)),
        }
    }

    /// An answer of `deployment` to a request with `tags` cost this much. Other instances learn of it by `shared`.
    pub(crate) fn spend(
        &self,
        now: Moment,
        (settings, shared): (&Settings, Option<&Arc<dyn Shared>>),
        deployment: &Deployment,
        tags: &[String],
        nanos: u64,
    ) {
        let provider = deployment.target.provider.name;
        let budgets = &settings.budgets;
        let spend = |scope, name: &str, budget: &Budget| {
            self.add(scope, name, budget, now, nanos);
            if let Some(shared) = shared {
                let (name, until) = (name.to_owned(), budget.period.end(now));
                shared.tell(News::Spent(Spent {
                    scope,
                    name,
                    nanos,
                    until,
                }));
            }
        };
        if let Some(budget) = budgets.providers.get(provider) {
            spend(Scope::Provider, provider, budget);
        }
        if let Some(budget) = &deployment.budget {
            spend(Scope::Deployment, &deployment.id, budget);
        }
        for tag in tags {
            if let Some(budget) = budgets.tags.get(tag) {
                spend(Scope::Tag, tag, budget);
            }
        }
    }

    /// All instances together have spent this much. What this one has spent and not told yet is not in it: the higher
    /// sum holds.
    pub(crate) fn hear(&self, now: Moment, spent: &Spent) {
        if spent.until <= now {
            return;
        }
        let mut windows = self
            .of(spent.scope)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = windows.get(&spent.name).filter(|own| own.until > now);
        let window = Window {
            nanos: own.map_or(spent.nanos, |own| own.nanos.max(spent.nanos)),
            until: spent.until,
        };
        match windows.get_mut(&spent.name) {
            Some(own) => *own = window,
            None => drop(windows.insert(spent.name.clone(), window)),
        }
    }

    /// All that was spent in windows that have not ended.
    pub(crate) fn all(&self, now: Moment) -> Vec<Spent> {
        let scopes = [Scope::Provider, Scope::Deployment, Scope::Tag];
        let of = |scope: Scope| {
            let windows = self
                .of(scope)
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let spent = |(name, window): (&String, &Window)| Spent {
                scope,
                name: name.clone(),
                nanos: window.nanos,
                until: window.until,
            };
            let running = windows.iter().filter(|(_, window)| window.until > now);
            running.map(spent).collect::<Vec<_>>()
        };
        scopes.into_iter().flat_map(of).collect()
    }

    fn add(&self, scope: Scope, name: &str, budget: &Budget, now: Moment, nanos: u64) {
        let mut windows = self
            .of(scope)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match windows.get_mut(name) {
            Some(window) if window.until > now => {
                window.nanos = window.nanos.saturating_add(nanos);
            }
            _ => {
                let until = budget.period.end(now);
                windows.insert(name.to_owned(), Window { nanos, until });
            }
        }
    }

    fn of(&self, scope: Scope) -> &Mutex<HashMap<String, Window>> {
        let [providers, deployments, tags] = &self.0;
        match scope {
            Scope::Provider => providers,
            Scope::Deployment => deployments,
            Scope::Tag => tags,
        }
    }
}

impl FromStr for Period {
    type Err = SettingsError;

    /// Reads LiteLLM's durations: `30s`, `10m`, `12h`, `1d`, `1w`, `1mo`.
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let refused = || {
            SettingsError(format!(
                "'{text}' is not a duration such as 30s, 10m, 12h, 1d, 1w or 1mo"
            ))
        };
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| refused())?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            "mo" if number > 0 => return Ok(Self::Months(number)),
            _ => return Err(refused()),
        };
        if number == 0 {
            return Err(refused());
        }
        Ok(Self::Of(Duration::from_secs(seconds * u64::from(number))))
    }
}

impl Period {
    /// The end of a period that begins at `start`. A month that is too short for the day ends on its last.
    pub(crate) fn end(self, start: Moment) -> Moment {
        match self {
            Self::Of(length) => start.after(length),
            Self::Months(months) => {
                const DAY: u64 = 86_400_000;
                let (days, rest) = (start.millis() / DAY, start.millis() % DAY);
                let (year, month, day) = date(days);
                let months = u64::from(months) + month - 1 + year * 12;
                let (year, month) = (months / 12, months % 12 + 1);
                let day = day.min(length_of(year, month));
                Moment::from_millis(days_until(year, month, day) * DAY + rest)
            }
        }
    }
}

/// Year, month and day of a number of days since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted in years that begin in March, so that the leap day is the last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, in_month)
}

/// Days from 1970 to a date.
fn days_until(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719_468
}

fn length_of(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn durations_are_read() {
        let of = |seconds| Ok(Period::Of(Duration::from_secs(seconds)));
        assert_eq!("30s".parse(), of(30));
        assert_eq!("10m".parse(), of(600));
        assert_eq!("1d".parse(), of(86_400));
        assert_eq!("2w".parse(), of(1_209_600));
        assert_eq!("3mo".parse(), Ok(Period::Months(3)));
        for wrong in [
            "",
            "d",
            "1",
            "1y",
            "-1d",
            "1.5h",
            "0d",
            "0mo",
            "99999999999s",
            "1é",
        ] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let at = |y, m, d| Moment::from_millis(days_until(y, m, d) * DAY + 5);
        let after = |months, start| Period::Months(months).end(start);
        assert_eq!(at(1970, 1, 1).millis(), 5);
        assert_eq!(after(1, at(2026, 1, 31)), at(2026, 2, 28));
        assert_eq!(after(1, at(2028, 1, 31)), at(2028, 2, 29));
        assert_eq!(after(1, at(2026, 12, 15)), at(2027, 1, 15));
        assert_eq!(after(14, at(2026, 11, 30)), at(2028, 1, 30));
        for days in (0..60_000).step_by(17) {
            let (y, m, d) = date(days);
            assert_eq!(days_until(y, m, d), days);
        }
    }

    #[test]
    fn a_budget_begins_with_the_first_spending_and_anew_after_its_end() {
        let spending = Spending::default();
        let budget = Budget {
            limit: 100,
            period: Period::Of(Duration::from_secs(60)),
        };
        let at = |seconds: u64| Moment::from_millis(seconds * 1000);
        let over = |now| spending.over(Scope::Tag, "t", &budget, now);
        spending.add(Scope::Tag, "t", &budget, at(10), 60);
        assert_eq!(over(at(11)), None);
        spending.add(Scope::Tag, "t", &budget, at(30), 40);
        assert_eq!(over(at(31)), Some(at(70)));
        assert_eq!(spending.over(Scope::Provider, "t", &budget, at(31)), None);
        assert_eq!(over(at(70)), None);
        spending.add(Scope::Tag, "t", &budget, at(90), 100);
        assert_eq!(over(at(91)), Some(at(150)));
        let all = spending.all(at(91));
        assert_eq!((all.len(), all[0].nanos), (1, 100));
        // Others spent, too, and their window counts.
        let told = |nanos, until| Spent {
            scope: Scope::Tag,
            name: "u".into(),
            nanos,
            until,
        };
        spending.add(Scope::Tag, "u", &budget, at(10), 60);
        spending.hear(at(11), &told(40, at(60)));
        assert_eq!(spending.over(Scope::Tag, "u", &budget, at(12)), None);
        spending.hear(at(13), &told(100, at(60)));
        assert_eq!(
            spending.over(Scope::Tag, "u", &budget, at(14)),
            Some(at(60))
        );
        spending.hear(at(61), &told(100, at(60)));
        assert_eq!(spending.over(Scope::Tag, "u", &budget, at(61)), None);
    }
}
