//! The texts of the statements that read sums of days.

use super::{Grouping, packed};
use crate::{Record, rows::SpendDay};

/// The statements for one way of finding sums.
pub(super) struct Summing {
    pub(super) rows: &'static str,
    pub(super) count: &'static str,
    /// By way of grouping.
    pub(super) by: [&'static str; Grouping::ALL.len()],
}

/// The statements for one table of sums.
pub(super) struct Sums {
    pub(super) all: Summing,
    pub(super) of_entity: Summing,
    pub(super) of_key: Summing,
    /// How many there are: without what may narrow them, each costs a third.
    pub(super) count: &'static str,
    /// The same, up to a bound.
    pub(super) count_to: &'static str,
    /// All of them, without what may narrow them.
    pub(super) every: &'static str,
    pub(super) by_entity: &'static str,
    pub(super) of_most: &'static str,
    pub(super) by_kind: &'static str,
    pub(super) by_model: &'static str,
    pub(super) by_name: &'static str,
}

impl Sums {
    pub(super) fn of(table: &str) -> Self {
        Self {
            all: summing(table, ""),
            of_entity: summing(table, "AND t.entity = $10"),
            of_key: summing(table, "AND t.api_key = $10"),
            count: format!("SELECT COUNT(*) FROM {table} AS t WHERE {BETWEEN}").leak(),
            count_to: format!(
                "SELECT COUNT(*) FROM (SELECT 1 AS one FROM {table} AS t WHERE {BETWEEN} LIMIT $4) AS p"
            )
            .leak(),
            every: every(table),
            by_entity: by_entity(table),
            of_most: of_most(table),
            by_kind: by_kind(table),
            by_model: by_name(table, "model"),
            by_name: by_name(table, "entity"),
        }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &'static str> + '_ {
        let days = [&self.all, &self.of_entity, &self.of_key];
        let days = days.into_iter();
        let days = days.flat_map(|one| [one.rows, one.count].into_iter().chain(one.by));
        let rest = [
            self.count,
            self.count_to,
            self.every,
            self.by_entity,
            self.of_most,
            self.by_kind,
            self.by_model,
            self.by_name,
        ];
        days.chain(rest)
    }
}

/// Parameters: 1 dimension, 2 first day, 3 last day, 4 model, 5 key, 6 and 7 entities left out and what is between them,
/// 8 limit, 9 offset.
fn summing(table: &str, found: &str) -> Summing {
    let matching = format!(
        "{BETWEEN} AND (CAST($4 AS TEXT) IS NULL OR t.model = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR t.api_key = $5) \
         AND (CAST($6 AS TEXT) IS NULL OR REPLACE($6, $7 || t.entity || $7, '') = $6) {found}"
    );
    let order = [
        "day",
        "entity",
        "api_key",
        "model",
        "model_group",
        "provider",
        "endpoint",
    ];
    let order = order.map(|column| format!("t.{column} DESC")).join(", ");
    // SQLite counts in an index that has every column, though another finds the rows: it is asked for one that none has.
    let one = match found {
        "" => "1",
        _ => "t.spend",
    };
    let line = line_of(columns_of);
    let rows = format!(
        "SELECT {line} AS line FROM {table} AS t WHERE {matching} ORDER BY {order} LIMIT $8 OFFSET $9"
    );
    Summing {
        rows: packed::lines(&rows).leak(),
        count: format!(
            "SELECT COUNT(*) FROM (SELECT {one} AS one FROM {table} AS t WHERE {matching} LIMIT $8 OFFSET $9) AS p"
        )
        .leak(),
        by: Grouping::ALL.map(|grouping| {
            let group = grouping.columns();
            let line = line_of(|column| grouped(column, group));
            let by = group.iter().map(|column| format!("t.{column}"));
            let by = by.collect::<Vec<_>>().join(", ");
            let rows = format!(
                "SELECT {line} AS line FROM {table} AS t WHERE {matching} GROUP BY {by} LIMIT $8 OFFSET $9"
            );
            packed::lines(&rows).leak() as &'static str
        }),
    }
}

/// Parameters: 1 dimension, 2 first day, 3 last day.
const BETWEEN: &str = "t.dimension = $1 AND t.day >= $2 AND t.day <= $3";

/// Parameters: 1 dimension, 2 first day, 3 last day, 4 limit.
fn every(table: &str) -> &'static str {
    let line = line_of(columns_of);
    packed::lines(&format!(
        "SELECT {line} AS line FROM {table} AS t WHERE {BETWEEN} ORDER BY t.day DESC, t.entity DESC LIMIT $4"
    ))
    .leak()
}

/// Parameters: 1 dimension, 2 first day, 3 last day, 4 limit.
fn by_entity(table: &str) -> &'static str {
    let line = line_of(|column| grouped(column, &["dimension", "entity"]));
    packed::lines(&format!(
        "SELECT {line} AS line FROM {table} AS t WHERE {BETWEEN} \
         GROUP BY t.dimension, t.entity ORDER BY SUM(t.spend) DESC, t.entity LIMIT $4"
    ))
    .leak()
}

/// Parameters: 1 dimension, 2 first day, 3 last day, 4 how many entities.
fn of_most(table: &str) -> &'static str {
    let line = line_of(columns_of);
    packed::lines(&format!(
        "SELECT {line} AS line FROM {table} AS t JOIN (SELECT s.entity AS found FROM {table} AS s \
         WHERE s.dimension = $1 AND s.day >= $2 AND s.day <= $3 GROUP BY s.entity \
         ORDER BY SUM(s.spend) DESC, s.entity LIMIT $4) AS m ON m.found = t.entity \
         WHERE {BETWEEN}"
    ))
    .leak()
}

/// Parameters: 1 dimension, 2 first day, 3 last day.
fn by_kind(table: &str) -> &'static str {
    let kind = [
        "day",
        "dimension",
        "model",
        "model_group",
        "provider",
        "endpoint",
    ];
    let line = line_of(|column| grouped(column, &kind));
    let kind = kind.map(|column| format!("t.{column}")).join(", ");
    packed::lines(&format!(
        "SELECT {line} AS line FROM {table} AS t WHERE {BETWEEN} GROUP BY {kind}"
    ))
    .leak()
}

/// Parameters: 1 dimension, 2 first day, 3 last day.
fn by_name(table: &str, name: &str) -> &'static str {
    let line = packed::line(
        &["SUM(t.spend)".to_owned()],
        &["t.day".to_owned(), format!("t.{name}")],
    );
    packed::lines(&format!(
        "SELECT {line} AS line FROM {table} AS t WHERE {BETWEEN} \
         GROUP BY t.day, t.{name}"
    ))
    .leak()
}

/// A sum of days as a line.
fn line_of(value: impl Fn(&str) -> String) -> String {
    // The columns of the key are texts, the others are numbers.
    let (texts, numbers) = SpendDay::COLUMNS.split_at(SpendDay::KEY.len());
    let of = |columns: &[&'static str]| {
        columns
            .iter()
            .map(|column| value(column))
            .collect::<Vec<_>>()
    };
    packed::line(&of(numbers), &of(texts))
}

fn columns_of(column: &str) -> String {
    format!("t.{column}")
}

/// A column where rows are grouped by some of the texts: the others are empty, and numbers are added up.
fn grouped(column: &str, by: &[&str]) -> String {
    match SpendDay::KEY.contains(&column) {
        true if by.contains(&column) => format!("t.{column}"),
        true => "CAST('' AS TEXT)".to_owned(),
        false => format!("SUM(t.{column})"),
    }
}
