//! Chat requests to Messages requests.

use bytes::Bytes;
use llm_types::{
    ChatRequest, Content, JsonObject, Map, Message,
    messages::{Blocks, MessagesRequest, ToolChoiceParam},
};
use memchr::memmem;
use serde_json::{Value, json};

use super::{
    Flavor,
    betas::Betas,
    caps::Caps,
    parts::{self, Parts},
    schema::{self, Way},
    thinking::Thinking,
    tools,
    turns::{Conversation, Teller},
};
use crate::{
    Call, Error, Kind,
    call::JSON_TOOL,
    protocols::{legacy, names::Names},
};

/// A request's body, and the betas it needs.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// JSON.
    pub(crate) body: Bytes,
    /// For the `anthropic-beta` header; already in the body where the flavor says so.
    pub(crate) betas: Betas,
}

/// The answer's limit where nobody gives one: Anthropic demands it.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The body for a chat call.
pub(crate) fn chat_request(call: &Call<'_>, flavor: &Flavor) -> Result<Encoded, Error> {
    let mut body = call.fields().clone();
    legacy::modernise(&mut body)?;
    let mut chat = ChatRequest::from_object(&body)?;
    legacy::messages(&mut chat.messages);
    let caps = Caps::of(call.target);
    let mut betas = Betas::default();
    let names = Names::of(tools::own_names(&chat));
    let told = Teller {
        parts: Parts {
            urls: flavor.urls,
            fetched: &call.fetched,
            betas: &mut betas,
        },
        names: &names,
        caps,
    }
    .tell(std::mem::take(&mut chat.messages))?;

    let mut thinking = Thinking::of(&chat, caps)?;
    if call.options.modify_params && lacks_thinking(&told) {
        thinking = Thinking::default();
    }
    let limit = chat
        .output_limit()
        .or_else(|| Some(thinking.budget()?.saturating_add(DEFAULT_MAX_TOKENS)))
        .or(call.target.facts.max_output_tokens)
        .unwrap_or(DEFAULT_MAX_TOKENS);
    let mut request = MessagesRequest {
        model: flavor.model.then(|| call.model().to_owned()),
        max_tokens: Some(limit),
        metadata: metadata(&chat),
        temperature: chat.temperature.take(),
        top_p: chat.top_p.take(),
        stop_sequences: chat.stop.take().filter(|stop| !stop.is_empty()),
        service_tier: chat.service_tier.take().map(tier),
        stream: call.stream && flavor.stream_key,
        extra: std::mem::take(&mut chat.extra),
        ..MessagesRequest::default()
    };
    offer_tools(&mut request, &mut chat, &names, told.has_tools)?;
    structure(
        &mut request,
        &chat,
        caps,
        flavor,
        thinking.is_on(),
        &mut betas,
    )?;
    converse(&mut request, told, call.options.modify_params)?;
    think(&mut request, thinking)?;
    for key in &call.options.allowed_openai_params {
        if let Some(value) = leftover(call.fields(), key)? {
            request.extra.insert(key.clone(), value);
        }
    }
    request.tools.iter().flatten().for_each(|tool| {
        betas.add_tool(tool);
        tool.cache_control.iter().for_each(|m| betas.add_cache(m));
    });
    betas.add_extra(&request.extra);
    finish(request, betas, call, flavor)
}

/// The body for a call that already is a Messages request: nothing but what the host wants otherwise is touched.
pub(crate) fn messages_request(call: &Call<'_>, flavor: &Flavor) -> Result<Encoded, Error> {
    let mut body = call.fields().clone();
    if flavor.model {
        if body.str("model").as_deref() != Some(call.model()) {
            body.set_str("model", call.model());
        }
    } else {
        body.remove("model");
    }
    if !flavor.stream_key {
        body.remove("stream");
    }
    if let Some(version) = flavor.version {
        body.set_str("anthropic_version", version);
    }
    let mut betas = Betas::default();
    if flavor.beta_in_body {
        for name in body
            .get::<Vec<String>>("anthropic_beta")?
            .unwrap_or_default()
        {
            betas.add(name);
        }
        betas.add_headers(call);
        if !betas.names().is_empty() {
            body.set("anthropic_beta", &betas.names());
        }
    }
    Ok(Encoded {
        body: body.to_bytes(),
        betas,
    })
}

/// The addresses that a host which fetches none needs the contents of.
pub(crate) fn fetches(call: &Call<'_>, flavor: &Flavor) -> Vec<String> {
    let messages = call.fields().raw("messages");
    let Some(raw) = messages.filter(|raw| !flavor.urls && memmem::find(raw, b"://").is_some())
    else {
        return Vec::new();
    };
    let messages: Vec<Message> = serde_json::from_slice(raw).unwrap_or_default();
    let contents = messages.into_iter().filter_map(|message| message.content);
    contents
        .flat_map(Content::into_parts)
        .filter_map(|part| parts::address(&part))
        .collect()
}

/// A call in the last answer without the thinking that led to it: with thinking on, Anthropic refuses that.
fn lacks_thinking(told: &Conversation) -> bool {
    let blocks = |turn: &llm_types::messages::Turn, kinds: &[&str]| match &turn.content {
        Blocks::List(list) => list
            .iter()
            .any(|block| kinds.contains(&block.kind.as_str())),
        _ => false,
    };
    let thought = ["thinking", "redacted_thinking"];
    let mut answers = told.turns.iter().filter(|turn| turn.role == "assistant");
    let calls = answers
        .clone()
        .next_back()
        .is_some_and(|turn| blocks(turn, &["tool_use"]));
    calls && !answers.any(|turn| blocks(turn, &thought))
}

pub(super) fn metadata(chat: &ChatRequest) -> Option<Map> {
    let user = chat.user.as_deref().or(chat.safety_identifier.as_deref());
    let given = chat
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.get("user_id")?.as_str());
    let user = user.or(given)?;
    Some(Map::from_iter([("user_id".to_owned(), user.into())]))
}

/// OpenAI's `default` is what Anthropic calls `standard_only`.
fn tier(tier: String) -> String {
    if tier == "default" {
        "standard_only".into()
    } else {
        tier
    }
}

fn offer_tools(
    request: &mut MessagesRequest,
    chat: &mut ChatRequest,
    names: &Names,
    in_history: bool,
) -> Result<(), Error> {
    let mut tools = tools::tools(chat, names)?;
    if !tools.servers.is_empty() {
        match request
            .extra
            .entry("mcp_servers")
            .or_insert_with(|| json!([]))
        {
            Value::Array(servers) => servers.append(&mut tools.servers),
            _ => return Err(Error::bad_request("mcp_servers", "expected a list")),
        }
    }
    if tools.offered.is_empty() && in_history && !request.extra.contains_key("mcp_servers") {
        tools.offered.push(tools::dummy());
    } else if !tools.offered.is_empty() {
        request.tool_choice = tools::choice(chat, names)?;
    }
    request.tools = Some(tools.offered).filter(|offered| !offered.is_empty());
    Ok(())
}

fn structure(
    request: &mut MessagesRequest,
    chat: &ChatRequest,
    caps: Caps,
    flavor: &Flavor,
    thinks: bool,
    betas: &mut Betas,
) -> Result<(), Error> {
    match schema::way(chat.response_format.as_ref(), caps, flavor)? {
        Way::Free => {}
        Way::Native(schema) => {
            betas.add("structured-outputs-2025-11-13");
            request.output_format = Some(json!({"type": "json_schema", "schema": schema}));
        }
        Way::Tool(schema) => {
            let others = request.tools.is_some();
            request
                .tools
                .get_or_insert_default()
                .push(tools::json_tool(schema));
            let may_choose = request
                .tool_choice
                .as_ref()
                .is_none_or(|choice| choice.kind == "auto");
            if caps.forced_tool && !thinks && may_choose {
                // Beside other tools, forcing this one would keep the model from ever using them.
                let kind = if others { "any" } else { "tool" };
                request.tool_choice = Some(ToolChoiceParam {
                    kind: kind.into(),
                    name: (!others).then(|| JSON_TOOL.into()),
                    disable_parallel_tool_use: request
                        .tool_choice
                        .take()
                        .and_then(|choice| choice.disable_parallel_tool_use),
                    extra: Map::new(),
                });
            }
        }
    }
    Ok(())
}

fn converse(
    request: &mut MessagesRequest,
    mut told: Conversation,
    modify: bool,
) -> Result<(), Error> {
    if told.turns.is_empty() {
        if !modify {
            return Err(Error::bad_request(
                "messages",
                "Anthropic needs at least one message that is not a system message",
            ));
        }
        told.turns.push(llm_types::messages::Turn {
            role: "user".into(),
            content: Blocks::List(vec![llm_types::messages::Block::text("Please continue.")]),
            extra: Map::new(),
        });
    }
    request.messages = told.turns;
    request.system = Some(told.system)
        .filter(|system| !system.is_empty())
        .map(Blocks::List);
    Ok(())
}

/// Anthropic's own keys, where the caller gave them, win over what was made of OpenAI's.
fn think(request: &mut MessagesRequest, thinking: Thinking) -> Result<(), Error> {
    request.thinking = thinking.thinking;
    let given = match request.extra.shift_remove("output_config") {
        None => Map::new(),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(Error::bad_request("output_config", "expected an object")),
    };
    let mut config = Map::new();
    if let Some(effort) = thinking.effort {
        config.insert("effort".into(), effort.into());
    }
    config.extend(given);
    request.output_config = Some(config).filter(|config| !config.is_empty());
    if let Some(format) = request.extra.shift_remove("output_format") {
        request.output_format = Some(format);
    }
    Ok(())
}

/// A parameter that is sent on only because the caller insists.
fn leftover(body: &JsonObject, key: &str) -> Result<Option<Value>, Error> {
    let ours = [
        "messages",
        "temperature",
        "top_p",
        "stop",
        "stream",
        "stream_options",
        "max_tokens",
        "user",
        "max_completion_tokens",
        "model",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "reasoning_effort",
        "thinking",
        "response_format",
        "web_search_options",
        "service_tier",
        "metadata",
    ];
    if ours.contains(&key) {
        return Ok(None);
    }
    Ok(body.get(key)?)
}

fn finish(
    mut request: MessagesRequest,
    mut betas: Betas,
    call: &Call<'_>,
    flavor: &Flavor,
) -> Result<Encoded, Error> {
    if let Some(version) = flavor.version {
        request
            .extra
            .insert("anthropic_version".into(), version.into());
    }
    if let Some(Value::Array(given)) = request.extra.shift_remove("anthropic_beta") {
        given
            .iter()
            .filter_map(Value::as_str)
            .for_each(|name| betas.add_list(name));
    }
    if flavor.beta_in_body {
        betas.add_headers(call);
        if !betas.names().is_empty() {
            request
                .extra
                .insert("anthropic_beta".into(), json!(betas.names()));
        }
    }
    let body = serde_json::to_vec(&request)
        .map_err(|e| Error::new(Kind::BadRequest, "the request cannot be written").because(e))?;
    Ok(Encoded {
        body: body.into(),
        betas,
    })
}
