//! JSON Schema to the subset of OpenAPI that Gemini's `Schema` type takes.

use std::cell::Cell;

use llm_types::Map;
use serde_json::{Value, json};

/// How deep references are followed before a schema counts as recursive.
const DEEPEST: usize = 24;

/// How many schemas may come out: references of references could otherwise double at every step.
const MOST: usize = 20_000;

/// The keys that `Schema` has.
const KNOWN: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];

/// The schema without what Gemini refuses: references inlined, `const` as a one-value enum, `null` types as `nullable`.
/// `None` if it refers to itself: no finite schema says the same.
pub(crate) fn clean(schema: &Value) -> Option<Value> {
    let definitions = Definitions {
        root: schema,
        made: Cell::new(0),
    };
    definitions.clean(schema, 0)
}

/// Adds `propertyOrdering` to every object, for models that sort properties otherwise.
pub(crate) fn order_properties(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties")
                && !map.contains_key("propertyOrdering")
            {
                let names: Vec<&String> = properties.keys().collect();
                let names = json!(names);
                map.insert("propertyOrdering".into(), names);
            }
            map.values_mut().for_each(order_properties);
        }
        Value::Array(list) => list.iter_mut().for_each(order_properties),
        _ => {}
    }
}

/// Where references lead.
struct Definitions<'a> {
    root: &'a Value,
    made: Cell<usize>,
}

impl Definitions<'_> {
    fn clean(&self, schema: &Value, depth: usize) -> Option<Value> {
        self.made.set(self.made.get() + 1);
        if depth > DEEPEST || self.made.get() > MOST {
            return None;
        }
        let Some(map) = schema.as_object() else {
            // `true` allows anything.
            return Some(json!({}));
        };
        let mut map = map.clone();
        if let Some(Value::String(reference)) = map.remove("$ref") {
            let target = self.find(&reference).and_then(Value::as_object);
            let mut merged = target.cloned().unwrap_or_default();
            merged.extend(map);
            return self.clean(&Value::Object(merged), depth + 1);
        }
        self.merge_all_of(&mut map, depth)?;
        lower_type(&mut map);
        constant(&mut map);
        types(&mut map);
        exclusive_limits(&mut map);
        self.alternatives(&mut map, depth)?;
        self.children(&mut map, depth)?;
        formats(&mut map);
        complete(&mut map);
        map.retain(|key, _| KNOWN.contains(&key.as_str()));
        Some(Value::Object(map))
    }

    /// `#`, `#/$defs/Name`, `#/definitions/Name`, or any pointer into the schema.
    fn find(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    /// `allOf` has no counterpart: its parts become one schema.
    fn merge_all_of(&self, map: &mut Map, depth: usize) -> Option<()> {
        let Some(Value::Array(parts)) = map.remove("allOf") else {
            return Some(());
        };
        for part in parts {
            let Value::Object(part) = self.clean(&part, depth + 1)? else {
                continue;
            };
            for (key, value) in part {
                match (map.get_mut(&key), value) {
                    (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs),
                    (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                        ours.extend(theirs);
                    }
                    (Some(_), _) => {}
                    (None, value) => {
                        map.insert(key, value);
                    }
                }
            }
        }
        Some(())
    }

    /// `oneOf` and `anyOf` are one; an alternative that is `null` makes the others nullable.
    fn alternatives(&self, map: &mut Map, depth: usize) -> Option<()> {
        let one_of = map.remove("oneOf");
        let Some(Value::Array(list)) = map.remove("anyOf").or(one_of) else {
            return Some(());
        };
        if map.contains_key("properties") {
            // Alternatives of an object that is described already (which of its keys are required together) cannot be
            // said beside it, and the description is worth more.
            return Some(());
        }
        let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
        let nullable = list.iter().any(is_null) || map.contains_key("nullable");
        let mut kept = Vec::with_capacity(list.len());
        for schema in list.iter().filter(|schema| !is_null(schema)) {
            let mut schema = self.clean(schema, depth + 1)?;
            if let (true, Some(schema)) = (nullable, schema.as_object_mut()) {
                schema.insert("nullable".into(), true.into());
            }
            kept.push(schema);
        }
        if kept.is_empty() {
            map.insert("nullable".into(), true.into());
        } else {
            // Beside alternatives Gemini takes nothing that constrains.
            map.retain(|key, _| matches!(key.as_str(), "description" | "title" | "default"));
            map.insert("anyOf".into(), Value::Array(kept));
        }
        Some(())
    }

    fn children(&self, map: &mut Map, depth: usize) -> Option<()> {
        if let Some(Value::Object(properties)) = map.get_mut("properties") {
            for schema in properties.values_mut() {
                *schema = self.clean(schema, depth + 1)?;
                typed(schema);
            }
        }
        // A tuple has no counterpart: its first position stands for all.
        if let Some(Value::Array(tuple)) = map.get("items") {
            let first = tuple.first().cloned().unwrap_or_else(|| json!({}));
            map.insert("items".into(), first);
        }
        if let Some(items) = map.get_mut("items") {
            *items = self.clean(items, depth + 1)?;
            typed(items);
        }
        Some(())
    }
}

/// Callers who know Gemini write its own names of types, `STRING`.
fn lower_type(map: &mut Map) {
    if let Some(Value::String(kind)) = map.get_mut("type") {
        kind.make_ascii_lowercase();
    }
}

/// `const` as an enum of one, so that the constant is not lost.
fn constant(map: &mut Map) {
    let Some(value) = map.remove("const") else {
        return;
    };
    if !map.contains_key("type") {
        let kind = match &value {
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            _ => "string",
        };
        map.insert("type".into(), kind.into());
    }
    map.insert("enum".into(), json!([value]));
}

/// A list of types becomes one type, alternatives, or a nullable type.
fn types(map: &mut Map) {
    let Some(Value::Array(kinds)) = map.get("type").cloned() else {
        return enumeration(map);
    };
    let (nulls, kinds): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|k| k == "null");
    if !nulls.is_empty() {
        map.insert("nullable".into(), true.into());
    }
    match kinds.as_slice() {
        [] => {
            map.remove("type");
        }
        [one] => {
            map.insert("type".into(), one.clone());
        }
        many => {
            let each: Vec<_> = many.iter().map(|kind| variant(map, kind)).collect();
            map.remove("type");
            map.insert("anyOf".into(), each.into());
        }
    }
    enumeration(map);
}

/// Enums hold strings only, and no `null`. Numbers keep their type: limits and words say which are meant.
fn enumeration(map: &mut Map) {
    let Some(Value::Array(mut values)) = map.remove("enum") else {
        return;
    };
    let before = values.len();
    values.retain(|value| !value.is_null());
    if values.len() < before {
        map.insert("nullable".into(), true.into());
    }
    let kind = map.get("type").and_then(Value::as_str);
    if kind == Some("string") || (kind.is_none() && values.iter().all(Value::is_string)) {
        let texts = values.into_iter().map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        });
        map.insert("enum".into(), texts.collect());
        map.insert("type".into(), "string".into());
        return;
    }
    let shown: Vec<String> = values.iter().map(Value::to_string).collect();
    let note = format!("One of: {}.", shown.join(", "));
    let text = match map.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text} {note}"),
        None => note,
    };
    map.insert("description".into(), text.into());
    let by_size = |a: &&Value, b: &&Value| {
        a.as_f64()
            .unwrap_or(0.0)
            .total_cmp(&b.as_f64().unwrap_or(0.0))
    };
    if !values.is_empty() && values.iter().all(Value::is_number) {
        for (key, value) in [
            ("minimum", values.iter().min_by(by_size)),
            ("maximum", values.iter().max_by(by_size)),
        ] {
            map.insert(key.into(), value.cloned().unwrap_or_default());
        }
    }
}

/// One of several types, with those constraints that belong to it.
fn variant(map: &Map, kind: &Value) -> Value {
    let mut one = Map::new();
    one.insert("type".into(), kind.clone());
    let own: &[&str] = match kind.as_str() {
        Some("array") => &["items", "minItems", "maxItems"],
        Some("object") => &["properties", "required", "minProperties", "maxProperties"],
        Some("string") => &["enum", "format", "pattern", "minLength", "maxLength"],
        _ => &["minimum", "maximum"],
    };
    for key in own {
        if let Some(value) = map.get(*key) {
            one.insert((*key).to_owned(), value.clone());
        }
    }
    Value::Object(one)
}

/// Exclusive limits exist for whole numbers only, where the next one is the limit.
fn exclusive_limits(map: &mut Map) {
    for (exclusive, inclusive, step) in [
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ] {
        let whole = map.get("type").is_some_and(|kind| kind == "integer");
        if let Some(limit) = map.remove(exclusive).and_then(|limit| limit.as_i64())
            && whole
            && !map.contains_key(inclusive)
        {
            map.insert(inclusive.into(), limit.saturating_add(step).into());
        }
    }
}

fn formats(map: &mut Map) {
    let string = map.get("type").is_none_or(|kind| kind == "string");
    let known = map
        .get("format")
        .is_some_and(|format| matches!(format.as_str(), Some("enum" | "date-time")));
    if string && !known {
        map.remove("format");
    }
}

/// Requirements that name no property are refused, as are arrays without items.
fn complete(map: &mut Map) {
    if map.get("type").is_some_and(|kind| kind == "array") && !map.contains_key("items") {
        map.insert("items".into(), json!({"type": "string"}));
    }
    let properties: Vec<String> = map
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|name| properties.iter().any(|property| name == property));
        if required.is_empty() {
            map.remove("required");
        }
    }
    if !properties.is_empty() && !map.contains_key("type") && !map.contains_key("anyOf") {
        map.insert("type".into(), "object".into());
    }
}

/// Every property needs a type.
fn typed(schema: &mut Value) {
    if let Some(map) = schema.as_object_mut()
        && !map.contains_key("type")
        && !map.contains_key("anyOf")
    {
        let kind = match (map.contains_key("enum"), map.contains_key("items")) {
            (true, _) => "string",
            (_, true) => "array",
            _ => "object",
        };
        map.insert("type".into(), kind.into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_inlined_and_the_rest_cut_to_size() {
        let schema = json!({
            "$schema": "x", "additionalProperties": false, "strict": true, "type": "object",
            "$defs": {"City": {"type": "object", "properties": {"name": {"type": "string", "format": "uri"}}, "required": ["name", "gone"]}},
            "properties": {
                "home": {"$ref": "#/$defs/City", "description": "where"},
                "kind": {"const": "a"},
                "level": {"const": 3},
                "maybe": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}]},
                "either": {"type": ["string", "number", "null"], "maxLength": 3},
                "when": {"type": "string", "format": "date-time"},
                "list": {"type": "array"},
                "any": {}
            },
            "required": ["home"]
        });
        assert_eq!(
            clean(&schema).expect("finite"),
            json!({
                "type": "object",
                "properties": {
                    "home": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "description": "where"},
                    "kind": {"type": "string", "enum": ["a"]},
                    "level": {"type": "integer", "description": "One of: 3.", "minimum": 3, "maximum": 3},
                    "maybe": {"anyOf": [{"type": "integer", "minimum": 1, "nullable": true}]},
                    "either": {"anyOf": [{"type": "string", "maxLength": 3, "nullable": true}, {"type": "number", "nullable": true}]},
                    "when": {"type": "string", "format": "date-time"},
                    "list": {"type": "array", "items": {"type": "string"}},
                    "any": {"type": "object"}
                },
                "required": ["home"]
            })
        );
    }

    #[test]
    fn a_schema_of_itself_has_no_finite_form() {
        let tree = json!({"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}});
        assert_eq!(clean(&tree), None);
        let looped = json!({"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"});
        assert_eq!(clean(&looped), None);
        let mut definitions = Map::new();
        for i in 0..23 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            definitions.insert(format!("d{i}"), json!({"anyOf": [next, next]}));
        }
        definitions.insert("d23".into(), json!({"type": "string"}));
        let doubling = json!({"$defs": definitions, "properties": {"x": {"$ref": "#/$defs/d10"}}});
        assert_eq!(clean(&doubling), None);
    }

    #[test]
    fn alternatives_never_cost_the_properties() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
        let clean = clean(&schema).expect("finite");
        assert_eq!(
            clean,
            json!({"type": "object", "properties": {"a": {"type": "string"}}})
        );
    }

    #[test]
    fn geminis_own_names_of_types_are_understood() {
        let own = json!({"type": "OBJECT", "properties": {"unit": {"type": "STRING", "enum": ["a", "b"], "nullable": true}}});
        let clean = clean(&own).expect("finite");
        assert_eq!(
            clean["properties"]["unit"],
            json!({"type": "string", "enum": ["a", "b"], "nullable": true})
        );
    }

    #[test]
    fn properties_may_have_the_names_of_keywords() {
        let schema = json!({"type": "object", "properties": {"const": {"type": "string"}, "strict": {"type": "boolean"}, "$ref": {"type": "string"}}});
        assert_eq!(clean(&schema).expect("finite"), schema);
    }

    /// Words of JSON Schema where they may stand, and where they may not.
    fn any_schema() -> impl Strategy<Value = Value> {
        let word = prop::sample::select(vec![
            "type",
            "properties",
            "items",
            "anyOf",
            "oneOf",
            "allOf",
            "enum",
            "const",
            "$ref",
            "$defs",
            "required",
            "format",
            "nullable",
            "exclusiveMinimum",
            "minimum",
            "description",
            "additionalProperties",
            "x",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec![
                "string",
                "null",
                "object",
                "array",
                "#",
                "#/$defs/x",
                "#/properties/x",
                "INTEGER"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((word.clone(), inner), 0..5).prop_map(|pairs| pairs
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect::<Map>()
                    .into()),
            ]
        })
    }

    /// Every schema in it has only the keys that Gemini has.
    fn fits(schema: &Value) -> bool {
        let Some(map) = schema.as_object() else {
            return false;
        };
        let inner = |key: &str| map.get(key).is_none_or(|one| key != "items" || fits(one));
        let each = |one: Option<&Value>| match one {
            Some(Value::Object(map)) => map.values().all(fits),
            Some(Value::Array(list)) => list.iter().all(fits),
            _ => true,
        };
        map.keys().all(|key| KNOWN.contains(&key.as_str()))
            && inner("items")
            && each(map.get("properties").filter(|map| map.is_object()))
            && each(map.get("anyOf").filter(|list| list.is_array()))
    }

    proptest! {
        #[test]
        fn any_schema_becomes_one_that_fits_or_none(schema in any_schema()) {
            if let Some(clean) = clean(&schema) {
                prop_assert!(fits(&clean), "{clean}");
            }
        }
    }
}
