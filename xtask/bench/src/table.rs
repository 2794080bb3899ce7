//! Figures of several rounds, as lines that can be read.

use std::fmt::Write;

use crate::load::Count;

/// One run of the load against one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) count: Count,
    /// Seconds of processor time that the server used; `None` where the system does not tell.
    pub(crate) cpu: Option<f64>,
}

/// All rounds of one scenario.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Whether a unit is an event of a stream, not a request.
    pub(crate) stream: bool,
    pub(crate) floor: Vec<Round>,
    pub(crate) ours: Vec<Round>,
}

/// The line above all rows.
pub(crate) fn heading() -> String {
    format!(
        "{:<22} {:>8} {:>11} {:>11} {:>7} {:>12} {:>13}",
        "scenario", "CPU per", "floor us", "gateway us", "ratio", "floor req/s", "gateway req/s"
    )
}

impl Row {
    /// The row's line.
    pub(crate) fn line(&self) -> String {
        let unit = if self.stream { "chunk" } else { "request" };
        let cost = |rounds: &[Round]| median(rounds.iter().map(|r| r.cost(self.stream)));
        let rate = |rounds: &[Round]| median(rounds.iter().map(|r| r.rate()));
        let (floor, ours) = (cost(&self.floor), cost(&self.ours));
        let ratio = floor.zip(ours).and_then(|(f, o)| ratio(f, o));
        let mut line = format!("{:<22} {unit:>8}", self.name);
        let cells = [
            (floor, 11, 1),
            (ours, 11, 1),
            (ratio, 7, 2),
            (rate(&self.floor), 12, 0),
            (rate(&self.ours), 13, 0),
        ];
        for (value, width, digits) in cells {
            // Writing to a string cannot fail.
            let _ = match value {
                Some(value) => write!(line, " {value:>width$.digits$}"),
                None => write!(line, " {:>width$}", "-"),
            };
        }
        line
    }
}

impl Round {
    /// Microseconds of processor time per request or event.
    pub(crate) fn cost(&self, stream: bool) -> Option<f64> {
        let units = if stream {
            self.count.events
        } else {
            self.count.requests
        };
        ratio(float(units), self.cpu? * 1e6)
    }

    /// Requests in a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        ratio(self.count.seconds, float(self.count.requests))
    }
}

/// How often `base` is in `value`.
fn ratio(base: f64, value: f64) -> Option<f64> {
    (base > 0.0).then(|| value / base)
}

/// The one in the middle, or between the two there; nothing if one is missing.
pub(crate) fn median(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect::<Option<_>>()?;
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(middle - 1)?, upper))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(requests: usize, events: usize, cpu: Option<f64>) -> Round {
        let count = Count {
            requests,
            events,
            seconds: 2.0,
        };
        Round { count, cpu }
    }

    #[test]
    fn the_middle_of_what_was_measured() {
        let middle = |values: &[f64]| median(values.iter().map(|v| Some(*v)));
        assert_eq!(middle(&[3.0, 1.0, 100.0]), Some(3.0));
        assert_eq!(middle(&[4.0, 1.0]), Some(2.5));
        assert_eq!(middle(&[]), None);
        assert_eq!(median([Some(1.0), None].into_iter()), None);
    }

    #[test]
    fn requests_and_chunks() {
        let mut row = Row {
            name: "chat",
            stream: false,
            floor: vec![round(10_000, 0, Some(0.5)), round(8_000, 0, Some(0.4))],
            ours: vec![round(10_000, 0, Some(1.0))],
        };
        let words = |row: &Row| -> Vec<String> {
            row.line().split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(
            words(&row),
            ["chat", "request", "50.0", "100.0", "2.00", "4500", "5000"]
        );
        row.stream = true;
        row.floor = vec![round(100, 5000, Some(0.05))];
        row.ours = vec![round(100, 5000, Some(0.06))];
        assert_eq!(
            words(&row),
            ["chat", "chunk", "10.0", "12.0", "1.20", "50", "50"]
        );
    }

    #[test]
    fn without_a_measure_there_is_no_figure() {
        let row = Row {
            name: "chat",
            stream: false,
            floor: vec![round(10, 0, None)],
            ours: vec![round(0, 0, Some(0.0))],
        };
        let words: Vec<_> = row.line().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["chat", "request", "-", "-", "-", "5", "0"]);
    }
}
