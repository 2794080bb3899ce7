//! What requests cost by the present prices: rows are priced again from what they used.

use std::collections::BTreeMap;

use llm_cost::NanoDollars;
use llm_store::{Error, Find, Moment, Narrow, Repriced, Requests, Sort, Store, rows::SpendRow};

/// Rows that change together.
const BATCH: i64 = 500;

/// Prices rows. It is pure: the same row costs the same.
pub trait Pricer: Send + Sync {
    /// The digest of the prices.
    fn digest(&self) -> &str;

    /// What a row costs; nothing where its usage does not say.
    fn price(&self, row: &SpendRow) -> Option<Bill>;
}

/// What a row costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The amount.
    pub spend: NanoDollars,
    /// Why a part of it has no price.
    pub gap: Option<String>,
}

/// Which rows are priced again.
#[derive(Debug, Clone, Copy)]
pub struct Repricing {
    /// Begun at this moment or later.
    pub from: Moment,
    /// Begun at this moment or earlier.
    pub to: Moment,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// What changed, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepricingSummary {
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows whose cost is another now.
    pub changed: u64,
    /// Rows that cannot be priced again: they do not say what they used, or nobody knows a price.
    pub left_out: u64,
    /// Rows that somebody else set meanwhile.
    pub missed: u64,
    /// By model: how many changed, and what they cost before and after.
    pub models: BTreeMap<String, (u64, i128, i128)>,
}

impl RepricingSummary {
    /// What the changed rows cost before and after.
    pub fn totals(&self) -> (i128, i128) {
        let sums = self.models.values();
        sums.fold((0, 0), |sum, (_, before, after)| {
            (sum.0 + before, sum.1 + after)
        })
    }
}

/// Prices rows again, from the newest to the oldest: rows, accounts and days of a batch change together. It may be killed
/// and begun anew: a row that has its price already is left as it is.
pub async fn reprice(
    store: &Store,
    pricer: &dyn Pricer,
    ask: Repricing,
    mut tell: impl FnMut(&RepricingSummary) + Send,
) -> Result<RepricingSummary, Error> {
    let mut summary = RepricingSummary::default();
    let mut next = Requests {
        find: (Find::Time, String::new()),
        from: ask.from,
        to: ask.to,
        before: None,
        narrow: Narrow::default(),
        sort: Sort::Newest,
    };
    loop {
        let rows = store.requests(&next, BATCH, 0).await?;
        let Some(last) = rows.last() else {
            return Ok(summary);
        };
        (next.to, next.before) = (last.start_time, Some(last.id.clone()));
        summary.rows += rows.len() as u64;
        let batch = changed(rows, pricer, &mut summary);
        if !ask.dry_run && !batch.is_empty() {
            let set = store.reprice(&batch).await?;
            summary.missed += batch.len().saturating_sub(set) as u64;
        }
        tell(&summary);
    }
}

fn changed(
    rows: Vec<SpendRow>,
    pricer: &dyn Pricer,
    summary: &mut RepricingSummary,
) -> Vec<Repriced> {
    let mut batch = Vec::new();
    for row in rows {
        // An answer from the gateway's own cache cost nothing, whatever the model costs.
        let bill = pricer.price(&row).filter(|_| !row.cache_hit);
        let Some(bill) = bill else {
            summary.left_out += 1;
            continue;
        };
        let digest = pricer.digest();
        let same = bill.spend == row.spend && bill.gap == row.price_gap;
        if same && row.price_digest.as_deref() == Some(digest) {
            continue;
        }
        if bill.spend != row.spend {
            summary.changed += 1;
            let model = summary.models.entry(row.model.clone()).or_default();
            model.0 += 1;
            model.1 += i128::from(row.spend.0);
            model.2 += i128::from(bill.spend.0);
        }
        batch.push(Repriced {
            row,
            spend: bill.spend,
            price_digest: Some(digest.to_owned()),
            price_gap: bill.gap,
        });
    }
    batch
}
