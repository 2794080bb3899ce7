//! What clients want to find in the rows of their requests again.

use serde_json::{Value, json};

use crate::{governed::Kept, support::*};

#[tokio::test]
async fn a_row_has_the_clients_own_note_and_address() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let key = kept.key(json!({})).await;
    let mut noted = chat("gpt");
    noted["metadata"] = json!({"spend_logs_metadata": {"run": 7}});
    assert_eq!(kept.chat_with(&key, noted.clone()).await.status, 200);
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-litellm-spend-logs-metadata", r#"{"run":8}"#),
    ];
    let path = "/v1/chat/completions";
    let got = kept.gateway.send("POST", path, &headers, noted.to_string());
    assert_eq!(got.await.status, 200);
    // Rows are no place for documents.
    let mut long = chat("gpt");
    long["metadata"] = json!({"spend_logs_metadata": {"run": "x".repeat(20_000)}});
    assert_eq!(kept.chat_with(&key, long).await.status, 200);
    let mut rows = kept.rows().await;
    rows.sort_by_key(|row| row.start_time);
    let notes = rows
        .iter()
        .map(|row| row.metadata.get("spend_logs_metadata"));
    let notes: Vec<Option<Value>> = notes.map(Option::<&Value>::cloned).collect();
    assert_eq!(
        notes,
        [Some(json!({"run": 7})), Some(json!({"run": 8})), None]
    );
    let address = rows
        .iter()
        .all(|row| row.requester_ip_address.as_deref() == Some("127.0.0.1"));
    assert!(address, "{rows:?}");
}
