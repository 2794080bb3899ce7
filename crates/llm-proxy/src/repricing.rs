//! `llm-proxy spend reprice`: requests by the present prices.

use std::{
    fmt::Write,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use llm_cost::{NanoDollars, PriceTable};
use llm_governance::{Bill, Pricer, Repricing, RepricingSummary, price_basis, reprice};
use llm_store::{Moment, Store, rows::SpendRow};
use llm_types::Usage;

use crate::{settings::Settings, spend_row, state::Live};

/// Prices rows as the gateway would price them today.
struct Present {
    live: Live,
    digest: String,
}

/// Prices the requests of these days again; answers what changed, for people.
pub(crate) fn run(
    mut settings: Settings,
    (from, to): (Option<&str>, Option<&str>),
    dry_run: bool,
) -> Result<String> {
    let Some((place, _)) = settings.database.address() else {
        bail!("no database is named: give --db, or database_url in the configuration");
    };
    // What the gateway keeps beside its database is not needed, and may be in use.
    settings.data_folder = None;
    let ask = Repricing {
        from: day(from, "--from", "T00:00:00Z")?.unwrap_or(Moment(0)),
        to: day(to, "--to", "T23:59:59.999Z")?.unwrap_or(Moment(i64::MAX)),
        dry_run,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let present = Present {
            live: Live::new(settings)?,
            digest: PriceTable::embedded().digest().to_owned(),
        };
        let store = Store::open(&place)
            .await
            .context("the database cannot be opened")?;
        let summary = reprice(&store, &present, ask, |_| {}).await;
        store.close().await;
        Ok(described(&summary?, dry_run))
    })
}

impl Pricer for Present {
    fn digest(&self) -> &str {
        &self.digest
    }

    fn price(&self, row: &SpendRow) -> Option<Bill> {
        let usage: Usage = row.usage_value.as_ref()?.read()?;
        let basis = price_basis::read(row)?;
        let deployment = self.live.router.deployment(row.model_id.as_deref()?)?;
        let took = row.end_time.0.saturating_sub(row.start_time.0);
        let took = Duration::from_millis(u64::try_from(took).unwrap_or(0));
        let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(row.end_time.0).ok()?);
        let prices = self.live.engine.prices();
        let charge = prices.again(deployment, &usage, &basis, (at, took));
        Some(Bill {
            spend: charge.total()?,
            gap: spend_row::gap(&charge, true),
        })
    }
}

fn day(text: Option<&str>, option: &str, time: &str) -> Result<Option<Moment>> {
    let Some(text) = text else { return Ok(None) };
    let moment = serde_json::from_value(format!("{text}{time}").into());
    let moment =
        moment.with_context(|| format!("{option} {text}: a day is given as 2026-11-21"))?;
    Ok(Some(moment))
}

fn described(summary: &RepricingSummary, dry_run: bool) -> String {
    let (before, after) = summary.totals();
    let would = if dry_run { "would change" } else { "changed" };
    let mut text = format!(
        "{} requests: {} {would}, {} cannot be priced again{}.",
        summary.rows,
        summary.changed,
        summary.left_out,
        match summary.missed {
            0 => String::new(),
            missed => format!(", {missed} were changed by somebody else meanwhile"),
        },
    );
    for (model, (count, before, after)) in &summary.models {
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "\n  {model}: {count} requests, ${} before, ${} now",
            amount(*before),
            amount(*after)
        );
    }
    if summary.changed > 0 {
        let _ = write!(
            text,
            "\nTogether ${} before, ${} now.",
            amount(before),
            amount(after)
        );
    }
    text
}

fn amount(nano: i128) -> NanoDollars {
    NanoDollars(i64::try_from(nano).unwrap_or(i64::MAX))
}
