//! Finds spend rows and sums of days for reports, by the index that fits.

use std::sync::LazyLock;

use llm_cost::NanoDollars;
use sqlx::any::AnyRow;

use crate::{
    Account, Cell, Column, Error, Moment, Record, Store,
    balances::fault,
    record::{query, select},
    rows::{Key, SpendDay, SpendRow, User},
};

/// Which sums of days.
#[derive(Debug, Clone, Default)]
pub struct Days<'a> {
    /// The dimension.
    pub dimension: &'a str,
    /// The first day.
    pub from: &'a str,
    /// The last day.
    pub to: &'a str,
    /// Of this entity.
    pub entity: Option<&'a str>,
    /// Of this key.
    pub api_key: Option<&'a str>,
    /// Of this model.
    pub model: Option<&'a str>,
    /// Not of these entities.
    pub except: &'a [String],
}

/// The column whose index finds the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// All rows of the time.
    Time,
    /// Whatever did not succeed.
    Failed,
    /// Of a key.
    Key,
    /// Of a user.
    User,
    /// Of a team.
    Team,
    /// Of a customer.
    EndUser,
    /// Of a model.
    Model,
    /// Of a session.
    Session,
    /// Of a provider's answer.
    Request,
    /// Of what the client knows the request by.
    Call,
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The newest first.
    Newest,
    /// By this column, the largest first or last: `spend`, `total_tokens`, `end_time`, `duration` or `start_time`.
    By {
        /// The column.
        column: &'static str,
        /// Whether the smallest comes first.
        ascending: bool,
    },
}

/// What else the rows have in common.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    /// Texts by column; see [`Narrow::COLUMNS`].
    pub texts: Vec<(&'static str, String)>,
    /// Cost at least this.
    pub min_spend: Option<NanoDollars>,
    /// Cost at most this.
    pub max_spend: Option<NanoDollars>,
}

/// Which spend rows.
#[derive(Debug, Clone)]
pub struct Requests {
    /// How they are found.
    pub find: (Find, String),
    /// Begun at this moment or later.
    pub from: Moment,
    /// Begun at this moment or earlier.
    pub to: Moment,
    /// Of those begun at `to`, only the ones before this id: where a page ended.
    pub before: Option<String>,
    /// What else they have in common.
    pub narrow: Narrow,
    /// In which order.
    pub sort: Sort,
}

impl Narrow {
    /// The columns that rows can be narrowed by.
    pub const COLUMNS: &'static [&'static str] = &[
        "api_key",
        "user_id",
        "team_id",
        "organization_id",
        "project_id",
        "end_user",
        "model",
        "model_group",
        "model_id",
        "provider",
        "status",
        "error_code",
        "request_id",
        "call_id",
        "session_id",
    ];

    fn is_nothing(&self) -> bool {
        self.texts.is_empty() && self.min_spend.is_none() && self.max_spend.is_none()
    }

    fn cells(&self) -> Vec<Cell> {
        let text = |column: &&str| {
            let found = self.texts.iter().find(|(name, _)| name == column);
            Cell::Text(found.map(|(_, text)| text.clone()))
        };
        let amounts = [self.min_spend.cell(), self.max_spend.cell()];
        Self::COLUMNS.iter().map(text).chain(amounts).collect()
    }
}

impl Find {
    const ALL: [Self; 10] = [
        Self::Time,
        Self::Failed,
        Self::Key,
        Self::User,
        Self::Team,
        Self::EndUser,
        Self::Model,
        Self::Session,
        Self::Request,
        Self::Call,
    ];

    /// The column that has the value; none where the time or a failure alone finds the rows.
    const fn column(self) -> Option<&'static str> {
        match self {
            Self::Time | Self::Failed => None,
            Self::Key => Some("api_key"),
            Self::User => Some("user_id"),
            Self::Team => Some("team_id"),
            Self::EndUser => Some("end_user"),
            Self::Model => Some("model"),
            Self::Session => Some("session_id"),
            Self::Request => Some("request_id"),
            Self::Call => Some("call_id"),
        }
    }
}

/// The statements for one way of finding rows.
struct Finding {
    newest: &'static str,
    sorted: &'static str,
    count: &'static str,
}

/// The statements for one way of finding sums.
struct Summing {
    rows: &'static str,
    count: &'static str,
}

/// Every statement of the reports.
pub(crate) struct Reports {
    /// By way of finding; without and with what narrows it further.
    requests: Vec<[Finding; 2]>,
    days: Summing,
    days_of_entity: Summing,
    days_of_key: Summing,
    by_entity: &'static str,
    by_kind: &'static str,
    keys_by_spend: &'static str,
    users_by_spend: &'static str,
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
    Summing {
        rows: format!(
            "SELECT {columns} FROM spend_days AS t WHERE {matching} ORDER BY {order} LIMIT $8 OFFSET $9"
        )
        .leak(),
        count: format!(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM spend_days AS t WHERE {matching} LIMIT $8 OFFSET $9) AS p"
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

impl Store {
    /// Spend rows, `limit` of them after `offset`.
    pub async fn requests(
        &self,
        ask: &Requests,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SpendRow>, Error> {
        let Some(finding) = ask.finding() else {
            return Ok(Vec::new());
        };
        let mut cells = ask.cells(limit, offset);
        let statement = match ask.sort {
            Sort::Newest => finding.newest,
            Sort::By { column, ascending } => {
                cells.push(Cell::Integer(Some(if ascending { -1 } else { 1 })));
                cells.push(Cell::Text(Some(column.to_owned())));
                finding.sorted
            }
        };
        let rows = query(statement, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(SpendRow::read).collect()
    }

    /// How many there are, counted up to `limit`.
    pub async fn count_requests(&self, ask: &Requests, limit: i64) -> Result<i64, Error> {
        let Some(finding) = ask.finding() else {
            return Ok(0);
        };
        self.count(finding.count, ask.cells(limit, 0)).await
    }

    /// Sums of days, the latest first, `limit` of them after `offset`.
    pub async fn days(
        &self,
        ask: &Days<'_>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let (summing, cells) = ask.statement(limit, offset);
        let rows = query(summing.rows, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(SpendDay::read).collect()
    }

    /// How many there are, counted up to `limit`.
    pub async fn count_days(&self, ask: &Days<'_>, limit: i64) -> Result<i64, Error> {
        let (summing, cells) = ask.statement(limit, 0);
        self.count(summing.count, cells).await
    }

    /// The sums of each entity of a dimension over some days, those that spent most first.
    pub async fn sums_by_entity(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
        limit: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let cells = [
            text(dimension),
            text(from),
            text(to),
            Cell::Integer(Some(limit)),
        ];
        let rows = query(REPORTS.by_entity, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(SpendDay::read).collect()
    }

    /// The sums of a dimension for each day, model, provider and operation.
    pub async fn sums_by_kind(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<SpendDay>, Error> {
        let cells = [dimension, from, to].map(text);
        let rows = query(REPORTS.by_kind, cells)
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(SpendDay::read).collect()
    }

    /// The keys that spent most in their window.
    pub async fn keys_by_spend(&self, limit: i64) -> Result<Vec<Key>, Error> {
        self.by_spend(REPORTS.keys_by_spend, limit).await
    }

    /// The users that spent most in their window.
    pub async fn users_by_spend(&self, limit: i64) -> Result<Vec<User>, Error> {
        self.by_spend(REPORTS.users_by_spend, limit).await
    }

    async fn by_spend<R: Record>(
        &self,
        statement: &'static str,
        limit: i64,
    ) -> Result<Vec<R>, Error> {
        let rows = query(statement, [Cell::Integer(Some(limit))])
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(R::read).collect()
    }

    async fn count(&self, statement: &'static str, cells: Vec<Cell>) -> Result<i64, Error> {
        let row: AnyRow = query(statement, cells)
            .fetch_one(&mut *self.reader().await?)
            .await?;
        i64::read(&row, 0).map_err(fault)
    }
}

impl Requests {
    fn finding(&self) -> Option<&'static Finding> {
        let at = Find::ALL.iter().position(|find| *find == self.find.0)?;
        let narrowed = usize::from(!self.narrow.is_nothing());
        REPORTS.requests.get(at)?.get(narrowed)
    }

    fn cells(&self, limit: i64, offset: i64) -> Vec<Cell> {
        let mut cells = vec![
            self.from.cell(),
            self.to.cell(),
            Cell::Integer(Some(limit)),
            Cell::Integer(Some(offset)),
            Cell::Text(self.before.clone()),
        ];
        if self.find.0.column().is_some() {
            cells.push(text(&self.find.1));
        }
        if !self.narrow.is_nothing() {
            cells.extend(self.narrow.cells());
        }
        cells
    }
}

impl Days<'_> {
    fn statement(&self, limit: i64, offset: i64) -> (&'static Summing, Vec<Cell>) {
        let optional = |value: Option<&str>| Cell::Text(value.map(str::to_owned));
        let between = Account::SEPARATOR.to_string();
        let except = (!self.except.is_empty()).then(|| {
            let all = self
                .except
                .iter()
                .map(|entity| format!("{between}{entity}{between}"));
            all.collect::<String>()
        });
        let mut cells = vec![
            text(self.dimension),
            text(self.from),
            text(self.to),
            optional(self.model),
            Cell::Text(None),
            Cell::Text(except),
            text(&between),
            Cell::Integer(Some(limit)),
            Cell::Integer(Some(offset)),
        ];
        let summing = match (self.entity, self.api_key) {
            (Some(entity), key) => {
                if let Some(place) = cells.get_mut(4) {
                    *place = optional(key);
                }
                cells.push(text(entity));
                &REPORTS.days_of_entity
            }
            (None, Some(key)) => {
                cells.push(text(key));
                &REPORTS.days_of_key
            }
            (None, None) => &REPORTS.days,
        };
        (summing, cells)
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}
