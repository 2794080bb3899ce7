//! Two-way sessions.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use crate::{sessions::*, support::*};

#[tokio::test]
async fn a_session_is_carried_counted_and_recorded() {
    let mut vendor = Sessions::start().await;
    let gateway = before(&vendor).await;
    let protocols = "realtime, openai-insecure-api-key.sk-master, openai-beta.realtime-v1";
    let (mut client, headers) = open(
        &gateway,
        "/v1/realtime?model=gpt&intent=a%26b",
        &[("sec-websocket-protocol", protocols)],
    )
    .await
    .unwrap();
    assert_eq!(headers["sec-websocket-protocol"], "realtime");
    assert_eq!(headers["x-litellm-model-id"], "id-gpt");
    assert_eq!(event(&mut client).await["type"], "session.created");
    let odd = json!({"type": "new.event", "unheard": [1.50]});
    say(&mut client, odd.clone()).await;
    assert_eq!(event(&mut client).await["event"], odd);
    for _ in 0..2 {
        answered(&mut client).await;
    }
    assert_eq!(gateway.running.under_way(), 1);
    client.close(None).await.unwrap();
    assert_eq!(vendor.ended.recv().await.unwrap(), Some(1000));
    gateway.settled().await;
    let (uri, headers) = vendor.opened();
    assert_eq!(uri, "/v1/realtime?model=vendor-model&intent=a%26b");
    assert_eq!(headers["authorization"], "Bearer sk-vendor");
    assert_eq!(headers["openai-beta"], "realtime=v1");
    assert!(!format!("{headers:?}").contains("sk-master"));
    let metrics = gateway.send("GET", "/metrics", &[MASTER], "").await;
    let counted = metrics
        .text()
        .lines()
        .any(|line| line.starts_with("litellm_total_tokens_metric_total") && line.ends_with(" 60"));
    assert!(counted, "{}", metrics.text());
}

#[tokio::test]
async fn what_is_wrong_is_said_before_the_session_is_open() {
    let vendor = Sessions::start().await;
    let mut settings = with_master_key(settings(&vendor.url));
    let mut other = deployment("other", &vendor.url);
    other.target.model = "refused".into();
    settings.deployments.push(other);
    let gateway = Gateway::with(settings).await;
    for (path, header, status, said) in [
        ("/v1/realtime?model=gpt", ("x-test", "1"), 403, "No api key"),
        (
            "/v1/realtime?model=gpt",
            ("api-key", "sk-other"),
            403,
            "Invalid proxy server token",
        ),
        ("/realtime", MASTER, 400, "'model'"),
        ("/realtime?model=unheard-of", MASTER, 400, "unheard-of"),
        (
            "/openai/v1/realtime?model=other",
            MASTER,
            404,
            "no such model",
        ),
    ] {
        let (got, body) = refused(open(&gateway, path, &[header]).await.unwrap_err());
        assert!(got == status && body.contains(said), "{path}: {got} {body}");
    }
    gateway.settled().await;
}

#[tokio::test]
async fn a_vendors_goodbye_is_passed_on() {
    let vendor = Sessions::start().await;
    let gateway = before(&vendor).await;
    let (mut client, _) = open(&gateway, "/v1/realtime?model=gpt", &[MASTER])
        .await
        .unwrap();
    event(&mut client).await;
    say(&mut client, json!({"type": "test.close"})).await;
    let Message::Close(Some(frame)) = hear(&mut client).await else {
        panic!("no goodbye");
    };
    assert_eq!(
        (u16::from(frame.code), frame.reason.as_str()),
        (4001, "enough")
    );
    gateway.settled().await;
}

#[tokio::test]
async fn a_vendor_that_breaks_off_is_an_error() {
    let vendor = Sessions::start().await;
    let gateway = before(&vendor).await;
    let (mut client, _) = open(&gateway, "/v1/realtime?model=gpt", &[MASTER])
        .await
        .unwrap();
    event(&mut client).await;
    say(&mut client, json!({"type": "test.cut"})).await;
    let said = event(&mut client).await;
    assert_eq!(
        (said["type"].as_str(), said["error"]["type"].as_str()),
        (Some("error"), Some("server_error"))
    );
    let Message::Close(Some(frame)) = hear(&mut client).await else {
        panic!("no goodbye");
    };
    assert_eq!(u16::from(frame.code), 1011);
    gateway.settled().await;
}

#[tokio::test]
async fn a_client_that_is_gone_ends_the_session() {
    let mut vendor = Sessions::start().await;
    let gateway = before(&vendor).await;
    let (mut client, _) = open(&gateway, "/v1/realtime?model=gpt", &[MASTER])
        .await
        .unwrap();
    event(&mut client).await;
    drop(client);
    let ended = timeout(Duration::from_secs(20), vendor.ended.recv()).await;
    assert_eq!(ended.unwrap().unwrap(), Some(1001));
    gateway.settled().await;
}

#[tokio::test]
async fn a_stopping_gateway_ends_sessions_after_their_answer() {
    let vendor = Sessions::start().await;
    let gateway = before(&vendor).await;
    let (mut client, _) = open(&gateway, "/v1/realtime?model=gpt", &[MASTER])
        .await
        .unwrap();
    event(&mut client).await;
    say(&mut client, json!({"type": "test.begin"})).await;
    event(&mut client).await;
    gateway.running.drain();
    say(&mut client, json!({"type": "test.end"})).await;
    assert_eq!(event(&mut client).await["type"], "response.done");
    let Message::Close(Some(frame)) = hear(&mut client).await else {
        panic!("no goodbye");
    };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(gateway.running.stop().await);
}

/// Gemini on the loopback interface: speaks once it is set up, and counts.
pub(crate) async fn gemini() -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let told = tell.clone();
        let look =
            move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
                let key = request.headers().get("x-goog-api-key");
                let key = key.map_or("", |key| key.to_str().unwrap());
                let asked = json!({"uri": request.uri().to_string(), "key": key});
                told.send(asked).unwrap();
                Ok(response)
            };
        let mut socket = accept_hdr_async(socket, look).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            tell.send(message.clone()).unwrap();
            let answers = match &message {
                message if message["setup"].is_object() => vec![json!({"setupComplete": {}})],
                message if message["clientContent"]["turnComplete"] == true => vec![
                    json!({"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}}]}}}),
                    json!({"serverContent": {"outputTranscription": {"text": "Hello"}}}),
                    json!({"serverContent": {"turnComplete": true}, "usageMetadata": {
                        "promptTokenCount": 1000, "responseTokenCount": 2000, "totalTokenCount": 3000,
                        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
                        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 2000}],
                    }}),
                ],
                _ => Vec::new(),
            };
            for answer in answers {
                // As Google does: JSON in binary messages.
                let message = Message::Binary(answer.to_string().into_bytes().into());
                socket.send(message).await.unwrap();
            }
        }
    });
    (url, heard)
}

#[tokio::test]
async fn gemini_is_bridged_and_charged() {
    let (url, mut heard) = gemini().await;
    let mut settings = with_master_key(settings(&url));
    let row = llm_providers::lookup("gemini").unwrap();
    let model = "gemini-live-2.5-flash-preview-native-audio-09-2025";
    let key = llm_providers::Credential::key("sk-google");
    settings.deployments[0].target = llm_providers::Target::new(row, model, key).at(&url);
    let gateway = Gateway::with(settings).await;
    let (mut client, _) = open(&gateway, "/v1/realtime?model=gpt", &[MASTER])
        .await
        .unwrap();
    for expected in ["session.created", "conversation.created"] {
        assert_eq!(event(&mut client).await["type"], expected);
    }
    let update = json!({"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}});
    say(&mut client, update).await;
    let updated = event(&mut client).await;
    assert_eq!(updated["session"]["instructions"], "Be brief.");
    // What is wrong is answered, and the session goes on.
    say(&mut client, json!({"type": "response.cancel"})).await;
    let error = event(&mut client).await;
    assert_eq!(
        (&error["type"], &error["error"]["param"]),
        (&json!("error"), &json!("response"))
    );
    say(
        &mut client,
        json!({"type": "response.create", "response": {"instructions": "Say hello."}}),
    )
    .await;
    let done = loop {
        let event = event(&mut client).await;
        if event["type"] == "response.done" {
            break event;
        }
    };
    let content = &done["response"]["output"][0]["content"][0];
    assert_eq!(content["transcript"], "Hello");
    client.close(None).await.unwrap();
    gateway.settled().await;

    let opened = heard.recv().await.unwrap();
    assert!(
        opened["uri"]
            .as_str()
            .unwrap()
            .ends_with(".BidiGenerateContent")
    );
    assert_eq!(opened["key"], "sk-google");
    let setup = heard.recv().await.unwrap();
    assert_eq!(setup["setup"]["model"], format!("models/{model}"));
    let metrics = gateway.send("GET", "/metrics", &[MASTER], "").await;
    // 1000 tokens of text at 0.5 dollars for a million, 2000 of sound at 12.
    let spent = metrics
        .text()
        .lines()
        .find(|line| line.starts_with("litellm_spend_metric_total"))
        .unwrap_or_default();
    assert!(spent.ends_with(" 0.0245"), "{spent}");
}
