//! The grammars of Responses and of `generateContent`, and streams in them that break.

use std::collections::{BTreeMap, BTreeSet};

use llm_sdk::{Event, Way};
use llm_types::Op;
use serde_json::{Value, json};

use crate::{
    client::{Said, ask, engine, json},
    cut_everywhere, model,
    upstream::{End, IDEAL, Numbered, Script, Upstream, Wire},
};

/// OpenAI's grammar of Responses: numbered events, a beginning, items and parts that grow and are closed, one end that
/// holds all of them.
pub(crate) fn responses(events: &[Event]) -> Said {
    let mut said = Said::default();
    let (mut output, mut grown) = (Vec::<Value>::new(), BTreeMap::<Vec<u64>, String>::new());
    let (mut open, mut parts, mut id) = (BTreeSet::new(), BTreeSet::new(), Value::Null);
    for (number, event) in events.iter().enumerate() {
        let data = json(event);
        let kind = data["type"].as_str().unwrap().to_owned();
        assert_eq!(event.name.as_deref(), Some(kind.as_bytes()));
        assert_eq!(data["sequence_number"], number, "{kind}");
        assert_eq!(number == 0, kind == "response.created", "{kind}");
        assert!(said.finish.is_empty(), "{kind} after the end");
        let place = data["output_index"].as_u64().unwrap_or_default();
        if let Some(of) = data["item_id"].as_str() {
            assert!(open.contains(&place), "{kind} of an item that is not open");
            assert_eq!(output[place as usize]["id"], of, "{kind}");
        }
        let part = ["summary_index", "content_index"]
            .iter()
            .find_map(|key| data[*key].as_u64())
            .map_or(vec![place], |part| vec![place, part]);
        match kind.as_str() {
            "response.created" => id = data["response"]["id"].clone(),
            "response.output_item.added" => {
                assert_eq!(place, output.len() as u64);
                output.push(data["item"].clone());
                assert!(open.insert(place));
                if let Some(call) = data["item"]["call_id"].as_str() {
                    said.calls.push((said.calls.len() as u64, call.to_owned()));
                }
            }
            "response.output_item.done" => {
                assert!(open.remove(&place) && parts.is_empty(), "{kind}");
                assert_eq!(output[place as usize]["id"], data["item"]["id"]);
                output[place as usize] = data["item"].clone();
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert!(parts.insert(part));
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                assert_eq!(data["part"]["text"], grown[&part].as_str(), "{kind}");
                assert!(parts.remove(&part));
            }
            "response.output_text.delta" | "response.reasoning_summary_text.delta" => {
                assert!(parts.contains(&part), "{kind}");
                let delta = data["delta"].as_str().unwrap();
                grown.entry(part).or_default().push_str(delta);
                if kind == "response.output_text.delta" {
                    said.text.push_str(delta);
                }
            }
            "response.output_text.done" | "response.reasoning_summary_text.done" => {
                assert_eq!(data["text"], grown[&part].as_str(), "{kind}");
            }
            "response.function_call_arguments.delta" => {
                said.arguments.push_str(data["delta"].as_str().unwrap());
            }
            "response.function_call_arguments.done" => {
                assert_eq!(data["arguments"], said.arguments.as_str());
            }
            "response.completed" => {
                assert!(open.is_empty(), "an item is open");
                assert_eq!(data["response"]["id"], id);
                assert_eq!(data["response"]["status"], "completed");
                assert_eq!(data["response"]["output"], Value::from(output.clone()));
                said.finish.push("stop".to_owned());
                said.usage = Some(data["response"]["usage"].clone());
                said.extension = Some(data["interlingua"].clone()).filter(Value::is_object);
            }
            "response.in_progress" => assert_eq!(data["response"]["id"], id),
            other => panic!("{other}"),
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

#[tokio::test]
async fn a_vendor_s_own_responses_may_break_anywhere() {
    cut_everywhere(Wire::Responses, Wire::Responses, false, Op::Responses, 13).await;
}

#[tokio::test]
async fn a_vendor_s_own_responses_go_on_anywhere() {
    for second in [Wire::Anthropic, Wire::Gemini] {
        for begins in [false, true] {
            cut_everywhere(Wire::Responses, second, begins, Op::Responses, 67).await;
        }
    }
    cut_everywhere(Wire::Anthropic, Wire::Responses, true, Op::Responses, 67).await;
}

#[tokio::test]
async fn google_s_own_answers_may_break_anywhere() {
    for second in [Wire::Gemini, Wire::OpenAi, Wire::Anthropic] {
        cut_everywhere(Wire::Gemini, second, true, Op::GenerateContent, 31).await;
    }
}

/// A vendor that speaks Responses and breaks after `events` of them, and one that has `rest` to say.
async fn broken(sent: &[String], rest: Vec<String>, more: Value) -> (crate::Got, Value) {
    let first = Script::Bytes(sent.concat().into_bytes(), End::Cut);
    let a = Upstream::start(vec![first]).await;
    let b = Upstream::start(vec![Script::Bytes(rest.concat().into_bytes(), End::Clean)]).await;
    let models = [
        model(Wire::Responses, &a.url, false),
        model(Wire::Responses, &b.url, false),
    ];
    let got = ask(&engine(&models, |_| {}), Op::Responses, more).await;
    let seen = b.seen().into_iter().next().unwrap_or_default();
    (got, seen)
}

#[tokio::test]
async fn a_response_s_call_is_finished_at_any_cut() {
    let arguments = r#"{"city": "Köln \"am\" Rhein", "days": [1, 2]}"#;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!({"tools": [{"type": "function", "name": "find", "parameters": schema}]});
    let calling = |arguments: &str, size: usize| {
        let mut events = Numbered::begin();
        events.think(["Let", " me"]);
        events.call(arguments, size);
        events.end()
    };
    let (first, second) = (
        calling(arguments, 3),
        calling(&arguments.replace(": ", ":"), 5),
    );
    for at in 0..first.len() {
        let (got, asked) = broken(&first[..at], second.clone(), tools.clone()).await;
        assert!(got.error.is_none(), "{at}: {:?}", got.error);
        let said = got.said(Op::Responses);
        let read: Value = serde_json::from_str(&said.arguments).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(arguments).unwrap());
        assert_eq!(said.calls, [(0, "call_a".to_owned())], "{at}");
        if got.record.continued.first().map(|c| c.way) == Some(Way::Call) {
            let choice = json!({"type": "function", "name": "find"});
            assert_eq!(asked["tool_choice"], choice);
            assert_eq!(asked["store"], false);
        }
    }
}

#[tokio::test]
async fn a_response_s_thought_is_closed_and_the_answer_follows() {
    let mut whole = Numbered::begin();
    whole.think(["Hm", ", let me see"]);
    whole.say(IDEAL);
    let whole = whole.end();
    // Up to where its text begins.
    for at in 0..whole.len() - 13 {
        let (got, _) = broken(&whole[..at], whole.clone(), json!({})).await;
        assert!(got.error.is_none(), "{at}: {:?}", got.error);
        let said = got.said(Op::Responses);
        assert_eq!(said.text, IDEAL, "{at}");
        let way = got.record.continued.first().map(|c| c.way);
        assert!(way.is_none_or(|way| way == Way::Anew), "{at}: {way:?}");
    }
}

#[tokio::test]
async fn a_response_whose_end_alone_is_missing_is_whole() {
    let mut events = Numbered::begin();
    events.say(IDEAL);
    let events = events.end();
    let (got, asked) = broken(&events[..events.len() - 1], Vec::new(), json!({})).await;
    assert!(got.error.is_none() && asked.is_null(), "{:?}", got.error);
    assert_eq!(got.said(Op::Responses).text, IDEAL);
    assert!(got.record.estimated, "the usage never came");
    // A model with tools might have called one next.
    let tools = json!({"tools": [{"type": "function", "name": "find", "parameters": {}}]});
    let (got, asked) = broken(&events[..events.len() - 1], events.clone(), tools).await;
    assert_eq!(got.record.continued[0].way, Way::Asked);
    assert_eq!(asked["input"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_a_vendor_runs_itself_is_not_carried_on() {
    let mut events = Numbered::begin();
    let search = json!({"id": "ws_1", "type": "web_search_call", "status": "in_progress"});
    events.push(json!({"type": "response.output_item.added", "output_index": 0, "item": search}));
    events.push(
        json!({"type": "response.web_search_call.searching", "item_id": "ws_1", "output_index": 0}),
    );
    let sent = events.end();
    let (got, asked) = broken(&sent[..4], Vec::new(), json!({})).await;
    assert!(got.error.unwrap().mid_stream);
    assert!(asked.is_null());
}

#[tokio::test]
async fn who_builds_on_a_response_that_was_carried_on_builds_on_all_of_it() {
    let mut events = Numbered::begin();
    events.say(IDEAL);
    let sent = events.end()[..8].concat().into_bytes();
    let a = Upstream::start(vec![Script::Bytes(sent, End::Cut), Script::GoesOn]).await;
    let b = Upstream::start(vec![Script::GoesOn]).await;
    let models = [
        model(Wire::Responses, &a.url, false),
        model(Wire::Responses, &b.url, false),
    ];
    let engine = engine(&models, |settings| settings.health.allowed_fails = Some(9));
    let got = ask(&engine, Op::Responses, json!({})).await;
    assert_eq!(got.record.continued.len(), 1);
    let id = json(&got.events[0])["response"]["id"].clone();
    let more = json!({"previous_response_id": id, "input": "And then?"});
    let next = ask(&engine, Op::Responses, more).await;
    assert!(next.error.is_none(), "{:?}", next.error);
    let asked = [a.seen(), b.seen()].concat();
    let asked = asked
        .iter()
        .find(|body| body["input"][2]["content"] == "And then?")
        .unwrap();
    assert_eq!(asked["input"][0]["content"], "Where?");
    assert_eq!(asked["input"][1]["content"][0]["text"], IDEAL);
    assert!(asked["previous_response_id"].is_null());
}
