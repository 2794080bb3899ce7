//! The grammars of Responses and of `generateContent`, and streams in them that break.

use llm_sdk::Event;
use llm_types::Op;
use serde_json::Value;

use crate::{
    client::{Said, json},
    cut_everywhere,
    upstream::Wire,
};

/// OpenAI's grammar of Responses: numbered events, a beginning, parts that are closed, one end.
pub(crate) fn responses(events: &[Event]) -> Said {
    let mut said = Said::default();
    let mut open = 0;
    for (number, event) in events.iter().enumerate() {
        let data = json(event);
        let kind = data["type"].as_str().unwrap().to_owned();
        assert_eq!(event.name.as_deref(), Some(kind.as_bytes()));
        assert_eq!(data["sequence_number"], number, "{kind}");
        assert_eq!(number == 0, kind == "response.created", "{kind}");
        assert!(said.finish.is_empty(), "{kind} after the end");
        match kind.as_str() {
            "response.output_item.added" => open += 1,
            "response.output_item.done" => open -= 1,
            "response.output_text.delta" => said.text.push_str(data["delta"].as_str().unwrap()),
            "response.output_text.done" => assert_eq!(data["text"], said.text.as_str()),
            "response.function_call_arguments.delta" => {
                said.arguments.push_str(data["delta"].as_str().unwrap());
            }
            "response.completed" => {
                assert_eq!(open, 0, "an item is open");
                said.finish.push("stop".to_owned());
                said.usage = Some(data["response"]["usage"].clone());
                said.extension = Some(data["interlingua"].clone()).filter(Value::is_object);
            }
            _ => {}
        }
    }
    said
}

/// Google's grammar of `streamGenerateContent`: pieces of one candidate, the last of which says why it ended.
pub(crate) fn generated(events: &[Event]) -> Said {
    let mut said = Said::default();
    for event in events {
        let data = json(event);
        assert!(event.name.is_none());
        for candidate in data["candidates"].as_array().into_iter().flatten() {
            let parts = candidate["content"]["parts"].as_array();
            for part in parts.into_iter().flatten() {
                assert!(said.finish.is_empty(), "text after the end");
                said.text
                    .push_str(part["text"].as_str().unwrap_or_default());
            }
            if candidate["finishReason"] == "STOP" {
                said.finish.push("stop".to_owned());
            }
        }
        if data["usageMetadata"].is_object() {
            said.usage = Some(data["usageMetadata"].clone());
        }
        if data["interlingua"].is_object() {
            said.extension = Some(data["interlingua"].clone());
        }
    }
    said
}

#[tokio::test]
async fn responses_over_chat_may_break_anywhere() {
    cut_everywhere(Wire::Anthropic, Wire::Gemini, true, Op::Responses, 97).await;
    cut_everywhere(Wire::Gemini, Wire::Anthropic, false, Op::Responses, 97).await;
}

#[tokio::test]
async fn generated_content_over_chat_may_break_anywhere() {
    cut_everywhere(Wire::Anthropic, Wire::OpenAi, true, Op::GenerateContent, 97).await;
    cut_everywhere(
        Wire::OpenAi,
        Wire::Anthropic,
        false,
        Op::GenerateContent,
        97,
    )
    .await;
}
