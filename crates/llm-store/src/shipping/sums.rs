//! What a batch adds to accounts.

use std::collections::BTreeMap;

use foldhash::HashMap;

use super::Charged;
use crate::{Account, Cell, balances::account_cells};

/// Sums to add to accounts, by account and window.
pub(crate) type Sums = BTreeMap<(Account, Option<i64>), Sum>;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) spent: i64,
    pub(crate) reserved: i64,
    /// The last moment of the charges; they are of one window.
    pub(crate) at: i64,
}

/// Adds what requests cost to the sums of their accounts.
pub(super) fn spend(sums: &mut Sums, new: &[&Charged]) {
    let mut spent: HashMap<(&Account, Option<i64>), Sum> = HashMap::default();
    for charged in new {
        for charge in &charged.charges {
            let sum = spent.entry((&charge.account, charge.until)).or_default();
            sum.spent = sum.spent.saturating_add(charged.row.spend.0);
            sum.at = sum.at.max(charged.at.0);
        }
    }
    for ((account, until), more) in spent {
        let sum = sums.entry((account.clone(), until)).or_default();
        sum.spent = sum.spent.saturating_add(more.spent);
        sum.at = sum.at.max(more.at);
    }
}

/// The values that add sums to accounts, in the order of their bytes: so do all others that lock several. Two windows of one
/// account go in two rounds: one statement cannot meet a row twice.
pub(super) fn rounds(sums: Sums) -> Vec<Vec<Vec<Cell>>> {
    let mut rounds: Vec<Vec<Vec<Cell>>> = Vec::new();
    let mut last: Option<(Account, usize)> = None;
    for ((account, until), sum) in in_order(sums) {
        let round = match &last {
            Some((before, round)) if *before == account => round + 1,
            _ => 0,
        };
        let mut cells = account_cells(&account).to_vec();
        let numbers = [
            Some(sum.spent),
            Some(sum.reserved),
            Some(sum.spent),
            until,
            Some(sum.at),
        ];
        cells.extend(numbers.map(Cell::Integer));
        if rounds.len() <= round {
            rounds.push(Vec::new());
        }
        if let Some(rows) = rounds.get_mut(round) {
            rows.push(cells);
        }
        last = Some((account, round));
    }
    rounds
}

/// Sorted by the stored name of the scope, as the database sorts.
fn in_order(sums: Sums) -> Vec<((Account, Option<i64>), Sum)> {
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|((a, a_until), _), ((b, b_until), _)| {
        let key = |account: &Account| {
            (
                account.scope.name(),
                account.id.clone(),
                account.meter.clone(),
            )
        };
        key(a).cmp(&key(b)).then(a_until.cmp(b_until))
    });
    sums
}
