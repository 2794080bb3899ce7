//! Reports as CSV.

use std::borrow::Cow;

use serde_json::Value;

use crate::{Answer, Form, routes::Content};

const TYPE: &str = "text/csv; charset=utf-8";

/// The answer as it was asked for: JSON, or the list in it as CSV.
pub(super) fn answer(query: &Form, value: Value) -> Answer {
    if query.text("format") != Some("csv") {
        return value.into();
    }
    let rows = match &value {
        Value::Array(rows) => rows.as_slice(),
        Value::Object(object) => {
            let list = object.values().find_map(Value::as_array);
            list.map_or(std::slice::from_ref(&value), Vec::as_slice)
        }
        _ => std::slice::from_ref(&value),
    };
    of(rows)
}

/// A table with a column for each name that any of the objects has.
pub(super) fn of(rows: &[Value]) -> Answer {
    let mut columns: Vec<&String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for name in rows
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|row| row.keys())
    {
        if seen.insert(name) {
            columns.push(name);
        }
    }
    let mut text = line(columns.iter().map(|name| quoted(name)));
    for row in rows {
        let cells = columns.iter().map(|name| cell(row.get(name.as_str())));
        text.push_str(&line(cells));
    }
    Answer {
        body: Content::Text(TYPE, text),
        ..Value::Null.into()
    }
}

fn line<'a>(cells: impl Iterator<Item = Cow<'a, str>>) -> String {
    let cells: Vec<_> = cells.collect();
    cells.join(",") + "\r\n"
}

fn cell(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => quoted(text),
        Some(value @ (Value::Array(_) | Value::Object(_))) => {
            Cow::Owned(quoted(&value.to_string()).into_owned())
        }
        Some(value) => Cow::Owned(value.to_string()),
    }
}

/// A text as a cell. Clients choose tags and names: one that begins like a formula must not become one in a spreadsheet.
fn quoted(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let special = text.contains([',', '"', '\n', '\r']);
    match (formula, special) {
        (false, false) => Cow::Borrowed(text),
        (formula, _) => {
            let mark = if formula { "'" } else { "" };
            Cow::Owned(format!("\"{mark}{}\"", text.replace('"', "\"\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::routes::Content;

    fn csv(rows: Value) -> String {
        match super::of(rows.as_array().unwrap()).body {
            Content::Text(_, text) => text,
            Content::Json(value) => value.to_string(),
            Content::Written(text) => text,
        }
    }

    #[test]
    fn commas_quotes_and_formulas_stay_text() {
        let rows = json!([
            {"name": "a,b", "spend": 0.5, "tags": ["x"]},
            {"name": "=HYPERLINK(\"evil\")", "spend": -1, "late": true},
        ]);
        assert_eq!(
            csv(rows),
            "name,spend,tags,late\r\n\
             \"a,b\",0.5,\"[\"\"x\"\"]\",\r\n\
             \"'=HYPERLINK(\"\"evil\"\")\",-1,,true\r\n"
        );
    }
}
