//! Two-way sessions at Azure, and what clients say in sessions, written down.

use llm_providers::{Credential, Target, lookup};
use serde_json::{Value, json};

use crate::{sessions::*, support::*};

/// A gateway whose model `voice` is `target`, with prices of `base_model`.
async fn gateway(target: Target, base_model: Option<&str>) -> Gateway {
    let mut settings = with_master_key(settings(&target.base_url));
    let deployment = &mut settings.deployments[0];
    deployment.group = "voice".into();
    deployment.target = target;
    if let Some(model) = base_model {
        let info = &mut deployment.model_info;
        info.insert("base_model".into(), model.into());
    }
    Gateway::with(settings).await
}

fn openai(vendor: &Sessions, model: &str) -> Target {
    let row = lookup("openai").unwrap();
    Target::new(row, model, Credential::key("sk-vendor")).at(&vendor.url)
}

fn azure(vendor: &Sessions, deployment: &str, version: Option<&str>) -> Target {
    let row = lookup("azure").unwrap();
    let target = Target::new(row, deployment, Credential::key("azure-key"));
    let target = target.at(vendor.url.trim_end_matches("/v1"));
    match version {
        Some(version) => target.with("api_version", version),
        None => target,
    }
}

const SPENT: &str = "litellm_spend_metric_total";
const TOKENS: &str = "litellm_total_tokens_metric_total";

#[tokio::test]
async fn azure_is_asked_for_a_deployment_or_for_a_model() {
    for (version, way) in [
        (
            Some("2025-04-01-preview"),
            "/openai/realtime?api-version=2025-04-01-preview&deployment=my-voice&intent=x",
        ),
        (None, "/openai/v1/realtime?model=my-voice&intent=x"),
        (Some("v1"), "/openai/v1/realtime?model=my-voice&intent=x"),
    ] {
        let mut vendor = Sessions::start().await;
        let target = azure(&vendor, "my-voice", version);
        let gateway = gateway(target, Some("azure/gpt-realtime")).await;
        // The version that a client names is the gateway's business, and not the vendor's.
        let path = "/openai/v1/realtime?model=voice&api-version=2024-10-01&intent=x";
        let (mut client, headers) = open(&gateway, path, &[("api-key", "sk-master")])
            .await
            .unwrap();
        assert_eq!(headers["x-litellm-model-name"], "my-voice");
        assert_eq!(event(&mut client).await["type"], "session.created");
        answered(&mut client).await;
        client.close(None).await.unwrap();
        assert_eq!(vendor.ended.recv().await.unwrap(), Some(1000));
        let (uri, headers) = vendor.opened();
        assert_eq!(uri, way);
        assert_eq!(headers["api-key"], "azure-key");
        assert!(!headers.contains_key("authorization"));
        assert!(!format!("{headers:?}").contains("sk-master"));
        // 10 tokens of text at 4 dollars for a million, then 5 of text at 16 and 15 of sound at 64.
        let spent = measured(&gateway, SPENT).await;
        assert!((spent - 0.001_08).abs() < 1e-9, "{spent}");
    }
}

/// What the vendor says of a piece of speech that was written down.
fn completed(usage: Value) -> Value {
    json!({
        "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1",
        "content_index": 0, "transcript": "Hi", "usage": usage,
    })
}

fn settings_of(model: &str) -> Value {
    json!({"type": "realtime", "audio": {"input": {"transcription": {"model": model}}}})
}

/// Makes the vendor say `said`, and hears it.
macro_rules! told {
    ($client:expr, $said:expr) => {
        let said = $said;
        say(&mut $client, json!({"type": "test.say", "event": said})).await;
        assert_eq!(event(&mut $client).await, said);
    };
}

#[tokio::test]
async fn what_was_said_is_written_down_at_its_own_price() {
    let vendor = Sessions::start().await;
    let gateway = gateway(openai(&vendor, "gpt-realtime"), None).await;
    let path = "/v1/realtime?model=voice";
    let (mut client, _) = open(&gateway, path, &[MASTER]).await.unwrap();
    event(&mut client).await;
    let updated = |model: &str| json!({"type": "session.updated", "session": settings_of(model)});
    told!(client, updated("gpt-4o-transcribe"));
    let tokens = json!({
        "type": "tokens", "total_tokens": 1100, "input_tokens": 1000, "output_tokens": 100,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 1000},
    });
    told!(client, completed(tokens));
    told!(client, updated("whisper-1"));
    told!(
        client,
        completed(json!({"type": "duration", "seconds": 30}))
    );
    say(&mut client, json!({"type": "test.end"})).await;
    assert_eq!(event(&mut client).await["type"], "response.done");
    client.close(None).await.unwrap();
    let spent = measured(&gateway, SPENT).await;
    // The answer: 10 tokens at 4 dollars a million, 5 at 16, 15 of sound at 64. The transcripts: 1000 tokens of sound at
    // 2.5 and 100 of text at 10; 30 seconds at a tenth of a thousandth.
    let expected = 0.001_08 + 0.0035 + 0.003;
    assert!((spent - expected).abs() < 1e-9, "{spent}");
    assert_eq!(measured(&gateway, TOKENS).await, 1130.0);
}

#[tokio::test]
async fn a_session_that_only_writes_down() {
    let vendor = Sessions::start().await;
    let gateway = gateway(openai(&vendor, "gpt-4o-mini-transcribe"), None).await;
    let path = "/v1/realtime?intent=transcription&model=voice";
    let (mut client, _) = open(&gateway, path, &[MASTER]).await.unwrap();
    event(&mut client).await;
    let (uri, _) = vendor.opened();
    assert_eq!(uri, "/v1/realtime?intent=transcription");
    let update = |session: Value| json!({"type": "session.update", "session": session});
    say(&mut client, update(settings_of("voice"))).await;
    let heard = event(&mut client).await;
    let named = settings_of("gpt-4o-mini-transcribe");
    assert_eq!(heard["event"]["session"], named);
    say(&mut client, update(settings_of("gpt-4o-transcribe"))).await;
    let refused = event(&mut client).await;
    assert_eq!(
        refused["error"]["param"],
        "session.audio.input.transcription.model"
    );
    let tokens = json!({
        "type": "tokens", "total_tokens": 1100, "input_tokens": 1000, "output_tokens": 100,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 1000},
    });
    told!(client, completed(tokens));
    client.close(None).await.unwrap();
    let spent = measured(&gateway, SPENT).await;
    // 1000 tokens of sound at 1.25 dollars a million, and 100 of text at 5.
    assert!((spent - 0.001_75).abs() < 1e-9, "{spent}");
}

#[tokio::test]
async fn a_vendor_without_such_sessions_says_so() {
    let vendor = Sessions::start().await;
    let row = lookup("gemini").unwrap();
    let key = Credential::key("google-key");
    let target = Target::new(row, "gemini-live-2.5-flash", key).at(&vendor.url);
    let gateway = gateway(target, None).await;
    let path = "/v1/realtime?intent=transcription&model=voice";
    let (status, said) = refused(open(&gateway, path, &[MASTER]).await.unwrap_err());
    assert!(status == 400 && said.contains("intent"), "{status} {said}");
}
