//! Search tools, and accounts for files and training, as a configuration names them.

use std::io::Write as _;

use axum::body::Body;
use http::Response;
use llm_proxy::config;
use serde_json::{Value, json};

use crate::support::{Asked, Gateway, Nothing, Vendor, chat, reply, whole};

/// A gateway with what a `config.yaml` says.
async fn configured(yaml: &str) -> Gateway {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let mut settings = config::load(file.path(), &Nothing).unwrap();
    assert_eq!(settings.notices, [""; 0]);
    settings.logs.requests = false;
    Gateway::with(settings).await
}

/// Tavily at `/tavily`, Serper at `/serper`, Exa at `/exa`; a key that is `bad` is refused.
fn engines(asked: Asked) -> Response<Body> {
    let key = asked.headers.get("authorization");
    if key.is_some_and(|key| key == "Bearer bad") {
        return reply(401, "application/json", r#"{"detail":"no such key"}"#);
    }
    whole(&match asked.path.as_str() {
        "/v1/tavily/search" => json!({
            "query": "q", "results": [{"title": "T", "url": "https://t.org", "content": "by Tavily", "score": 0.9}],
        }),
        "/v1/serper/search" => json!({
            "organic": [{"title": "S", "link": "https://s.org", "snippet": "by Serper", "position": 1}],
        }),
        "/v1/exa/search" => json!({
            "results": [{"title": "E", "url": "https://e.org", "text": "by Exa", "publishedDate": "2025-01-01"}],
        }),
        _ => return reply(404, "application/json", "{}"),
    })
}

fn tools(url: &str) -> String {
    format!(
        "model_list: [{{model_name: '*', litellm_params: {{model: openai/*, api_key: k, api_base: '{url}'}}}}]\n\
         router_settings: {{num_retries: 0}}\n\
         search_tools:\n\
         - search_tool_name: web\n  \
           litellm_params: {{search_provider: tavily, api_key: k, api_base: '{url}/tavily', timeout: 9}}\n  \
           search_tool_info: {{description: The whole web}}\n\
         - search_tool_name: deep\n  \
           litellm_params: {{search_provider: exa_ai, api_key: k, api_base: '{url}/exa'}}\n\
         - search_tool_name: both\n  \
           litellm_params: {{search_provider: tavily, api_key: bad, api_base: '{url}/tavily', max_retries: 1, order: 1}}\n\
         - search_tool_name: both\n  \
           litellm_params: {{search_provider: serper, api_key: k, api_base: '{url}/serper', order: 2}}\n"
    )
}

#[tokio::test]
async fn a_tool_searches_by_its_name_and_is_charged_by_the_query() {
    let vendor = Vendor::answering(engines).await;
    let gateway = configured(&tools(&vendor.url)).await;
    let asked = json!({"query": "rust", "max_results": 3, "search_domain_filter": ["t.org"]});
    for path in ["/search/web", "/v1/search/web"] {
        let got = gateway.post(path, &asked).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let results = &got.json()["results"];
        assert_eq!(
            (&results[0]["url"], &results[0]["snippet"]),
            (&json!("https://t.org"), &json!("by Tavily"))
        );
        assert_eq!(got.header("x-litellm-response-cost"), "0.008");
    }
    let sent = vendor.asked()[0].json();
    assert_eq!(
        sent,
        json!({"query": "rust", "max_results": 3, "include_domains": ["t.org"]})
    );

    let mut body = json!({"search_tool_name": "deep", "query": "rust", "max_results": 30});
    let got = gateway.post("/v1/search", &body).await;
    assert_eq!(got.json()["results"][0]["snippet"], "by Exa");
    // More than 25 results are dearer.
    assert_eq!(got.header("x-litellm-response-cost"), "0.025");
    body["max_results"] = 5.into();
    let got = gateway.post("/v1/search", &body).await;
    assert_eq!(got.header("x-litellm-response-cost"), "0.005");
}

#[tokio::test]
async fn a_tool_with_two_engines_goes_on_to_the_other_one() {
    let vendor = Vendor::answering(engines).await;
    let gateway = configured(&tools(&vendor.url)).await;
    let got = gateway
        .post("/search/both", &json!({"query": "rust"}))
        .await;
    assert_eq!(got.json()["results"][0]["snippet"], "by Serper");
    assert_eq!(got.header("x-litellm-attempted-retries"), "1");
    let paths: Vec<String> = vendor.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/v1/tavily/search", "/v1/serper/search"]);
}

#[tokio::test]
async fn tools_are_listed_and_are_no_models() {
    let vendor = Vendor::answering(engines).await;
    let gateway = configured(&tools(&vendor.url)).await;
    for path in ["/search/tools", "/v1/search/tools"] {
        assert_eq!(
            gateway.get(path).await.json()["data"],
            json!([
                {"search_tool_name": "both", "search_provider": "tavily"},
                {"search_tool_name": "deep", "search_provider": "exa_ai"},
                {"search_tool_name": "web", "search_provider": "tavily", "description": "The whole web"},
            ])
        );
    }
    assert_eq!(gateway.get("/v1/models").await.json()["data"], json!([]));
    for path in ["/model/info", "/model_group/info", "/v2/model/info"] {
        let text = gateway.get(path).await;
        assert!(!text.text().contains("search_tools"), "{}", text.text());
    }
    let got = gateway
        .post("/v1/chat/completions", &chat("search_tools/web"))
        .await;
    assert_eq!(got.status, 400, "{}", got.text());
    assert_eq!(vendor.asked().len(), 0);
}

#[tokio::test]
async fn what_is_no_tool_is_refused_by_name() {
    let vendor = Vendor::answering(engines).await;
    let gateway = configured(&tools(&vendor.url)).await;
    for (path, body, message) in [
        (
            "/search/nope",
            json!({"query": "q"}),
            "there is no search tool 'nope': there are both, deep, web",
        ),
        (
            "/search",
            json!({"query": "q"}),
            "name a search tool, a 'search_provider' or a 'model'",
        ),
        (
            "/search/web",
            json!({}),
            "Missing required parameter: 'query'",
        ),
        (
            "/search",
            json!({"query": "q", "search_provider": "brave"}),
            "brave/search",
        ),
    ] {
        let (status, _, said) = gateway.post(path, &body).await.error();
        assert_eq!(status, 400);
        assert!(said.contains(message), "{said}");
    }
    assert_eq!(vendor.asked().len(), 0);
}

#[tokio::test]
async fn mistakes_of_a_configuration_are_named_with_their_lines() {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let yaml = "search_tools:\n\
                - search_tool_name: web\n\
                - search_tool_name: far\n  litellm_params: {search_provider: nobody}\n\
                files_settings:\n\
                - api_key: k\n\
                finetune_settings: openai\n";
    file.write_all(yaml.as_bytes()).unwrap();
    let problems = config::load(file.path(), &Nothing).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (line, message) in [
        (2, "has no 'litellm_params'"),
        (3, "'search_tools/far' has no deployment that works"),
        (6, "an account needs a 'custom_llm_provider'"),
        (7, "'finetune_settings' must be a list"),
    ] {
        let place = format!(":{line}:");
        let found = said
            .iter()
            .any(|said| said.contains(&place) && said.contains(message));
        assert!(found, "{line}: {message}: {said:#?}");
    }
}

/// Says which key asked, and for what.
fn accounts(asked: Asked) -> Response<Body> {
    let of = |name: &str| {
        asked
            .headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let who = format!("{}{}", of("authorization"), of("api-key"));
    let kept = json!({"id": "thing-1", "object": "file", "who": who, "path": asked.path});
    whole(&kept)
}

async fn upload(gateway: &Gateway, path: &str) -> Value {
    let form = "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
                --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n{}\r\n--x--\r\n";
    let kind = ("content-type", "multipart/form-data; boundary=x");
    let got = gateway.send("POST", path, &[kind], form).await;
    assert_eq!(got.status, 200, "{}", got.text());
    got.json()
}

#[tokio::test]
async fn accounts_for_files_and_training_come_before_those_of_models() {
    let vendor = Vendor::answering(accounts).await;
    let gateway = configured(&format!(
        "model_list: [{{model_name: gpt, litellm_params: {{model: openai/gpt-4o, api_key: of-model, api_base: '{url}'}}}}]\n\
         files_settings:\n\
         - {{custom_llm_provider: openai, api_key: of-files, api_base: '{url}'}}\n\
         - {{custom_llm_provider: azure, api_key: of-azure, api_base: '{base}', api_version: 2024-10-21}}\n\
         finetune_settings:\n\
         - {{custom_llm_provider: openai, api_key: of-training, api_base: '{url}'}}\n",
        url = vendor.url,
        base = vendor.url.trim_end_matches("/v1"),
    ))
    .await;
    let kept = upload(&gateway, "/v1/files").await;
    assert_eq!(kept["who"], "Bearer of-files");
    let of_azure = upload(&gateway, "/v1/files?provider=azure").await;
    assert_eq!(
        (&of_azure["who"], &of_azure["path"]),
        (&json!("of-azure"), &json!("/openai/files"))
    );

    // Who keeps a file is known by its id.
    let id = kept["id"].as_str().unwrap();
    let got = gateway.get(&format!("/v1/files/{id}")).await.json();
    assert_eq!(
        (&got["who"], &got["path"]),
        (&json!("Bearer of-files"), &json!("/v1/files/thing-1"))
    );
    let batch = json!({"input_file_id": of_azure["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let got = gateway.post("/v1/batches", &batch).await.json();
    assert_eq!(got["who"], "of-azure");

    let job =
        json!({"model": "gpt-4o-mini", "training_file": "file-1", "custom_llm_provider": "openai"});
    let got = gateway.post("/v1/fine_tuning/jobs", &job).await.json();
    assert_eq!(got["who"], "Bearer of-training");
    let got = gateway
        .get("/v1/fine_tuning/jobs?custom_llm_provider=openai")
        .await
        .json();
    assert_eq!(got["who"], "Bearer of-training");

    // A model's own account stays the model's.
    let listed = gateway.get("/v1/models").await.json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
}
