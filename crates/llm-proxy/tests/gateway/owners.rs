//! Whose things are that the gateway keeps.

use llm_providers::{Credential, Target, lookup};
use llm_router::Deployment;
use serde_json::{Value, json};

use crate::{support::*, wishes::*};

const UPLOAD: &str = "--X\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
     --X\r\ncontent-disposition: form-data; name=\"custom_llm_provider\"\r\n\r\nlocal\r\n\
     --X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n\
     {\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"gpt\",\
     \"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}}\r\n--X--\r\n";

const HERE: &str = "custom_llm_provider=local";

impl Kept {
    async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Got {
        let bearer = format!("Bearer {key}");
        let kind = match body.starts_with("--X") {
            true => "multipart/form-data; boundary=X",
            false => "application/json",
        };
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        self.gateway
            .send(method, path, &headers, body.to_owned())
            .await
    }

    async fn upload(&self, key: &str) -> String {
        let got = self.send("POST", "/v1/files", key, UPLOAD).await;
        assert_eq!(got.status, 200, "{}", got.text());
        got.json()["id"].as_str().unwrap().to_owned()
    }

    /// The ids in a list.
    async fn listed(&self, path: &str, key: &str) -> Vec<String> {
        let got = self.send("GET", &format!("{path}?{HERE}"), key, "").await;
        assert_eq!(got.status, 200, "{}", got.text());
        let list = got.json();
        let items = list["data"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What is answered to `key` is what is answered to everybody about an id that is not there.
    async fn is_hidden(&self, method: &str, path: &str, id: &str, key: &str) {
        let nobodys = format!("{}{}", &id[..id.len() - 4], "0000");
        let mut answers = Vec::new();
        for id in [id, nobodys.as_str()] {
            let got = self.send(method, &path.replace("ID", id), key, "").await;
            answers.push((got.status, got.text().replace(id, "ID")));
        }
        assert_eq!(answers[0].0, 404, "{method} {path}: {}", answers[0].1);
        assert_eq!(answers[0], answers[1], "{method} {path}");
    }
}

/// Keys of two people and of a team, and a second one of the first person.
async fn keys(kept: &Kept) -> [String; 4] {
    let team = json!({"team_id": "t"});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    [
        kept.key(json!({"user_id": "ada"})).await,
        kept.key(json!({"user_id": "ada", "team_id": "t"})).await,
        kept.key(json!({"user_id": "bob"})).await,
        kept.key(json!({"team_id": "t"})).await,
    ]
}

#[tokio::test]
async fn files_and_batches_are_their_makers() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let [ada, ada_too, bob, team] = keys(&kept).await;
    let file = kept.upload(&ada).await;
    let order = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let order = order.to_string();
    let made = kept.send("POST", "/v1/batches", &ada_too, &order).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let batch = made.json()["id"].as_str().unwrap().to_owned();
    let done = loop {
        let path = format!("/v1/batches/{batch}");
        let got = kept.send("GET", &path, &ada, "").await.json();
        if got["status"] == "completed" {
            break got;
        }
        tokio::task::yield_now().await;
    };
    let output = done["output_file_id"].as_str().unwrap().to_owned();
    for other in [&bob, &team] {
        for id in [&file, &output] {
            kept.is_hidden("GET", "/v1/files/ID", id, other).await;
            kept.is_hidden("GET", "/v1/files/ID/content", id, other)
                .await;
            kept.is_hidden("DELETE", "/v1/files/ID", id, other).await;
        }
        kept.is_hidden("GET", "/v1/batches/ID", &batch, other).await;
        kept.is_hidden("POST", "/v1/batches/ID/cancel", &batch, other)
            .await;
        let made = kept.send("POST", "/v1/batches", other, &order).await;
        assert_eq!(made.status, 404, "{}", made.text());
        assert!(kept.listed("/v1/files", other).await.is_empty());
        assert!(kept.listed("/v1/batches", other).await.is_empty());
    }
    for seer in [&ada, &ada_too, &"sk-master".to_owned()] {
        let mut files = kept.listed("/v1/files", seer).await;
        files.sort_unstable();
        let mut all = [file.clone(), output.clone()];
        all.sort_unstable();
        assert_eq!(files, all);
        let batches = kept.listed("/v1/batches", seer).await;
        assert_eq!(batches, std::slice::from_ref(&batch));
        let path = format!("/v1/files/{output}/content");
        assert_eq!(kept.send("GET", &path, seer, "").await.status, 200);
    }
}

#[tokio::test]
async fn a_batch_that_is_over_goes_after_its_time() {
    let vendor = Vendor::friendly().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = || kept_in(&folder, settings(&vendor.url));
    let first = Gateway::with(settings()).await;
    let master = [("authorization", "Bearer sk-master")];
    let form = [
        master[0],
        ("content-type", "multipart/form-data; boundary=X"),
    ];
    let file = first.send("POST", "/v1/files", &form, UPLOAD).await.json();
    let order = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let made = first
        .send("POST", "/v1/batches", &master, order.to_string())
        .await
        .json();
    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    let done = loop {
        let got = first.send("GET", &path, &master, "").await.json();
        if got["status"] == "completed" {
            break got;
        }
        tokio::task::yield_now().await;
    };
    let output = format!("/v1/files/{}", done["output_file_id"].as_str().unwrap());
    let output = first.send("GET", &output, &master, "").await.json();
    let stays = output["expires_at"].as_u64().unwrap() - output["created_at"].as_u64().unwrap();
    assert_eq!(stays, 30 * 86_400);
    first.running.stop().await;
    let mut settings = settings();
    settings.kept.batches = 0;
    let next = Gateway::with(settings).await;
    while next.send("GET", &path, &master, "").await.status != 404 {
        tokio::task::yield_now().await;
    }
    let input = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(next.send("GET", &input, &master, "").await.status, 200);
}

#[tokio::test]
async fn a_key_that_is_replaced_still_has_what_it_made() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let key = kept.key(json!({})).await;
    let other = kept.key(json!({})).await;
    let file = kept.upload(&key).await;
    let masters = kept.upload("sk-master").await;
    let path = format!("/key/{key}/regenerate");
    let replaced = kept.manage(&path, json!({})).await.json();
    let key = replaced["key"].as_str().unwrap();
    let files = kept.listed("/v1/files", key).await;
    assert_eq!(files, std::slice::from_ref(&file));
    kept.is_hidden("GET", "/v1/files/ID", &file, &other).await;
    kept.is_hidden("GET", "/v1/files/ID", &masters, key).await;
}

#[tokio::test]
async fn responses_are_their_makers() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    // It only chats.
    let target = Target::new(
        lookup("cerebras").unwrap(),
        "vendor-model",
        Credential::key("sk-vendor"),
    );
    settings.deployments = vec![Deployment::new("id-gpt", "gpt", target.at(&vendor.url))];
    let kept = Kept::with(settings).await;
    let [ada, ada_too, bob, _] = keys(&kept).await;
    let ask = |more: Value| with(json!({"model": "gpt", "input": "Hi"}), more);
    let made = kept.ask("/v1/responses", &ada, ask(json!({}))).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/responses/{id}");
    for seer in [ada.as_str(), ada_too.as_str(), "sk-master"] {
        let got = kept.send("GET", &path, seer, "").await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    for method in ["GET", "DELETE"] {
        let got = kept.send(method, &path, &bob, "").await;
        assert_eq!(got.status, 404, "{}", got.text());
    }
    let next = || ask(json!({"previous_response_id": id}));
    let before = vendor.asked().len();
    let refused = kept.ask("/v1/responses", &bob, next()).await;
    assert_ne!(refused.status, 200, "{}", refused.text());
    assert_eq!(vendor.asked().len(), before, "nobody is told what was said");
    assert_eq!(
        kept.ask("/v1/responses", &ada_too, next()).await.status,
        200
    );
    assert_eq!(
        vendor.asked()[before].json()["messages"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
