//! What was spent in the week and in the month that ended: told once, by one instance.

use jiff::{
    ToSpan,
    civil::{Date, date},
};
use llm_cost::{Dollars, NanoDollars};
use llm_store::{
    Moment,
    rows::{SpendDay, Team},
};

use super::{Alert, AlertKind};
use crate::{Governance, Refusal};

/// After a day's end it takes this long until its last requests are in the sums.
const LATE: i64 = 3_600_000;

/// Entities that a report names.
const NAMED: i64 = 10;

/// A Monday: weeks are counted from it.
const MONDAY: Date = date(1970, 1, 5);

/// Days that a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    from: Date,
    to: Date,
}

/// Tells of spending, a period at a time.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The day for which all was told.
    told: Option<Date>,
}

impl Reports {
    /// The reports that are due and that no instance has told. `days` is how many days a "week" has.
    pub(super) async fn due(
        &mut self,
        governance: &Governance,
        days: i32,
        now: Moment,
    ) -> Result<Vec<Alert>, Refusal> {
        let Some(today) = day(now.plus(-LATE)).filter(|today| self.told != Some(*today)) else {
            return Ok(Vec::new());
        };
        let mut due = Vec::new();
        for period in [week_before(today, days), month_before(today)] {
            due.extend(report(governance, period, now).await?);
        }
        self.told = Some(today);
        Ok(due)
    }
}

fn day(moment: Moment) -> Option<Date> {
    moment.day().parse().ok()
}

/// The last days before `today`, as many as a week has, that end with one.
fn week_before(today: Date, days: i32) -> Period {
    let days = days.max(1);
    let since = today.since(MONDAY).map_or(0, |span| span.get_days());
    let first = today.saturating_sub(since.rem_euclid(days).days());
    Period {
        from: first.saturating_sub(days.days()),
        to: first.saturating_sub(1.day()),
    }
}

fn month_before(today: Date) -> Period {
    let to = today.first_of_month().saturating_sub(1.day());
    Period {
        from: to.first_of_month(),
        to,
    }
}

/// The report of a period, if anything was asked for in it and nobody has told it.
async fn report(
    governance: &Governance,
    period: Period,
    now: Moment,
) -> Result<Option<Alert>, Refusal> {
    let all = sums(governance, "all", period).await?;
    let requests: i64 = all.iter().map(|sum| sum.api_requests).sum();
    if requests == 0 {
        return Ok(None);
    }
    let Period { from, to } = period;
    let name = format!("spend_report/{from}/{to}");
    if !governance.store().raise(&name, now).await? {
        return Ok(None);
    }
    let spent: i64 = all.iter().map(|sum| sum.spend.0).sum();
    let mut text = format!(
        "Spent from {from} to {to}: {} by {requests} requests.",
        amount(spent)
    );
    let teams = sums(governance, "team_total", period).await?;
    let mut named = Vec::new();
    for team in &teams {
        let known = governance.directory().get::<Team>(&[&team.entity]).await?;
        let alias = known.and_then(|known| known.row.team_alias.clone());
        named.push((alias.unwrap_or_else(|| team.entity.clone()), team.spend.0));
    }
    add(&mut text, "Teams", named);
    let tags = sums(governance, "tag_total", period).await?;
    let tags = tags.into_iter().map(|tag| (tag.entity, tag.spend.0));
    add(&mut text, "Tags", tags.collect());
    Ok(Some(Alert::new(AlertKind::SpendReports, name, text)))
}

async fn sums(
    governance: &Governance,
    dimension: &str,
    period: Period,
) -> Result<Vec<SpendDay>, Refusal> {
    let (from, to) = (period.from.to_string(), period.to.to_string());
    let store = governance.store();
    Ok(store.sums_by_entity(dimension, &from, &to, NAMED).await?)
}

fn add(text: &mut String, what: &str, spent: Vec<(String, i64)>) {
    if spent.is_empty() {
        return;
    }
    let each = spent.iter();
    let each = each.map(|(name, nano)| format!("{name} {}", amount(*nano)));
    text.push_str(&format!(
        "\n{what}: {}",
        each.collect::<Vec<_>>().join(", ")
    ));
}

fn amount(nano: i64) -> String {
    let dollars = Dollars::from_nano(NanoDollars(nano.max(0))).to_f64();
    format!("${dollars:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: Date, to: Date) -> Period {
        Period { from, to }
    }

    #[test]
    fn periods_end_before_today() {
        let week = period(date(2026, 11, 9), date(2026, 11, 15));
        // A Monday and the Sunday after it.
        for today in [date(2026, 11, 16), date(2026, 11, 22)] {
            assert_eq!(week_before(today, 7), week);
        }
        let day_before = period(date(2026, 11, 21), date(2026, 11, 21));
        assert_eq!(week_before(date(2026, 11, 22), 1), day_before);
        let october = period(date(2026, 10, 1), date(2026, 10, 31));
        assert_eq!(month_before(date(2026, 11, 1)), october);
        assert_eq!(month_before(date(2026, 11, 30)), october);
    }
}
