//! What an import did, and the proof that nothing was lost.

use std::{collections::BTreeMap, fmt};

use llm_cost::NanoDollars;

/// Differences that are spelt out for each table; of the rest only the number is said.
const SHOWN: usize = 20;

/// What an import did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Table by table.
    pub tables: Vec<TableReport>,
    /// Tables that are not imported and how many rows they have.
    pub beside: Vec<(&'static str, i64)>,
}

/// What became of one table.
#[derive(Debug, Clone, Default)]
pub struct TableReport {
    /// The table's name in the source.
    pub name: &'static str,
    /// Rows there, as its database counts them.
    pub rows: i64,
    /// What they have spent, as its database adds it up.
    pub spend: NanoDollars,
    /// Rows that were new here.
    pub new: i64,
    /// Rows that were here and another.
    pub changed: i64,
    /// Rows that are here, read back and compared.
    pub here: i64,
    /// What those have spent.
    pub spend_here: NanoDollars,
    /// What differs, and what was left out.
    pub differences: Vec<String>,
    /// What was taken over in another form.
    pub notes: Vec<String>,
    /// Columns that have no place here, and in how many rows they say something.
    pub unknown: BTreeMap<String, i64>,
}

impl TableReport {
    /// Whether what is here is what is there.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.rows == self.here && self.spend == self.spend_here
    }
}

impl Report {
    /// Whether what is here is what is there. Of a dry run: whether it could be.
    pub fn is_equal(&self) -> bool {
        match self.dry_run {
            true => self.tables.iter().all(|table| table.differences.is_empty()),
            false => self.tables.iter().all(TableReport::is_equal),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = if self.dry_run {
            "would be here"
        } else {
            "here"
        };
        writeln!(
            f,
            "{:<38} {:>9} {:>9} {:>9} {:>13} {:>18} {:>18}",
            "table", "there", "new", "changed", here, "spend there", "spend here"
        )?;
        for table in &self.tables {
            writeln!(
                f,
                "{:<38} {:>9} {:>9} {:>9} {:>13} {:>18} {:>18}  {}",
                table.name,
                table.rows,
                table.new,
                table.changed,
                table.here,
                dollars(table.spend),
                dollars(table.spend_here),
                if table.is_equal() { "equal" } else { "DIFFERS" },
            )?;
        }
        for table in &self.tables {
            listed(f, table.name, &table.differences)?;
            listed(f, table.name, &table.notes)?;
            for (column, rows) in &table.unknown {
                writeln!(
                    f,
                    "{}: '{column}' has no place here ({rows} rows)",
                    table.name
                )?;
            }
        }
        for (name, rows) in &self.beside {
            writeln!(f, "{name}: {rows} rows are not imported")?;
        }
        let end = match (self.is_equal(), self.dry_run) {
            (true, true) => "Nothing was written. Everything could be imported.",
            (true, false) => "Everything is here, and equal.",
            (false, true) => "Nothing was written. What is named above could not be imported.",
            (false, false) => "What is here is NOT what is there: see above.",
        };
        writeln!(f, "{end}")
    }
}

fn listed(f: &mut fmt::Formatter<'_>, table: &str, lines: &[String]) -> fmt::Result {
    for line in lines.iter().take(SHOWN) {
        writeln!(f, "{table}: {line}")?;
    }
    match lines.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => writeln!(f, "{table}: and {more} more"),
        _ => Ok(()),
    }
}

/// An amount to the nano-dollar.
fn dollars(amount: NanoDollars) -> String {
    let (sign, size) = if amount.0 < 0 {
        ("-", amount.0.unsigned_abs())
    } else {
        ("", amount.0.unsigned_abs())
    };
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
}
