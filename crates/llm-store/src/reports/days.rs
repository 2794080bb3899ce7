//! Finds sums of days.

use super::{
    packed::DaySum,
    sum_texts::{Summing, Sums},
    text,
    texts::REPORTS,
};
use crate::{Account, Cell, Error, Store, days::is_coarse, rows::SpendDay};

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

/// What sums are added up by, whatever their days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// By key and model.
    KeyAndModel,
    /// By entity and model.
    EntityAndModel,
    /// By key, operation and model.
    KeyAndOperation,
    /// By entity.
    Entity,
}

impl Grouping {
    pub(super) const ALL: [Self; 4] = [
        Self::KeyAndModel,
        Self::EntityAndModel,
        Self::KeyAndOperation,
        Self::Entity,
    ];

    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::KeyAndModel => &["api_key", "model"],
            Self::EntityAndModel => &["entity", "model"],
            Self::KeyAndOperation => &["api_key", "endpoint", "model"],
            Self::Entity => &["entity"],
        }
    }
}

impl Store {
    /// Sums of days, the latest first, `limit` of them after `offset`.
    pub async fn days(
        &self,
        ask: &Days<'_>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let (summing, cells) = ask.statement(limit, offset);
        self.lines(summing.rows, cells).await
    }

    /// How many there are, counted up to `limit`.
    pub async fn count_days(&self, ask: &Days<'_>, limit: i64) -> Result<i64, Error> {
        if ask.is_everything() {
            let sums = sums(ask.dimension);
            if limit == i64::MAX {
                let cells = [ask.dimension, ask.from, ask.to].map(text).to_vec();
                return self.count(sums.count, cells).await;
            }
            let cells = span(ask.dimension, ask.from, ask.to, limit);
            return self.count(sums.count_to, cells.to_vec()).await;
        }
        let (summing, cells) = ask.statement(limit, 0);
        self.count(summing.count, cells).await
    }

    /// The same sums added up by what they have in common, `limit` of them at most, in any order.
    pub async fn grouped_days(
        &self,
        ask: &Days<'_>,
        grouping: Grouping,
        limit: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let (summing, cells) = ask.statement(limit, 0);
        let at = Grouping::ALL.iter().position(|one| *one == grouping);
        let Some(statement) = at.and_then(|at| summing.by.get(at)) else {
            return Ok(Vec::new());
        };
        self.lines(statement, cells).await
    }

    /// All sums of a dimension over some days, the latest first, `limit` of them at most.
    pub async fn every_day(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
        limit: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let cells = span(dimension, from, to, limit);
        self.lines(sums(dimension).every, cells).await
    }

    /// What each entity of a dimension spent on each day.
    pub async fn days_by_entity(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<DaySum>, Error> {
        let cells = [dimension, from, to].map(text);
        self.lines(sums(dimension).by_name, cells).await
    }

    /// What each model of a dimension cost on each day.
    pub async fn days_by_model(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<DaySum>, Error> {
        let cells = [dimension, from, to].map(text);
        self.lines(sums(dimension).by_model, cells).await
    }

    /// The sums of each entity of a dimension over some days, those that spent most first.
    pub async fn sums_by_entity(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
        limit: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let cells = span(dimension, from, to, limit);
        self.lines(sums(dimension).by_entity, cells).await
    }

    /// The sums of each day, of the entities of a dimension that spent most together, `limit` of them, in any order.
    pub async fn days_of_most(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
        limit: i64,
    ) -> Result<Vec<SpendDay>, Error> {
        let cells = span(dimension, from, to, limit);
        self.lines(sums(dimension).of_most, cells).await
    }

    /// The sums of a dimension for each day, model, provider and operation.
    pub async fn sums_by_kind(
        &self,
        dimension: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<SpendDay>, Error> {
        let cells = [dimension, from, to].map(text);
        self.lines(sums(dimension).by_kind, cells).await
    }
}

/// A dimension over some days, `limit` of it at most.
fn span(dimension: &str, from: &str, to: &str, limit: i64) -> [Cell; 4] {
    let limit = Cell::Integer(Some(limit));
    [text(dimension), text(from), text(to), limit]
}

impl Days<'_> {
    /// Whether nothing is asked for but a dimension and a time.
    fn is_everything(&self) -> bool {
        let which = [self.entity, self.api_key, self.model];
        which.iter().all(Option::is_none) && self.except.is_empty()
    }

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
        let sums = sums(self.dimension);
        let summing = match (self.entity, self.api_key) {
            (Some(entity), key) => {
                if let Some(place) = cells.get_mut(4) {
                    *place = optional(key);
                }
                cells.push(text(entity));
                &sums.of_entity
            }
            (None, Some(key)) => {
                cells.push(text(key));
                &sums.of_key
            }
            (None, None) => &sums.all,
        };
        (summing, cells)
    }
}

/// The statements for the table that has the dimension.
fn sums(dimension: &str) -> &'static Sums {
    match is_coarse(dimension) {
        true => &REPORTS.totals,
        false => &REPORTS.days,
    }
}
