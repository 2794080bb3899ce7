//! Where in a tree of settings something stands.

use std::fmt;

use serde_json::Value;

/// Where in a tree of settings something stands: `fallbacks[0].fast[1].model`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The way there from the top.
    pub steps: Vec<Step>,
    /// The last key itself is meant, and not its value.
    pub key_itself: bool,
}

/// One step down a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The value of this key.
    Key(String),
    /// The item with this index.
    Item(usize),
}

/// Something to say about one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Which.
    pub place: Place,
    /// Nothing can run with this; otherwise it is only worth knowing.
    pub mistake: bool,
    /// What is the matter.
    pub message: String,
}

/// A model's name that settings mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The setting.
    pub key: &'static str,
    /// The name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What it is mentioned for.
    pub role: Role,
}

/// What a model is mentioned for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// An alias leads to it.
    Alias,
    /// Failures of another group lead to it.
    Fallback {
        /// That group, or `*`.
        from: String,
    },
    /// Something is said of it, which has no effect where nobody has the name.
    Condition,
}

impl Place {
    /// The value of `key` at the top.
    pub fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.with(Step::Item(index))
    }

    pub(super) fn itself(mut self) -> Self {
        self.key_itself = true;
        self
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self {
            steps,
            key_itself: false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// What kind of value this is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
