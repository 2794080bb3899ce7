//! What single attempts are asked, what they cost, and who is told: deployments with canned answers, attempts that a
//! faster one beats, answers that a filter stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt;
use llm_cost::PriceTable;
use llm_providers::{Kind, transport::TransportSettings};
use llm_router::{Fallback, HedgeRules, RetryShare, Router, Settings};
use llm_sdk::{
    Body, Engine, Failure, Observer, Outcome, Prices, Record, Request, Response, deploy,
    surroundings::Process,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Record>>);

impl Observer for Log {
    fn record(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// An engine over deployments `(group, litellm_params)`.
fn engine(models: &[(&str, Value)], change: impl FnOnce(&mut Settings)) -> Engine {
    let table = PriceTable::embedded();
    let made = models.iter().enumerate().map(|(i, (group, params))| {
        let mut info = llm_types::Map::new();
        info.insert("id".into(), format!("d{i}").into());
        let params = JsonObject::from_serialize(params).unwrap();
        deploy::deployment(group, params, info, table, &Process).unwrap()
    });
    let mut settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    change(&mut settings);
    let router = Router::new(made.collect(), settings).unwrap();
    let client = Engine::client(&TransportSettings::default()).unwrap();
    Engine::routed(Arc::new(router), client, Arc::new(Prices::of_process()))
}

/// A deployment that answers by itself.
fn canned(model: &str, answer: Value) -> Value {
    json!({"model": model, "api_key": "k", "mock_response": answer})
}

fn request(op: Op, more: Value) -> Request {
    let mut body = match op {
        Op::Embedding => json!({"input": "a text"}),
        Op::Responses => json!({"input": "Where?"}),
        _ => json!({"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 9}),
    };
    body["model"] = "g".into();
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    Request::parse(op, body.to_string().into()).unwrap()
}

async fn ask(engine: &Engine, op: Op, more: Value) -> (Result<Response, Box<Failure>>, Arc<Log>) {
    let log = Arc::new(Log::default());
    let mut request = request(op, more);
    request.observer = Some(Arc::clone(&log) as Arc<dyn Observer>);
    (engine.call(request).await, log)
}

async fn text(response: Response) -> String {
    match response.body {
        Body::Whole { bytes, .. } => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Bytes(_) => panic!("no bytes were asked for"),
        Body::Stream(mut stream) => {
            let mut all = String::new();
            while let Some(batch) = stream.next().await {
                for event in batch.expect("it does not break") {
                    all.push_str(std::str::from_utf8(&event.data).unwrap());
                    all.push('\n');
                }
            }
            all
        }
    }
}

#[tokio::test]
async fn a_deployment_s_own_answer_is_given_in_every_dialect() {
    let engine = engine(
        &[("g", canned("anthropic/claude-opus-4-5", "canned".into()))],
        |_| {},
    );
    for op in [Op::Chat, Op::Messages, Op::Responses] {
        for stream in [false, true] {
            let (got, log) = ask(&engine, op, json!({"stream": stream})).await;
            let text = text(got.unwrap()).await;
            match stream {
                false => assert!(text.contains("canned"), "{op:?}: {text}"),
                // Three characters at a time.
                true => assert!(
                    text.contains("can") && text.contains("ned"),
                    "{op:?}: {text}"
                ),
            }
            let records = log.0.lock().unwrap();
            let usage = records[0].usage.as_ref().unwrap();
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (10, 20));
            assert!(
                records[0].charge.total().unwrap().0 > 0,
                "at its own model's price"
            );
        }
    }
    let (got, _) = ask(&engine, Op::Embedding, json!({})).await;
    assert!(text(got.unwrap()).await.contains("embedding"));
}

#[tokio::test]
async fn a_deployment_s_own_error_is_one_like_others() {
    let models = [
        (
            "g",
            canned("openai/gpt-4o", "litellm.RateLimitError".into()),
        ),
        (
            "spare",
            canned("openai/gpt-4o", "from the spare one".into()),
        ),
    ];
    let engine = engine(&models, |settings| {
        let general = &mut settings.fallbacks.general;
        general.insert("g".into(), vec![Fallback::to("spare")]);
    });
    let (got, log) = ask(&engine, Op::Chat, json!({})).await;
    assert!(text(got.unwrap()).await.contains("from the spare one"));
    let trace = &log.0.lock().unwrap()[0].trace;
    assert_eq!(trace.attempts[0].error, Some(Kind::RateLimit));
}

#[tokio::test(start_paused = true)]
async fn a_request_s_retry_policy_goes_before_the_settings() {
    let models = [(
        "g",
        canned("openai/gpt-4o", "litellm.InternalServerError".into()),
    )];
    let engine = engine(&models, |settings| {
        settings.num_retries = 1;
        settings.health.disabled = true;
        settings.retry_policy.internal_server = Some(2);
    });
    for (policy, attempts) in [
        (json!({}), 3),
        (
            json!({"retry_policy": {"InternalServerErrorRetries": 4}}),
            5,
        ),
        (
            json!({"retry_policy": {"InternalServerErrorRetries": 0}}),
            1,
        ),
        (json!({"retry_policy": {"RateLimitErrorRetries": 9}}), 3),
    ] {
        let (got, _) = ask(&engine, Op::Chat, policy.clone()).await;
        let failure = got.expect_err("it always fails");
        assert_eq!(failure.trace.attempts.len(), attempts, "{policy}");
    }
}

#[test]
fn what_steers_the_router_is_no_parameter_of_a_request() {
    let params = json!({
        "model": "openai/gpt-4o", "api_key": "k", "rpm": 1, "tpm": 2, "itpm": 3, "otpm": 4,
        "timeout_by_service_tier": {"priority": 5}, "stream_timeout_by_service_tier": {"priority": 6},
        "weight": 1, "order": 1, "max_parallel_requests": 2, "cooldown_time": 3, "temperature": 0.5,
    });
    let params = JsonObject::from_serialize(&params).unwrap();
    let table = PriceTable::embedded();
    let made = deploy::deployment("g", params, llm_types::Map::new(), table, &Process).unwrap();
    let left: Vec<&str> = made.defaults.iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["temperature"]);
    assert_eq!((made.quota.itpm, made.quota.otpm), (Some(3), Some(4)));
    let tier = made.tier_timeouts["priority"];
    let seconds = |limit: Option<Duration>| limit.unwrap().as_secs();
    assert_eq!((seconds(tier.total), seconds(tier.stream)), (5, 6));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_beaten_has_a_record_of_its_own() {
    let slow = json!({"model": "openai/gpt-4o", "api_key": "k", "order": 1, "mock_response": "slow", "mock_delay": 60});
    let quick = json!({"model": "openai/gpt-4o", "api_key": "k", "order": 2, "mock_response": "quick", "mock_delay": 0.01});
    let engine = engine(&[("g", slow), ("g", quick)], |settings| {
        settings.hedge = Some(HedgeRules {
            share: RetryShare {
                ratio: 1.0,
                least: 100,
            },
            ..HedgeRules::default()
        });
    });
    for _ in 0..100 {
        let mut warm = request(Op::Chat, json!({}));
        warm.prefer = Some("d1".into());
        engine.call(warm).await.unwrap();
    }
    let (got, log) = ask(&engine, Op::Chat, json!({})).await;
    assert!(text(got.unwrap()).await.contains("quick"));
    let records = log.0.lock().unwrap();
    let [lost, won] = &records[..] else {
        panic!("two records: {records:?}")
    };
    assert_eq!(
        (&lost.outcome, &won.outcome),
        (&Outcome::Outpaced, &Outcome::Answered)
    );
    assert_eq!(lost.deployment.as_ref().unwrap().id, "d0");
    assert_ne!(lost.call_id, won.call_id);
    assert!(lost.estimated && lost.took >= Duration::from_millis(100));
    let (lost, won) = (lost.charge.total().unwrap(), won.charge.total().unwrap());
    assert!(
        lost.0 > 0 && lost.0 < won.0,
        "the prompt alone: {lost:?} of {won:?}"
    );
}

/// What a filter stopped, as OpenAI says it.
fn stopped() -> Value {
    json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000},
    })
}

#[tokio::test]
async fn a_stopped_answer_goes_to_who_may_give_another_and_is_billed() {
    let models = [
        ("g", canned("openai/gpt-4o", stopped())),
        ("h", canned("openai/gpt-4o", "allowed".into())),
    ];
    let engine = engine(&models, |settings| {
        let policy = &mut settings.fallbacks.content_policy;
        policy.insert("g".into(), vec![Fallback::to("h")]);
    });
    for op in [Op::Chat, Op::Messages] {
        for stream in [false, true] {
            let (got, log) = ask(&engine, op, json!({"stream": stream})).await;
            let text = text(got.unwrap()).await;
            assert!(
                text.contains("all") && text.contains("owe"),
                "{op:?} {stream}: {text}"
            );
            let records = log.0.lock().unwrap();
            let [record] = &records[..] else {
                panic!("one")
            };
            assert_eq!(record.trace.attempts[0].error, Some(Kind::ContentPolicy));
            let usage = record.usage.as_ref().unwrap();
            assert_eq!(
                usage.prompt_tokens, 1010,
                "{op:?} {stream}: both were asked"
            );
        }
    }
}

#[tokio::test]
async fn a_stopped_answer_is_an_answer_where_nobody_else_may_give_one() {
    let engine = engine(&[("g", canned("openai/gpt-4o", stopped()))], |_| {});
    let (got, _) = ask(&engine, Op::Chat, json!({})).await;
    assert!(text(got.unwrap()).await.contains("content_filter"));
}
