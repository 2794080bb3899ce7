//! The fields of administrative requests, as data: what is checked, what is documented, and where a value is kept.

mod kinds;

use llm_ledger::Period;
use llm_store::{Moment, rows::Object};
use llm_types::nearest::nearest;
use serde_json::{Value, json};

use crate::{Governed, Refusal, edit::shown};

/// One field of a request.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Where its value goes.
    pub place: Place,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, at most 1,000 characters.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// An amount of dollars, zero or more.
    Dollars,
    /// A whole number, zero or more.
    Count,
    /// True or false.
    Flag,
    /// `30s`, `1h`, `7d`, `1mo`.
    Duration,
    /// A moment in ISO 8601.
    Moment,
    /// A JSON object.
    Object,
    /// `{name: [name, ...]}`.
    NamesByName,
    /// `{name: count}`.
    Counts,
    /// `{model: {budget_limit, time_period, tpm_limit, rpm_limit}}`.
    ModelBudgets,
    /// `[{budget_duration, max_budget}]`.
    Windows,
    /// A list of anything.
    List,
    /// Any JSON.
    Json,
}

/// Where a field's value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the row's column of that name.
    Column,
    /// Into the row's `metadata`, under that name.
    Metadata,
    /// The route knows.
    Apart,
}

/// Fields that were checked.
#[derive(Debug, Clone, Default)]
pub struct Form {
    given: Object,
    /// What the caller should know: fields that nobody reads.
    pub notices: Vec<String>,
}

/// Fields that are kept for what is not built. Whoever sets one is told, as some of them sound like a lock.
const WAITING: &[&str] = &[
    "allow_team_guardrail_config",
    "allowed_cache_controls",
    "allowed_model_region",
    "allowed_vector_store_indexes",
    "default_model",
    "disable_global_guardrails",
    "enable_prompt_caching",
    "enforced_batch_output_expires_after",
    "enforced_file_expires_after",
    "guardrails",
    "logging",
    "mcp_rpm_limit",
    "object_permission",
    "policies",
    "prompts",
    "secret_manager_settings",
];

impl Field {
    /// A field that is a column.
    pub const fn column(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            place: Place::Column,
        }
    }

    /// A field that is kept in the metadata.
    pub const fn metadata(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            place: Place::Metadata,
        }
    }

    /// A field that the route itself reads.
    pub const fn apart(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            place: Place::Apart,
        }
    }
}

impl Form {
    /// Checks `given` against the fields there are. `from` is `body` or `query`.
    pub fn check(fields: &[&[Field]], given: Object, from: &'static str) -> Result<Self, Refusal> {
        let mut form = Self::default();
        let all = || fields.iter().copied().flatten();
        for (name, value) in given {
            let Some(field) = all().find(|field| field.name == name) else {
                form.notices
                    .push(unknown(&name, all().map(|field| field.name)));
                continue;
            };
            if !value.is_null() {
                field.kind.check(field.name, &value, from)?;
            }
            if WAITING.contains(&field.name) && says_something(&value) {
                let notice = format!("'{name}' is kept and has no effect yet");
                form.notices.push(notice);
            }
            form.given.insert(name, value);
        }
        Ok(form)
    }

    /// Checks a query, whose values are all texts.
    pub fn query(fields: &[&[Field]], pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        let mut given = Object::new();
        for (name, text) in pairs {
            let field = fields
                .iter()
                .copied()
                .flatten()
                .find(|field| field.name == name);
            let value = match field.map(|field| field.kind) {
                Some(Kind::Count | Kind::Dollars) => match text.parse::<serde_json::Number>() {
                    Ok(number) => number.into(),
                    Err(_) => text.into(),
                },
                Some(Kind::Flag) => match text.to_ascii_lowercase().as_str() {
                    "true" | "1" | "yes" => true.into(),
                    "false" | "0" | "no" => false.into(),
                    _ => text.into(),
                },
                Some(Kind::Texts) => {
                    let known = given.remove(&name);
                    let mut all = match known {
                        Some(Value::Array(all)) => all,
                        _ => Vec::new(),
                    };
                    let parts = text
                        .split(',')
                        .map(str::trim)
                        .filter(|part| !part.is_empty());
                    all.extend(parts.map(Value::from));
                    all.into()
                }
                _ => text.into(),
            };
            given.insert(name, value);
        }
        Self::check(fields, given, "query")
    }

    /// Whether the field was given, if only to clear it.
    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Whether the field was given as null.
    pub fn clears(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(Value::is_null)
    }

    /// Its value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.given.get(name).filter(|value| !value.is_null())
    }

    /// Its text; an empty one is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        let text = self.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    }

    /// Its texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let all = self
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        all.filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    }

    /// Its number.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Value::as_u64)
    }

    /// Whether it is true.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// Its object.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.get(name).and_then(Value::as_object)
    }

    /// Its period.
    pub fn period(&self, name: &str) -> Option<Period> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// Its moment.
    pub fn moment(&self, name: &str) -> Option<Moment> {
        serde_json::from_value(self.get(name)?.clone()).ok()
    }

    /// Its text, without which there is nothing to do.
    pub fn need(&self, name: &'static str) -> Result<&str, Refusal> {
        self.text(name)
            .ok_or_else(|| Refusal::invalid("body", name, "missing", "Field required"))
    }

    /// Sets what the caller left open.
    pub fn fill(&mut self, name: &str, value: Value) {
        if self.get(name).is_none() {
            self.given.insert(name.to_owned(), value);
        }
    }

    /// Sets a field, whatever was given.
    pub fn set(&mut self, name: &str, value: Value) {
        self.given.insert(name.to_owned(), value);
    }

    /// What was given, by name.
    pub fn given(&self) -> &Object {
        &self.given
    }

    /// The row with what was given: a null clears, what is absent stays.
    pub fn applied<R: Governed>(&self, fields: &[&[Field]], row: &R) -> Result<R, Refusal> {
        let Value::Object(mut object) = shown(row)? else {
            return Err(Refusal::internal());
        };
        // What was given as metadata replaces what is there, before single fields go into it.
        let fields: Vec<&Field> = fields.iter().copied().flatten().collect();
        for field in &fields {
            if field.place == Place::Column
                && let Some(value) = self.given.get(field.name)
            {
                put(&mut object, field.name, value);
            }
        }
        for field in &fields {
            if field.place == Place::Metadata
                && let Some(value) = self.given.get(field.name)
            {
                let metadata = object.entry("metadata").or_insert_with(|| json!({}));
                if let Value::Object(metadata) = metadata {
                    put(metadata, field.name, value);
                }
            }
        }
        let mut new: R = serde_json::from_value(object.into()).map_err(|error| {
            Refusal::bad(
                "request_body",
                format!("the request cannot be stored: {error}"),
            )
        })?;
        new.keep_hidden(row);
        Ok(new)
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
        _ => true,
    }
}

/// Null takes a value away: the column has its usual one then.
fn put(object: &mut Object, name: &str, value: &Value) {
    match value {
        Value::Null => drop(object.remove(name)),
        value => drop(object.insert(name.to_owned(), value.clone())),
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let shown: String = name
        .chars()
        .take(60)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    match nearest(name, known) {
        Some(near) => format!("unknown field '{shown}': did you mean '{near}'?"),
        None => format!("unknown field '{shown}'"),
    }
}
