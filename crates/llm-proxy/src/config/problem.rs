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
            at: At { line, column, .. },
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
    files: Vec<String>,
    pub(crate) all: Vec<Problem>,
}

impl Problems {
    /// A further file is read: what its places are marked with.
    pub(crate) fn file(&mut self, name: &str) -> u16 {
        self.files.push(name.to_owned());
        // More files than this would not be a configuration.
        u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX)
    }

    pub(crate) fn error(&mut self, at: At, message: impl Into<String>) {
        self.push(at, Severity::Error, message.into());
    }

    pub(crate) fn warn(&mut self, at: At, message: impl Into<String>) {
        self.push(at, Severity::Warning, message.into());
    }

    fn push(&mut self, at: At, severity: Severity, message: String) {
        let file = self.files.get(usize::from(at.file));
        self.all.push(Problem {
            file: file.cloned().unwrap_or_default(),
            at,
            severity,
            message,
        });
    }

    /// In the order of the files and their lines.
    pub(crate) fn sort(&mut self) {
        self.all
            .sort_by_key(|problem| (problem.at.file, problem.at.line, problem.at.column));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.all
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}

/// The end of a message about `name`: what it was probably meant to be.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(": did you mean '{near}'?"))
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
        problems.file("c.yaml");
        let file = problems.file("included.yaml");
        let at = |line, column| At { line, column, file };
        problems.warn(at(3, 5), "x");
        problems.error(At::default(), "y");
        let shown: Vec<_> = problems.all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["included.yaml:3:5: warning: x", "c.yaml: error: y"]);
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
