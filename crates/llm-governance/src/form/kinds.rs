//! What a field may hold.

use std::str::FromStr;

use llm_ledger::Period;
use llm_store::Moment;
use serde_json::Value;

use super::Kind;
use crate::{Refusal, terms::dollars};

/// The longest text of a field, in bytes.
const LONGEST_TEXT: usize = 4_000;

/// The longest free JSON of a field, in bytes.
const LONGEST_JSON: usize = 256 << 10;

impl Kind {
    pub(super) fn check(
        self,
        name: &str,
        value: &Value,
        from: &'static str,
    ) -> Result<(), Refusal> {
        let invalid = |kind: &str, message: &str| Err(Refusal::invalid(from, name, kind, message));
        let bad = |message: String| Err(Refusal::bad(name.to_owned(), message));
        match self {
            Self::Text | Self::Choice(_) | Self::Duration | Self::Moment => {
                let Some(text) = value.as_str() else {
                    return invalid("string_type", "Input should be a valid string");
                };
                if text.len() > LONGEST_TEXT {
                    return bad(format!("'{name}' is longer than {LONGEST_TEXT} bytes"));
                }
                self.check_text(name, text)
            }
            Self::Texts => match value.as_array() {
                Some(all) if all.iter().all(Value::is_string) => bounded(name, value),
                Some(_) => invalid("string_type", "Input should be a list of strings"),
                None => invalid("list_type", "Input should be a valid list"),
            },
            Self::List => match value {
                Value::Array(_) => bounded(name, value),
                _ => invalid("list_type", "Input should be a valid list"),
            },
            Self::Flag => match value {
                Value::Bool(_) => Ok(()),
                _ => invalid("bool_type", "Input should be a valid boolean"),
            },
            Self::Dollars => check_dollars(name, value, from),
            Self::Count => check_count(name, value, from),
            Self::Object => match value {
                Value::Object(_) => bounded(name, value),
                _ => invalid("dict_type", "Input should be a valid dictionary"),
            },
            Self::NamesByName => {
                let Value::Object(lists) = value else {
                    return invalid("dict_type", "Input should be a valid dictionary");
                };
                let each = |(key, list): (&String, &Value)| {
                    Self::Texts.check(&format!("{name}.{key}"), list, from)
                };
                lists.iter().try_for_each(each)?;
                bounded(name, value)
            }
            Self::Counts => {
                let Value::Object(counts) = value else {
                    return invalid("dict_type", "Input should be a valid dictionary");
                };
                let each = |(model, count): (&String, &Value)| {
                    check_count(&format!("{name}.{model}"), count, from)
                };
                counts.iter().try_for_each(each)
            }
            Self::ModelBudgets => check_model_budgets(name, value, from),
            Self::Windows => check_windows(name, value, from),
            Self::Json => bounded(name, value),
        }
    }

    fn check_text(self, name: &str, text: &str) -> Result<(), Refusal> {
        let bad = |message: String| Err(Refusal::bad(name.to_owned(), message));
        match self {
            Self::Choice(words) if !words.contains(&text) => {
                bad(format!("'{name}' must be one of {}", words.join(", ")))
            }
            // `-1` is how a limit in time is taken away.
            Self::Duration if text != "-1" => match Period::from_str(text) {
                Ok(_) => Ok(()),
                Err(error) => bad(format!("'{name}': {error}")),
            },
            Self::Moment => match serde_json::from_value::<Moment>(text.into()) {
                Ok(_) => Ok(()),
                Err(_) => bad(format!(
                    "'{name}' is not a moment such as 2026-11-21T14:00:00Z"
                )),
            },
            _ => Ok(()),
        }
    }
}

fn check_dollars(name: &str, value: &Value, from: &'static str) -> Result<(), Refusal> {
    let Value::Number(number) = value else {
        return Err(Refusal::invalid(
            from,
            name,
            "float_type",
            "Input should be a valid number",
        ));
    };
    if number.as_f64().is_none_or(|amount| amount < 0.0) {
        return Err(Refusal::bad(
            name.to_owned(),
            format!("'{name}' must not be negative"),
        ));
    }
    match dollars(value) {
        Some(amount) if amount.0 <= i64::MAX / 4 => Ok(()),
        _ => Err(Refusal::bad(
            name.to_owned(),
            format!("'{name}' is too large"),
        )),
    }
}

fn check_count(name: &str, value: &Value, from: &'static str) -> Result<(), Refusal> {
    let Value::Number(number) = value else {
        return Err(Refusal::invalid(
            from,
            name,
            "int_type",
            "Input should be a valid integer",
        ));
    };
    if number.as_f64().is_some_and(|count| count < 0.0) {
        return Err(Refusal::bad(
            name.to_owned(),
            format!("'{name}' must not be negative"),
        ));
    }
    match number.as_i64() {
        Some(_) => Ok(()),
        None => Err(Refusal::invalid(
            from,
            name,
            "int_type",
            "Input should be a valid integer",
        )),
    }
}

fn check_model_budgets(name: &str, value: &Value, from: &'static str) -> Result<(), Refusal> {
    let Value::Object(models) = value else {
        return Err(Refusal::invalid(
            from,
            name,
            "dict_type",
            "Input should be a valid dictionary",
        ));
    };
    for (model, terms) in models {
        let name = format!("{name}.{model}");
        let Value::Object(terms) = terms else {
            return Err(Refusal::invalid(
                from,
                &name,
                "dict_type",
                "Input should be a valid dictionary",
            ));
        };
        for (term, value) in terms.iter().filter(|(_, value)| !value.is_null()) {
            let name = format!("{name}.{term}");
            match term.as_str() {
                "budget_limit" | "max_budget" => check_dollars(&name, value, from)?,
                "time_period" | "budget_duration" => Kind::Duration.check(&name, value, from)?,
                "tpm_limit" | "rpm_limit" => check_count(&name, value, from)?,
                _ => {
                    let message = format!(
                        "'{name}': a model's budget has budget_limit, time_period, tpm_limit and rpm_limit"
                    );
                    return Err(Refusal::bad(name, message));
                }
            }
        }
    }
    bounded(name, value)
}

fn check_windows(name: &str, value: &Value, from: &'static str) -> Result<(), Refusal> {
    let Value::Array(windows) = value else {
        return Err(Refusal::invalid(
            from,
            name,
            "list_type",
            "Input should be a valid list",
        ));
    };
    for (at, window) in windows.iter().enumerate() {
        for (part, kind) in [
            ("budget_duration", Kind::Duration),
            ("max_budget", Kind::Dollars),
        ] {
            let name = format!("{name}[{at}].{part}");
            match window.get(part) {
                Some(value) => kind.check(&name, value, from)?,
                None => return Err(Refusal::invalid(from, &name, "missing", "Field required")),
            }
        }
    }
    bounded(name, value)
}

fn bounded(name: &str, value: &Value) -> Result<(), Refusal> {
    if value.to_string().len() > LONGEST_JSON {
        let message = format!("'{name}' is longer than {LONGEST_JSON} bytes");
        return Err(Refusal::bad(name.to_owned(), message));
    }
    Ok(())
}
