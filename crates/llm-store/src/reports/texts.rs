//! The texts of the reports' statements, made of the columns' names.

use std::sync::LazyLock;

use super::{Find, asked::Width, packed, sum_texts::Sums};
use crate::{
    Record,
    record::select,
    rows::{Key, SpendRow, User},
};

/// The statements for one way of finding rows, and what may narrow it.
pub(super) struct Finding {
    pub(super) width: Width,
    pub(super) newest: &'static str,
    /// By whichever column a value names.
    pub(super) sorted: &'static str,
    /// By each column, the smallest first or last, where there may be very many rows.
    pub(super) by: Vec<(&'static str, bool, &'static str)>,
    pub(super) count: &'static str,
}

/// Every statement of the reports.
pub(crate) struct Reports {
    /// By way of finding; with what narrows it further, the narrowest first.
    pub(super) requests: Vec<Vec<Finding>>,
    pub(super) begun: &'static str,
    pub(super) failures: &'static str,
    pub(super) failures_by_place: &'static str,
    pub(super) days: Sums,
    pub(super) totals: Sums,
    pub(super) keys_by_spend: &'static str,
    pub(super) users_by_spend: &'static str,
}

pub(crate) static REPORTS: LazyLock<Reports> = LazyLock::new(|| Reports {
    requests: Find::ALL.map(findings).into(),
    begun: begun(),
    failures: failures("CAST('' AS TEXT)"),
    failures_by_place: failures("COALESCE(t.api_base, t.model_id, '')"),
    days: Sums::of("spend_days"),
    totals: Sums::of("spend_totals"),
    keys_by_spend: by_spend::<Key>(),
    users_by_spend: by_spend::<User>(),
});

impl Reports {
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        let requests = self.requests.iter().flatten();
        let requests = requests.flat_map(|one| {
            let by = one.by.iter().map(|(_, _, text)| *text);
            [one.newest, one.sorted, one.count].into_iter().chain(by)
        });
        let days = self.days.texts().chain(self.totals.texts());
        let rest = [
            self.begun,
            self.failures,
            self.failures_by_place,
            self.keys_by_spend,
            self.users_by_spend,
        ];
        requests
            .map(|text| ("requests", text))
            .chain(days.map(|text| ("days", text)))
            .chain(rest.into_iter().map(|text| ("totals", text)))
    }
}

/// Parameters: 1 from, 2 to, 3 limit, 4 offset, 5 before; then the value that finds, and what narrows; the sorted one has
/// its direction and column last.
fn findings(find: Find) -> Vec<Finding> {
    let widths = find.widths().iter();
    widths.map(|width| finding(find, *width)).collect()
}

fn finding(find: Find, width: Width) -> Finding {
    let mut next = 6;
    let mut place = || {
        next += 1;
        next - 1
    };
    let mut matching =
        "t.start_time >= $1 AND t.start_time <= $2 AND (t.start_time < $2 OR CAST($5 AS TEXT) IS NULL OR t.id < $5)"
            .to_owned();
    match (find, find.column()) {
        (_, Some(column)) => matching += &format!(" AND t.{column} = ${}", place()),
        (Find::Failed, None) => matching += " AND t.status <> 'success'",
        _ => {}
    }
    for column in width.texts {
        let at = place();
        matching += &format!(" AND (CAST(${at} AS TEXT) IS NULL OR t.{column} = ${at})");
    }
    for comparison in [">=", "<="].into_iter().filter(|_| width.amounts) {
        let at = place();
        matching += &format!(" AND (CAST(${at} AS BIGINT) IS NULL OR t.spend {comparison} ${at})");
    }
    let (direction, column) = (place(), place());
    // The rows of a page are found in the index before any of them is read.
    let page = |order: &str| -> &'static str {
        let columns = columns::<SpendRow>();
        format!(
            "SELECT {columns} FROM spend AS t JOIN (SELECT t.id AS found FROM spend AS t WHERE {matching} \
             ORDER BY {order} LIMIT $3 OFFSET $4) AS p ON p.found = t.id ORDER BY {order}"
        )
        .leak()
    };
    let newest = "t.start_time DESC, t.id DESC";
    let cases = SORTED_BY.iter();
    let cases = cases.map(|(name, value)| format!("WHEN '{name}' THEN {value} "));
    let cases: String = cases.collect();
    let sorted = format!(
        "CAST(${direction} AS BIGINT) * (CASE CAST(${column} AS TEXT) {cases}ELSE t.start_time END) DESC, {newest}"
    );
    let by = SORTED_BY.iter().filter(|_| find == Find::Time);
    let by = by.flat_map(|(name, value)| {
        let down = page(&format!("{value} DESC, {newest}"));
        let up = page(&format!("{value} ASC, {newest}"));
        [(*name, false, down), (*name, true, up)]
    });
    Finding {
        width,
        newest: page(newest),
        sorted: page(&sorted),
        by: by.collect(),
        count: format!(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM spend AS t WHERE {matching} LIMIT $3 OFFSET $4) AS p"
        )
        .leak(),
    }
}

/// What requests can be sorted by, and what that is.
const SORTED_BY: [(&str, &str); 5] = [
    ("spend", "t.spend"),
    ("total_tokens", "t.total_tokens"),
    ("end_time", "t.end_time"),
    ("duration", "t.end_time - t.start_time"),
    ("start_time", "t.start_time"),
];

/// Parameters: 1 first hour, 2 the hour behind the last.
fn begun() -> &'static str {
    let line = packed::line(&["t.day".to_owned(), "t.api_requests".to_owned()], &[]);
    packed::lines(&format!(
        "SELECT {line} AS line FROM spend_totals AS t WHERE t.dimension = 'begun' AND t.day >= $1 AND t.day < $2"
    ))
    .leak()
}

/// Parameters: 1 from, 2 to, 3 the code, 4 the name that was asked for.
fn failures(place: &str) -> &'static str {
    let day = format!("t.start_time / {}", packed::DAY);
    let line = packed::line(
        &["f.day".to_owned(), "f.many".to_owned()],
        &["f.place".to_owned()],
    );
    packed::lines(&format!(
        "SELECT {line} AS line FROM (SELECT {day} AS day, {place} AS place, COUNT(*) AS many FROM spend AS t \
         WHERE t.status <> 'success' AND t.start_time >= $1 AND t.start_time <= $2 AND t.error_code = $3 \
         AND (CAST($4 AS TEXT) IS NULL OR t.model_group = $4) GROUP BY {day}, {place}) AS f"
    ))
    .leak()
}

fn by_spend<R: Record>() -> &'static str {
    let key = R::KEY.first().copied().unwrap_or_default();
    let select = select::<R>();
    format!("{select} ORDER BY COALESCE(b.spent, 0) DESC, t.{key} LIMIT $1").leak()
}

fn columns<R: Record>() -> String {
    let columns: Vec<String> = R::COLUMNS.iter().map(|name| format!("t.{name}")).collect();
    columns.join(", ")
}
