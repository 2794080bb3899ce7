//! Google's dialect of JSON Schema as everybody else's.

use serde_json::{Map, Value, json};

/// Keys whose values are schemas by name.
const BY_NAME: [&str; 3] = ["properties", "$defs", "defs"];

/// The schema with small types, `null` as a type, and numbers as numbers.
pub(super) fn standard(schema: &Value) -> Value {
    let Value::Object(map) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    let mut nullable = false;
    for (key, value) in map {
        let key = super::wire::camel(key);
        match (key.as_str(), value) {
            ("nullable", value) => nullable = value == &Value::Bool(true),
            // The order is that of the properties themselves.
            ("propertyOrdering", _) => {}
            ("type", Value::String(kind)) => {
                out.insert(key, kind.to_lowercase().into());
            }
            ("format", Value::String(format)) if format == "enum" => {}
            (
                "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
                | "maxProperties",
                Value::String(number),
            ) => {
                let number = number.parse::<u64>().map_or(value.clone(), Value::from);
                out.insert(key, number);
            }
            (name, Value::Object(inner)) if BY_NAME.contains(&name) => {
                let inner = inner
                    .iter()
                    .map(|(name, schema)| (name.clone(), standard(schema)));
                out.insert(key, Value::Object(inner.collect()));
            }
            ("items" | "additionalProperties", inner @ Value::Object(_)) => {
                out.insert(key, standard(inner));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                out.insert(key, list.iter().map(standard).collect());
            }
            _ => {
                out.insert(key, value.clone());
            }
        }
    }
    if nullable {
        match out.get("type").cloned() {
            Some(kind @ Value::String(_)) => {
                out.insert("type".into(), json!([kind, "null"]));
                if let Some(Value::Array(values)) = out.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            _ => {
                if let Some(Value::Array(list)) = out.get_mut("anyOf") {
                    list.push(json!({"type": "null"}));
                }
            }
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_small_and_null_is_one() {
        let given = json!({"type": "OBJECT", "property_ordering": ["type", "a"], "required": ["type"], "properties": {
            "type": {"type": "STRING", "enum": ["A"], "format": "enum", "nullable": true},
            "a": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "minItems": "1"},
            "snake_name": {"any_of": [{"type": "STRING"}, {"type": "NUMBER"}], "nullable": true},
        }});
        let expected = json!({"type": "object", "required": ["type"], "properties": {
            "type": {"type": ["string", "null"], "enum": ["A", null]},
            "a": {"type": "array", "items": {"type": "integer", "format": "int32"}, "minItems": 1},
            "snake_name": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        }});
        assert_eq!(standard(&given), expected);
    }

    #[test]
    fn a_standard_schema_stays() {
        let schema = json!({"type": "object", "properties": {"a_b": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string"}}, "additionalProperties": false});
        assert_eq!(standard(&schema), schema);
    }
}
