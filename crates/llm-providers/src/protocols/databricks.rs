//! Databricks model serving: OpenAI's wire under `/serving-endpoints`; Claude takes Anthropic's `thinking`.

use http::Request;
use llm_types::{Content, ContentPart, EmbeddingResponse, Message, Op, ThinkingBlock, Tool};
use serde_json::{Value, json};

use super::{effort, openai::OpenAi, vectors};
use crate::{Answer, Call, Decoder, Error, Outgoing, Protocol, Reply, Step};

/// OpenAI's wire, but for the encoding of vectors, which Databricks does not know: they come as numbers and are packed
/// here.
#[derive(Debug)]
pub struct Databricks;

impl Protocol for Databricks {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op != Op::Embedding || !call.fields().contains("encoding_format") {
            return OpenAi.encode(call);
        }
        let mut plain = call.clone();
        plain.fields_mut().remove("encoding_format");
        OpenAi.encode(&plain)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        match OpenAi.decode(call, reply)? {
            Step::Done(answer) if call.op == Op::Embedding => Ok(packed(call, answer)?.into()),
            step => Ok(step),
        }
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        OpenAi.decoder(call)
    }
}

fn packed(call: &Call<'_>, answer: Answer) -> Result<Answer, Error> {
    if call.fields().str("encoding_format").as_deref() != Some("base64") {
        return Ok(answer);
    }
    let usage = answer.usage.clone();
    let response: EmbeddingResponse = serde_json::from_slice(&answer.into_bytes()?)
        .map_err(|e| Error::decode(call.target.provider.name, e))?;
    let vectors = response.data.into_iter().map(|item| item.embedding);
    vectors::answer(call, vectors.collect(), usage, response.extra)
}

/// A workspace's bare address means its serving endpoints.
fn with_path(base: &str) -> Option<String> {
    let (_, rest) = base.split_once("://")?;
    let bare = !rest.trim_end_matches('/').contains('/');
    bare.then(|| format!("{}/serving-endpoints", base.trim_end_matches('/')))
}

/// Claude behind Databricks takes Anthropic's `thinking`, and no `strict` tools. Part of settling a call's parameters.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    call.base_url = with_path(call.base_url());
    if call.op != Op::Chat {
        return Ok(());
    }
    let claude = call.model().contains("claude");
    thinking_in_history(call, claude)?;
    if !claude {
        return Ok(());
    }
    if let Some(mut tools) = call.fields().get::<Vec<Tool>>("tools")? {
        let strict = tools
            .iter_mut()
            .filter_map(|tool| tool.function.as_mut()?.strict.take())
            .count();
        if strict > 0 {
            call.fields_mut().set("tools", &tools);
            call.notice(
                "tools[*].function.strict",
                "dropped: Databricks refuses it with Claude",
            );
        }
    }
    let body = call.fields_mut();
    let effort: Option<Value> = body.take("reasoning_effort")?;
    let level = effort.as_ref().and_then(effort::level);
    if let Some(level) = level.filter(|_| !body.contains("thinking")) {
        match effort::budget(level) {
            Some(0) => {}
            // Anthropic's floor.
            Some(budget) => body.set(
                "thinking",
                &json!({"type": "enabled", "budget_tokens": budget.max(1024)}),
            ),
            None => {
                return Err(Error::bad_request(
                    "reasoning_effort",
                    format!("'{level}' is not a level of effort"),
                ));
            }
        }
    }
    let thinking: Option<Value> = body.get("thinking")?;
    if let Some(budget) = thinking.and_then(|thinking| thinking["budget_tokens"].as_u64())
        && !body.contains("max_tokens")
    {
        body.set("max_tokens", &(budget + 4096));
    }
    Ok(())
}

/// Thinking goes back in the parts it came in, with its signatures; models other than Claude have none.
fn thinking_in_history(call: &mut Call<'_>, claude: bool) -> Result<(), Error> {
    let body = call.fields_mut();
    let there = body
        .raw("messages")
        .is_some_and(|raw| memchr::memmem::find(raw, b"\"thinking_blocks\"").is_some());
    if !there {
        return Ok(());
    }
    let mut messages: Vec<Message> = body.get("messages")?.unwrap_or_default();
    for message in &mut messages {
        let blocks = std::mem::take(&mut message.thinking_blocks);
        let summaries: Vec<Value> = blocks.into_iter().filter_map(summary).collect();
        if summaries.is_empty() || !claude {
            continue;
        }
        let content = message.content.take();
        let mut parts = vec![ContentPart {
            kind: "reasoning".into(),
            extra: [("summary".to_owned(), summaries.into())]
                .into_iter()
                .collect(),
            ..ContentPart::default()
        }];
        parts.extend(content.map(Content::into_parts).unwrap_or_default());
        message.content = Some(Content::Parts(parts));
    }
    body.set("messages", &messages);
    Ok(())
}

fn summary(block: ThinkingBlock) -> Option<Value> {
    match block {
        ThinkingBlock::Thinking {
            thinking,
            signature: Some(signature),
        } => Some(json!({"type": "summary_text", "text": thinking, "signature": signature})),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::with_path;

    #[test]
    fn only_a_bare_workspace_gets_the_path() {
        assert_eq!(
            with_path("https://adb-1.azuredatabricks.net/").as_deref(),
            Some("https://adb-1.azuredatabricks.net/serving-endpoints")
        );
        assert_eq!(with_path("https://x/serving-endpoints"), None);
    }
}
