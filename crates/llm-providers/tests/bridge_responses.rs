//! Whatever a vendor streams, a client of the Responses API gets events that keep its grammar and say what the whole
//! answer would have said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod script;

use bytes::Bytes;
use llm_providers::{
    CallOptions, Error, Kind,
    bridges::{Bridge, responses::Responses},
};
use llm_types::{ChatChunk, JsonObject};
use proptest::prelude::*;
use script::{Dice, Script, delta, scripts};
use serde_json::{Value, json};

fn object(value: &Value) -> JsonObject {
    JsonObject::parse(&Bytes::from(value.to_string())).expect("an object")
}

fn asked() -> JsonObject {
    object(&json!({"model": "asked", "input": "Hi", "temperature": 0.5,
        "tools": [{"type": "custom", "name": "patch"}]}))
}

fn events(asked: &JsonObject, chunks: Vec<ChatChunk>) -> Vec<Value> {
    let (mut stream, mut events) = (Responses.stream(asked), Vec::new());
    for chunk in chunks {
        stream.push(chunk, &mut events).expect("events");
    }
    stream.finish(&mut events).expect("an end");
    let read = |event: &llm_providers::bridges::Event| {
        let data: Value = serde_json::from_slice(&event.data).expect("json");
        assert_eq!(data["type"].as_str(), event.name, "the name is the type");
        data
    };
    events.iter().map(read).collect()
}

fn whole(asked: &JsonObject, script: &Script) -> Value {
    let bytes = Responses
        .response(asked, script.response())
        .expect("an answer");
    serde_json::from_slice(&bytes).expect("json")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Puts events together as OpenAI's own clients do, and refuses what breaks their grammar.
fn folded(events: &[Value]) -> Value {
    let mut items: Vec<(Value, bool)> = Vec::new();
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], i, "numbers count up");
        let kind = text(&event["type"]);
        assert_eq!(kind == "response.created", i == 0, "one start, and first");
        assert_eq!(kind == "response.in_progress", i == 1);
        let is_last = matches!(kind, "response.completed" | "response.incomplete");
        assert_eq!(is_last, i + 1 == events.len(), "one end, and last");
        if i < 2 {
            assert_eq!(event["response"]["status"], "in_progress");
            assert_eq!(event["response"]["output"], json!([]));
        } else if is_last {
            let output: Vec<Value> = items
                .drain(..)
                .map(|(item, done)| {
                    assert!(done, "every item is done: {item}");
                    item
                })
                .collect();
            assert_eq!(event["response"]["output"], json!(output));
            return event["response"].clone();
        } else {
            tell(kind, event, &mut items);
        }
    }
    panic!("no end")
}

fn tell(kind: &str, event: &Value, items: &mut Vec<(Value, bool)>) {
    let index = event["output_index"].as_u64().expect("an index") as usize;
    if kind == "response.output_item.added" {
        assert_eq!(index, items.len(), "indices count up");
        return items.push((event["item"].clone(), false));
    }
    let (item, done) = &mut items[index];
    assert!(!*done, "nothing after the end of an item");
    if kind == "response.output_item.done" {
        if item.get("content").is_none() && item["type"] != "image_generation_call" {
            item["status"] = event["item"]["status"].clone();
            item["encrypted_content"] = event["item"]["encrypted_content"].clone();
        } else {
            item["status"] = event["item"]["status"].clone();
        }
        let told = without_nulls(item);
        assert_eq!(
            told,
            without_nulls(&event["item"]),
            "the deltas are the item"
        );
        *item = event["item"].clone();
        *done = true;
        return;
    }
    assert_eq!(event["item_id"], item["id"], "an event of its item");
    let place = |name: &str| event[name].as_u64().unwrap_or_default() as usize;
    let (content, summary) = (place("content_index"), place("summary_index"));
    let grow = |value: &mut Value, more: &Value| {
        assert!(!text(more).is_empty(), "no empty deltas");
        *value = (text(value).to_owned() + text(more)).into();
    };
    match kind {
        "response.content_part.added" => {
            let parts = item["content"].as_array_mut().expect("parts");
            assert_eq!(content, parts.len());
            parts.push(event["part"].clone());
        }
        "response.output_text.delta" => {
            grow(&mut item["content"][content]["text"], &event["delta"])
        }
        "response.refusal.delta" => grow(&mut item["content"][content]["refusal"], &event["delta"]),
        "response.output_text.done" => assert_eq!(event["text"], item["content"][content]["text"]),
        "response.refusal.done" => {
            assert_eq!(event["refusal"], item["content"][content]["refusal"])
        }
        "response.content_part.done" => assert_eq!(event["part"], item["content"][content]),
        "response.output_text.annotation.added" => {
            let list = item["content"][content]["annotations"]
                .as_array_mut()
                .expect("a list");
            list.push(event["annotation"].clone());
        }
        "response.reasoning_summary_part.added" => {
            item["summary"]
                .as_array_mut()
                .expect("a list")
                .push(event["part"].clone());
        }
        "response.reasoning_summary_text.delta" => {
            grow(&mut item["summary"][summary]["text"], &event["delta"]);
        }
        "response.reasoning_summary_text.done" => {
            assert_eq!(event["text"], item["summary"][summary]["text"]);
        }
        "response.reasoning_summary_part.done" => {
            assert_eq!(event["part"], item["summary"][summary]);
        }
        "response.function_call_arguments.delta" => grow(&mut item["arguments"], &event["delta"]),
        "response.custom_tool_call_input.delta" => grow(&mut item["input"], &event["delta"]),
        "response.function_call_arguments.done" => {
            // A call without arguments is one of an empty object.
            assert_eq!(
                text(&event["arguments"]).trim(),
                text(&item["arguments"]).trim()
            );
            item["arguments"] = event["arguments"].clone();
        }
        "response.custom_tool_call_input.done" => assert_eq!(event["input"], item["input"]),
        other => panic!("{other} is no event"),
    }
}

fn without_nulls(item: &Value) -> Value {
    let map = item.as_object().expect("an item");
    map.iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    #[test]
    fn a_stream_says_what_the_answer_says(
        script in scripts(),
        dice in proptest::collection::vec(any::<u8>(), 1..40),
        interleaved: bool,
    ) {
        let chunks = script.chunks(&mut Dice(dice, 0), interleaved);
        prop_assert_eq!(folded(&events(&asked(), chunks)), whole(&asked(), &script));
    }

    #[test]
    fn any_chunks_keep_the_grammar(
        deltas in proptest::collection::vec(delta(), 0..20),
    ) {
        let chunks = deltas
            .into_iter()
            .map(|delta| serde_json::from_value(json!({"choices": [{"index": 0, "delta": delta}]})).expect("a chunk"))
            .collect();
        folded(&events(&asked(), chunks));
    }

    #[test]
    fn any_items_are_a_request_or_a_refusal_that_names_its_field(
        items in proptest::collection::vec(item(), 0..8),
    ) {
        match Responses.request(&object(&json!({"model": "m", "input": items})), &CallOptions::default()) {
            Ok(chat) => {
                let request = llm_types::ChatRequest::from_object(&chat).expect("a chat request");
                prop_assert!(!request.messages.is_empty());
            }
            Err(e) => prop_assert!(e.param.is_some_and(|param| param.starts_with("input"))),
        }
    }
}

fn item() -> impl Strategy<Value = Value> {
    let odd = prop_oneof![
        Just(Value::Null),
        Just(json!(5)),
        "[a-z]{0,5}".prop_map(Value::from),
        Just(json!([{"type": "input_text", "text": "x"}])),
        Just(json!([{"type": "input_image", "image_url": "https://example.com/x.png"}])),
        Just(json!([{"type": "input_file"}])),
        Just(json!({"type": "computer_screenshot"})),
    ];
    let kinds = [
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
        "item_reference",
        "web_search_call",
        "computer_call",
        "",
    ];
    let roles = ["user", "assistant", "system", "developer", "judge"];
    (
        proptest::sample::select(kinds.to_vec()),
        proptest::sample::select(roles.to_vec()),
        odd,
    )
        .prop_map(|(kind, role, odd)| {
            json!({"type": kind, "role": role, "content": odd, "output": odd, "arguments": odd,
                "input": odd, "call_id": "c", "name": "f", "summary": [{"text": "s"}]})
        })
}

fn chunk(delta: Value) -> ChatChunk {
    serde_json::from_value(json!({"id": "resp_1", "choices": [{"index": 0, "delta": delta}]}))
        .expect("a chunk")
}

#[test]
fn calls_stream_while_they_arrive() {
    let (mut stream, mut out) = (Responses.stream(&asked()), Vec::new());
    for fragment in ["{\"a\"", ":1", "}"] {
        let call = json!({"index": 0, "id": "x", "function": {"name": "f", "arguments": fragment}});
        stream
            .push(chunk(json!({"tool_calls": [call]})), &mut out)
            .expect("events");
        let last: Value =
            serde_json::from_slice(&out.last().expect("an event").data).expect("json");
        assert_eq!(last["delta"], fragment);
    }
}

#[test]
fn a_tool_of_free_text_comes_back_as_text() {
    let arguments = json!({"input": "*** Begin\n\"x\""}).to_string();
    let call = |arguments: &str| json!({"index": 0, "id": "c9", "function": {"name": "patch", "arguments": arguments}});
    let (head, tail) = arguments.split_at(9);
    let chunks = [head, tail].map(|piece| chunk(json!({"tool_calls": [call(piece)]})));
    let item = folded(&events(&asked(), chunks.into()))["output"][0].clone();
    assert_eq!(
        (
            text(&item["type"]),
            text(&item["call_id"]),
            text(&item["input"])
        ),
        ("custom_tool_call", "c9", "*** Begin\n\"x\"")
    );
}

fn refused(body: Value) -> Error {
    Responses
        .request(&object(&body), &CallOptions::default())
        .expect_err("refused")
}

#[test]
fn what_chat_cannot_say_is_refused_by_name() {
    for (body, param) in [
        (
            json!({"input": [{"type": "item_reference", "id": "x"}]}),
            "input[0]",
        ),
        (
            json!({"input": "x", "previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (json!({"input": "x", "conversation": "c"}), "conversation"),
        (json!({"input": "x", "background": true}), "background"),
        (json!({"input": "x", "prompt": {"id": "p"}}), "prompt"),
        (
            json!({"input": "x", "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]}),
            "tools[1]",
        ),
        (
            json!({"input": "x", "text": {"format": {"type": "grammar"}}}),
            "text.format.type",
        ),
        (
            json!({"input": "x", "tool_choice": {"type": "mcp"}}),
            "tool_choice",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}),
            "input[0].content[0]",
        ),
        (json!({"instructions": ""}), "input"),
    ] {
        let error = refused(body);
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
    }
    assert_eq!(
        refused(json!({"input": "x", "tools": [{"type": "mcp"}]})).kind,
        Kind::UnsupportedParams
    );
}

#[test]
fn tools_that_only_openai_runs_can_be_dropped() {
    let body = object(&json!({"input": "x", "tool_choice": "required",
        "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}));
    let options = CallOptions {
        drop_params: true,
        ..CallOptions::default()
    };
    let chat = Responses.request(&body, &options).expect("a chat request");
    assert!(!chat.contains("tools") && !chat.contains("tool_choice"));
    let losses = Responses.losses(&body, &options);
    assert_eq!(losses[0].param, "tools[0]");
}

#[test]
fn pictures_among_outputs_follow_the_last_of_them() {
    let picture = json!([{"type": "input_image", "image_url": "data:image/png;base64,aaaa", "detail": "low"}]);
    let body = json!({"input": [
        {"role": "user", "content": "Look"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": picture},
        {"type": "function_call_output", "call_id": "b", "output": "done"}]});
    let chat = Responses
        .request(&object(&body), &CallOptions::default())
        .expect("a chat request");
    let messages: Value =
        serde_json::from_slice(chat.raw("messages").expect("messages")).expect("json");
    let roles: Vec<_> = messages
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| text(&m["role"]))
        .collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool", "user"]);
    assert_eq!(messages[1]["tool_calls"][1]["id"], "b");
    assert_eq!(messages[4]["content"][0]["image_url"]["detail"], "low");
}

#[test]
fn thoughts_go_back_with_their_seals() {
    let script = Script {
        thoughts: vec![("Hm".into(), "c2ln".into())],
        text: "Yes.".into(),
        calls: Vec::new(),
        finish: "stop",
    };
    let answer = whole(&asked(), &script);
    let body = json!({"input": answer["output"]});
    let chat = Responses
        .request(&object(&body), &CallOptions::default())
        .expect("a chat request");
    let messages: Value =
        serde_json::from_slice(chat.raw("messages").expect("messages")).expect("json");
    assert_eq!(
        messages,
        json!([{"role": "assistant", "content": "Yes.", "reasoning_content": "Hm",
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "c2ln"}]}])
    );
    // What another vendor sealed stays here, and the caller is told.
    let foreign = object(
        &json!({"input": [{"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gAAAA"},
        {"role": "user", "content": "x"}]}),
    );
    let losses = Responses.losses(&foreign, &CallOptions::default());
    assert_eq!(losses[0].param, "input[0].encrypted_content");
}
