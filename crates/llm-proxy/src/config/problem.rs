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
}
