//! Tools on offer: functions as they are, tools of free text as functions, a web search as the vendor's own.

use std::collections::HashSet;

use llm_types::{FunctionDef, JsonObject, Map, Tool, responses::ResponsesRequest};
use serde_json::{Value, json};

use crate::{CallOptions, Error, Kind, protocols::names::Names};

/// What a call must be told from: names that changed on the way, and tools that take text.
#[derive(Debug, Default, Clone)]
pub(super) struct Offered {
    names: Names,
    custom: HashSet<String>,
}

impl Offered {
    /// The tools of a body; what cannot be read was refused before it was sent.
    pub(super) fn read(body: &JsonObject) -> Self {
        let Some(raw) = body.raw("tools") else {
            return Self::default();
        };
        let tools: Vec<Map> = serde_json::from_slice(raw).unwrap_or_default();
        let custom = tools
            .iter()
            .filter(|tool| kind(tool) == "custom")
            .filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned));
        Self {
            names: Names::of_tools(raw),
            custom: custom.collect(),
        }
    }

    /// What the caller's `name` is called on the wire.
    pub(super) fn wire(&self, name: String) -> String {
        self.names.wire(name)
    }

    /// What the caller calls the wire's `name`.
    pub(super) fn own(&self, name: String) -> String {
        self.names.own(name)
    }

    /// Whether the caller's tool `name` takes a text and no JSON.
    pub(super) fn is_custom(&self, name: &str) -> bool {
        self.custom.contains(name)
    }
}

fn kind(tool: &Map) -> &str {
    tool.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn is_web_search(kind: &str) -> bool {
    kind == "web_search" || kind.starts_with("web_search_")
}

/// Whether a tool's text must follow a grammar.
pub(super) fn has_grammar(tool: &Map) -> bool {
    kind(tool) == "custom" && grammar(tool).is_some()
}

fn grammar(tool: &Map) -> Option<&str> {
    tool.get("format")?.get("definition")?.as_str()
}

/// The tools that only OpenAI runs, with their places.
pub(super) fn foreign(tools: &[Map]) -> impl Iterator<Item = (usize, &str)> {
    tools
        .iter()
        .map(kind)
        .enumerate()
        .filter(|(_, kind)| !matches!(*kind, "function" | "custom") && !is_web_search(kind))
}

/// Puts the tools and the choice among them into a chat request.
pub(super) fn offer(
    request: &ResponsesRequest,
    chat: &mut JsonObject,
    offered: &Offered,
    options: &CallOptions,
) -> Result<(), Error> {
    if let Some((i, kind)) = foreign(&request.tools).next()
        && !options.drop_params
    {
        return Err(foreign_tool(i, kind));
    }
    let mut functions = Vec::new();
    for tool in &request.tools {
        match kind(tool) {
            "function" => functions.push(function(tool, offered)),
            "custom" => functions.push(custom(tool, offered)),
            kind if is_web_search(kind) => chat.set("web_search_options", &web_search(tool)),
            _ => {}
        }
    }
    let choice = choice(request, &mut functions, offered)?;
    // OpenAI refuses both where no tools are on offer.
    if !functions.is_empty() {
        chat.set("tools", &functions);
        if let Some(choice) = choice {
            chat.set("tool_choice", &choice);
        }
        if let Some(parallel) = request.parallel_tool_calls {
            chat.set("parallel_tool_calls", &parallel);
        }
    }
    Ok(())
}

fn foreign_tool(i: usize, kind: &str) -> Error {
    let mut error = Error::new(
        Kind::UnsupportedParams,
        format!(
            "the tool '{kind}' works with OpenAI's own Responses API only. Set `drop_params=True` to do without it."
        ),
    );
    error.param = Some(format!("tools[{i}]"));
    error
}

fn text(tool: &Map, key: &str) -> Option<String> {
    tool.get(key)?.as_str().map(str::to_owned)
}

fn function(tool: &Map, offered: &Offered) -> Tool {
    Tool {
        kind: "function".into(),
        function: Some(FunctionDef {
            name: offered.wire(text(tool, "name").unwrap_or_default()),
            description: text(tool, "description"),
            parameters: tool.get("parameters").filter(|p| !p.is_null()).cloned(),
            strict: tool.get("strict").and_then(Value::as_bool),
            extra: Map::new(),
        }),
        ..Tool::default()
    }
}

/// A tool of free text as a function of one text.
fn custom(tool: &Map, offered: &Offered) -> Tool {
    let mut description = text(tool, "description").unwrap_or_default();
    if let Some(grammar) = grammar(tool) {
        description.push_str("\n\nThe input must follow this grammar:\n");
        description.push_str(grammar);
    }
    Tool {
        kind: "function".into(),
        function: Some(FunctionDef {
            name: offered.wire(text(tool, "name").unwrap_or_default()),
            description: Some(description).filter(|text| !text.is_empty()),
            parameters: Some(json!({
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
                "additionalProperties": false,
            })),
            ..FunctionDef::default()
        }),
        ..Tool::default()
    }
}

/// The search in chat's terms.
fn web_search(tool: &Map) -> Value {
    let mut options = Map::new();
    if let Some(size) = tool.get("search_context_size").filter(|s| s.is_string()) {
        options.insert("search_context_size".into(), size.clone());
    }
    if let Some(Value::Object(location)) = tool.get("user_location") {
        let mut place = location.clone();
        place.shift_remove("type");
        place.retain(|_, value| !value.is_null());
        let location = json!({"type": "approximate", "approximate": place});
        options.insert("user_location".into(), location);
    }
    if let Some(filters) = tool.get("filters").filter(|f| f.is_object()) {
        options.insert("filters".into(), filters.clone());
    }
    Value::Object(options)
}

/// The choice in chat's terms. A list of allowed tools leaves only those on offer.
fn choice(
    request: &ResponsesRequest,
    functions: &mut Vec<Tool>,
    offered: &Offered,
) -> Result<Option<Value>, Error> {
    let choice = match &request.tool_choice {
        None => return Ok(None),
        Some(Value::String(mode)) => return Ok(Some(json!(mode))),
        Some(Value::Object(choice)) => choice,
        Some(_) => {
            return Err(Error::bad_request(
                "tool_choice",
                "expected a mode or a tool",
            ));
        }
    };
    match kind(choice) {
        "function" | "custom" => {
            let name = offered.wire(text(choice, "name").unwrap_or_default());
            Ok(Some(
                json!({"type": "function", "function": {"name": name}}),
            ))
        }
        "allowed_tools" => {
            let listed = choice.get("tools").and_then(Value::as_array);
            let names: HashSet<String> = listed
                .into_iter()
                .flatten()
                .filter_map(|tool| Some(offered.wire(tool.get("name")?.as_str()?.to_owned())))
                .collect();
            functions.retain(|tool| {
                tool.function
                    .as_ref()
                    .is_some_and(|f| names.contains(&f.name))
            });
            Ok(choice.get("mode").cloned())
        }
        // Where it is the only tool, the vendor searches in any case.
        kind if is_web_search(kind) => Ok(None),
        kind => Err(Error::bad_request(
            "tool_choice",
            format!("'{kind}' works with OpenAI's own Responses API only"),
        )),
    }
}
