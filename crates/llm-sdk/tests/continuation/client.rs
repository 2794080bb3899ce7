//! A client that believes nothing: every stream it reads keeps its dialect's grammar, or the test fails.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use llm_cost::PriceTable;
use llm_providers::{Client, Error, transport::TransportSettings};
use llm_router::{Router, Settings};
use llm_sdk::{
    Body, Engine, Event, Observer, Prices, Record, Request, deploy, surroundings::Process,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::items;

thread_local! {
    static CLIENT: Client = Engine::client(&TransportSettings::default()).unwrap();
}

/// Remembers how requests ended.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<Record>>);

impl Observer for Log {
    fn record(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// What a client has when its stream is over.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) events: Vec<Event>,
    pub(crate) error: Option<Error>,
    pub(crate) record: Record,
}

/// What a stream says, once its grammar was checked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) arguments: String,
    pub(crate) calls: Vec<(u64, String)>,
    pub(crate) finish: Vec<String>,
    pub(crate) usage: Option<Value>,
    pub(crate) extension: Option<Value>,
}

pub(crate) fn engine(models: &[Value], change: impl FnOnce(&mut Settings)) -> Engine {
    let table = PriceTable::embedded();
    let deployments = models.iter().enumerate().map(|(i, params)| {
        let mut params = params.clone();
        let info = params
            .as_object_mut()
            .unwrap()
            .remove("info")
            .unwrap_or(json!({}));
        let mut info = info.as_object().unwrap().clone();
        info.insert("id".into(), format!("d{i}").into());
        let params = JsonObject::from_serialize(&params).unwrap();
        let mut made = deploy::deployment("group", params, info, table, &Process).unwrap();
        // In this order.
        made.order = Some(i as i64);
        made
    });
    let mut settings = Settings {
        num_retries: 3,
        failover_in_group: true,
        ..Settings::default()
    };
    change(&mut settings);
    let router = Router::new(deployments.collect(), settings).unwrap();
    // A test has a thread and a runtime of its own; certificates are read once for it.
    let client = CLIENT.with(Client::clone);
    Engine::routed(Arc::new(router), client, Arc::new(Prices::of_process()))
}

pub(crate) fn body(op: Op, more: Value) -> Value {
    let mut body = match op {
        Op::Completion => json!({"prompt": "Where?", "stream_options": {"include_usage": true}}),
        Op::Responses => json!({"input": "Where?"}),
        Op::GenerateContent => {
            json!({"contents": [{"role": "user", "parts": [{"text": "Where?"}]}]})
        }
        Op::Messages => {
            json!({"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 500})
        }
        _ => {
            json!({"messages": [{"role": "user", "content": "Where?"}], "stream_options": {"include_usage": true}})
        }
    };
    body["model"] = "group".into();
    body["stream"] = true.into();
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

pub(crate) async fn ask(engine: &Engine, op: Op, more: Value) -> Got {
    let log = Arc::new(Log::default());
    let mut request = Request::parse(op, body(op, more).to_string().into()).unwrap();
    request.observer = Some(Arc::clone(&log) as Arc<dyn Observer>);
    let (mut events, mut error) = (Vec::new(), None);
    match engine.call(request).await {
        Err(failure) => error = Some(failure.error),
        Ok(response) => {
            let Body::Stream(mut stream) = response.body else {
                panic!("a stream was asked for");
            };
            while let Some(batch) = stream.next().await {
                match batch {
                    Ok(batch) => events.extend(batch),
                    Err(e) => error = Some(e),
                }
            }
        }
    }
    let mut records = log.0.lock().unwrap();
    assert_eq!(records.len(), 1, "a request is reported once");
    Got {
        events,
        error,
        record: records.remove(0),
    }
}

impl Got {
    /// The stream's words; panics where it is not one valid stream.
    pub(crate) fn said(&self, op: Op) -> Said {
        match op {
            Op::Messages => messages(&self.events),
            Op::Completion => completions(&self.events),
            Op::Responses => items::responses(&self.events),
            Op::GenerateContent => items::generated(&self.events),
            _ => chat(&self.events),
        }
    }
}

pub(crate) fn json(event: &Event) -> Value {
    serde_json::from_slice(&event.data).unwrap()
}

fn chat(events: &[Event]) -> Said {
    let (mut said, mut roles, mut ids) = (Said::default(), 0, Vec::new());
    for chunk in events.iter().map(json) {
        ids.push((
            chunk["id"].clone(),
            chunk["model"].clone(),
            chunk["created"].clone(),
        ));
        for choice in chunk["choices"].as_array().unwrap() {
            assert_eq!(choice["index"], 0);
            let delta = &choice["delta"];
            roles += usize::from(delta["role"].is_string());
            let text = delta["content"].as_str().unwrap_or_default();
            assert!(
                said.finish.is_empty() || text.is_empty(),
                "text after the end"
            );
            said.text.push_str(text);
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                if let Some(id) = call["id"].as_str() {
                    said.calls
                        .push((call["index"].as_u64().unwrap(), id.to_owned()));
                }
                assert_eq!(call["index"], said.calls.last().unwrap().0);
                said.arguments
                    .push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
            said.finish
                .extend(choice["finish_reason"].as_str().map(str::to_owned));
        }
        if chunk["usage"].is_object() {
            assert!(said.usage.is_none(), "usage twice");
            said.usage = Some(chunk["usage"].clone());
        }
        if chunk["interlingua"].is_object() {
            said.extension = Some(chunk["interlingua"].clone());
        }
    }
    ids.dedup();
    assert!(ids.len() <= 1, "not one answer: {ids:?}");
    assert!(roles <= 1, "{roles} roles");
    said
}

fn completions(events: &[Event]) -> Said {
    let (mut said, mut ids) = (Said::default(), Vec::new());
    for piece in events.iter().map(json) {
        ids.push(piece["id"].clone());
        for choice in piece["choices"].as_array().unwrap() {
            said.text.push_str(choice["text"].as_str().unwrap());
            said.finish
                .extend(choice["finish_reason"].as_str().map(str::to_owned));
        }
        if piece["usage"].is_object() {
            said.usage = Some(piece["usage"].clone());
        }
        if piece["interlingua"].is_object() {
            said.extension = Some(piece["interlingua"].clone());
        }
    }
    ids.dedup();
    assert!(ids.len() <= 1, "not one answer: {ids:?}");
    said
}

/// Anthropic's grammar: a start, blocks one after the other, the reason, the stop.
fn messages(events: &[Event]) -> Said {
    let mut said = Said::default();
    let (mut open, mut next, mut started, mut stopped) = (None, 0, false, false);
    for event in events {
        let data = json(event);
        let kind = data["type"].as_str().unwrap().to_owned();
        assert_eq!(event.name.as_deref(), Some(kind.as_bytes()));
        assert!(!stopped, "{kind} after the end");
        assert_eq!(started, kind != "message_start", "{kind}");
        match kind.as_str() {
            "message_start" => started = true,
            "ping" => {}
            "content_block_start" => {
                assert!(open.is_none() && data["index"] == next && said.finish.is_empty());
                open = Some(next);
                next += 1;
                if let Some(id) = data["content_block"]["id"].as_str() {
                    said.calls.push((said.calls.len() as u64, id.to_owned()));
                }
            }
            "content_block_delta" => {
                assert_eq!(open, data["index"].as_i64());
                let delta = &data["delta"];
                said.text
                    .push_str(delta["text"].as_str().unwrap_or_default());
                said.arguments
                    .push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "content_block_stop" => assert_eq!(open.take(), data["index"].as_i64()),
            "message_delta" => {
                assert!(open.is_none() && said.finish.is_empty());
                said.finish
                    .push(data["delta"]["stop_reason"].as_str().unwrap().to_owned());
                said.usage = Some(data["usage"].clone());
                said.extension = Some(data["interlingua"].clone()).filter(Value::is_object);
            }
            "message_stop" => {
                assert_eq!(said.finish.len(), 1);
                stopped = true;
            }
            other => panic!("{other}"),
        }
    }
    said
}
