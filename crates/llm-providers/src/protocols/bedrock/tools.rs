//! Tools on offer, their names, and which of them must be called.

use std::collections::BTreeMap;

use llm_types::{ChatRequest, FunctionDef, Map, Tool};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{messages::cache_point, model::Model, structured::Structured};
use crate::{Call, Error, Kind};

/// Bedrock takes names of this length.
const LONGEST_NAME: usize = 64;

/// The names under which tools are sent, where their own are not allowed: and back.
#[derive(Debug, Default)]
pub(super) struct Names {
    sent: BTreeMap<String, String>,
    original: BTreeMap<String, String>,
}

impl Names {
    /// The names of a request's tools. Those that are allowed stay; the others make room for them.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut names = Self::default();
        let own = || functions(request).map(|function| function.name.as_str());
        let allowed = |name: &&str| clean(name, LONGEST_NAME) == *name;
        for name in own().filter(allowed) {
            names.add(name, name.to_owned());
        }
        for name in own().filter(|name| !allowed(name)) {
            let clean = clean(name, LONGEST_NAME);
            let (mut sent, mut count) = (clean.clone(), 1);
            while names.original.contains_key(&sent) {
                count += 1;
                let room = clean.len().min(LONGEST_NAME - 4);
                sent = format!("{}_{count}", &clean[..room]);
            }
            names.add(name, sent);
        }
        names
    }

    fn add(&mut self, name: &str, sent: String) {
        if !self.sent.contains_key(name) {
            self.sent.insert(name.to_owned(), sent.clone());
            self.original.insert(sent, name.to_owned());
        }
    }

    /// The name to send. Calls in the history may be of tools that are no longer on offer.
    pub(super) fn sent(&self, name: &str) -> String {
        self.sent
            .get(name)
            .cloned()
            .unwrap_or_else(|| clean(name, LONGEST_NAME))
    }

    /// The caller's own name for what came back.
    pub(super) fn original(&self, name: &str) -> String {
        self.original
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }
}

/// An id that Bedrock accepts, the same for a call and its result.
pub(super) fn call_id(id: &str) -> String {
    // Gemini's signatures travel behind this mark, and are for Gemini alone.
    let id = id.split("__thought__").next().unwrap_or(id);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if id.len() <= LONGEST_NAME {
        let id: String = id
            .chars()
            .map(|c| if allowed(c) { c } else { '_' })
            .collect();
        return if id.is_empty() { "call".into() } else { id };
    }
    format!("call_{}", hex::encode(&Sha256::digest(id)[..16]))
}

/// `toolConfig`, and what of the tools travels beside it.
#[derive(Debug, Default)]
pub(super) struct ToolConfig {
    tools: Vec<Value>,
    choice: Option<Value>,
    /// For `additionalModelRequestFields`: Anthropic's own tools, its finer tool choice, betas.
    pub(super) additional: Map,
    pub(super) betas: Vec<String>,
}

impl ToolConfig {
    /// The tools of `request`, with the one that carries structured output if there must be one.
    pub(super) fn build(
        call: &Call<'_>,
        model: &Model<'_>,
        request: &ChatRequest,
        names: &Names,
        structured: &Structured,
        thinking: bool,
    ) -> Result<Self, Error> {
        let mut config = Self::default();
        for tool in request.tools.iter().flatten() {
            config.tool(call, model, tool, names)?;
        }
        if request.web_search_options.is_some() {
            config
                .tools
                .push(json!({"systemTool": {"name": "nova_grounding"}}));
        }
        let own = !config.tools.is_empty();
        config.choice = chosen(request, names);
        if let Structured::Tool { schema, name, .. } = structured {
            config.tools.push(json!({"toolSpec": {
                "name": name, "description": name, "inputSchema": {"json": schema}}}));
            let forcing = call.target.facts.supports("forced_tool_use") != Some(false)
                && call.target.facts.supports("tool_choice") != Some(false)
                && !thinking;
            config.choice = match (forcing, own) {
                (false, _) => None,
                (true, true) => Some(json!({"any": {}})),
                (true, false) => Some(json!({"tool": {"name": name}})),
            };
        }
        config.one_at_a_time(request, model);
        Ok(config)
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// `toolConfig`, if there is one.
    pub(super) fn into_value(self) -> Option<Value> {
        if self.tools.is_empty() {
            return None;
        }
        let mut config = Map::new();
        config.insert("tools".into(), self.tools.into());
        if let Some(choice) = self.choice {
            config.insert("toolChoice".into(), choice);
        }
        Some(config.into())
    }

    fn tool(
        &mut self,
        call: &Call<'_>,
        model: &Model<'_>,
        tool: &Tool,
        names: &Names,
    ) -> Result<(), Error> {
        if let Some(function) = &tool.function {
            self.tools
                .push(spec(function, names, sends_strict(call, model)));
            let control = tool
                .cache_control
                .as_ref()
                .or_else(|| function.extra.get("cache_control"));
            if let Some(control) = control.filter(|_| model.caches(call)) {
                self.tools.push(cache_point(control));
            }
            return Ok(());
        }
        // Written in Converse's own form.
        for key in ["toolSpec", "systemTool", "cachePoint"] {
            if let Some(value) = tool.extra.get(key) {
                self.tools.push(json!({ key: value }));
                return Ok(());
            }
        }
        if model.is_claude() && is_anthropic(&tool.kind) {
            self.anthropic_tool(tool)?;
            return Ok(());
        }
        let mut error = Error::new(
            Kind::UnsupportedParams,
            format!(
                "Bedrock takes no tool of type '{}' for this model",
                tool.kind
            ),
        );
        error.param = Some("tools".into());
        Err(error)
    }

    /// Converse knows functions alone; Anthropic's own tools go to the model beside it.
    fn anthropic_tool(&mut self, tool: &Tool) -> Result<(), Error> {
        let value =
            serde_json::to_value(tool).map_err(|e| Error::bad_request("tools", e.to_string()))?;
        let tools = self.additional.entry("tools").or_insert_with(|| json!([]));
        if let Value::Array(tools) = tools {
            tools.push(value);
        }
        if let Some(date) = tool
            .kind
            .strip_prefix("computer_")
            .filter(|date| date.len() == 8)
        {
            let (year, day) = date.split_at(4);
            let (month, day) = day.split_at(2);
            self.betas
                .push(format!("computer-use-{year}-{month}-{day}"));
        }
        Ok(())
    }

    /// Converse has no word for "one call at a time"; Claude's own tool choice has.
    fn one_at_a_time(&mut self, request: &ChatRequest, model: &Model<'_>) {
        let Some(parallel) = request.parallel_tool_calls else {
            return;
        };
        if self.tools.is_empty() || parallel || !model.claude_since(4, 5) {
            return;
        }
        let choice = self.choice.take();
        let named = choice
            .as_ref()
            .and_then(|choice| choice.get("tool")?.get("name"));
        let mut own = Map::new();
        match (named, &choice) {
            (Some(name), _) => {
                own.insert("type".into(), "tool".into());
                own.insert("name".into(), name.clone());
            }
            (None, Some(choice)) if choice.get("any").is_some() => {
                own.insert("type".into(), "any".into());
            }
            _ => {
                own.insert("type".into(), "auto".into());
            }
        }
        own.insert("disable_parallel_tool_use".into(), true.into());
        self.additional.insert("tool_choice".into(), own.into());
    }
}

/// Whether `strict` reaches the model: known of it, else Claude from 4.5 on.
pub(super) fn sends_strict(call: &Call<'_>, model: &Model<'_>) -> bool {
    call.target
        .facts
        .supports("bedrock_converse_supports_strict_tools")
        .unwrap_or(model.claude_since(4, 5))
}

fn functions(request: &ChatRequest) -> impl Iterator<Item = &FunctionDef> {
    let tools = request.tools.iter().flatten();
    tools.filter_map(|tool| tool.function.as_ref())
}

fn spec(function: &FunctionDef, names: &Names, strict: bool) -> Value {
    let name = names.sent(&function.name);
    let description = function
        .description
        .as_deref()
        .filter(|text| !text.is_empty());
    let mut spec = Map::new();
    spec.insert(
        "description".into(),
        description.unwrap_or(&function.name).into(),
    );
    spec.insert("name".into(), name.into());
    spec.insert(
        "inputSchema".into(),
        json!({"json": schema(function.parameters.as_ref())}),
    );
    if strict && function.strict == Some(true) {
        spec.insert("strict".into(), true.into());
    }
    json!({ "toolSpec": spec })
}

/// Bedrock wants an object, with `properties` and `required` in it.
fn schema(parameters: Option<&Value>) -> Value {
    let mut schema = match parameters {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.entry("required").or_insert_with(|| json!([]));
    schema.into()
}

fn chosen(request: &ChatRequest, names: &Names) -> Option<Value> {
    let choice = request.tool_choice.as_ref()?;
    let (mode, name) = (choice.mode(), choice.function_name());
    match (mode, name) {
        (_, Some(name)) => Some(json!({"tool": {"name": names.sent(name)}})),
        (Some("required" | "any"), _) => Some(json!({"any": {}})),
        (Some("auto"), _) => Some(json!({"auto": {}})),
        _ => None,
    }
}

fn is_anthropic(kind: &str) -> bool {
    const OWN: [&str; 5] = [
        "computer_",
        "bash_",
        "text_editor_",
        "memory_",
        "tool_search_tool",
    ];
    OWN.iter().any(|prefix| kind.starts_with(prefix))
}

/// Letters, digits, `_` and `-` are allowed.
fn clean(name: &str, longest: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut clean: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    if clean.len() > longest {
        let hash = hex::encode(&Sha256::digest(name)[..4]);
        clean.truncate(longest - 9);
        clean = format!("{clean}_{hash}");
    }
    clean
}
