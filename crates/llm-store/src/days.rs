//! The sums of days, as requests add to them.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use foldhash::HashMap;
use sqlx::AnyConnection;

use crate::{
    Cell, Error, Moment, Record,
    rows::{SpendDay, SpendRow},
    shipping::run_in_chunks,
    sized::Sized,
    statements::MADE,
};

/// Milliseconds of an hour.
pub(crate) const HOUR: i64 = 3600 * 1000;

/// Hours have names of seven digits up to here, so that they sort as they follow each other.
pub(crate) const LAST_HOUR: i64 = 8_999_999;

const FIRST_NAME: i64 = 1_000_000;

/// The day that stands for an hour since 1970: requests that began then are counted under the dimension `begun`.
pub(crate) fn hour_name(hour: i64) -> String {
    (FIRST_NAME + hour).to_string()
}

/// The hour of such a name.
pub(crate) fn hour_of_name(name: i64) -> i64 {
    name - FIRST_NAME
}

/// Rows that came, or went where `count` is negative: what that adds to the hours in which they began.
pub(crate) fn begun(starts: impl Iterator<Item = Moment>, count: i64) -> Vec<SpendDay> {
    let mut hours: BTreeMap<i64, i64> = BTreeMap::new();
    for start in starts {
        *hours.entry(start.0.div_euclid(HOUR)).or_default() += count;
    }
    let hours = hours.into_iter();
    let hours = hours.map(|(hour, api_requests)| SpendDay {
        day: hour_name(hour),
        dimension: "begun".to_owned(),
        api_requests,
        ..SpendDay::default()
    });
    hours.collect()
}

/// Whether sums of this dimension are in the table of the coarse ones, which reports of everything read from end to end.
pub(crate) fn is_coarse(dimension: &str) -> bool {
    matches!(dimension, "all" | "begun") || dimension.ends_with("_total")
}

/// Adds to the sums of days.
pub(crate) async fn add_days(
    db: &mut AnyConnection,
    more: impl Iterator<Item = SpendDay>,
) -> Result<(), Error> {
    for (statement, rows) in day_cells(more) {
        run_in_chunks(db, statement, rows).await?;
    }
    Ok(())
}

/// What adds to the sums of days, fine and coarse, and the values of each sum, which is there once.
pub(crate) fn day_cells(more: impl Iterator<Item = SpendDay>) -> [(Sized, Vec<Vec<Cell>>); 2] {
    let mut days: BTreeMap<[String; 8], SpendDay> = BTreeMap::new();
    for day in more {
        let key = [
            &day.day,
            &day.dimension,
            &day.entity,
            &day.api_key,
            &day.model,
            &day.model_group,
            &day.provider,
            &day.endpoint,
        ];
        match days.entry(key.map(Clone::clone)) {
            Entry::Vacant(place) => drop(place.insert(day)),
            Entry::Occupied(mut place) => place.get_mut().add(&day),
        }
    }
    let (coarse, fine) = days
        .values()
        .partition::<Vec<_>, _>(|day| is_coarse(&day.dimension));
    [(MADE.add_days, fine), (MADE.add_totals, coarse)].map(|(statement, days)| {
        let cells = days.into_iter().map(Record::cells);
        (statement, cells.collect())
    })
}

/// What requests add to the days they ended on: for each entity they belong to, for all of them, and for each alone; and to
/// the hours they began in.
pub(crate) fn days_of<'a>(rows: impl Iterator<Item = &'a SpendRow>) -> Vec<SpendDay> {
    let mut kinds: HashMap<Kind<'_>, (&SpendRow, SpendDay)> = HashMap::default();
    let mut starts = Vec::new();
    for row in rows {
        starts.push(row.start_time);
        let sums = kinds.entry(Kind::of(row));
        let (_, sums) = sums.or_insert_with(|| (row, nothing_on(row)));
        sums.add(&counts(row));
    }
    let kinds = kinds.into_values();
    let days = kinds.flat_map(|(row, sums)| spread(row, &sums));
    days.chain(begun(starts.into_iter(), 1)).collect()
}

/// What sums of days tell requests apart by: those that are alike are added up before anything is copied.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'a> {
    day: i64,
    api_key: &'a str,
    entities: [Option<&'a str>; 5],
    tags: &'a [String],
    model: &'a str,
    model_group: Option<&'a str>,
    provider: &'a str,
    endpoint: &'a str,
}

impl<'a> Kind<'a> {
    fn of(row: &'a SpendRow) -> Self {
        let entities = [
            &row.user_id,
            &row.team_id,
            &row.organization_id,
            &row.end_user,
            &row.agent_id,
        ];
        Self {
            day: row.end_time.0.div_euclid(24 * 3600 * 1000),
            api_key: &row.api_key,
            entities: entities.map(Option::as_deref),
            tags: &row.request_tags,
            model: &row.model,
            model_group: row.model_group.as_deref(),
            provider: &row.provider,
            endpoint: &row.call_type,
        }
    }
}

fn nothing_on(row: &SpendRow) -> SpendDay {
    SpendDay {
        day: row.end_time.day(),
        ..SpendDay::default()
    }
}

fn counts(row: &SpendRow) -> SpendDay {
    let failed = i64::from(row.status != "success");
    let cached = i64::from(row.cache_hit);
    SpendDay {
        spend: row.spend,
        prompt_tokens: row.prompt_tokens,
        completion_tokens: row.completion_tokens,
        total_tokens: row.total_tokens,
        cache_read_input_tokens: row.cache_read_input_tokens,
        cache_creation_input_tokens: row.cache_creation_input_tokens,
        api_requests: 1,
        successful_requests: 1 - failed,
        failed_requests: failed,
        total_response_time_ms: row.end_time.0.saturating_sub(row.start_time.0).max(0),
        timed_requests: 1,
        cache_hits: cached,
        cached_completion_tokens: cached * row.completion_tokens,
        ..SpendDay::default()
    }
}

/// A request whose price turned out to be another: what that adds to its day.
pub(crate) fn repriced(row: &SpendRow, difference: i64) -> Vec<SpendDay> {
    let counts = SpendDay {
        spend: llm_cost::NanoDollars(difference),
        ..nothing_on(row)
    };
    spread(row, &counts)
}

fn spread(row: &SpendRow, counts: &SpendDay) -> Vec<SpendDay> {
    let all = SpendDay {
        dimension: "all".to_owned(),
        model: row.model.clone(),
        model_group: row.model_group.clone().unwrap_or_default(),
        provider: row.provider.clone(),
        endpoint: row.call_type.clone(),
        ..counts.clone()
    };
    let total = |dimension: &str, entity: &str| SpendDay {
        dimension: format!("{dimension}_total"),
        entity: entity.to_owned(),
        ..counts.clone()
    };
    let mut days = vec![total("key", &row.api_key)];
    for (dimension, entity) in entities(row) {
        days.push(total(dimension, entity));
        days.push(SpendDay {
            dimension: dimension.to_owned(),
            entity: entity.to_owned(),
            api_key: row.api_key.clone(),
            ..all.clone()
        });
    }
    days.push(all);
    days
}

/// Every row has a user, if only nobody; a tag counts once.
fn entities(row: &SpendRow) -> Vec<(&'static str, &str)> {
    let some = [
        ("team", &row.team_id),
        ("organization", &row.organization_id),
        ("customer", &row.end_user),
        ("agent", &row.agent_id),
    ];
    let some = some
        .into_iter()
        .filter_map(|(dimension, entity)| Some((dimension, entity.as_deref()?)));
    let tags: BTreeSet<&str> = row.request_tags.iter().map(String::as_str).collect();
    std::iter::once(("user", row.user_id.as_deref().unwrap_or_default()))
        .chain(some)
        .chain(tags.into_iter().map(|tag| ("tag", tag)))
        .collect()
}

impl SpendDay {
    /// Adds the counts of another.
    pub fn add(&mut self, more: &Self) {
        self.spend.0 = self.spend.0.saturating_add(more.spend.0);
        let counts = [
            (&mut self.prompt_tokens, more.prompt_tokens),
            (&mut self.completion_tokens, more.completion_tokens),
            (&mut self.total_tokens, more.total_tokens),
            (
                &mut self.cache_read_input_tokens,
                more.cache_read_input_tokens,
            ),
            (
                &mut self.cache_creation_input_tokens,
                more.cache_creation_input_tokens,
            ),
            (&mut self.api_requests, more.api_requests),
            (&mut self.successful_requests, more.successful_requests),
            (&mut self.failed_requests, more.failed_requests),
            (
                &mut self.total_response_time_ms,
                more.total_response_time_ms,
            ),
            (&mut self.timed_requests, more.timed_requests),
            (&mut self.cache_hits, more.cache_hits),
            (
                &mut self.cached_completion_tokens,
                more.cached_completion_tokens,
            ),
        ];
        for (count, more) in counts {
            *count = count.saturating_add(more);
        }
    }
}
