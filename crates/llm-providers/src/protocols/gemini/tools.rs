//! Tools on offer: functions, and those Google runs itself.

use llm_types::{ChatRequest, FunctionDef, Map, Tool, ToolChoice};
use serde_json::{Value, json};

use super::{media::camel, names, schema};
use crate::Error;

/// Google's own tools, by their names on the wire.
const HOSTED: &[&str] = &[
    "googleSearch",
    "googleSearchRetrieval",
    "enterpriseWebSearch",
    "urlContext",
    "codeExecution",
    "googleMaps",
    "computerUse",
    "fileSearch",
    "retrieval",
    "mcpServers",
];

/// `tools` and `toolConfig`.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    pub(crate) functions: Vec<Value>,
    pub(crate) hosted: Vec<Value>,
    pub(crate) config: Map,
}

impl Tools {
    /// Reads the request's tools and the choice among them.
    pub(crate) fn read(request: &ChatRequest) -> Result<Self, Error> {
        let mut tools = Self::default();
        for (at, tool) in request.tools.iter().flatten().enumerate() {
            tools.add(tool).map_err(|kind| {
                let why = format!("Gemini has no tool of the type '{kind}'");
                Error::bad_request(format!("tools[{at}].type"), why)
            })?;
        }
        for function in request.functions.iter().flatten() {
            tools.functions.push(declaration(function));
        }
        if let Some(options) = &request.web_search_options
            && *options != Value::Bool(false)
            && !tools.searches()
        {
            tools.hosted.push(json!({"googleSearch": {}}));
        }
        let choice = request.tool_choice.as_ref().and_then(chosen);
        let legacy = || request.function_call.as_ref().and_then(chosen_legacy);
        if let Some(choice) = choice.or_else(legacy) {
            tools.config.insert("functionCallingConfig".into(), choice);
        }
        Ok(tools)
    }

    /// Whether Google searches.
    pub(crate) fn searches(&self) -> bool {
        let names = [
            "googleSearch",
            "googleSearchRetrieval",
            "enterpriseWebSearch",
        ];
        let search = |tool: &Value| names.iter().any(|name| tool.get(name).is_some());
        self.hosted.iter().any(search)
    }

    /// The wire's `tools`.
    pub(crate) fn into_list(mut self) -> Vec<Value> {
        if !self.functions.is_empty() {
            self.hosted
                .insert(0, json!({"functionDeclarations": self.functions}));
        }
        self.hosted
    }

    fn add<'a>(&mut self, tool: &'a Tool) -> Result<(), &'a str> {
        if let Some(function) = &tool.function {
            self.functions.push(declaration(function));
            return Ok(());
        }
        if self.native(&tool.extra) {
            return Ok(());
        }
        let kind = tool.kind.as_str();
        if kind == "function" {
            // The flat spelling of the Responses API.
            let function = serde_json::from_value::<FunctionDef>(Value::Object(tool.extra.clone()));
            self.functions
                .push(declaration(&function.map_err(|_| kind)?));
            return Ok(());
        }
        let hosted = by_type(kind, &tool.extra).ok_or(kind)?;
        self.hosted.push(hosted);
        Ok(())
    }

    /// Tools in Gemini's own spelling, `{"googleSearch": {}}`: kept as they are.
    fn native(&mut self, tool: &Map) -> bool {
        let before = (self.functions.len(), self.hosted.len());
        for (key, value) in tool {
            let name = camel(key);
            if name == "functionDeclarations" {
                self.functions
                    .extend(value.as_array().into_iter().flatten().cloned());
            } else if HOSTED.contains(&name.as_str()) {
                let value = self.place(&name, value.clone());
                self.hosted.push(json!({ name: value }));
            }
        }
        before != (self.functions.len(), self.hosted.len())
    }

    /// A map may come with the user's place, which belongs in the tools' common configuration.
    fn place(&mut self, name: &str, mut value: Value) -> Value {
        if value.is_null() {
            value = json!({});
        }
        let (true, Some(map)) = (name == "googleMaps", value.as_object_mut()) else {
            return value;
        };
        let mut retrieval = Map::new();
        if let (Some(latitude), Some(longitude)) = (map.remove("latitude"), map.remove("longitude"))
        {
            retrieval.insert(
                "latLng".into(),
                json!({"latitude": latitude, "longitude": longitude}),
            );
        }
        let language = map.remove("languageCode").or(map.remove("language_code"));
        retrieval.extend(language.map(|language| ("languageCode".to_owned(), language)));
        if !retrieval.is_empty() {
            self.config
                .insert("retrievalConfig".into(), retrieval.into());
        }
        value
    }
}

/// Other vendors' names of tools that Google has too.
fn by_type(kind: &str, extra: &Map) -> Option<Value> {
    let begins = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
    if begins(&["web_search", "google_search"]) {
        Some(json!({"googleSearch": {}}))
    } else if begins(&["code_execution", "code_interpreter"]) {
        Some(json!({"codeExecution": {}}))
    } else if begins(&["url_context", "web_fetch"]) {
        Some(json!({"urlContext": {}}))
    } else if begins(&["google_maps"]) {
        Some(json!({"googleMaps": {}}))
    } else if begins(&["computer_use", "computer_2"]) {
        Some(json!({"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}))
    } else if kind == "file_search" {
        let stores = extra.get("vector_store_ids").cloned().unwrap_or(json!([]));
        Some(json!({"fileSearch": {"fileSearchStoreNames": stores}}))
    } else {
        None
    }
}

fn declaration(function: &FunctionDef) -> Value {
    let mut declaration = Map::new();
    declaration.insert("name".into(), names::clean(&function.name).into());
    if let Some(text) = function
        .description
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        declaration.insert("description".into(), text.into());
    }
    if let Some(parameters) = &function.parameters {
        let empty = |schema: &Value| {
            let properties = schema.get("properties").and_then(Value::as_object);
            properties.is_none_or(Map::is_empty) && schema.get("anyOf").is_none()
        };
        match schema::clean(parameters) {
            // Gemini refuses an object without properties; no parameters say the same.
            Some(clean) if empty(&clean) => {}
            Some(clean) => {
                declaration.insert("parameters".into(), clean);
            }
            // Recursive: only the JSON Schema form can say it.
            None => {
                declaration.insert("parametersJsonSchema".into(), parameters.clone());
            }
        }
    }
    for (key, value) in &function.extra {
        let name = camel(key);
        if matches!(
            name.as_str(),
            "parametersJsonSchema" | "response" | "responseJsonSchema" | "behavior"
        ) {
            declaration.insert(name, value.clone());
        }
    }
    Value::Object(declaration)
}

fn chosen(choice: &ToolChoice) -> Option<Value> {
    if let ToolChoice::Named(map) = choice
        && map.get("type").is_some_and(|kind| kind == "allowed_tools")
    {
        return Some(allowed(map));
    }
    let mode = match choice {
        ToolChoice::Mode(mode) => Some(mode.as_str()),
        ToolChoice::Named(_) => choice.mode(),
    };
    match mode {
        Some("auto") => Some(json!({"mode": "AUTO"})),
        Some("required" | "any") => Some(json!({"mode": "ANY"})),
        Some("none") => Some(json!({"mode": "NONE"})),
        Some(other) => Some(json!({"mode": other.to_ascii_uppercase()})),
        None => choice.function_name().map(named),
    }
}

/// `{type: allowed_tools, allowed_tools: {mode, tools}}`.
fn allowed(map: &Map) -> Value {
    let inner = map
        .get("allowed_tools")
        .and_then(Value::as_object)
        .unwrap_or(map);
    let tools = inner.get("tools").and_then(Value::as_array);
    let name = |tool: &Value| {
        let function = tool.get("function").unwrap_or(tool);
        Some(names::clean(function.get("name")?.as_str()?).into_owned())
    };
    let names: Vec<String> = tools.into_iter().flatten().filter_map(name).collect();
    let required = inner.get("mode").is_some_and(|mode| mode == "required");
    // Names may only stand beside ANY and VALIDATED; the latter leaves the model free not to call.
    let mode = if required { "ANY" } else { "VALIDATED" };
    json!({"mode": mode, "allowedFunctionNames": names})
}

fn named(name: &str) -> Value {
    json!({"mode": "ANY", "allowedFunctionNames": [names::clean(name)]})
}

fn chosen_legacy(choice: &Value) -> Option<Value> {
    match choice.as_str() {
        Some("none") => Some(json!({"mode": "NONE"})),
        Some(_) => Some(json!({"mode": "AUTO"})),
        None => choice.get("name")?.as_str().map(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: Value) -> Tools {
        let body = serde_json::to_vec(&request).expect("json");
        let body = llm_types::JsonObject::parse(&body.into()).expect("an object");
        Tools::read(&ChatRequest::from_object(&body).expect("a request")).expect("tools")
    }

    #[test]
    fn googles_own_tools_in_every_spelling() {
        let tools = read(json!({"messages": [], "web_search_options": {}, "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
            {"google_search": {}}, {"urlContext": null}, {"type": "code_interpreter"},
            {"googleMaps": {"latitude": 1.5, "longitude": 2}}, {"fileSearch": {"fileSearchStoreNames": ["s"]}},
            {"type": "function", "name": "g", "description": ""}
        ]}));
        assert_eq!(
            Value::Object(tools.config.clone()),
            json!({"retrievalConfig": {"latLng": {"latitude": 1.5, "longitude": 2}}})
        );
        assert_eq!(
            Value::Array(tools.into_list()),
            json!([
                {"functionDeclarations": [{"name": "f"}, {"name": "g"}]}, {"googleSearch": {}}, {"urlContext": {}},
                {"codeExecution": {}}, {"googleMaps": {}}, {"fileSearch": {"fileSearchStoreNames": ["s"]}}
            ])
        );
    }

    #[test]
    fn choices_among_tools() {
        let cases = [
            (json!("auto"), json!({"mode": "AUTO"})),
            (json!("required"), json!({"mode": "ANY"})),
            (json!({"type": "none"}), json!({"mode": "NONE"})),
            (
                json!({"type": "function", "function": {"name": "a b"}}),
                json!({"mode": "ANY", "allowedFunctionNames": ["a_b"]}),
            ),
            (
                json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}}),
                json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
            ),
        ];
        for (choice, expected) in cases {
            let tools = read(json!({"messages": [], "tool_choice": choice}));
            assert_eq!(tools.config["functionCallingConfig"], expected);
        }
    }
}
