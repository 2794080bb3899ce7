//! What sessions cost: it is held before each answer, and what is spent ends them.

use llm_proxy::settings::Settings;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message},
};

use crate::{governed::Kept, realtime::gemini, sessions::*, support::*};

/// What one of the vendor's answers costs: ten tokens in, twenty out.
const ANSWER: f64 = 0.21;

const PLACE: &str = "/v1/realtime?model=gpt";

/// Deployments whose tokens cost a tenth of a cent in, and a cent out.
fn priced(vendor: &Sessions) -> Settings {
    let mut settings = settings(&vendor.url);
    for deployment in &mut settings.deployments {
        let info = &mut deployment.model_info;
        info.insert("input_cost_per_token".into(), 0.001.into());
        info.insert("output_cost_per_token".into(), 0.01.into());
    }
    settings
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// The session's end for want of money: an error, and a goodbye.
async fn ends(client: &mut WebSocketStream<TcpStream>) {
    let said = event(client).await;
    assert_eq!(
        (said["type"].as_str(), said["error"]["type"].as_str()),
        (Some("error"), Some("budget_exceeded")),
        "{said}"
    );
    let Message::Close(Some(frame)) = hear(client).await else {
        panic!("no goodbye");
    };
    assert_eq!(u16::from(frame.code), 1008);
}

fn ask() -> Value {
    json!({"type": "response.create"})
}

#[tokio::test]
async fn a_session_ends_when_its_budget_is_spent() {
    let mut vendor = Sessions::start().await;
    let kept = Kept::with(priced(&vendor)).await;
    let key = kept.key(json!({"max_budget": 0.5})).await;
    let header = bearer(&key);
    let header = [("authorization", header.as_str())];
    let (mut client, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    event(&mut client).await;
    // Nobody knows how long an answer gets: one may overrun what is left.
    for _ in 0..3 {
        answered(&mut client).await;
    }
    say(&mut client, ask()).await;
    ends(&mut client).await;
    assert_eq!(vendor.ended.recv().await.unwrap(), Some(1000));
    kept.gateway.settled().await;
    let refused = open(&kept.gateway, PLACE, &header).await.unwrap_err();
    assert!(refused_for_money(refused));
    let rows = kept.rows().await;
    let answered = rows.iter().filter(|row| row.status == "success");
    let spent: Vec<f64> = answered.map(|row| row.spend.to_f64()).collect();
    assert_eq!(spent, [3.0 * ANSWER]);
}

fn refused_for_money(error: tungstenite::Error) -> bool {
    let (status, body) = refused(error);
    status == 422 && body.contains("budget_exceeded")
}

#[tokio::test]
async fn what_one_session_is_answered_another_does_not_spend() {
    let vendor = Sessions::start().await;
    let kept = Kept::with(priced(&vendor)).await;
    let key = kept.key(json!({"max_budget": 0.5})).await;
    let header = bearer(&key);
    let header = [("authorization", header.as_str())];
    let (mut first, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    let (mut second, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    let (mut third, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    for client in [&mut first, &mut second, &mut third] {
        event(client).await;
    }
    say(&mut first, json!({"type": "test.begin"})).await;
    assert_eq!(event(&mut first).await["type"], "response.created");
    say(&mut second, ask()).await;
    ends(&mut second).await;
    // An answer that is over costs what it cost, and the rest is there again.
    say(&mut first, json!({"type": "test.end"})).await;
    assert_eq!(event(&mut first).await["type"], "response.done");
    answered(&mut third).await;
    for mut client in [first, third] {
        client.close(None).await.unwrap();
    }
    kept.gateway.settled().await;
    let rows = kept.rows().await;
    let spent: f64 = rows.iter().map(|row| row.spend.to_f64()).sum();
    assert!((spent - 2.0 * ANSWER).abs() < 1e-9, "{rows:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_and_a_shorter_one_is_not() {
    let vendor = Sessions::start().await;
    let kept = Kept::with(priced(&vendor)).await;
    let key = kept.key(json!({"max_budget": 5})).await;
    let header = bearer(&key);
    let header = [("authorization", header.as_str())];
    let (mut client, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    event(&mut client).await;
    let long = json!({"type": "response.create", "response": {"max_output_tokens": 4000}});
    say(&mut client, long).await;
    let said = event(&mut client).await;
    assert_eq!(said["error"]["type"], "budget_exceeded");
    let short = json!({"type": "response.create", "response": {"max_output_tokens": 20}});
    say(&mut client, short).await;
    assert_eq!(event(&mut client).await["type"], "response.created");
    client.close(None).await.unwrap();
    kept.gateway.settled().await;
    kept.rows().await;
}

#[tokio::test]
async fn what_is_said_aloud_is_paid_for_before_it_is_heard() {
    let vendor = Sessions::start().await;
    let kept = Kept::with(priced(&vendor)).await;
    let key = kept.key(json!({"max_budget": 0.2})).await;
    let header = bearer(&key);
    let header = [("authorization", header.as_str())];
    let (mut client, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    event(&mut client).await;
    answered(&mut client).await;
    // Settings cost nothing.
    say(&mut client, json!({"type": "session.update"})).await;
    assert_eq!(event(&mut client).await["type"], "echo");
    let sound = json!({"type": "input_audio_buffer.append", "audio": "AAAA"});
    say(&mut client, sound).await;
    ends(&mut client).await;
    kept.gateway.settled().await;
    kept.rows().await;
}

#[tokio::test]
async fn a_session_that_is_bridged_is_paid_for_likewise() {
    let (url, mut heard) = gemini().await;
    let mut settings = settings(&url);
    let row = llm_providers::lookup("gemini").unwrap();
    let model = "gemini-live-2.5-flash-preview-native-audio-09-2025";
    let credential = llm_providers::Credential::key("sk-google");
    settings.deployments[0].target = llm_providers::Target::new(row, model, credential).at(&url);
    let kept = Kept::with(settings).await;
    // An answer costs 0.0245 dollars.
    let key = kept.key(json!({"max_budget": 0.06})).await;
    let header = bearer(&key);
    let header = [("authorization", header.as_str())];
    let (mut client, _) = open(&kept.gateway, PLACE, &header).await.unwrap();
    let spoken = json!({"type": "response.create", "response": {"instructions": "Say hello."}});
    for _ in 0..3 {
        say(&mut client, spoken.clone()).await;
        while event(&mut client).await["type"] != "response.done" {}
    }
    say(&mut client, spoken.clone()).await;
    ends(&mut client).await;
    kept.gateway.settled().await;
    let rows = kept.rows().await;
    let spent: Vec<f64> = rows.iter().map(|row| row.spend.to_f64()).collect();
    assert_eq!(spent, [0.0735]);
    let mut answers = 0;
    while let Ok(said) = heard.try_recv() {
        answers += usize::from(said["clientContent"]["turnComplete"] == true);
    }
    assert_eq!(answers, 3);
}
