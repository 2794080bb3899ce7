//! Rows as JSON, which the database takes apart: two values to bind, and not forty for each row.

use std::{borrow::Cow, fmt::Write};

use super::{Charged, accounts::Accounts};
use crate::{Lent, Record, cell::without_nul, rows::SpendRow};

/// Columns whose texts are JSON: within other JSON they need no quotes.
const JSON: [&str; 4] = ["request_tags", "usage_value", "metadata", "accounts"];

/// Rows for a statement that adds them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Texts {
    /// What is the same in all rows, as an object.
    pub(super) common: String,
    /// The rows, without that.
    pub(super) rows: String,
}

impl Texts {
    pub(super) fn of(rows: &[&Charged]) -> Self {
        let mut accounts = Accounts::default();
        let rows: Vec<Vec<Lent<'_>>> = rows.iter().map(|row| accounts.values(row)).collect();
        let mut texts = Self {
            common: String::new(),
            rows: String::with_capacity(rows.len() * 512),
        };
        let first = rows.first().map_or(&[][..], Vec::as_slice);
        let is_common: Vec<bool> = first
            .iter()
            .enumerate()
            .map(|(at, value)| rows.iter().all(|row| row.get(at) == Some(value)))
            .collect();
        object(&mut texts.common, first, |at| {
            is_common.get(at) == Some(&true)
        });
        texts.rows.push('[');
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                texts.rows.push(',');
            }
            object(&mut texts.rows, row, |at| is_common.get(at) == Some(&false));
        }
        texts.rows.push(']');
        texts
    }
}

fn object(json: &mut String, row: &[Lent<'_>], is_wanted: impl Fn(usize) -> bool) {
    json.push('{');
    let mut is_first = true;
    let columns = SpendRow::COLUMNS.iter().zip(row).enumerate();
    for (_, (column, value)) in columns.filter(|(at, _)| is_wanted(*at)) {
        if *value == Lent::Nothing {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            json.push(',');
        }
        json.push('"');
        json.push_str(column);
        json.push_str("\":");
        match value {
            Lent::Text(text) if is_value(column, text) => json.push_str(text),
            Lent::Text(text) => quote(json, text),
            // A text takes all that is written.
            Lent::Integer(number) => drop(write!(json, "{number}")),
            Lent::Nothing => {}
        }
    }
    json.push('}');
}

/// Whether a text can stand among other JSON as it is. The database reads what a backslash means, and may not like it.
fn is_value(column: &str, text: &str) -> bool {
    text.starts_with(['{', '[']) && !text.contains('\\') && JSON.contains(&column)
}

fn quote(json: &mut String, text: &str) {
    // Nearly every text is one that nothing has to be done to, which is found out many bytes at a time.
    let is_plain = |plain, byte: u8| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, is_plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
        return;
    }
    let text: Cow<'_, str> = without_nul(text);
    json.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Account, Charge, Scope};

    fn charged(id: &str, change: impl FnOnce(&mut SpendRow)) -> Charged {
        let account = Account::of(Scope::Key, "k");
        let mut charged = Charged {
            charges: vec![Charge {
                account,
                until: None,
            }],
            ..Charged::default()
        };
        charged.row.id = id.to_owned();
        change(&mut charged.row);
        charged
    }

    /// What the statement makes of it: the row's own value, or else the common one.
    fn read(texts: &Texts) -> Vec<Value> {
        let common: Value = serde_json::from_str(&texts.common).unwrap();
        let rows: Vec<Value> = serde_json::from_str(&texts.rows).unwrap();
        let whole = rows.iter().map(|row| {
            let mut whole = common.as_object().unwrap().clone();
            whole.extend(row.as_object().unwrap().clone());
            whole.into()
        });
        whole.collect()
    }

    #[test]
    fn what_rows_have_in_common_is_said_once() {
        let rows = [
            charged("a", |row| row.end_user = Some("x\"\\\n\0".to_owned())),
            charged("b", |row| row.session_id = Some("[1]".to_owned())),
        ];
        let texts = Texts::of(&rows.iter().collect::<Vec<_>>());
        assert!(
            texts
                .common
                .contains(r#""accounts":[{"scope":"key","id":"k"}]"#)
        );
        assert!(!texts.rows.contains("accounts") && !texts.rows.contains("spend"));
        let read = read(&texts);
        let cells = [
            ["id", "end_user", "session_id"],
            ["status", "spend", "metadata"],
        ];
        let of = |row: &Value| {
            cells
                .concat()
                .iter()
                .map(|column| row[*column].clone())
                .collect()
        };
        let expected = [
            json!(["a", "x\"\\\n\u{fffd}", null, "", 0, {}]),
            json!(["b", null, "[1]", "", 0, {}]),
        ];
        let read: Vec<Value> = read.iter().map(|row| Value::Array(of(row))).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn json_that_a_database_might_not_read_is_a_text() {
        let told = "a\\ud800\u{0}";
        let row = charged("a", |row| {
            row.metadata.insert("told".to_owned(), told.into());
        });
        let [read] = <[Value; 1]>::try_from(read(&Texts::of(&[&row]))).unwrap();
        let metadata: Value = serde_json::from_str(read["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata, json!({ "told": told }));
    }
}
