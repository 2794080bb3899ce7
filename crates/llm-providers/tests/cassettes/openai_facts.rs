//! What an answer in OpenAI's shape, or nearly so, says: read from plain JSON, without any of our own code.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_providers::Chunk;
use serde_json::Value;

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) choices: BTreeMap<u64, Said>,
    pub(crate) usage: Option<(u64, u64)>,
    pub(crate) sources: Vec<String>,
    pub(crate) error: bool,
}

/// What one choice says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    text: String,
    thinking: String,
    refusal: String,
    /// Name and arguments, by index.
    calls: BTreeMap<u64, (String, String)>,
    function: (String, String),
    reason: Option<String>,
}

/// The facts of one whole document.
pub(crate) fn of_document(document: &Value) -> Facts {
    let mut facts = Facts::default();
    facts.add(document, "message");
    for said in facts.choices.values_mut() {
        said.reason.get_or_insert_with(|| "stop".into());
    }
    facts
}

/// The facts of our chunks.
pub(crate) fn of_chunks(chunks: Vec<Chunk>) -> Result<Facts, String> {
    let mut facts = Facts::default();
    for chunk in chunks {
        let data = chunk.into_data().map_err(|e| e.to_string())?;
        let document: Value = serde_json::from_slice(&data).map_err(|e| e.to_string())?;
        if document["object"] == "chat.completion.chunk" {
            serde_json::from_slice::<llm_types::ChatChunk>(&data)
                .map_err(|e| format!("a chunk is not typed: {e}"))?;
        }
        facts.add(&document, "delta");
    }
    Ok(facts)
}

impl Facts {
    /// The facts of a recorded stream.
    pub(crate) fn of_sse(body: &Bytes) -> Self {
        let text = String::from_utf8_lossy(body);
        let mut facts = Self::default();
        for line in text.split(['\n', '\r']) {
            let Some(data) = line.strip_prefix("data:") else {
                facts.error |= line.trim() == "event: error";
                continue;
            };
            if let Ok(document) = serde_json::from_str::<Value>(data.trim()) {
                facts.error |= document["error"].is_object() || document["error"].is_string();
                facts.error |= document["type"]
                    .as_str()
                    .is_some_and(|t| t.starts_with("response."));
                facts.add(&document, "delta");
            }
        }
        for said in facts.choices.values_mut() {
            let called = !said.calls.is_empty();
            let otherwise = if called { "tool_calls" } else { "stop" };
            said.reason.get_or_insert_with(|| otherwise.into());
        }
        facts
    }

    fn add(&mut self, document: &Value, key: &str) {
        for at in ["/usage", "/x_groq/usage"] {
            if let Some(usage) = document.pointer(at).filter(|usage| usage.is_object()) {
                let count = |name: &str| usage[name].as_u64().unwrap_or(0);
                let (prompt, mut completion) = (count("prompt_tokens"), count("completion_tokens"));
                let thinking = usage
                    .pointer("/completion_tokens_details/reasoning_tokens")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                if thinking > 0 && count("total_tokens") == prompt + completion + thinking {
                    completion += thinking;
                }
                self.usage = Some((prompt, completion));
            }
        }
        for url in document["citations"].as_array().into_iter().flatten() {
            let url = url.as_str().unwrap_or_default().to_owned();
            if !self.sources.contains(&url) {
                self.sources.push(url);
            }
        }
        for (i, choice) in document["choices"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let index = choice["index"].as_u64().unwrap_or(i as u64);
            self.choices.entry(index).or_default().add(choice, key);
        }
    }

    /// Whether `got` has all of this.
    pub(crate) fn same_as(&self, got: &Self) -> Result<(), String> {
        if self == got {
            return Ok(());
        }
        let cut = |text: String| text.chars().take(900).collect::<String>();
        Err(cut(format!("expected {self:?}\n   got {got:?}")))
    }
}

impl Said {
    fn add(&mut self, choice: &Value, key: &str) {
        let message = if choice[key].is_object() {
            &choice[key]
        } else {
            &choice["message"]
        };
        self.text += &text(&message["content"], "text");
        self.text += choice["text"].as_str().unwrap_or_default();
        self.refusal += message["refusal"].as_str().unwrap_or_default();
        self.think(message);
        for (i, call) in message["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let index = if key == "message" {
                i as u64
            } else {
                call["index"].as_u64().unwrap_or(i as u64)
            };
            let said = self.calls.entry(index).or_default();
            said.0 += call["function"]["name"].as_str().unwrap_or_default();
            said.1 += &json_text(&call["function"]["arguments"]);
        }
        let function = &message["function_call"];
        self.function.0 += function["name"].as_str().unwrap_or_default();
        self.function.1 += function["arguments"].as_str().unwrap_or_default();
        if let Some(reason) = choice["finish_reason"]
            .as_str()
            .filter(|reason| !reason.is_empty())
        {
            let called = !self.calls.is_empty();
            self.reason = Some(reason_of(reason, called).into());
        } else if choice["finish_reason"] == "" && key == "message" && !self.calls.is_empty() {
            self.reason = Some("tool_calls".into());
        }
    }

    fn think(&mut self, message: &Value) {
        let named = ["reasoning_content", "reasoning"]
            .iter()
            .filter_map(|name| message[*name].as_str())
            .find(|text| !text.is_empty());
        if let Some(text) = named {
            self.thinking += text;
            return;
        }
        self.thinking += &text(&message["content"], "thinking");
        for detail in message["reasoning_details"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let text = detail["text"]
                .as_str()
                .or_else(|| detail["summary"].as_str());
            self.thinking += text.unwrap_or_default();
        }
    }
}

fn reason_of(reason: &str, called: bool) -> &str {
    match reason {
        "stop" if called => "tool_calls",
        "tool_call" => "tool_calls",
        "eos" | "error" => "stop",
        "model_length" => "length",
        other => other,
    }
}

fn text(content: &Value, kind: &str) -> String {
    match content {
        Value::String(text) if kind == "text" => text.clone(),
        Value::Object(_) if kind == "text" => content.to_string(),
        Value::Array(parts) => parts
            .iter()
            .filter(|part| part["type"] == kind)
            .map(|part| match &part[kind] {
                Value::String(text) => text.clone(),
                inner => text(inner, "text"),
            })
            .collect(),
        _ => String::new(),
    }
}

fn json_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
