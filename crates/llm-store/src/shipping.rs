//! Brings finished requests into the database: each once, its row, its sums and its charges in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use llm_cost::NanoDollars;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    Account, Cell, Column, Dialect, Error, Moment, Record, Store,
    balances::{account_cells, fault},
    days::{add_days, days_of},
    record::query,
    rows::{SpendRow, spend::BriefRow},
    statements::{self, MADE, Sized},
};

/// An account that a request is charged to, and the end of the window it falls into: used if it is the first there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Charge {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// When the window ends; never, if there is none.
    #[serde(default)]
    pub until: Option<i64>,
}

/// As serde would flatten it, without the map that this takes.
impl Serialize for Charge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let given = [!self.account.meter.is_empty(), self.until.is_some()];
        let count = 2 + given.into_iter().filter(|given| *given).count();
        let mut fields = serializer.serialize_struct("Charge", count)?;
        fields.serialize_field("scope", &self.account.scope)?;
        fields.serialize_field("id", &self.account.id)?;
        if !self.account.meter.is_empty() {
            fields.serialize_field("meter", &self.account.meter)?;
        }
        if let Some(until) = &self.until {
            fields.serialize_field("until", until)?;
        }
        fields.end()
    }
}

/// A finished request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Charged {
    /// Its row; what it cost is charged to every account.
    #[serde(serialize_with = "BriefRow::serialize")]
    pub row: SpendRow,
    /// When it was charged: it belongs to the window of that moment.
    pub at: Moment,
    /// Whether it was only sent: how it ends is not known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub under_way: bool,
    /// Whether nothing was written of it before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_alone: bool,
    /// What was held for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Whom it is charged to.
    pub charges: Vec<Charge>,
}

/// How far a journal was shipped: all of the segments before, and this many bytes of this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment.
    pub segment: i64,
    /// Bytes of it.
    pub offset: i64,
}

/// Sums to add to accounts, by account and window.
pub(crate) type Sums = BTreeMap<(Account, Option<i64>), Sum>;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub(crate) spent: i64,
    pub(crate) reserved: i64,
    /// The last moment of the charges; they are of one window.
    pub(crate) at: i64,
}

impl Store {
    /// How far this journal was shipped.
    pub async fn position(&self, journal: &str) -> Result<Position, Error> {
        let row = query(statements::POSITION, [Cell::Text(Some(journal.to_owned()))])
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        let Some(row) = row else {
            return Ok(Position::default());
        };
        Ok(Position {
            segment: i64::read(&row, 0).map_err(fault)?,
            offset: i64::read(&row, 1).map_err(fault)?,
        })
    }

    /// Requests of this journal that were sent and are not known to have ended, 500 at most.
    pub async fn under_way(&self, journal: &str) -> Result<Vec<Charged>, Error> {
        let rows = query(
            statements::UNDER_WAY,
            [Cell::Text(Some(journal.to_owned()))],
        )
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let read = |row| {
            let text = String::read(row, 0)?;
            serde_json::from_str(&text).map_err(|error| error.to_string())
        };
        rows.iter().map(|row| read(row).map_err(fault)).collect()
    }

    /// Adds requests of a journal and notes how far it is shipped. One that is there already is left as it is, so a batch
    /// may come again. Answers how many finished ones were new.
    pub async fn ship(
        &self,
        batch: &[Charged],
        journal: &str,
        position: Option<Position>,
    ) -> Result<usize, Error> {
        // Nearly always all of them are new, and to ask which are would cost as much as to add them.
        for known in [Known::None, Known::Some] {
            let shipped = self.ship_if(known, batch, journal, position).await?;
            if let Some(new) = shipped {
                return Ok(new);
            }
        }
        Err(fault("somebody else adds the same rows".to_owned()))
    }

    /// Ships a batch, or nothing where `known` turns out to be wrong.
    async fn ship_if(
        &self,
        known: Known,
        batch: &[Charged],
        journal: &str,
        position: Option<Position>,
    ) -> Result<Option<usize>, Error> {
        let (sent, batch): (Vec<&Charged>, Vec<&Charged>) =
            batch.iter().partition(|charged| charged.under_way);
        let mut transaction = self.begin().await?;
        let db = transaction.connection();
        let Some(new) = add_rows(db, known, &batch).await? else {
            return Ok(None);
        };
        add_under_way(db, &sent, &batch, journal).await?;
        // A hold ends also if its row is there already: a release may have failed after the row was shipped.
        let holds: Vec<String> = batch.iter().filter_map(|one| one.hold.clone()).collect();
        let (_, mut sums) = end_holds(db, &holds).await?;
        spend(&mut sums, &new);
        add_balances(db, sums).await?;
        let days = days_of(new.iter().map(|one| &one.row));
        add_days(db, days.into_iter()).await?;
        if let Some(position) = position {
            let cells = [
                Cell::Text(Some(journal.to_owned())),
                Cell::Integer(Some(position.segment)),
                Cell::Integer(Some(position.offset)),
            ];
            query(statements::SET_POSITION, cells).execute(db).await?;
        }
        let count = new.len();
        transaction.commit().await?;
        Ok(Some(count))
    }
}

/// Which rows of a batch the database has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    None,
    Some,
}

/// Adds what requests cost to the sums of their accounts.
fn spend(sums: &mut Sums, new: &[&Charged]) {
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

/// Notes what was sent and has not ended in the same batch, and forgets what ended.
async fn add_under_way(
    db: &mut AnyConnection,
    sent: &[&Charged],
    ended: &[&Charged],
    journal: &str,
) -> Result<(), Error> {
    let here: BTreeSet<&str> = ended.iter().map(|one| one.row.id.as_str()).collect();
    let begun: BTreeSet<&str> = sent.iter().map(|one| one.row.id.as_str()).collect();
    let text = |text: &str| Cell::Text(Some(text.to_owned()));
    let mut rows = BTreeMap::new();
    for charged in sent {
        let id = charged.row.id.as_str();
        if !here.contains(id) {
            let json = serde_json::to_string(charged).map_err(|error| fault(error.to_string()))?;
            rows.insert(id, vec![text(id), text(journal), text(&json)]);
        }
    }
    run_in_chunks(db, MADE.add_under_way, rows.into_values().collect()).await?;
    let noted = ended.iter().filter(|one| !one.is_alone);
    let noted: BTreeSet<&str> = noted.map(|one| one.row.id.as_str()).collect();
    let gone = noted.difference(&begun).map(|id| vec![text(id)]);
    run_in_chunks(db, MADE.end_under_way, gone.collect()).await?;
    Ok(())
}

/// Adds the rows that are not there, and answers them; nothing, if some are there that were not expected.
async fn add_rows<'a>(
    db: &mut AnyConnection,
    known: Known,
    batch: &[&'a Charged],
) -> Result<Option<Vec<&'a Charged>>, Error> {
    // One statement cannot meet the same row twice.
    let mut new: BTreeMap<&str, &Charged> = batch
        .iter()
        .map(|one| (one.row.id.as_str(), *one))
        .collect();
    if known == Known::Some {
        let ids = new
            .keys()
            .map(|id| vec![Cell::Text(Some((*id).to_owned()))]);
        for row in in_chunks(db, MADE.known_spend, ids.collect()).await? {
            new.remove(String::read(&row, 0).map_err(fault)?.as_str());
        }
    }
    let rows: Vec<Vec<Cell>> = new.values().map(|one| cells(one)).collect();
    let added = run_in_chunks(db, MADE.add_spend, rows).await?;
    let all = added == new.len() as u64;
    Ok(all.then(|| new.into_values().collect()))
}

/// The values of a request's row. Its accounts are those that it is charged to, unless it names others.
fn cells(charged: &Charged) -> Vec<Cell> {
    let mut cells = charged.row.cells();
    let place = SpendRow::COLUMNS
        .iter()
        .position(|name| *name == "accounts");
    if charged.row.accounts.is_empty()
        && let Some(cell) = place.and_then(|place| cells.get_mut(place))
    {
        let accounts: Vec<&Account> = charged.charges.iter().map(|one| &one.account).collect();
        *cell = Cell::Text(serde_json::to_string(&accounts).ok());
    }
    cells
}

/// Ends holds; answers how many there were, and what their accounts no longer hold.
pub(crate) async fn end_holds(
    db: &mut AnyConnection,
    ids: &[String],
) -> Result<(usize, Sums), Error> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    let ids = ids.into_iter().map(|id| vec![Cell::Text(Some(id.clone()))]);
    let ended = in_chunks(db, MADE.end_holds, ids.collect()).await?;
    let mut sums = Sums::new();
    for row in &ended {
        let amount = NanoDollars::read(row, 0).map_err(fault)?;
        let accounts = Vec::<Account>::read(row, 1).map_err(fault)?;
        for account in accounts {
            sums.entry((account, None)).or_default().reserved -= amount.0;
        }
    }
    Ok((ended.len(), sums))
}

/// Adds sums to accounts, in the order of their bytes: so do all others that lock several.
pub(crate) async fn add_balances(db: &mut AnyConnection, sums: Sums) -> Result<(), Error> {
    // Two windows of one account go in two statements: one statement cannot meet a row twice.
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
    for rows in rounds {
        run_in_chunks(db, MADE.add_balances, rows).await?;
    }
    Ok(())
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

/// Runs a statement for all rows, in as few calls as there are sizes of it; answers how many rows changed.
pub(crate) async fn run_in_chunks(
    db: &mut AnyConnection,
    statement: Sized,
    rows: Vec<Vec<Cell>>,
) -> Result<u64, Error> {
    let dialect = Dialect::of(db);
    let mut changed = 0;
    let mut rows = rows.into_iter();
    while let Some((size, text)) = statement.up_to(rows.len(), dialect) {
        let cells = rows.by_ref().take(size).flatten();
        changed += query(text, cells).execute(&mut *db).await?.rows_affected();
    }
    Ok(changed)
}

/// The same of a statement that answers rows.
pub(crate) async fn in_chunks(
    db: &mut AnyConnection,
    statement: Sized,
    rows: Vec<Vec<Cell>>,
) -> Result<Vec<AnyRow>, Error> {
    let dialect = Dialect::of(db);
    let mut found = Vec::new();
    let mut rows = rows.into_iter();
    while let Some((size, text)) = statement.up_to(rows.len(), dialect) {
        let cells = rows.by_ref().take(size).flatten();
        found.extend(query(text, cells).fetch_all(&mut *db).await?);
    }
    Ok(found)
}
