//! Logins and polled answers of vendors, through the client, over a scripted network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use llm_providers::{
    Body, Call, CallOptions, Client, Error, Limits, Outcome, Target,
    resolve::{Surroundings, target},
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

/// Answers each request with the next of its replies, and remembers the requests.
struct Script {
    replies: Mutex<Vec<Value>>,
    seen: Mutex<Vec<Request<llm_providers::Outgoing>>>,
}

impl Script {
    fn new(mut replies: Vec<Value>) -> Arc<Self> {
        replies.reverse();
        Arc::new(Self {
            replies: Mutex::new(replies),
            seen: Mutex::default(),
        })
    }

    /// Method, address and authorization of each request.
    fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("a lock");
        let line = |request: &Request<llm_providers::Outgoing>| {
            let login = request.headers().get("authorization");
            let login = login.map_or("-", |value| value.to_str().expect("text"));
            format!("{} {} {login}", request.method(), request.uri())
        };
        seen.iter().map(line).collect()
    }
}

impl Transport for Script {
    fn send(
        &self,
        request: Request<llm_providers::Outgoing>,
    ) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        self.seen.lock().expect("a lock").push(request);
        let reply = self.replies.lock().expect("a lock").pop().expect("a reply");
        let body = Bytes::from(reply.to_string());
        Box::pin(async move {
            let body: ByteStream = Box::pin(futures_util::stream::iter([Ok(body)]));
            let mut response = Response::builder()
                .header("content-type", "application/json")
                .header("retry-after", "0");
            // A reply that says where its result will be was accepted, no more.
            if let Some(place) = reply.get("operation-location").and_then(Value::as_str) {
                response = response.status(202).header("operation-location", place);
            }
            Ok(response.body(body).expect("a response"))
        })
    }
}

struct Around(BTreeMap<&'static str, &'static str>);

impl Surroundings for Around {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, _: &str) -> Option<String> {
        None
    }

    fn provider_of(&self, _: &str) -> Option<String> {
        None
    }
}

fn made(params: Value, vars: &[(&'static str, &'static str)]) -> Target {
    let mut params = JsonObject::from_serialize(&params).expect("an object");
    target(&mut params, &Around(vars.iter().copied().collect())).expect("a target")
}

async fn ask(script: &Arc<Script>, target: &Target, body: Value) -> Result<Outcome, Error> {
    ask_for(Op::Chat, script, target, body).await
}

async fn ask_for(
    op: Op,
    script: &Arc<Script>,
    target: &Target,
    body: Value,
) -> Result<Outcome, Error> {
    let options = CallOptions::default();
    let body = Body::from(JsonObject::from_serialize(&body).expect("an object"));
    let call = Call::prepare(op, target, body, &options)?;
    Client::over(script.clone())
        .call(&call, &Limits::default())
        .await
}

fn hello() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

fn openai_answer() -> Value {
    json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
}

#[tokio::test]
async fn a_watsonx_key_buys_one_token_for_many_calls() {
    let token = json!({"access_token": "bought", "expires_in": 3600});
    let base = "https://us-south.ml.cloud.ibm.com";
    for (params, vars) in [
        (
            json!({"model": "watsonx/m", "api_key": "k", "api_base": base, "project_id": "p"}),
            &[][..],
        ),
        (
            json!({"model": "watsonx/m"}),
            &[
                ("WATSONX_APIKEY", "k"),
                ("WATSONX_URL", base),
                ("WATSONX_PROJECT_ID", "p"),
            ][..],
        ),
    ] {
        let script = Script::new(vec![token.clone(), openai_answer(), openai_answer()]);
        let target = made(params, vars);
        ask(&script, &target, hello()).await.expect("an answer");
        ask(&script, &target, hello()).await.expect("an answer");
        let chat = format!("POST {base}/ml/v1/text/chat?version=2024-03-13 Bearer bought");
        let login = "POST https://iam.cloud.ibm.com/identity/token -".to_owned();
        assert_eq!(script.seen(), [login, chat.clone(), chat]);
        let seen = script.seen.lock().expect("a lock");
        let body: Value =
            serde_json::from_slice(seen[1].body().bytes().expect("in memory")).expect("json");
        assert_eq!(
            (&body["project_id"], &body["model_id"]),
            (&json!("p"), &json!("m"))
        );
        assert!(!format!("{target:?}").contains("bought"));
    }
}

#[tokio::test]
async fn watsonx_takes_tokens_and_zen_keys_as_they_are() {
    let base = "https://cpd.example.com";
    for (params, expected) in [
        (json!({"token": "t"}), "Bearer t"),
        (json!({"zen_api_key": "z"}), "ZenApiKey z"),
        (json!({"wx_credentials": {"token": "w"}}), "Bearer w"),
    ] {
        let mut params = params;
        params["model"] = "watsonx/deployment/d".into();
        params["api_base"] = base.into();
        let script = Script::new(vec![openai_answer()]);
        ask(&script, &made(params, &[]), hello())
            .await
            .expect("an answer");
        let path = "ml/v1/deployments/d/text/chat?version=2024-03-13";
        assert_eq!(script.seen(), [format!("POST {base}/{path} {expected}")]);
    }
}

#[tokio::test]
async fn a_databricks_principal_logs_in_at_its_workspace() {
    let token = json!({"access_token": "bought", "expires_in": 3600});
    let script = Script::new(vec![token, openai_answer()]);
    let vars = [
        ("DATABRICKS_CLIENT_ID", "id"),
        ("DATABRICKS_CLIENT_SECRET", "s"),
    ];
    let base = "https://adb-1.azuredatabricks.net";
    let target = made(json!({"model": "databricks/m", "api_base": base}), &vars);
    ask(&script, &target, hello()).await.expect("an answer");
    assert_eq!(
        script.seen(),
        [
            format!("POST {base}/oidc/v1/token Basic aWQ6cw=="),
            format!("POST {base}/serving-endpoints/chat/completions Bearer bought"),
        ]
    );
    let target = made(
        json!({"model": "databricks/m", "api_base": base, "api_key": "k"}),
        &vars,
    );
    let script = Script::new(vec![openai_answer()]);
    ask(&script, &target, hello()).await.expect("an answer");
    assert!(script.seen()[0].ends_with("Bearer k"));
}

#[tokio::test]
async fn an_ollama_of_ones_own_needs_no_key() {
    let answer = json!({"model": "m", "created_at": "2026-05-01T12:00:00Z", "message": {"role": "assistant", "content": "Hi"}, "done": true});
    for (vars, login) in [(&[][..], "-"), (&[("OLLAMA_API_KEY", "k")][..], "Bearer k")] {
        let script = Script::new(vec![answer.clone()]);
        let target = made(json!({"model": "ollama/m"}), vars);
        ask(&script, &target, hello()).await.expect("an answer");
        assert_eq!(
            script.seen(),
            [format!("POST http://localhost:11434/api/chat {login}")]
        );
    }
}

#[tokio::test]
async fn snowflake_tokens_lose_their_mark() {
    let script = Script::new(vec![openai_answer()]);
    let vars = [("SNOWFLAKE_ACCOUNT_ID", "acme")];
    let target = made(json!({"model": "snowflake/m", "api_key": "pat/t"}), &vars);
    ask(&script, &target, hello()).await.expect("an answer");
    let base = "https://acme.snowflakecomputing.com/api/v2/cortex/v1";
    assert_eq!(
        script.seen(),
        [format!("POST {base}/chat/completions Bearer t")]
    );
}

#[tokio::test]
async fn a_prediction_is_polled_and_replayed_as_a_stream() {
    let prediction = |status: &str, output: Value| json!({"id": "p1", "status": status, "output": output, "urls": {"get": "https://elsewhere.example/p1"}});
    let replies = vec![
        prediction("processing", json!(["Fo"])),
        prediction("succeeded", json!(["Fo", "ur."])),
    ];
    let script = Script::new(replies);
    let target = made(
        json!({"model": "replicate/meta/llama", "api_key": "k"}),
        &[],
    );
    let mut body = hello();
    body["stream"] = true.into();
    let Outcome::Stream(stream, _) = ask(&script, &target, body).await.expect("a stream") else {
        panic!("no stream");
    };
    let batches: Vec<_> = stream.collect().await;
    let text: String = batches
        .into_iter()
        .flat_map(|batch| batch.expect("chunks"))
        .flat_map(|chunk| chunk.into_chat().expect("chat").choices)
        .filter_map(|choice| choice.delta.content)
        .collect();
    assert_eq!(text, "Four.");
    let base = "https://api.replicate.com/v1";
    let poll = format!("GET {base}/predictions/p1 Bearer k");
    assert_eq!(
        script.seen(),
        [
            format!("POST {base}/models/meta/llama/predictions Bearer k"),
            poll
        ]
    );
}

#[tokio::test]
async fn a_document_is_asked_after_until_it_is_read() {
    let running = json!({"status": "running"});
    let done = json!({"status": "succeeded", "analyzeResult": {"content": "Hi", "pages": [
        {"pageNumber": 1, "spans": [{"offset": 0, "length": 2}]}]}});
    let accepted = json!({"operation-location": "https://r.cognitiveservices.azure.com/x/analyzeResults/r-1?api-version=1"});
    let script = Script::new(vec![accepted, running.clone(), running, done]);
    let target = made(
        json!({"model": "azure_ai/doc-intelligence/prebuilt-read"}),
        &[
            (
                "AZURE_DOCUMENT_INTELLIGENCE_ENDPOINT",
                "https://r.cognitiveservices.azure.com",
            ),
            ("AZURE_DOCUMENT_INTELLIGENCE_API_KEY", "k"),
        ],
    );
    let body =
        json!({"document": {"type": "document_url", "document_url": "https://example.com/a.pdf"}});
    let outcome = ask_for(Op::Ocr, &script, &target, body).await;
    let Ok(Outcome::Answer(answer, _)) = outcome else {
        panic!("{outcome:?}")
    };
    let read: llm_types::OcrResponse =
        serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
    assert_eq!(read.pages[0].markdown, "Hi");
    let models = "https://r.cognitiveservices.azure.com/documentintelligence/documentModels";
    let result = format!("GET {models}/prebuilt-read/analyzeResults/r-1?api-version=2024-11-30 -");
    let seen = script.seen();
    assert!(
        seen[0].starts_with(&format!("POST {models}/prebuilt-read:analyze?")),
        "{seen:?}"
    );
    assert_eq!(seen[1..], [result.clone(), result.clone(), result]);
    let requests = script.seen.lock().expect("a lock");
    assert!(
        requests
            .iter()
            .all(|one| one.headers()["ocp-apim-subscription-key"] == "k")
    );
}

#[tokio::test]
async fn search_engines_log_in_each_in_its_way() {
    let cases = [
        (
            "tavily/search",
            vec![("TAVILY_API_KEY", "k")],
            "POST https://api.tavily.com/search Bearer k",
        ),
        (
            "searxng/search",
            vec![("SEARXNG_API_BASE", "http://own:8888")],
            "GET http://own:8888/search?q=rust&format=json Bearer no-key",
        ),
        (
            "dataforseo/search",
            vec![("DATAFORSEO_LOGIN", "me"), ("DATAFORSEO_PASSWORD", "p")],
            "POST https://api.dataforseo.com/v3/serp/google/organic/live/advanced Basic bWU6cA==",
        ),
        (
            "google_pse/search",
            vec![("GOOGLE_PSE_API_KEY", "k"), ("GOOGLE_PSE_ENGINE_ID", "e")],
            "GET https://www.googleapis.com/customsearch/v1?q=rust&cx=e -",
        ),
    ];
    for (model, vars, expected) in cases {
        let script = Script::new(vec![json!({"results": []})]);
        let target = made(json!({ "model": model }), &vars);
        let outcome = ask_for(Op::Search, &script, &target, json!({"query": "rust"})).await;
        assert!(matches!(outcome, Ok(Outcome::Answer(..))), "{outcome:?}");
        assert_eq!(script.seen(), [expected]);
    }
}
