//! Services that are asked again until they are done: the caller's time and his patience hold for them, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::stream;
use http::Response;
use llm_cost::PriceTable;
use llm_providers::{
    Client, Error, Kind, Outgoing,
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_router::{Router, Settings};
use llm_sdk::{Body, Engine, Prices, Request, deploy, surroundings::Process};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// A painter that is done when it was asked after its picture so often.
struct Painter {
    asked: AtomicUsize,
    done_at: usize,
}

impl Transport for Painter {
    fn send(
        &self,
        _: http::Request<Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        let answer = match self.asked.fetch_add(1, Relaxed) {
            0 => json!({"id": "task-1"}),
            asked if asked < self.done_at => json!({"id": "task-1", "status": "Pending"}),
            _ => {
                json!({"id": "task-1", "status": "Ready", "result": {"sample": "https://a.b/1.png"}})
            }
        };
        let body: ByteStream = Box::pin(stream::iter([Ok(answer.to_string().into())]));
        let reply = Response::builder().header("content-type", "application/json");
        Box::pin(async { Ok(reply.body(body).unwrap()) })
    }
}

/// A picture that is done after `done_at` questions, by an engine with one model.
fn picture(done_at: usize) -> (Engine, Arc<Painter>) {
    let painter = Arc::new(Painter {
        asked: AtomicUsize::new(0),
        done_at,
    });
    let params = json!({"model": "black_forest_labs/flux-pro-1.1", "api_key": "k"});
    let params = JsonObject::from_serialize(&params).unwrap();
    let table = PriceTable::embedded();
    let made = deploy::deployment("g", params, llm_types::Map::new(), table, &Process).unwrap();
    let settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    let router = Arc::new(Router::new(vec![made], settings).unwrap());
    let client = Client::over(Arc::clone(&painter) as Arc<dyn Transport>);
    let prices = Arc::new(Prices::of_process());
    (Engine::routed(router, client, prices), painter)
}

fn request(more: Value) -> Request {
    let mut body = json!({"model": "g", "prompt": "A cat"});
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    Request::parse(Op::ImageGeneration, body.to_string().into()).unwrap()
}

/// Nobody asks any more.
async fn is_over(painter: &Painter) {
    let asked = painter.asked.load(Relaxed);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(painter.asked.load(Relaxed), asked);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_until_it_is_done() {
    let (engine, painter) = picture(4);
    let begun = Instant::now();
    let answer = engine.call(request(json!({}))).await.unwrap();
    let Body::Whole { bytes, .. } = answer.body else {
        panic!("an answer in one piece")
    };
    let picture: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(picture["data"][0]["url"], "https://a.b/1.png");
    assert_eq!(painter.asked.load(Relaxed), 5);
    assert_eq!(begun.elapsed().as_millis(), 4 * 500);
    is_over(&painter).await;
}

#[tokio::test(start_paused = true)]
async fn the_callers_time_ends_it() {
    let (engine, painter) = picture(usize::MAX);
    let begun = Instant::now();
    let failure = engine.call(request(json!({"timeout": 5}))).await;
    assert_eq!(failure.unwrap_err().error.kind, Kind::Timeout);
    assert_eq!(begun.elapsed().as_secs(), 5);
    is_over(&painter).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_gone_ends_it() {
    let (engine, painter) = picture(usize::MAX);
    let patience = Duration::from_millis(1700);
    assert!(
        timeout(patience, engine.call(request(json!({}))))
            .await
            .is_err()
    );
    assert_eq!(painter.asked.load(Relaxed), 4);
    is_over(&painter).await;
}
