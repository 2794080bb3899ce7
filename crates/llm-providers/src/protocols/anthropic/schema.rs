//! Structured output: natively, or through a tool.

use serde_json::{Map, Value};

use super::{Flavor, caps::Caps};
use crate::Error;

/// How an answer in a JSON schema is had.
#[derive(Debug)]
pub(super) enum Way {
    /// None is asked for.
    Free,
    /// The model keeps to the schema by itself.
    Native(Value),
    /// The answer is the input of a tool.
    Tool(Value),
}

/// What `response_format` means for this model.
pub(super) fn way(format: Option<&Value>, caps: Caps, flavor: &Flavor) -> Result<Way, Error> {
    let Some(format) = format else {
        return Ok(Way::Free);
    };
    let schema = match format.get("type").and_then(Value::as_str) {
        Some("json_schema") => format.get("json_schema").and_then(|s| s.get("schema")),
        // LiteLLM's older spelling.
        Some("json_object") => match format.get("response_schema") {
            None => return Ok(Way::Free),
            schema => schema,
        },
        Some("text") => return Ok(Way::Free),
        _ => None,
    };
    match schema {
        Some(schema @ Value::Object(_)) if flavor.native_schema && caps.native_schema => {
            let mut schema = schema.clone();
            strict(&mut schema);
            Ok(Way::Native(schema))
        }
        Some(schema @ Value::Object(_)) => Ok(Way::Tool(schema.clone())),
        _ => Err(Error::bad_request(
            "response_format",
            "expected text, json_object, or json_schema with its schema",
        )),
    }
}

/// Constraints that Anthropic's grammar refuses; they go into the description, where the model still sees them.
const REFUSED: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
];

/// Keys under which there are schemas by name, in a list, or one.
const NAMED: [&str; 3] = ["properties", "$defs", "definitions"];
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];

/// Makes a schema what native structured output takes: closed objects, no numeric limits.
fn strict(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    let mut said = Vec::new();
    for key in REFUSED {
        if let Some(value) = map.shift_remove(key) {
            said.push(format!("{key}: {value}"));
        }
    }
    // Of `minItems` only 0 and 1 are taken.
    if map
        .get("minItems")
        .and_then(Value::as_u64)
        .is_some_and(|n| n > 1)
        && let Some(value) = map.shift_remove("minItems")
    {
        said.push(format!("minItems: {value}"));
    }
    if !said.is_empty() {
        describe(map, &said.join(", "));
    }
    if is_object(map) {
        map.insert("additionalProperties".into(), false.into());
    }
    for key in NAMED {
        if let Some(Value::Object(inner)) = map.get_mut(key) {
            inner.values_mut().for_each(strict);
        }
    }
    for key in LISTS {
        if let Some(Value::Array(inner)) = map.get_mut(key) {
            inner.iter_mut().for_each(strict);
        }
    }
    if let Some(items) = map.get_mut("items") {
        strict(items);
    }
}

fn is_object(map: &Map<String, Value>) -> bool {
    match map.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => map.contains_key("properties"),
    }
}

fn describe(map: &mut Map<String, Value>, said: &str) {
    let text = match map.get("description").and_then(Value::as_str) {
        Some(before) if !before.is_empty() => format!("{before}\n\n{{{said}}}"),
        _ => format!("{{{said}}}"),
    };
    map.insert("description".into(), text.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_move_into_descriptions_and_objects_are_closed() {
        let mut schema = json!({"type":"object","properties":{
            "n":{"type":"integer","minimum":1,"maximum":9,"description":"How many"},
            "list":{"type":"array","minItems":1,"items":{"type":"object","properties":{"minimum":{"type":"string"}}}}},
            "required":["n"]});
        strict(&mut schema);
        assert_eq!(
            schema,
            json!({"type":"object","properties":{
                "n":{"type":"integer","description":"How many\n\n{minimum: 1, maximum: 9}"},
                "list":{"type":"array","minItems":1,"items":{"type":"object","properties":{"minimum":{"type":"string"}},"additionalProperties":false}}},
                "required":["n"],"additionalProperties":false})
        );
    }
}
