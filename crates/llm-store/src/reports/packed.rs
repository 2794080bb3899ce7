//! Many small rows as one text: a row of its own costs the driver more than the database needs to find it.
//!
//! A row is its numbers and the sizes of its texts, each with a space behind it, then the texts as they are.

use llm_cost::NanoDollars;

use crate::{Moment, rows::SpendDay};

/// Milliseconds of a day.
pub(super) const DAY: i64 = 24 * 3600 * 1000;

/// The sum of one day and one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySum {
    /// The day.
    pub day: String,
    /// Whose sum it is.
    pub name: String,
    /// What it cost.
    pub spend: NanoDollars,
}

/// Failures of one day at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The day's beginning.
    pub day: Moment,
    /// The address that was asked, or else the deployment; empty where places are not told apart.
    pub place: String,
    /// How many there were.
    pub count: i64,
}

/// Requests that began in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) name: i64,
    pub(super) count: i64,
}

/// A row of these numbers and texts as one text, in SQL.
pub(super) fn line(numbers: &[String], texts: &[String]) -> String {
    let sizes = texts.iter().map(|text| format!("OCTET_LENGTH({text})"));
    let numbers = numbers.iter().cloned().chain(sizes);
    let numbers = numbers.map(|number| format!("{number}, ' '"));
    let parts: Vec<String> = numbers.chain(texts.iter().cloned()).collect();
    format!("CONCAT({})", parts.join(", "))
}

/// All rows of a query, whose column is a `line`, as one text.
pub(super) fn lines(query: &str) -> String {
    format!("SELECT STRING_AGG(p.line, '') FROM ({query}) AS p")
}

/// What a text of lines is read as.
pub(super) trait Line: Sized {
    fn read(lines: &mut Lines<'_>) -> Option<Self>;
}

/// Reads a text of lines.
pub(super) struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self(text)
    }

    /// Every row; none, if the text is not one of such lines.
    pub(super) fn all<T: Line>(mut self) -> Option<Vec<T>> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.push(T::read(&mut self)?);
        }
        Some(all)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        let (number, rest) = self.0.split_once(' ')?;
        self.0 = rest;
        number.parse().ok()
    }

    fn numbers<T: std::str::FromStr + Default + Copy, const N: usize>(&mut self) -> Option<[T; N]> {
        let mut all = [T::default(); N];
        for place in &mut all {
            *place = self.number()?;
        }
        Some(all)
    }

    fn texts<const N: usize>(&mut self) -> Option<[&'a str; N]> {
        let sizes: [usize; N] = self.numbers()?;
        let mut all = [""; N];
        for (place, size) in all.iter_mut().zip(sizes) {
            (*place, self.0) = self.0.split_at_checked(size)?;
        }
        Some(all)
    }
}

impl Line for DaySum {
    fn read(lines: &mut Lines<'_>) -> Option<Self> {
        let spend = NanoDollars(lines.number()?);
        let [day, name] = lines.texts()?.map(str::to_owned);
        Some(Self { day, name, spend })
    }
}

impl Line for Failures {
    fn read(lines: &mut Lines<'_>) -> Option<Self> {
        let [day, count] = lines.numbers::<i64, 2>()?;
        let [place] = lines.texts()?.map(str::to_owned);
        let day = Moment(day.saturating_mul(DAY));
        Some(Self { day, place, count })
    }
}

impl Line for Hour {
    fn read(lines: &mut Lines<'_>) -> Option<Self> {
        let [name, count] = lines.numbers()?;
        Some(Self { name, count })
    }
}

/// In the order of its columns.
impl Line for SpendDay {
    fn read(lines: &mut Lines<'_>) -> Option<Self> {
        let [
            spend,
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            api_requests,
            successful_requests,
            failed_requests,
            total_response_time_ms,
            timed_requests,
            cache_hits,
            cached_completion_tokens,
        ] = lines.numbers()?;
        let [
            day,
            dimension,
            entity,
            api_key,
            model,
            model_group,
            provider,
            endpoint,
        ] = lines.texts()?.map(str::to_owned);
        Some(Self {
            day,
            dimension,
            entity,
            api_key,
            model,
            model_group,
            provider,
            endpoint,
            spend: NanoDollars(spend),
            prompt_tokens,
            completion_tokens,
            total_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            api_requests,
            successful_requests,
            failed_requests,
            total_response_time_ms,
            timed_requests,
            cache_hits,
            cached_completion_tokens,
        })
    }
}
