//! Tools on offer and the choice among them.

use llm_types::{
    ChatRequest, FunctionDef, Map, Tool,
    messages::{ToolChoiceParam, ToolParam},
};
use serde_json::{Value, json};

use crate::{Error, call::JSON_TOOL, protocols::names::Names};

/// The tools of a request, and the servers of its MCP tools.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) offered: Vec<ToolParam>,
    pub(super) servers: Vec<Value>,
}

/// The caller's tools in Anthropic's shape.
pub(super) fn tools(chat: &mut ChatRequest, names: &Names) -> Result<Tools, Error> {
    let mut tools = Tools::default();
    for (i, tool) in chat.tools.take().into_iter().flatten().enumerate() {
        let path = format!("tools[{i}]");
        if tool.kind == "mcp" {
            tools.servers.push(server(tool.extra, &path)?);
        } else {
            tools.offered.push(one(tool, names, &path)?);
        }
    }
    if let Some(options) = chat.web_search_options.take() {
        tools.offered.push(web_search(&options));
    }
    Ok(tools)
}

/// The names of the caller's own tools.
pub(super) fn own_names(chat: &ChatRequest) -> impl Iterator<Item = &str> + Clone {
    chat.tools.iter().flatten().filter_map(|tool| {
        let flat = || tool.extra.get("name")?.as_str();
        tool.function
            .as_ref()
            .map(|f| f.name.as_str())
            .or_else(flat)
    })
}

/// The choice; Anthropic takes none without tools.
pub(super) fn choice(chat: &ChatRequest, names: &Names) -> Result<Option<ToolChoiceParam>, Error> {
    let kind = |kind: &str| ToolChoiceParam {
        kind: kind.into(),
        ..ToolChoiceParam::default()
    };
    let mut choice = match &chat.tool_choice {
        None => None,
        Some(wanted) => Some(match (wanted.mode(), wanted.function_name()) {
            (Some("auto"), _) => kind("auto"),
            (Some("required" | "any"), _) => kind("any"),
            (Some("none"), _) => kind("none"),
            (None, Some(name)) => ToolChoiceParam {
                name: Some(names.wire(name.to_owned())),
                ..kind("tool")
            },
            _ => {
                return Err(Error::bad_request(
                    "tool_choice",
                    "expected auto, none, required or a function",
                ));
            }
        }),
    };
    if let Some(parallel) = chat.parallel_tool_calls {
        let choice = choice.get_or_insert_with(|| kind("auto"));
        // Anthropic refuses the key where no tool may be called at all.
        if choice.kind != "none" {
            choice.disable_parallel_tool_use = Some(!parallel);
        }
    }
    Ok(choice)
}

/// A tool that is there because Anthropic refuses calls in the history without tools on offer.
pub(super) fn dummy() -> ToolParam {
    ToolParam {
        kind: Some("custom".into()),
        name: Some("dummy_tool".into()),
        description: Some("Stands in for the tools of earlier turns; never call it.".into()),
        input_schema: Some(empty_schema()),
        ..ToolParam::default()
    }
}

/// The tool whose input is the answer.
pub(super) fn json_tool(schema: Value) -> ToolParam {
    ToolParam {
        kind: Some("custom".into()),
        name: Some(JSON_TOOL.into()),
        description: Some("Give the final answer as the input of this tool.".into()),
        input_schema: Some(schema),
        ..ToolParam::default()
    }
}

fn one(mut tool: Tool, names: &Names, path: &str) -> Result<ToolParam, Error> {
    if let Some(function) = tool.function.take() {
        let mut param = function_tool(function, tool.extra, names, &format!("{path}.function"))?;
        param.cache_control = tool.cache_control.or(param.cache_control);
        return Ok(param);
    }
    if tool.kind == "function" {
        // The Responses API's spelling: everything on one level.
        let flat = serde_json::from_value(Value::Object(tool.extra))
            .map_err(|e| Error::bad_request(path, e.to_string()))?;
        let mut param = function_tool(flat, Map::new(), names, path)?;
        param.cache_control = tool.cache_control;
        return Ok(param);
    }
    if tool.kind == "custom" && tool.extra.contains_key("custom") {
        return Err(Error::bad_request(
            path,
            "Anthropic's models take no free-form tools",
        ));
    }
    if tool.kind.starts_with("web_search_preview") || tool.kind == "web_search" {
        return Ok(web_search(&Value::Object(tool.extra)));
    }
    // A hosted tool, or Anthropic's own shape of a custom one.
    Ok(ToolParam {
        kind: Some(tool.kind),
        cache_control: tool.cache_control,
        extra: tool.extra,
        ..ToolParam::default()
    })
}

fn function_tool(
    mut function: FunctionDef,
    mut extra: Map,
    names: &Names,
    path: &str,
) -> Result<ToolParam, Error> {
    let input_schema = match function.parameters.take() {
        None | Some(Value::Null) => empty_schema(),
        Some(Value::Object(map)) if map.is_empty() => empty_schema(),
        Some(Value::Object(mut map)) => {
            if !map.contains_key("type") {
                map.insert("type".into(), "object".into());
            }
            Value::Object(map)
        }
        Some(_) => {
            return Err(Error::bad_request(
                format!("{path}.parameters"),
                "expected a JSON schema",
            ));
        }
    };
    let cache_control = function.extra.remove("cache_control");
    extra.extend(function.extra);
    Ok(ToolParam {
        kind: Some("custom".into()),
        name: Some(names.wire(function.name)),
        description: function.description,
        input_schema: Some(input_schema),
        strict: function.strict,
        cache_control,
        extra,
    })
}

fn empty_schema() -> Value {
    json!({"type": "object", "properties": {}})
}

/// OpenAI's `{search_context_size?, user_location?}`.
fn web_search(options: &Value) -> ToolParam {
    let uses = match options.get("search_context_size").and_then(Value::as_str) {
        Some("low") => Some(1),
        Some("medium") => Some(5),
        Some("high") => Some(10),
        _ => None,
    };
    let mut extra = Map::new();
    if let Some(uses) = uses {
        extra.insert("max_uses".into(), uses.into());
    }
    if let Some(location) = options.get("user_location").filter(|l| !l.is_null()) {
        let place = location.get("approximate").unwrap_or(location);
        let mut place = place.as_object().cloned().unwrap_or_default();
        place.insert("type".into(), "approximate".into());
        extra.insert("user_location".into(), Value::Object(place));
    }
    let domains = options
        .get("filters")
        .and_then(|filters| filters.get("allowed_domains"));
    if let Some(domains) = domains {
        extra.insert("allowed_domains".into(), domains.clone());
    }
    ToolParam {
        kind: Some("web_search_20250305".into()),
        name: Some("web_search".into()),
        extra,
        ..ToolParam::default()
    }
}

/// OpenAI's MCP tool as an entry of `mcp_servers`.
fn server(mut tool: Map, path: &str) -> Result<Value, Error> {
    let Some(url) = tool.remove("server_url") else {
        return Err(Error::bad_request(
            format!("{path}.server_url"),
            "is missing",
        ));
    };
    let mut server = Map::from_iter([
        ("type".to_owned(), "url".into()),
        ("url".to_owned(), url),
        (
            "name".to_owned(),
            tool.remove("server_label").unwrap_or_else(|| "mcp".into()),
        ),
    ]);
    let header = tool
        .get("headers")
        .and_then(|headers| headers.get("Authorization"))
        .and_then(Value::as_str)
        .map(|text| text.strip_prefix("Bearer ").unwrap_or(text).into());
    if let Some(token) = tool.remove("authorization").or(header) {
        server.insert("authorization_token".into(), token);
    }
    if let Some(allowed) = tool.remove("allowed_tools").filter(Value::is_array) {
        server.insert(
            "tool_configuration".into(),
            json!({"enabled": true, "allowed_tools": allowed}),
        );
    }
    Ok(Value::Object(server))
}
