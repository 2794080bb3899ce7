//! Finds spend rows and sums of days for reports, by the index that fits.

mod texts;

use llm_cost::NanoDollars;
use sqlx::any::AnyRow;

use crate::{
    Account, Cell, Column, Error, Moment, Record, Store,
    balances::fault,
    record::query,
    rows::{Key, SpendDay, SpendRow, User},
};

pub(crate) use texts::REPORTS;
use texts::{Finding, Summing};

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
