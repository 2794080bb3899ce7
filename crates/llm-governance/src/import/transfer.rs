//! Taking over one table: read, written, read back and compared.

use std::collections::HashSet;

use llm_cost::NanoDollars;
use llm_store::{Balance, Error, Foreign, Keyring, Moment, Store, Transaction, rows::Object};
use serde_json::Value;

use super::{
    ImportError, Report, TableReport,
    source::{BATCH, Source, parsed, says_something},
};
use crate::{Governed, Refusal, directory::joined, edit::shown, terms::dollars};

/// What every table has that is counted elsewhere.
const SPENDING: [&str; 3] = ["spend", "total_spend", "budget_reset_at"];

/// A table of the source, and what its rows are here.
pub(super) struct Table<R> {
    /// Its name.
    pub(super) name: &'static str,
    /// Reads its rows as JSON.
    pub(super) rows: &'static str,
    /// Counts them, and what they have spent.
    pub(super) count: &'static str,
    /// Columns that are used though none of ours has their name, or that need not be.
    pub(super) used: &'static [&'static str],
    /// Makes a row of ours.
    pub(super) take: fn(&mut Reading<'_>, Object) -> Result<R, String>,
    /// What the JSON of a row does not show.
    pub(super) hidden: fn(&R, &Keyring) -> Value,
}

/// The rows of a table being read.
pub(super) struct Reading<'a> {
    pub(super) source: &'a Source,
    pub(super) keyring: &'a Keyring,
    seen: HashSet<(&'static str, String)>,
    pub(super) notes: Vec<String>,
}

/// Both databases.
pub(super) struct Transfer<'a> {
    pub(super) from: &'a mut Foreign,
    pub(super) source: &'a Source,
    pub(super) store: &'a Store,
    pub(super) keyring: &'a Keyring,
    pub(super) dry_run: bool,
}

/// A row, and what it has spent.
struct Item<R> {
    row: R,
    balance: Option<Balance>,
}

impl<'a> Reading<'a> {
    fn new(source: &'a Source, keyring: &'a Keyring) -> Self {
        Self {
            source,
            keyring,
            seen: HashSet::new(),
            notes: Vec::new(),
        }
    }

    /// Whether no row before had this value.
    pub(super) fn is_first(&mut self, column: &'static str, value: &str) -> bool {
        self.seen.insert((column, value.to_owned()))
    }
}

impl Transfer<'_> {
    /// Takes over a table, if there is one.
    pub(super) async fn copy<R: Governed>(
        &mut self,
        table: &Table<R>,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        if !self.from.has_table(table.name).await? {
            return Ok(());
        }
        let [rows, spend] = self.from.numbers(table.count).await?;
        let mut done = TableReport {
            name: table.name,
            rows,
            spend: NanoDollars(spend),
            ..TableReport::default()
        };
        self.write(table, &mut done).await?;
        if !self.dry_run {
            self.prove(table, &mut done).await?;
        }
        report.tables.push(done);
        Ok(())
    }

    async fn write<R: Governed>(
        &mut self,
        table: &Table<R>,
        done: &mut TableReport,
    ) -> Result<(), ImportError> {
        let mut reading = Reading::new(self.source, self.keyring);
        let (store, keyring, dry_run) = (self.store, self.keyring, self.dry_run);
        self.from
            .texts(table.rows, BATCH, async |texts| {
                let mut transaction = match dry_run {
                    true => None,
                    false => Some(store.begin().await?),
                };
                for text in texts {
                    let item = match read(table, &mut reading, &text, Some(done)) {
                        Ok(item) => item,
                        Err(reason) => {
                            done.differences.push(reason);
                            continue;
                        }
                    };
                    match &mut transaction {
                        Some(transaction) => {
                            put(table, keyring, store, transaction, item, done).await?
                        }
                        None => foresee(table, keyring, store, item, done).await?,
                    }
                }
                match transaction {
                    Some(transaction) => Ok::<_, ImportError>(transaction.commit().await?),
                    None => Ok(()),
                }
            })
            .await?;
        done.notes = reading.notes;
        Ok(())
    }

    /// Reads the source once more, and for each of its rows what is here.
    async fn prove<R: Governed>(
        &mut self,
        table: &Table<R>,
        done: &mut TableReport,
    ) -> Result<(), ImportError> {
        let mut reading = Reading::new(self.source, self.keyring);
        let (store, keyring) = (self.store, self.keyring);
        self.from
            .texts(table.rows, BATCH, async |texts| {
                for text in texts {
                    // What cannot be read was said before.
                    let Ok(item) = read(table, &mut reading, &text, None) else {
                        continue;
                    };
                    compare(table, keyring, store, item, done).await?;
                }
                Ok(())
            })
            .await
    }
}

/// A row of the source as one of ours. `done` learns which columns have no place here.
fn read<R: Governed>(
    table: &Table<R>,
    reading: &mut Reading<'_>,
    text: &str,
    done: Option<&mut TableReport>,
) -> Result<Item<R>, String> {
    let row = parsed(text)?;
    if let Some(done) = done {
        let known = |name: &str| {
            R::COLUMNS.contains(&name)
                || table.used.contains(&name)
                || (R::SPENDS.is_some() && SPENDING.contains(&name))
        };
        for (name, value) in &row {
            if !known(name) && says_something(value) {
                *done.unknown.entry(name.clone()).or_default() += 1;
            }
        }
    }
    let balance = match R::SPENDS {
        Some(_) => Some(spending(reading.source, &row)?),
        None => None,
    };
    let row = (table.take)(reading, row)?;
    Ok(Item { row, balance })
}

/// What a row has spent. Where a budget bounds it, that one's window is its own.
fn spending(source: &Source, row: &Object) -> Result<Balance, String> {
    // A member's is in a row of its own.
    let place = row.get("place").and_then(Value::as_object).unwrap_or(row);
    let amount = |name: &str| match place.get(name) {
        None => Ok(NanoDollars(0)),
        Some(value) => dollars(value).ok_or_else(|| format!("'{name}' is no amount: {value}")),
    };
    let budget = place.get("budget_id").and_then(Value::as_str);
    let shared = budget.and_then(|id| source.resets.get(id));
    let resets_at = place.get("budget_reset_at").or(shared);
    let (spent, total) = (amount("spend")?, amount("total_spend")?);
    Ok(Balance {
        spent,
        // Rows from before there were totals have none.
        total: total.max(spent),
        resets_at: resets_at.and_then(|at| serde_json::from_value(at.clone()).ok()),
        ..Balance::default()
    })
}

async fn put<R: Governed>(
    table: &Table<R>,
    keyring: &Keyring,
    store: &Store,
    transaction: &mut Transaction,
    item: Item<R>,
    done: &mut TableReport,
) -> Result<(), ImportError> {
    let key = item.row.key();
    let parts: Vec<&str> = key.iter().map(String::as_str).collect();
    let known = transaction.get::<R>(&parts).await?;
    let same = is_same(table, keyring, known.as_ref(), &item.row);
    match &known {
        None if transaction.add(&item.row).await? => done.new += 1,
        None => {
            let name = parts.join("/");
            done.differences
                .push(format!("{name} is left out: another row here has its name"));
            return Ok(());
        }
        Some(_) if same => {}
        Some(_) => {
            transaction.update(&parts, &item.row).await?;
            done.changed += 1;
        }
    }
    let account = item.row.account();
    let mut charged = false;
    if let Some(balance) = item.balance {
        let now = store.balance(&account).await?;
        charged = !is_as_spent(&now, &balance);
        if charged {
            let (spent, total) = (balance.spent, balance.total);
            transaction
                .set_balance(&account, spent, total, balance.resets_at)
                .await?;
        }
    }
    if !same || charged {
        transaction
            .tell(R::TABLE, &joined(&parts), Moment::now())
            .await?;
    }
    Ok(())
}

async fn foresee<R: Governed>(
    table: &Table<R>,
    keyring: &Keyring,
    store: &Store,
    item: Item<R>,
    done: &mut TableReport,
) -> Result<(), ImportError> {
    let key = item.row.key();
    let parts: Vec<&str> = key.iter().map(String::as_str).collect();
    match store.get::<R>(&parts).await? {
        None => done.new += 1,
        known if is_same(table, keyring, known.as_ref(), &item.row) => {}
        Some(_) => done.changed += 1,
    }
    done.here += 1;
    done.spend_here.0 += item.balance.map_or(0, |balance| balance.spent.0);
    Ok(())
}

async fn compare<R: Governed>(
    table: &Table<R>,
    keyring: &Keyring,
    store: &Store,
    item: Item<R>,
    done: &mut TableReport,
) -> Result<(), Error> {
    let key = item.row.key();
    let parts: Vec<&str> = key.iter().map(String::as_str).collect();
    let name = parts.join("/");
    let Some(stored) = store.get::<R>(&parts).await? else {
        done.differences.push(format!("{name} is not here"));
        return Ok(());
    };
    done.here += 1;
    if !is_same(table, keyring, Some(&stored), &item.row) {
        done.differences.push(format!("{name} is another here"));
    }
    if let Some(wanted) = item.balance {
        let balance = store.balance(&item.row.account()).await?;
        done.spend_here.0 += balance.spent.0;
        if !is_as_spent(&balance, &wanted) {
            done.differences
                .push(format!("{name} has not spent here what it has there"));
        }
    }
    Ok(())
}

fn is_as_spent(here: &Balance, there: &Balance) -> bool {
    (here.spent, here.total, here.resets_at) == (there.spent, there.total, there.resets_at)
}

fn is_same<R: Governed>(
    table: &Table<R>,
    keyring: &Keyring,
    stored: Option<&R>,
    wanted: &R,
) -> bool {
    let of = |row: &R| -> Result<(Value, Value), Refusal> {
        let mut shown = shown(row)?;
        if let Value::Object(columns) = &mut shown {
            columns.retain(|name, _| !SPENDING.contains(&name.as_str()));
        }
        Ok((shown, (table.hidden)(row, keyring)))
    };
    stored.is_some_and(|stored| of(stored).is_ok_and(|one| of(wanted).is_ok_and(|two| one == two)))
}
