//! Tools as the model is shown them: TypeScript declarations in one namespace.

use llm_types::Tool;
use serde_json::{Map, Value};

/// The declarations of all function tools.
pub(crate) fn declarations(tools: &[Tool]) -> String {
    let mut lines = vec!["namespace functions {".to_owned(), String::new()];
    for function in tools.iter().filter_map(|tool| tool.function.as_ref()) {
        if let Some(text) = function
            .description
            .as_deref()
            .filter(|text| !text.is_empty())
        {
            lines.push(format!("// {text}"));
        }
        let parameters = function.parameters.as_ref().and_then(Value::as_object);
        match parameters.filter(|schema| properties(schema).is_some()) {
            Some(schema) => {
                lines.push(format!("type {} = (_: {{", function.name));
                lines.push(object(schema, 0));
                lines.push("}) => any;".into());
            }
            None => lines.push(format!("type {} = () => any;", function.name)),
        }
        lines.push(String::new());
    }
    lines.push("} // namespace functions".into());
    lines.join("\n")
}

/// Deeper schemas than any real one are cut off: a hostile one must not exhaust the stack.
const DEEPEST: usize = 64;

fn properties(schema: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let properties = schema.get("properties")?.as_object()?;
    (!properties.is_empty()).then_some(properties)
}

fn object(schema: &Map<String, Value>, indent: usize) -> String {
    let Some(properties) = properties(schema) else {
        return String::new();
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let margin = " ".repeat(indent);
    let mut lines = Vec::new();
    for (name, property) in properties {
        let description = property.get("description").and_then(Value::as_str);
        if let Some(text) = description.filter(|text| !text.is_empty()) {
            lines.push(format!("{margin}// {text}"));
        }
        let optional = if is_required(name) { "" } else { "?" };
        lines.push(format!(
            "{margin}{name}{optional}: {},",
            kind(property, indent)
        ));
    }
    lines.join("\n")
}

fn kind(schema: &Value, indent: usize) -> String {
    let choices = schema.get("enum").and_then(Value::as_array);
    let choices = choices.map(|all| all.iter().map(quoted).collect::<Vec<_>>().join(" | "));
    match schema.get("type").and_then(Value::as_str) {
        _ if indent > DEEPEST => "any".into(),
        Some("string") => choices.unwrap_or_else(|| "string".into()),
        Some("integer" | "number") => choices.unwrap_or_else(|| "number".into()),
        Some("boolean") => "boolean".into(),
        Some("null") => "null".into(),
        Some("array") => match schema.get("items") {
            Some(items) if depth(items) < DEEPEST => format!("{}[]", kind(items, indent)),
            _ => "any[]".into(),
        },
        Some("object") => {
            let empty = Map::new();
            let schema = schema.as_object().unwrap_or(&empty);
            format!("{{\n{}\n}}", object(schema, indent + 2))
        }
        _ => "any".into(),
    }
}

/// How many lists are nested in each other.
fn depth(mut schema: &Value) -> usize {
    let mut depth = 0;
    while let Some(items) = schema.get("items") {
        (schema, depth) = (items, depth + 1);
    }
    depth
}

fn quoted(choice: &Value) -> String {
    match choice {
        Value::String(text) => format!("\"{text}\""),
        other => format!("\"{other}\""),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_function_is_declared() {
        let tools: Vec<Tool> = serde_json::from_value(json!([
            {"type": "function", "function": {"name": "weather", "description": "The weather now", "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "A city"},
                    "unit": {"type": "string", "enum": ["C", "F"]},
                    "days": {"type": "array", "items": {"type": "integer"}},
                    "at": {"type": "object", "properties": {"hour": {"type": "number"}}},
                },
                "required": ["place"],
            }}},
            {"type": "function", "function": {"name": "now"}},
        ]))
        .unwrap();
        let text = "namespace functions {\n\n// The weather now\ntype weather = (_: {\n// A city\nplace: string,\n\
                    unit?: \"C\" | \"F\",\ndays?: number[],\nat?: {\n  hour?: number,\n},\n}) => any;\n\n\
                    type now = () => any;\n\n} // namespace functions";
        assert_eq!(declarations(&tools), text);
    }

    #[test]
    fn endless_schemas_end() {
        let mut schema = json!({"type": "string"});
        for _ in 0..100 {
            schema =
                json!({"type": "object", "properties": {"x": {"type": "array", "items": schema}}});
        }
        assert!(kind(&schema, 0).contains("any"));
    }
}
