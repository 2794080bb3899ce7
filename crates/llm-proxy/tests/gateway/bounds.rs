//! What is held for a request before it is sent: it never costs more, whatever it says and brings along.

use serde_json::{Value, json};

use crate::{governed::Kept, support::*};

/// A gateway whose prompts cost a tenth of a cent a token, and answers nothing.
async fn before(vendor: &Vendor) -> Kept {
    let mut settings = settings(&vendor.url);
    for deployment in &mut settings.deployments {
        let info = &mut deployment.model_info;
        info.insert("input_cost_per_token".into(), 0.001.into());
        info.insert("output_cost_per_token".into(), 0.0.into());
    }
    Kept::with(settings).await
}

fn asking(urls: &[&str]) -> Value {
    let pictures = urls
        .iter()
        .map(|url| json!({"type": "image_url", "image_url": {"url": url}}));
    let content: Vec<Value> = pictures.collect();
    let mut body = chat("gpt");
    body["messages"] = json!([{"role": "user", "content": content}]);
    body["max_tokens"] = 5.into();
    body
}

#[tokio::test]
async fn pictures_at_addresses_are_paid_for_before_they_are_looked_at() {
    let vendor = Vendor::friendly().await;
    let kept = before(&vendor).await;
    let key = kept.key(json!({"max_budget": 10})).await;
    let address = "https://pictures.example/a.png";
    let refused = kept.chat_with(&key, asking(&[address; 3])).await;
    assert_eq!(refused.error().1, "budget_exceeded");
    assert!(vendor.asked().is_empty());
    let got = kept.chat_with(&key, asking(&[address; 2])).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

#[tokio::test]
async fn a_picture_is_not_paid_for_by_its_bytes() {
    let vendor = Vendor::friendly().await;
    let kept = before(&vendor).await;
    let key = kept
        .key(json!({"max_budget": 10, "tpm_limit": 10_000}))
        .await;
    let picture = format!("data:image/png;base64,{}", "A".repeat(100_000));
    let got = kept.chat_with(&key, asking(&[&picture])).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

#[tokio::test]
async fn every_answer_is_paid_for_as_long_as_any_word_lets_it_get() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    let info = &mut settings.deployments[0].model_info;
    info.insert("input_cost_per_token".into(), 0.0.into());
    info.insert("output_cost_per_token".into(), 0.001.into());
    info.insert("output_cost_per_audio_token".into(), 0.1.into());
    let kept = Kept::with(settings).await;
    let key = kept.key(json!({"max_budget": 1})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let chatting = |more: Value| {
        let mut body = chat("gpt");
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let (chats, texts) = ("/v1/chat/completions", "/v1/completions");
    let google = "/v1beta/models/gpt:generateContent";
    let contents = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
    for (path, dear, cheap) in [
        (
            chats,
            chatting(json!({"max_completion_tokens": 1, "max_tokens": 2000})),
            chatting(json!({"max_completion_tokens": 1, "max_tokens": 20})),
        ),
        (
            chats,
            chatting(json!({"max_tokens": 20, "modalities": ["text", "audio"]})),
            chatting(json!({"max_tokens": 20, "modalities": ["text"]})),
        ),
        (
            google,
            json!({"contents": contents, "generationConfig": {"maxOutputTokens": 200, "candidateCount": 8}}),
            json!({"contents": contents, "generationConfig": {"maxOutputTokens": 200, "candidateCount": 1}}),
        ),
        (
            texts,
            json!({"model": "gpt", "prompt": vec!["a"; 8], "max_tokens": 200}),
            json!({"model": "gpt", "prompt": [1, 2, 3, 4, 5, 6, 7, 8], "max_tokens": 200}),
        ),
        (
            texts,
            json!({"model": "gpt", "prompt": "a", "best_of": 8, "max_tokens": 200}),
            json!({"model": "gpt", "prompt": "a", "max_tokens": 200}),
        ),
    ] {
        let ask = |body: Value| kept.gateway.send("POST", path, &headers, body.to_string());
        let refused = ask(dear).await;
        assert_eq!(refused.status, 422, "{path}: {}", refused.text());
        let got = ask(cheap.clone()).await;
        assert_ne!(got.status, 422, "{cheap}: {}", got.text());
    }
}
