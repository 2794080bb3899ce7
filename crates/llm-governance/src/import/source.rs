//! What has to be known before rows are read: the rows that others refer to.

use std::collections::HashMap;

use llm_store::{Error, Foreign, Moment, rows::Object};
use serde_json::Value;

use super::{Salt, tables};

/// Rows that are read at once.
pub(super) const BATCH: usize = 500;

/// What the rows of a source refer to.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) salt: Option<Salt>,
    /// When the windows of budgets end.
    pub(super) resets: HashMap<String, Value>,
    /// Models that the budget of a member allows.
    pub(super) allowed_models: HashMap<String, Value>,
    /// Grants, by their ids.
    pub(super) permissions: HashMap<String, Value>,
    /// Aliases of teams' models, by their ids.
    pub(super) aliases: HashMap<i64, Value>,
}

impl Source {
    /// Reads what others refer to.
    pub(super) async fn open(from: &mut Foreign, salt: Option<Salt>) -> Result<Self, Error> {
        let mut source = Self {
            salt,
            ..Self::default()
        };
        for mut budget in all(from, tables::BUDGETS, tables::BUDGET_ROWS).await? {
            if let Some(id) = text(&budget, "budget_id") {
                source
                    .resets
                    .extend(entry(&mut budget, &id, "budget_reset_at"));
                let models = entry(&mut budget, &id, "allowed_models");
                source.allowed_models.extend(models);
            }
        }
        for mut grants in all(from, tables::PERMISSIONS, tables::PERMISSION_ROWS).await? {
            if let Some(id) = text(&grants, "object_permission_id") {
                grants.retain(|_, value| says_something(value));
                source.permissions.insert(id, grants.into());
            }
        }
        for mut aliases in all(from, tables::ALIASES, tables::ALIAS_ROWS).await? {
            let id = aliases.get("id").and_then(Value::as_i64);
            source
                .aliases
                .extend(id.zip(aliases.remove("model_aliases")));
        }
        Ok(source)
    }
}

fn entry(row: &mut Object, id: &str, name: &str) -> Option<(String, Value)> {
    let value = row.remove(name).filter(says_something)?;
    Some((id.to_owned(), value))
}

/// All rows of a table, if there is one: old databases have fewer.
async fn all(
    from: &mut Foreign,
    table: &str,
    statement: &'static str,
) -> Result<Vec<Object>, Error> {
    let mut rows = Vec::new();
    if from.has_table(table).await? {
        from.texts(statement, BATCH, async |texts| {
            rows.extend(texts.iter().filter_map(|text| parsed(text).ok()));
            Ok::<_, Error>(())
        })
        .await?;
    }
    Ok(rows)
}

/// A row as the rest of this module knows it: no nulls, times with a zone, JSON as JSON.
pub(super) fn parsed(text: &str) -> Result<Object, String> {
    let mut row: Object = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for (name, value) in &mut row {
        let Value::String(text) = value else { continue };
        if is_time(name) {
            *value = zoned(text);
        } else if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") {
            // A limit that is no number is none.
            *value = Value::Null;
        } else if is_json(name)
            && let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
        {
            *value = inner;
        }
    }
    row.retain(|_, value| !value.is_null());
    Ok(row)
}

fn is_time(name: &str) -> bool {
    name.ends_with("_at") || matches!(name, "expires" | "temp_budget_expiry" | "last_active")
}

/// JSON that was stored as a text of JSON.
fn is_json(name: &str) -> bool {
    matches!(
        name,
        "metadata"
            | "aliases"
            | "model_aliases"
            | "config"
            | "permissions"
            | "router_settings"
            | "model_max_budget"
            | "budget_fallbacks"
            | "budget_limits"
            | "model_rpm_limit"
            | "model_tpm_limit"
            | "litellm_params"
            | "model_info"
            | "credential_values"
            | "credential_info"
    )
}

/// Times there have no zone and are UTC's; one out of range is none.
fn zoned(text: &str) -> Value {
    let with_zone = format!("{text}Z");
    let known = |text: &str| serde_json::from_value::<Moment>(text.into()).is_ok();
    match (known(text), known(&with_zone)) {
        (true, _) => text.into(),
        (false, true) => with_zone.into(),
        (false, false) => Value::Null,
    }
}

/// Whether a value is more than what a new row has.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

pub(super) fn text(row: &Object, name: &str) -> Option<String> {
    row.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::parsed;

    #[test]
    fn rows_become_what_ours_are_like() {
        let row = parsed(
            r#"{"expires": "2026-11-21T14:27:05.5", "created_at": "infinity", "max_budget": "Infinity",
                "metadata": "{\"a\": 1}", "key_alias": "{\"a\": 1}", "team_id": null, "spend": 1e-05}"#,
        )
        .unwrap();
        assert_eq!(
            Value::from(row),
            json!({
                "expires": "2026-11-21T14:27:05.5Z", "metadata": {"a": 1}, "key_alias": "{\"a\": 1}", "spend": 1e-5,
            })
        );
    }
}
