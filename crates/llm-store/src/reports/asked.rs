//! Which requests a report is about.

use llm_cost::NanoDollars;

use super::{
    text,
    texts::{Finding, REPORTS},
};
use crate::{Cell, Column, Moment};

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

    pub(super) fn is_nothing(&self) -> bool {
        self.texts.is_empty() && self.min_spend.is_none() && self.max_spend.is_none()
    }

    fn cells(&self, width: Width) -> Vec<Cell> {
        let text = |column: &&str| {
            let found = self.texts.iter().find(|(name, _)| name == column);
            Cell::Text(found.map(|(_, text)| text.clone()))
        };
        let amounts = [self.min_spend.cell(), self.max_spend.cell()];
        let amounts = amounts.into_iter().filter(|_| width.amounts);
        width.texts.iter().map(text).chain(amounts).collect()
    }
}

/// What a statement can narrow rows by. Columns that the index has beside its own cost no look at the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Width {
    pub(super) texts: &'static [&'static str],
    pub(super) amounts: bool,
}

impl Width {
    const NOTHING: Self = Self {
        texts: &[],
        amounts: false,
    };
    const ALL: Self = Self {
        texts: Narrow::COLUMNS,
        amounts: true,
    };

    fn holds(self, narrow: &Narrow) -> bool {
        let amounts = narrow.min_spend.is_some() || narrow.max_spend.is_some();
        let mut texts = narrow.texts.iter();
        texts.all(|(name, _)| self.texts.contains(name)) && (self.amounts || !amounts)
    }
}

impl Find {
    pub(super) const ALL: [Self; 10] = [
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

    /// What it can be narrowed by, the narrowest first.
    pub(super) const fn widths(self) -> &'static [Width] {
        match self {
            Self::Time => &[
                Width::NOTHING,
                Width {
                    texts: &[],
                    amounts: true,
                },
                Width::ALL,
            ],
            Self::Failed => &[
                Width::NOTHING,
                Width {
                    texts: &["status", "error_code"],
                    amounts: false,
                },
                Width::ALL,
            ],
            _ => &[Width::NOTHING, Width::ALL],
        }
    }

    /// The column that has the value; none where the time or a failure alone finds the rows.
    pub(super) const fn column(self) -> Option<&'static str> {
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

impl Requests {
    pub(super) fn finding(&self) -> Option<&'static Finding> {
        let at = Find::ALL.iter().position(|find| *find == self.find.0)?;
        let all = REPORTS.requests.get(at)?;
        all.iter().find(|finding| finding.width.holds(&self.narrow))
    }

    pub(super) fn cells(&self, limit: i64, offset: i64) -> Vec<Cell> {
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
        let width = self.finding().map(|finding| finding.width);
        cells.extend(width.into_iter().flat_map(|width| self.narrow.cells(width)));
        cells
    }
}
