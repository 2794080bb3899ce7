//! What is held for a prompt: never less than it costs, and no more than a key has where that can be known.

use llm_providers::{Credential, Target, lookup};
use serde_json::{Value, json};

use crate::{governed::Kept, support::*};

/// A gateway whose prompts cost a hundredth of a cent a token, and answers nothing. The vendor's model is `model`.
async fn before(vendor: &Vendor, model: &str) -> Kept {
    Kept::with(priced(vendor, model)).await
}

fn priced(vendor: &Vendor, model: &str) -> llm_proxy::settings::Settings {
    let mut settings = settings(&vendor.url);
    let one = &mut settings.deployments[0];
    let credential = Credential::key("sk-vendor");
    one.target = Target::new(lookup("openai").unwrap(), model, credential).at(&vendor.url);
    let info = &mut one.model_info;
    info.insert("input_cost_per_token".into(), 0.0001.into());
    info.insert("output_cost_per_token".into(), 0.0.into());
    settings
}

/// A prompt whose every byte is a token, and one of English words, of the same length.
fn texts() -> (String, String) {
    let words = "The weather is nice today, and nobody has anything else to say about it. ";
    let words = words.repeat(137);
    let odd: String = (0..words.len() as u64)
        .map(|n| char::from(b'!' + ((n * n * 7919 + n * 104_729) % 90) as u8))
        .filter(|c| !c.is_alphanumeric() && *c != '"' && *c != '\\')
        .cycle()
        .take(words.len())
        .collect();
    (odd, words)
}

fn said(text: &str) -> Value {
    let mut body = chat("gpt");
    body["messages"] = json!([{"role": "user", "content": text}]);
    body["max_tokens"] = 5.into();
    body
}

#[tokio::test]
async fn a_prompt_of_one_token_a_byte_is_paid_for_beforehand() {
    let vendor = Vendor::answering(|asked| {
        // What a vendor says whose vocabulary knows nothing but bytes.
        let text = asked.json()["messages"][0]["content"].to_string();
        let mut answer = completion("Hello");
        answer["usage"] = json!({"prompt_tokens": text.len(), "completion_tokens": 1, "total_tokens": text.len() + 1});
        whole(&answer)
    })
    .await;
    let kept = before(&vendor, "vendor-model").await;
    let (odd, _) = texts();
    // About ten thousand tokens.
    let short = kept.key(json!({"max_budget": 0.9})).await;
    let refused = kept.chat_with(&short, said(&odd)).await;
    assert_eq!(refused.error().1, "budget_exceeded");
    assert!(vendor.asked().is_empty());
    let enough = kept.key(json!({"max_budget": 1.1})).await;
    let got = kept.chat_with(&enough, said(&odd)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    kept.gateway.settled().await;
    let spent: f64 = kept.rows().await.iter().map(|row| row.spend.to_f64()).sum();
    assert!(spent > 0.9 && spent <= 1.1, "{spent}");
}

#[tokio::test]
async fn nobody_is_refused_for_bytes_who_can_pay_the_tokens() {
    let vendor = Vendor::friendly().await;
    let kept = before(&vendor, "gpt-4o").await;
    let key = kept.key(json!({"max_budget": 0.35})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let (odd, words) = texts();
    let asking = |text: &str| {
        let google = "/v1beta/models/gpt:generateContent";
        let part = json!([{"role": "user", "parts": [{"text": text}]}]);
        let half = text.len() / 2;
        let mut streamed = said(text);
        streamed["stream"] = true.into();
        vec![
            ("/v1/chat/completions", said(text)),
            ("/v1/chat/completions", streamed),
            ("/v1/messages", said(text)),
            (
                "/v1/responses",
                json!({"model": "gpt", "input": text, "max_output_tokens": 16}),
            ),
            (
                google,
                json!({"contents": part, "generationConfig": {"maxOutputTokens": 5}}),
            ),
            ("/v1/embeddings", json!({"model": "gpt", "input": text})),
            (
                "/v1/completions",
                json!({"model": "gpt", "prompt": [&text[..half], &text[half..]], "max_tokens": 5}),
            ),
            ("/openai/chat/completions", said(text)),
        ]
    };
    for (path, body) in asking(&odd) {
        let got = kept.gateway.send("POST", path, &headers, body.to_string());
        let got = got.await;
        assert_eq!(got.status, 422, "{path}: {}", got.text());
    }
    assert!(vendor.asked().is_empty());
    for (path, body) in asking(&words) {
        let got = kept.gateway.send("POST", path, &headers, body.to_string());
        let got = got.await;
        assert_ne!(got.status, 422, "{path}: {}", got.text());
    }
    // What nobody can count is held for its bytes.
    let unknown = before(&vendor, "vendor-model").await;
    let key = unknown.key(json!({"max_budget": 0.35})).await;
    let refused = unknown.chat_with(&key, said(&words)).await;
    assert_eq!(refused.error().1, "budget_exceeded");
}

#[tokio::test]
async fn a_key_does_not_go_slowly_that_can_pay_the_tokens() {
    let vendor = Vendor::friendly().await;
    let mut settings = priced(&vendor, "gpt-4o");
    settings.governance.limits.throttle = Some(0.01);
    let kept = Kept::with(settings).await;
    let key = json!({"max_budget": 0.35, "rpm_limit": 100, "metadata": {"throttle_on_budget_exceeded": true}});
    let key = kept.key(key).await;
    let (odd, words) = texts();
    for _ in 0..3 {
        let got = kept.chat_with(&key, said(&words)).await;
        assert_eq!(got.status, 200, "{}", got.text());
        kept.gateway.settled().await;
    }
    // It has not enough for these, and one request of a hundred a minute is left to it.
    let got = kept.chat_with(&key, said(&odd)).await;
    assert_eq!(got.status, 429, "{}", got.text());
}
