//! What keys, teams and the operator say of requests also holds for lines of batches, for sessions and for requests in
//! vendors' own formats.

use axum::body::Body;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::{sessions::*, support::*, wishes::*};

/// An upload of lines that each ask for `body`.
fn upload(provider: &str, bodies: &[Value]) -> String {
    let lines: Vec<String> = bodies
        .iter()
        .zip(1..)
        .map(|(body, id)| {
            let line = json!({"custom_id": format!("line-{id}"), "method": "POST",
                "url": "/v1/chat/completions", "body": body});
            line.to_string()
        })
        .collect();
    let lines = lines.join("\n");
    format!(
        "--X\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --X\r\ncontent-disposition: form-data; name=\"user\"\r\n\r\nu\r\n\
         --X\r\ncontent-disposition: form-data; name=\"{provider}\"\r\n\r\n{}\r\n\
         --X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{lines}\r\n--X--\r\n",
        if provider == "model" { "gpt" } else { "local" },
    )
}

async fn uploaded(kept: &Kept, key: &str, form: String) -> Value {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "multipart/form-data; boundary=X"),
    ];
    let got = kept.gateway.send("POST", "/v1/files", &headers, form).await;
    assert_eq!(got.status, 200, "{}", got.text());
    got.json()["id"].clone()
}

fn order(file: &Value) -> Value {
    json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", "user": "u"})
}

#[tokio::test]
async fn a_batch_with_a_line_that_lacks_a_field_is_not_made() {
    let whole_line = with(chat("gpt"), json!({"user": "u"}));
    let bodies = [whole_line.clone(), chat("gpt")];
    let vendor = Vendor::answering(|asked| match asked.path.as_str() {
        "/v1/files/file-1/content" => {
            let line =
                json!({"custom_id": "a", "url": "/v1/chat/completions", "body": chat("gpt")});
            reply(200, "application/octet-stream", line.to_string())
        }
        "/v1/files" => whole(&json!({"id": "file-1", "object": "file", "purpose": "batch"})),
        "/v1/chat/completions" => whole(&completion("Hello")),
        path => panic!("no batch is made: {path}"),
    })
    .await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let free = kept.key(json!({"user_id": "ada"})).await;
    let key = kept
        .key(json!({"user_id": "ada", "enforced_params": ["user"]}))
        .await;
    for (place, number) in [("model", 1), ("custom_llm_provider", 2)] {
        let file = uploaded(&kept, &free, upload(place, &bodies)).await;
        let refused = kept.ask("/v1/batches", &key, order(&file)).await;
        let (status, _, message) = refused.error();
        assert_eq!(
            (status, &refused.json()["error"]["param"]),
            (400, &json!("user"))
        );
        assert!(message.starts_with(&format!("line {number} ")), "{message}");
    }
    let file = uploaded(&kept, &key, upload("custom_llm_provider", &[whole_line])).await;
    assert_eq!(
        kept.ask("/v1/batches", &key, order(&file)).await.status,
        200
    );
}

#[tokio::test]
async fn an_upload_for_batches_with_a_line_that_lacks_a_field_goes_nowhere() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let key = kept.key(json!({"enforced_params": ["user"]})).await;
    let good = with(chat("gpt"), json!({"user": "u"}));
    let long = with(good.clone(), json!({"filler": "x".repeat(200 << 10)}));
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "multipart/form-data; boundary=X"),
    ];
    // The second one is so long that it is on the disk.
    for bodies in [
        vec![good, chat("gpt")],
        vec![long.clone(), long.clone(), long, chat("gpt")],
    ] {
        let form = upload("model", &bodies);
        let refused = kept.gateway.send("POST", "/v1/files", &headers, form).await;
        let (status, _, message) = refused.error();
        assert_eq!(
            (status, &refused.json()["error"]["param"]),
            (400, &json!("user"))
        );
        assert!(
            message.starts_with(&format!("line {} ", bodies.len())),
            "{message}"
        );
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn a_line_is_held_to_what_is_asked_for_when_its_turn_comes() {
    let (turn, turned) = watch::channel(false);
    let vendor = Vendor::answering(move |_| {
        let mut turned = turned.clone();
        let answer = async move {
            turned.wait_for(|turned| *turned).await.ok();
            Ok::<_, std::io::Error>(completion("Hello").to_string())
        };
        reply(
            200,
            "application/json",
            Body::from_stream(stream::once(answer)),
        )
    })
    .await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let made = kept.manage("/key/generate", json!({})).await.json();
    let key = made["key"].as_str().unwrap().to_owned();
    // One line more than are under way at the same time.
    let bodies = vec![chat("gpt"); 9];
    let file = uploaded(&kept, &key, upload("custom_llm_provider", &bodies)).await;
    let made = kept.ask("/v1/batches", &key, order(&file)).await.json();
    while vendor.asked().len() < 8 {
        tokio::task::yield_now().await;
    }
    let changed = json!({"key": key, "enforced_params": ["user"]});
    assert_eq!(kept.manage("/key/update", changed).await.status, 200);
    turn.send_replace(true);
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    let batch = loop {
        let batch = kept.manage_get(&path).await.json();
        if batch["status"] == "completed" {
            break batch;
        }
        tokio::task::yield_now().await;
    };
    let path = format!(
        "/v1/files/{}/content",
        batch["error_file_id"].as_str().unwrap()
    );
    let errors = kept.manage_get(&path).await;
    let last = errors
        .text()
        .lines()
        .find(|line| line.contains("line-9"))
        .unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["response"]["status_code"], 400);
    assert_eq!(last["response"]["body"]["error"]["param"], "user");
    assert_eq!(vendor.asked().len(), 8);
}

#[tokio::test]
async fn a_session_says_in_its_address_what_a_body_would() {
    let vendor = Sessions::start().await;
    let mut settings = settings(&vendor.url);
    settings.governance.enforced_params = vec!["user".into()];
    let kept = Kept::with(settings).await;
    let key = kept.key(json!({"enforced_params": ["metadata.run"]})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    for (query, missing) in [
        ("", "'user', 'metadata.run'"),
        ("&metadata=%7B%22run%22:1%7D", "'user'"),
        ("&user=ada&metadata=run", "'metadata.run'"),
    ] {
        let path = format!("/v1/realtime?model=gpt{query}");
        let (status, body) = refused(open(&kept.gateway, &path, &headers).await.unwrap_err());
        assert!(status == 400 && body.contains(missing), "{query}: {body}");
    }
    let path = "/v1/realtime?model=gpt&intent=x&user=ada&metadata=%7B%22run%22:1%7D";
    let (mut client, _) = open(&kept.gateway, path, &headers).await.unwrap();
    client.close(None).await.unwrap();
    assert_eq!(
        vendor.opened().0,
        "/v1/realtime?model=vendor-model&intent=x"
    );
}

#[tokio::test]
async fn a_session_goes_where_its_key_has_money_and_where_it_leads() {
    let vendor = Sessions::start().await;
    let mut settings = two(&vendor.url);
    settings.deployments[1].target.model = "spare-model".into();
    let kept = Kept::with(settings).await;
    let key = kept
        .key(json!({
            "models": ["gpt", "spare"],
            "model_max_budget": {"gpt": {"budget_limit": 0.001}},
            "budget_fallbacks": {"gpt": ["spare"]},
            "router_settings": {"model_group_alias": {"clever": "gpt"}},
        }))
        .await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    for (named, answers) in [("clever", "vendor-model"), ("gpt", "spare-model")] {
        let path = format!("/v1/realtime?model={named}");
        let (mut client, _) = open(&kept.gateway, &path, &headers).await.unwrap();
        assert_eq!(event(&mut client).await["type"], "session.created");
        answered(&mut client).await;
        client.close(None).await.unwrap();
        kept.gateway.settled().await;
        let uri = vendor.opened().0;
        assert_eq!(uri, format!("/v1/realtime?model={answers}"));
    }
}

#[tokio::test]
async fn what_passes_through_is_held_to_the_same_fields() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.governance.enforced_params = vec!["user".into(), "model".into()];
    let kept = Kept::with(settings).await;
    let key = kept.key(json!({"enforced_params": ["seed"]})).await;
    let path = "/openai/chat/completions";
    let refused = kept.ask(path, &key, chat("gpt")).await;
    let (status, _, message) = refused.error();
    assert_eq!(
        (status, &refused.json()["error"]["param"]),
        (400, &json!("user"))
    );
    assert!(message.contains("'user', 'seed'"), "{message}");
    let google = json!({"contents": [], "seed": 1, "user": "u"});
    let native = "/v1beta/models/gpt:generateContent";
    let lacking = kept
        .ask(
            native,
            &key,
            json!({"contents": [{"parts": [{"text": "Hi"}]}]}),
        )
        .await;
    assert!(
        lacking.text().contains("'user', 'seed'"),
        "{}",
        lacking.text()
    );
    assert!(vendor.asked().is_empty());
    // The path names the model.
    let passed = kept
        .ask("/openai/models/gpt:generateContent", &key, google)
        .await;
    assert_ne!(passed.status, 400, "{}", passed.text());
    let said = with(chat("gpt"), json!({"user": "u", "seed": 1}));
    assert_eq!(kept.ask(path, &key, said).await.status, 200);
    // What asks for nothing needs none.
    let headers = [("authorization", "Bearer sk-master")];
    let listed = kept
        .gateway
        .send("GET", "/openai/embeddings", &headers, "")
        .await;
    assert_eq!(listed.status, 200);
}

#[tokio::test]
async fn every_request_of_a_batch_that_passes_through_is_held_to_what_its_key_says() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.deployments[0].target.provider = llm_providers::lookup("anthropic").unwrap();
    let kept = Kept::with(settings).await;
    let key = kept
        .key(json!({"models": ["small"], "enforced_params": ["seed"]}))
        .await;
    let batch = |second: Value| {
        let requests = [json!({"model": "small", "seed": 1}), second];
        let requests = requests.map(|params| json!({"custom_id": "a", "params": params}));
        json!({ "requests": requests })
    };
    let path = "/anthropic/v1/messages/batches";
    let refused = kept.ask(path, &key, batch(json!({"model": "small"}))).await;
    assert_eq!(
        refused.json()["error"]["param"],
        "seed",
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("request 2 "), "{}", refused.text());
    let refused = kept
        .ask(path, &key, batch(json!({"model": "large", "seed": 1})))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let google = json!({"batch": {"input_config": {"requests": {"requests": [{"request": {"contents": []}}]}}}});
    let refused = kept
        .ask(
            "/anthropic/v1beta/models/small:batchGenerateContent",
            &key,
            google,
        )
        .await;
    assert!(refused.text().contains("seed"), "{}", refused.text());
    assert!(vendor.asked().is_empty());
    let whole = batch(json!({"model": "small", "seed": 2}));
    let passed = kept.ask(path, &key, whole).await;
    assert_eq!(passed.status, 200, "{}", passed.text());
}

#[tokio::test]
async fn what_passes_through_goes_to_the_vendors_next_model_that_can_be_paid() {
    let vendor = Vendor::friendly().await;
    let elsewhere = Vendor::friendly().await;
    let mut settings = two(&vendor.url);
    settings.deployments[1].target.model = "spare-model".into();
    let mut other = deployment("other", &elsewhere.url);
    other.target.provider = llm_providers::lookup("groq").unwrap();
    settings.deployments.push(other);
    let kept = Kept::with(settings).await;
    let budget = json!({"gpt": {"budget_limit": 0.000_001}});
    let key = kept
        .key(
            json!({"model_max_budget": budget, "budget_fallbacks": {"gpt": ["other", "spare"]},
            "router_settings": {"model_group_alias": {"clever": "spare", "foreign": "other"}}}),
        )
        .await;
    let asked = |model: &str| with(chat(model), json!({"max_tokens": 5}));
    let path = "/openai/chat/completions";
    for (model, answers) in [
        ("gpt", "spare-model"),
        ("clever", "spare-model"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        // Nobody else has this vendor's format.
        ("foreign", "foreign"),
    ] {
        let got = kept.ask(path, &key, asked(model)).await;
        assert_eq!(got.status, 200, "{model}: {}", got.text());
        assert_eq!(vendor.asked().last().unwrap().json()["model"], answers);
    }
    assert!(elsewhere.asked().is_empty());
    let closed = kept
        .key(json!({"models": ["gpt"], "model_max_budget": budget, "budget_fallbacks": {"gpt": ["spare"]}}))
        .await;
    let (status, kind, _) = kept.ask(path, &closed, asked("gpt")).await.error();
    assert_eq!((status, kind.as_str()), (422, "budget_exceeded"));
}

#[tokio::test]
async fn what_passes_through_waits_as_long_as_its_key_says() {
    // Whoever connects hears nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let kept = Kept::with(settings(&url)).await;
    let key = kept
        .key(json!({"router_settings": {"timeout": 0.05}}))
        .await;
    let got = kept
        .ask("/openai/chat/completions", &key, chat("gpt"))
        .await;
    assert_eq!(got.error().0, 408, "{}", got.text());
}
