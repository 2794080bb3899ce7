//! Rows that are found by the id that a client saw in its answer.

use serde_json::{Value, json};

use crate::{governed::Kept, support::*};

/// The first id in an answer or in the events of one.
fn first_id(text: &str) -> String {
    let (_, rest) = text.split_once("\"id\":\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

async fn vendor() -> Vendor {
    Vendor::answering(|asked| {
        let is_streamed = asked.json()["stream"] == true;
        let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
        let response = json!({
            "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [],
            "usage": usage,
        });
        match (&*asked.path, is_streamed) {
            ("/v1/responses", false) => whole(&response),
            ("/v1/responses", true) => events(
                &["created", "completed"]
                    .map(|what| {
                        let name = format!("response.{what}");
                        let data = json!({"type": name, "response": response});
                        format!("event: {name}\ndata: {data}\n\n")
                    })
                    .concat(),
            ),
            ("/v1/embeddings", _) => whole(&embedding()),
            (_, false) => whole(&completion("Hello")),
            (_, true) => events(&CHUNKS.map(|chunk| format!("data: {chunk}\n\n")).concat()),
        }
    })
    .await
}

#[tokio::test]
async fn a_row_goes_by_the_id_of_its_answer() {
    let vendor = vendor().await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let key = kept.key(json!({})).await;
    let bearer = format!("Bearer {key}");
    let ask = async |path: &str, body: &Value| {
        let headers = [("authorization", bearer.as_str())];
        kept.gateway
            .send("POST", path, &headers, body.to_string())
            .await
    };
    let message = json!({"role": "user", "content": "Hi"});
    let messages = json!({"model": "gpt", "max_tokens": 5, "messages": [message]});
    let mut streamed_messages = messages.clone();
    streamed_messages["stream"] = true.into();
    let mut seen = Vec::new();
    for (path, body) in [
        ("/v1/chat/completions", chat("gpt")),
        ("/v1/chat/completions", streamed("gpt")),
        ("/v1/messages", messages),
        ("/v1/messages", streamed_messages),
        ("/v1/responses", json!({"model": "gpt", "input": "Hi"})),
        (
            "/v1/responses",
            json!({"model": "gpt", "input": "Hi", "stream": true}),
        ),
    ] {
        let got = ask(path, &body).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        let call_id = got.header("x-litellm-call-id").to_owned();
        seen.push((call_id, Some(first_id(got.text()))));
    }
    // What has no id of its own goes by that of the request.
    let got = ask("/v1/embeddings", &json!({"model": "gpt", "input": "Hi"})).await;
    assert_eq!(got.status, 200, "{}", got.text());
    seen.push((got.header("x-litellm-call-id").to_owned(), None));

    let mut rows: Vec<_> = kept.rows().await;
    rows.sort_by_key(|row| row.start_time);
    let mut told: Vec<_> = rows
        .into_iter()
        .map(|row| (row.call_id.unwrap(), row.request_id))
        .collect();
    told.sort();
    seen.sort();
    assert_eq!(told, seen);
}
