//! Applies a row's edits to a body.

use llm_types::JsonObject;

use crate::Edit;

/// Applies `edits` in order.
pub(crate) fn apply(edits: &[Edit], body: &mut JsonObject) {
    for edit in edits {
        match *edit {
            Edit::Rename(from, to) => body.rename(from, to),
            Edit::Drop(key) => {
                body.remove(key);
            }
            Edit::Default(key, json) if !body.contains(key) => body.set_raw(key, json),
            Edit::Default(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_apply_in_order() {
        let mut body = JsonObject::new();
        body.set("max_completion_tokens", &5);
        body.set("user", &"u");
        apply(
            &[
                Edit::Rename("max_completion_tokens", "max_tokens"),
                Edit::Drop("user"),
                Edit::Default("x", "[1]"),
            ],
            &mut body,
        );
        assert_eq!(body.to_bytes(), r#"{"max_tokens":5,"x":[1]}"#);
    }
}
