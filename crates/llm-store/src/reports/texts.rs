//! The texts of the reports' statements, made of the columns' names.

use std::sync::LazyLock;

use super::{Find, Narrow};
use crate::{
    Record,
    record::select,
    rows::{Key, SpendDay, SpendRow, User},
};

/// The statements for one way of finding rows.
pub(super) struct Finding {
    pub(super) newest: &'static str,
    pub(super) sorted: &'static str,
    pub(super) count: &'static str,
}

/// The statements for one way of finding sums.
pub(super) struct Summing {
    pub(super) rows: &'static str,
    pub(super) count: &'static str,
}

/// Every statement of the reports.
pub(crate) struct Reports {
    /// By way of finding; without and with what narrows it further.
    pub(super) requests: Vec<[Finding; 2]>,
    pub(super) days: Summing,
    pub(super) days_of_entity: Summing,
    pub(super) days_of_key: Summing,
    pub(super) by_entity: &'static str,
    pub(super) by_kind: &'static str,
    pub(super) keys_by_spend: &'static str,
    pub(super) users_by_spend: &'static str,
}

pub(crate) static REPORTS: LazyLock<Reports> = LazyLock::new(|| Reports {
    requests: Find::ALL.map(finding).into(),
    days: summing(""),
    days_of_entity: summing("AND t.entity = $10"),
    days_of_key: summing("AND t.api_key = $10"),
    by_entity: by_entity(),
    by_kind: by_kind(),
    keys_by_spend: by_spend::<Key>(),
    users_by_spend: by_spend::<User>(),
});

impl Reports {
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        let requests = self.requests.iter().flatten();
        let requests = requests.flat_map(|one| [one.newest, one.sorted, one.count]);
        let days = [&self.days, &self.days_of_entity, &self.days_of_key];
        let days = days.into_iter().flat_map(|one| [one.rows, one.count]);
        let rest = [
            self.by_entity,
            self.by_kind,
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
fn finding(find: Find) -> [Finding; 2] {
    [false, true].map(|narrow| {
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
        if narrow {
            for column in Narrow::COLUMNS {
                let at = place();
                matching += &format!(" AND (CAST(${at} AS TEXT) IS NULL OR t.{column} = ${at})");
            }
            for comparison in [">=", "<="] {
                let at = place();
                matching += &format!(" AND (CAST(${at} AS BIGINT) IS NULL OR t.spend {comparison} ${at})");
            }
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
        let by = format!(
            "CAST(${direction} AS BIGINT) * (CASE CAST(${column} AS TEXT) WHEN 'spend' THEN t.spend \
             WHEN 'total_tokens' THEN t.total_tokens WHEN 'end_time' THEN t.end_time \
             WHEN 'duration' THEN t.end_time - t.start_time ELSE t.start_time END) DESC, t.start_time DESC, t.id DESC"
        );
        Finding {
            newest: page("t.start_time DESC, t.id DESC"),
            sorted: page(&by),
            count: format!(
                "SELECT COUNT(*) FROM (SELECT 1 AS one FROM spend AS t WHERE {matching} LIMIT $3 OFFSET $4) AS p"
            )
            .leak(),
        }
    })
}

/// Parameters: 1 dimension, 2 first day, 3 last day, 4 model, 5 key, 6 and 7 entities left out and what is between them,
/// 8 limit, 9 offset.
fn summing(found: &str) -> Summing {
    let matching = format!(
        "t.dimension = $1 AND t.day >= $2 AND t.day <= $3 AND (CAST($4 AS TEXT) IS NULL OR t.model = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR t.api_key = $5) \
         AND (CAST($6 AS TEXT) IS NULL OR REPLACE($6, $7 || t.entity || $7, '') = $6) {found}"
    );
    let columns = columns::<SpendDay>();
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
    Summing {
        rows: format!(
            "SELECT {columns} FROM spend_days AS t WHERE {matching} ORDER BY {order} LIMIT $8 OFFSET $9"
        )
        .leak(),
        count: format!(
            "SELECT COUNT(*) FROM (SELECT {one} AS one FROM spend_days AS t WHERE {matching} LIMIT $8 OFFSET $9) AS p"
        )
        .leak(),
    }
}

/// Parameters: 1 dimension, 2 first day, 3 last day, 4 limit.
fn by_entity() -> &'static str {
    let sums = sums();
    format!(
        "SELECT '' AS day, t.dimension, t.entity, '' AS api_key, '' AS model, '' AS model_group, '' AS provider, \
         '' AS endpoint, {sums} FROM spend_days AS t WHERE t.dimension = $1 AND t.day >= $2 AND t.day <= $3 \
         GROUP BY t.dimension, t.entity ORDER BY SUM(t.spend) DESC, t.entity LIMIT $4"
    )
    .leak()
}

/// Parameters: 1 dimension, 2 first day, 3 last day.
fn by_kind() -> &'static str {
    let sums = sums();
    let kind = "t.day, t.dimension, t.model, t.model_group, t.provider, t.endpoint";
    format!(
        "SELECT t.day, t.dimension, '' AS entity, '' AS api_key, t.model, t.model_group, t.provider, t.endpoint, {sums} \
         FROM spend_days AS t WHERE t.dimension = $1 AND t.day >= $2 AND t.day <= $3 GROUP BY {kind}"
    )
    .leak()
}

fn sums() -> String {
    let sums = SpendDay::COLUMNS.iter().skip(SpendDay::KEY.len());
    let sums = sums.map(|sum| format!("CAST(SUM(t.{sum}) AS BIGINT) AS {sum}"));
    sums.collect::<Vec<_>>().join(", ")
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
