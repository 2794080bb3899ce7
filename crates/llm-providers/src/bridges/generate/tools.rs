//! Tools on offer, and the choice among them.

use llm_types::{FunctionDef, JsonObject, Map, Tool};
use serde_json::{Value, json};

use super::{
    schema,
    wire::{Request, camel},
};
use crate::{CallOptions, Error, Kind, protocols::names::Names};

/// The functions of a request's tools.
fn declarations(tools: &[Map]) -> impl Iterator<Item = &Map> {
    let lists = tools.iter().flat_map(|tool| {
        let lists = tool
            .iter()
            .filter(|(key, _)| camel(key) == "functionDeclarations");
        lists.filter_map(|(_, list)| list.as_array())
    });
    lists.flatten().filter_map(Value::as_object)
}

/// The tools that only Google runs, with their places; a search is everybody's.
pub(super) fn foreign(tools: &[Map]) -> impl Iterator<Item = (usize, String)> {
    tools.iter().enumerate().flat_map(|(i, tool)| {
        let kinds = tool.keys().map(|key| camel(key));
        kinds
            .filter(|kind| kind != "functionDeclarations" && !is_search(kind))
            .map(move |kind| (i, kind))
    })
}

fn is_search(kind: &str) -> bool {
    matches!(kind, "googleSearch" | "googleSearchRetrieval")
}

/// The functions' names as they go out: chat takes fewer characters than Google.
pub(super) fn names(body: &JsonObject) -> Names {
    let tools = Request::read(body)
        .map(|request| request.tools)
        .unwrap_or_default();
    let all: Vec<&str> = declarations(&tools)
        .filter_map(|function| function.get("name")?.as_str())
        .collect();
    Names::of(all.into_iter())
}

/// Puts the tools and the choice among them into a chat request.
pub(super) fn offer(
    request: &Request,
    chat: &mut JsonObject,
    names: &Names,
    options: &CallOptions,
) -> Result<(), Error> {
    if let Some((i, kind)) = foreign(&request.tools).next()
        && !options.drop_params
    {
        return Err(foreign_tool(i, &kind));
    }
    if request
        .tools
        .iter()
        .any(|tool| tool.keys().any(|key| is_search(&camel(key))))
    {
        chat.set_raw("web_search_options", "{}");
    }
    let calling = &request.tool_config.function_calling_config;
    let allowed = &calling.allowed_function_names;
    let functions: Vec<Tool> = declarations(&request.tools)
        .filter(|function| {
            let name = function.get("name").and_then(Value::as_str);
            allowed.is_empty() || name.is_some_and(|name| allowed.iter().any(|own| own == name))
        })
        .map(|function| offered(function, names))
        .collect();
    if functions.is_empty() {
        return Ok(());
    }
    let choice = match calling.mode.to_uppercase().as_str() {
        "NONE" => Some(json!("none")),
        "ANY" => Some(match functions.as_slice() {
            [
                Tool {
                    function: Some(only),
                    ..
                },
            ] => {
                json!({"type": "function", "function": {"name": only.name}})
            }
            _ => json!("required"),
        }),
        "AUTO" | "VALIDATED" => Some(json!("auto")),
        _ => None,
    };
    chat.set("tools", &functions);
    if let Some(choice) = choice {
        chat.set("tool_choice", &choice);
    }
    Ok(())
}

fn foreign_tool(i: usize, kind: &str) -> Error {
    let mut error = Error::new(
        Kind::UnsupportedParams,
        format!(
            "the tool '{kind}' works with Google's own API only. Set `drop_params=True` to do without it."
        ),
    );
    error.param = Some(format!("tools[{i}].{kind}"));
    error
}

fn offered(function: &Map, names: &Names) -> Tool {
    let text = |key: &str| function.get(key).and_then(Value::as_str).map(str::to_owned);
    let schema = function
        .iter()
        .find_map(|(key, value)| match camel(key).as_str() {
            "parameters" => Some(schema::standard(value)),
            "parametersJsonSchema" => Some(value.clone()),
            _ => None,
        });
    Tool {
        kind: "function".into(),
        function: Some(FunctionDef {
            name: names.wire(text("name").unwrap_or_default()),
            description: text("description"),
            parameters: schema.filter(|schema| !schema.is_null()),
            ..FunctionDef::default()
        }),
        ..Tool::default()
    }
}
