//! A mistake in a configuration file.

use std::fmt;

use super::node::At;

/// Something wrong, or something to know, about one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The place.
    pub at: At,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter, and what to do.
    pub message: String,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The gateway starts all the same.
    Warning,
    /// The gateway does not start with this.
    Error,
}

impl Problem {
    /// A mistake that stands in no file: in a flag, in the environment, in the settings as a whole.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: place.into(),
            at: At::default(),
            severity: Severity::Error,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let Self {
            file,
            at: At { line, column },
            message,
            ..
        } = self;
        match line {
            0 => write!(f, "{file}: {severity}: {message}"),
            _ => write!(f, "{file}:{line}:{column}: {severity}: {message}"),
        }
    }
}

/// Collects the problems of a load.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    file: String,
    pub(crate) all: Vec<Problem>,
}

impl Problems {
    /// Further problems are in `file`.
    pub(crate) fn enter(&mut self, file: &str) -> String {
        std::mem::replace(&mut self.file, file.to_owned())
    }

    pub(crate) fn error(&mut self, at: At, message: impl Into<String>) {
        self.push(at, Severity::Error, message.into());
    }

    pub(crate) fn warn(&mut self, at: At, message: impl Into<String>) {
        self.push(at, Severity::Warning, message.into());
    }

    fn push(&mut self, at: At, severity: Severity, message: String) {
        self.all.push(Problem {
            file: self.file.clone(),
            at,
            severity,
            message,
        });
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.all
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}

/// The known name that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = 1 + name.len() / 4;
    known
        .into_iter()
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= most)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// How many letters must be changed, added, taken away or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_where_there_is_one() {
        let mut problems = Problems::default();
        problems.enter("c.yaml");
        problems.warn(At { line: 3, column: 5 }, "x");
        problems.error(At::default(), "y");
        let shown: Vec<_> = problems.all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["c.yaml:3:5: warning: x", "c.yaml: error: y"]);
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["router_settings", "model_list", "general_settings"];
        assert_eq!(nearest("rotuer_settings", known), Some("router_settings"));
        assert_eq!(nearest("modellist", known), Some("model_list"));
        assert_eq!(nearest("something_else", known), None);
        assert_eq!(distance("ab", "ba"), 1);
    }
}
