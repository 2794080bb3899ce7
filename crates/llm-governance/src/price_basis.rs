//! What a row says of how it was priced, in its metadata. What goes without saying is not written, as every row has one.

use llm_cost::{Basis, Measures};
use llm_store::rows::{Object, SpendRow};
use serde::Deserialize;

const NAME: &str = "price_basis";

/// Writes it.
pub fn write(row: &mut SpendRow, basis: &Basis) {
    let mut said = Object::new();
    if basis.model != row.model {
        said.insert("model".to_owned(), basis.model.clone().into());
    }
    if basis.measures != Measures::default() {
        let measures = serde_json::to_value(&basis.measures);
        said.insert("measures".to_owned(), measures.unwrap_or_default());
    }
    row.metadata.insert(NAME.to_owned(), said.into());
}

/// Reads it, where it is there.
pub fn read(row: &SpendRow) -> Option<Basis> {
    let said = row.metadata.get(NAME)?;
    let mut basis = Basis::deserialize(said).ok()?;
    if said.get("model").is_none() {
        basis.model.clone_from(&row.model);
    }
    Some(basis)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_goes_without_saying_is_not_written() {
        let measures = Measures {
            images: Some(2),
            ..Measures::default()
        };
        for (model, measures, written) in [
            ("gpt-4o", Measures::default(), json!({})),
            (
                "gpt-4o-2024",
                Measures::default(),
                json!({"model": "gpt-4o-2024"}),
            ),
            (
                "gpt-4o",
                measures,
                json!({"measures": {"batch": false, "images": 2}}),
            ),
        ] {
            let mut row = SpendRow {
                model: "gpt-4o".to_owned(),
                ..SpendRow::default()
            };
            assert_eq!(read(&row), None);
            let basis = Basis {
                model: model.to_owned(),
                measures,
            };
            write(&mut row, &basis);
            assert_eq!(row.metadata[NAME], written);
            assert_eq!(read(&row), Some(basis));
        }
    }
}
