//! What keys, teams and the operator say of requests: fields they must have, where they go, whose key they bring.

use llm_proxy::{
    config,
    settings::{Place, Settings},
};
use llm_router::OpenParams;
use serde_json::{Value, json};

use crate::support::*;

/// A gateway that keeps keys, for as long as the test runs.
pub(crate) struct Kept {
    pub(crate) gateway: Gateway,
    _folder: tempfile::TempDir,
}

impl Kept {
    pub(crate) async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::with(kept_in(&folder, settings)).await;
        Self {
            gateway,
            _folder: folder,
        }
    }

    pub(crate) async fn manage(&self, path: &str, body: Value) -> Got {
        let headers = [("authorization", "Bearer sk-master")];
        self.gateway
            .send("POST", path, &headers, body.to_string())
            .await
    }

    pub(crate) async fn manage_get(&self, path: &str) -> Got {
        let headers = [("authorization", "Bearer sk-master")];
        self.gateway.send("GET", path, &headers, "").await
    }

    pub(crate) async fn key(&self, body: Value) -> String {
        let got = self.manage("/key/generate", body).await;
        assert_eq!(got.status, 200, "{}", got.text());
        got.json()["key"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn ask(&self, path: &str, key: &str, body: Value) -> Got {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        self.gateway
            .send("POST", path, &headers, body.to_string())
            .await
    }

    pub(crate) async fn chat(&self, key: &str, body: Value) -> Got {
        self.ask("/v1/chat/completions", key, body).await
    }
}

pub(crate) fn kept_in(folder: &tempfile::TempDir, settings: Settings) -> Settings {
    let mut settings = with_master_key(settings);
    let file = folder.path().join("gateway.db");
    settings.database.place = Place::Named(file.display().to_string());
    settings
}

/// Two models: one at the vendor, one that costs nothing.
pub(crate) fn two(url: &str) -> Settings {
    let mut settings = settings(url);
    settings.deployments.push(deployment("spare", url));
    for deployment in &mut settings.deployments {
        let price = if deployment.group == "gpt" {
            0.001
        } else {
            0.0
        };
        for key in ["input_cost_per_token", "output_cost_per_token"] {
            deployment.model_info.insert(key.into(), price.into());
        }
    }
    settings
}

pub(crate) fn with(mut body: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn requests_have_the_fields_that_everybody_their_key_and_their_team_ask_for() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.governance.enforced_params = vec!["user".into()];
    let kept = Kept::with(settings).await;
    let team = json!({"team_id": "t", "enforced_params": ["metadata.run"]});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let made = kept
        .manage(
            "/key/generate",
            json!({"team_id": "t", "enforced_params": ["seed"]}),
        )
        .await
        .json();
    assert_eq!(made["notices"], Value::Null, "{made}");
    let key = made["key"].as_str().unwrap().to_owned();
    for stream in [false, true] {
        let bare = with(chat("gpt"), json!({"stream": stream}));
        let (status, kind, message) = kept.chat(&key, bare.clone()).await.error();
        assert_eq!((status, kind.as_str()), (400, "bad_request_error"));
        assert!(
            message.contains("'user', 'seed', 'metadata.run'"),
            "{message}"
        );
        let whole = json!({"user": "u", "seed": 1, "metadata": {"run": "r"}});
        assert_eq!(kept.chat(&key, with(bare, whole)).await.status, 200);
    }
    let embed = json!({"model": "gpt", "input": "x", "user": "u", "seed": null});
    let refused = kept.ask("/v1/embeddings", &key, embed).await;
    let (status, _, message) = refused.error();
    assert_eq!(status, 400);
    assert!(message.contains("'seed', 'metadata.run'"), "{message}");
    // Counting asks no vendor, and a list has no body.
    let headers = [("authorization", "Bearer sk-master")];
    let listed = kept.gateway.send("GET", "/v1/models", &headers, "").await;
    assert_eq!(listed.status, 200);
    let master = kept.chat("sk-master", chat("gpt")).await;
    assert_eq!(master.error().0, 400);
    assert_eq!(vendor.asked().len(), 2);
}

#[tokio::test]
async fn a_key_without_money_for_a_model_goes_to_the_next_one_that_it_may_ask() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(two(&vendor.url)).await;
    for stream in [false, true] {
        let budget = json!({"gpt": {"budget_limit": 0.000_001}});
        let key = kept
            .key(json!({
                "models": ["gpt", "spare"],
                "model_max_budget": budget,
                "budget_fallbacks": {"gpt": ["forbidden", "spare"]},
            }))
            .await;
        let plain = kept.key(json!({"model_max_budget": budget})).await;
        let asked = with(chat("gpt"), json!({"stream": stream, "max_tokens": 5}));
        let refused = kept.chat(&plain, asked.clone()).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (422, "budget_exceeded"));
        let got = kept.chat(&key, asked.clone()).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.header("x-litellm-model-group"), "spare");
        let closed = kept
            .key(json!({"models": ["gpt"], "model_max_budget": budget, "budget_fallbacks": {"gpt": ["spare"]}}))
            .await;
        let refused = kept.chat(&closed, asked).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (422, "budget_exceeded"));
        assert!(refused.2.contains("model=gpt"), "{}", refused.2);
    }
    let wrong = json!({"budget_fallbacks": {"gpt": "spare"}});
    let wrong = kept.manage("/key/generate", wrong).await;
    assert_eq!(
        wrong.json()["detail"][0]["loc"],
        json!(["body", "budget_fallbacks.gpt"])
    );
}

#[tokio::test]
async fn a_keys_routing_goes_before_its_teams_and_behind_the_requests() {
    let busy =
        Vendor::answering(|_| reply(503, "application/json", r#"{"error":{"message":"busy"}}"#))
            .await;
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&busy.url);
    for name in ["spare", "other"] {
        settings.deployments.push(deployment(name, &vendor.url));
    }
    settings.router.num_retries = 0;
    settings.router.health.disabled = true;
    let kept = Kept::with(settings).await;
    let team = json!({"team_id": "t", "router_settings": {
        "fallbacks": [{"gpt": ["other"]}], "num_retries": 3, "model_group_alias": {"clever": "other"},
    }});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let of_team = kept.key(json!({"team_id": "t"})).await;
    let own = kept
        .key(json!({"team_id": "t", "router_settings": {"fallbacks": [{"gpt": ["spare"]}], "num_retries": 0}}))
        .await;
    for stream in [false, true] {
        let asked = with(chat("gpt"), json!({"stream": stream}));
        let before = busy.asked().len();
        let got = kept.chat(&own, asked.clone()).await;
        assert_eq!(
            got.header("x-litellm-model-group"),
            "spare",
            "{}",
            got.text()
        );
        assert_eq!(busy.asked().len() - before, 1);
        let mine = with(asked.clone(), json!({"fallbacks": ["other"]}));
        let got = kept.chat(&own, mine).await;
        assert_eq!(got.header("x-litellm-model-group"), "other");
        let got = kept
            .chat(&of_team, with(asked, json!({"num_retries": 0})))
            .await;
        assert_eq!(got.header("x-litellm-model-group"), "other");
    }
    let got = kept.chat(&own, chat("clever")).await;
    assert_eq!(got.header("x-litellm-model-group"), "other");
    // Nobody gets to a model by a fallback that it may not ask.
    let narrow = kept
        .key(json!({"models": ["gpt"], "router_settings": {"fallbacks": [{"gpt": ["spare"]}]}}))
        .await;
    assert_eq!(kept.chat(&narrow, chat("gpt")).await.status, 503);
}

#[tokio::test]
async fn an_explanation_knows_what_a_key_and_its_team_say() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    for name in ["spare", "other"] {
        settings.deployments.push(deployment(name, &vendor.url));
    }
    let kept = Kept::with(settings).await;
    let team = json!({"team_id": "t", "router_settings": {
        "fallbacks": [{"gpt": ["other"]}], "num_retries": 3, "model_group_alias": {"clever": "other"},
        "routing_strategy": "least-busy",
    }});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let own = json!({"team_id": "t", "router_settings": {"fallbacks": [{"gpt": ["spare"]}]}});
    let made = kept.manage("/key/generate", own).await.json();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    let (own, hash) = (text("key"), text("token"));
    let told = |got: Got| {
        let got = got.json();
        json!([
            got["fallbacks"]["general"],
            got["num_retries"],
            got["strategy"]
        ])
    };
    let path = "/v1/router/explain?model=gpt";
    for (whom, expected) in [
        (String::new(), json!([[], 0, "simple-shuffle"])),
        ("&team_id=t".to_owned(), json!([["other"], 3, "least-busy"])),
        (format!("&key={hash}"), json!([["spare"], 3, "least-busy"])),
        (format!("&key={own}"), json!([["spare"], 3, "least-busy"])),
    ] {
        let got = told(kept.manage_get(&format!("{path}{whom}")).await);
        assert_eq!(got, expected, "{whom}");
        let path = format!("/v1/router/explain?{}", whom.trim_start_matches('&'));
        let got = told(kept.manage(&path, chat("gpt")).await);
        assert_eq!(got, expected, "{whom}");
    }
    // The request's own word goes first.
    let path = format!("/v1/router/explain?key={hash}");
    let asked = with(
        chat("gpt"),
        json!({"num_retries": 7, "fallbacks": ["other"]}),
    );
    let got = told(kept.manage(&path, asked).await);
    assert_eq!(got, json!([["other"], 7, "least-busy"]));
    let got = kept.manage(&path, chat("clever")).await.json();
    assert_eq!(got["picked"], "id-other");
    // What a key may not ask is refused as it would be.
    let narrow = kept.key(json!({"models": ["gpt"]})).await;
    for (query, status) in [
        (format!("model=spare&key={narrow}"), 403),
        ("model=gpt&key=sk-nobody".to_owned(), 404),
        ("model=gpt&team_id=nobody".to_owned(), 404),
        (format!("model=gpt&team_id=t&key={own}"), 400),
    ] {
        let got = kept
            .manage_get(&format!("/v1/router/explain?{query}"))
            .await;
        assert_eq!(got.status, status, "{query}: {}", got.text());
    }
    let got = kept.ask("/v1/router/explain", &own, chat("gpt")).await;
    assert_eq!(got.status, 401, "{}", got.text());
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn what_is_wrong_or_idle_in_a_keys_routing_is_named_when_it_is_set() {
    let kept = Kept::with(settings("http://127.0.0.1:9")).await;
    let made = kept
        .manage(
            "/key/generate",
            json!({"router_settings": {"cooldown_time": 5, "timeout": 9}}),
        )
        .await
        .json();
    let notice = made["notices"][0].as_str().unwrap_or_default();
    assert!(notice.contains("router_settings.cooldown_time"), "{made}");
    for (path, wrong, place) in [
        (
            "/key/generate",
            json!({"num_retries": "many"}),
            "router_settings.num_retries",
        ),
        (
            "/team/new",
            json!({"routing_strategy": "fastest"}),
            "router_settings.routing_strategy",
        ),
        ("/team/new", json!([]), "router_settings"),
    ] {
        let got = kept.manage(path, json!({"router_settings": wrong})).await;
        assert_eq!(
            (got.status.as_u16(), &got.json()["error"]["param"]),
            (400, &json!(place)),
            "{}",
            got.text()
        );
    }
}

#[tokio::test]
async fn a_client_brings_a_key_and_an_address_only_where_it_may() {
    let vendor = Vendor::friendly().await;
    let elsewhere = Vendor::friendly().await;
    let own = |more: Value| with(chat("gpt"), more);
    let both = own(json!({"api_key": "sk-mine", "api_base": elsewhere.url}));

    let closed = Gateway::with(settings(&vendor.url)).await;
    for body in [own(json!({"api_key": "sk-mine"})), both.clone()] {
        let got = closed
            .send("POST", "/v1/chat/completions", &[], body.to_string())
            .await;
        assert_eq!((got.error().0, got.error().1.as_str()), (401, "auth_error"));
    }

    let mut open = settings(&vendor.url);
    open.allow_client_credentials = true;
    let open = Gateway::with(open).await;
    let send = async |gateway: &Gateway, body: &Value| {
        gateway
            .send("POST", "/v1/chat/completions", &[], body.to_string())
            .await
    };
    let got = send(&open, &both).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let asked = elsewhere.asked();
    assert_eq!(asked[0].headers["authorization"], "Bearer sk-mine");
    assert!(asked[0].json().get("api_key").is_none() && vendor.asked().is_empty());
    for (body, param) in [
        // The gateway's own key goes nowhere.
        (own(json!({"api_base": elsewhere.url})), "api_key"),
        (
            own(json!({"api_key": "sk-mine", "fallbacks": ["gpt"]})),
            "fallbacks",
        ),
        (
            own(json!({"aws_access_key_id": "AK"})),
            "aws_secret_access_key",
        ),
    ] {
        let got = send(&open, &body).await;
        assert_eq!(
            (got.error().0, &got.json()["error"]["param"]),
            (400, &json!(param)),
            "{}",
            got.text()
        );
    }
    // What is the machine's own stays so, whoever may bring a key.
    for closed in [
        "vertex_credentials",
        "aws_role_name",
        "langfuse_host",
        "model_list",
        "input_cost_per_token",
    ] {
        let body = own(json!({"api_key": "sk-mine", closed: "x"}));
        assert_eq!(send(&open, &body).await.error().0, 401, "{closed}");
    }
    let named = own(json!({"api_key": "os.environ/PATH", "api_base": elsewhere.url}));
    send(&open, &named).await;
    let told = elsewhere.asked().iter().any(|asked| {
        let key = asked
            .headers
            .get("authorization")
            .map(|key| key.to_str().unwrap().to_owned());
        key.is_some_and(|key| key.contains("/bin") || key.contains("sk-vendor"))
    });
    assert!(!told, "nothing of this process goes out");
}

#[tokio::test]
async fn a_model_may_be_open_for_some_parameters_alone() {
    let vendor = Vendor::friendly().await;
    let vouched = Vendor::friendly().await;
    let mut open = settings(&vendor.url);
    let host = vouched.url.trim_end_matches("/v1").replace('.', "[.]");
    let items = [
        json!("api_key"),
        json!({"api_base": format!("{host}/v[0-9]")}),
    ];
    open.deployments[0].open = OpenParams::parse(&items).unwrap();
    let gateway = Gateway::with(open).await;
    let send = async |more: Value| {
        let body = with(chat("gpt"), more);
        gateway
            .send("POST", "/v1/chat/completions", &[], body.to_string())
            .await
    };
    assert_eq!(send(json!({"api_key": "sk-mine"})).await.status, 200);
    assert_eq!(vendor.asked()[0].headers["authorization"], "Bearer sk-mine");
    // The operator vouches for this address: the gateway's key may go there.
    assert_eq!(send(json!({"api_base": vouched.url})).await.status, 200);
    assert_eq!(vouched.asked().len(), 1);
    for other in ["http://127.0.0.1:9/v1", &format!("{}/../x", vouched.url)] {
        assert_eq!(
            send(json!({"api_base": other})).await.error().0,
            401,
            "{other}"
        );
    }
    assert_eq!(
        send(json!({"api_key": "k", "organization": "o"}))
            .await
            .error()
            .0,
        401
    );
}

#[tokio::test]
async fn a_clients_bad_key_rests_nobody() {
    let vendor = Vendor::answering(|asked| match asked.headers["authorization"].to_str() {
        Ok("Bearer sk-bad") => reply(401, "application/json", r#"{"error":{"message":"no"}}"#),
        _ => whole(&completion("Hello")),
    })
    .await;
    let mut open = settings(&vendor.url);
    open.allow_client_credentials = true;
    open.router.health.allowed_fails = Some(0);
    let gateway = Gateway::with(open).await;
    for _ in 0..4 {
        let bad = with(chat("gpt"), json!({"api_key": "sk-bad"}));
        let got = gateway
            .send("POST", "/v1/chat/completions", &[], bad.to_string())
            .await;
        assert_eq!(got.status, 401);
        let good = gateway
            .send("POST", "/v1/chat/completions", &[], chat("gpt").to_string())
            .await;
        assert_eq!(good.status, 200, "{}", good.text());
    }
}

#[tokio::test]
async fn rules_of_governance_hold_from_the_next_configuration_on() {
    let vendor = Vendor::friendly().await;
    let folder = tempfile::tempdir().unwrap();
    let make = || kept_in(&folder, settings(&vendor.url));
    let gateway = Gateway::with(make()).await;
    let headers = [("authorization", "Bearer sk-master")];
    let generate = async |body: Value| {
        gateway
            .send("POST", "/key/generate", &headers, body.to_string())
            .await
    };
    let before = generate(json!({"max_budget": 50})).await;
    assert_eq!(before.status, 200);
    let mut next = make();
    let object = |value: Value| value.as_object().cloned().unwrap();
    next.governance.key_bounds = object(json!({"max_budget": 10}));
    next.governance.key_defaults = object(json!({"rpm_limit": 7}));
    next.governance.enforced_params = vec!["user".into()];
    next.governance.limits.at_once_of_key = Some(0);
    gateway.running.reload(next).unwrap();
    assert_eq!(generate(json!({"max_budget": 50})).await.status, 400);
    let made = generate(json!({"max_budget": 5})).await.json();
    assert_eq!(made["rpm_limit"], 7);
    let old = before.json()["key"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {old}");
    let chatted = async |body: Value| {
        let headers = [("authorization", bearer.as_str())];
        gateway
            .send("POST", "/v1/chat/completions", &headers, body.to_string())
            .await
    };
    assert_eq!(chatted(chat("gpt")).await.error().0, 400);
    let named = with(chat("gpt"), json!({"user": "u"}));
    assert_eq!(
        chatted(named).await.error().0,
        429,
        "a key that is known already is held to it"
    );
    gateway.running.reload(make()).unwrap();
    assert_eq!(chatted(chat("gpt")).await.status, 200);
    assert_eq!(generate(json!({"max_budget": 50})).await.status, 200);
}

#[tokio::test]
async fn paths_are_passed_through_for_keys_whose_lists_have_them() {
    let vendor = Vendor::friendly().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let text = format!(
        "general_settings:\n  pass_through_endpoints:\n  - {{path: /a, target: {0}, include_subpath: true}}\n  - {{path: /b, target: {0}, include_subpath: true}}\n",
        vendor.url
    );
    std::fs::write(&file, text).unwrap();
    let mut settings = settings(&vendor.url);
    settings.passing.endpoints = config::load(&file, &Nothing).unwrap().passing.endpoints;
    let kept = Kept::with(settings).await;
    let key = kept
        .key(json!({"allowed_passthrough_routes": ["/a"], "denied_passthrough_routes": ["/a/secret", "/openai/*"]}))
        .await;
    let open = kept.key(json!({})).await;
    let body = || chat("gpt");
    for (path, status) in [
        ("/a/chat/completions", 200),
        ("/b/chat/completions", 403),
        ("/a/secret", 403),
        ("/openai/chat/completions", 403),
    ] {
        let got = kept.ask(path, &key, body()).await;
        assert_eq!(got.status, status, "{path}: {}", got.text());
        assert_eq!(kept.ask(path, &open, body()).await.status, 200, "{path}");
    }
    let refused = kept.ask("/b/x", &key, body()).await;
    assert_eq!(
        refused.json()["detail"],
        "Key/team not allowed to access passthrough route /b/x"
    );
}

#[tokio::test]
async fn a_batch_is_held_to_the_tokens_of_its_day_before_it_is_made() {
    let line = json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": with(chat("gpt"), json!({"max_tokens": 400}))});
    let lines = format!("{line}\n{line}");
    let vendor = Vendor::answering(move |asked| match asked.path.as_str() {
        "/v1/files/file-1/content" => reply(200, "application/octet-stream", lines.clone()),
        "/v1/files" => whole(&json!({"id": "file-1", "object": "file", "purpose": "batch"})),
        _ => whole(&json!({"id": "batch_1", "object": "batch", "status": "validating", "input_file_id": "file-1"})),
    })
    .await;
    let kept = Kept::with(settings(&vendor.url)).await;
    let form = [
        ("authorization", "Bearer sk-master"),
        ("content-type", "multipart/form-data; boundary=X"),
    ];
    let upload = "--X\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --X\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt\r\n\
         --X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{}\r\n--X--\r\n";
    let file = kept.gateway.send("POST", "/v1/files", &form, upload).await;
    assert_eq!(file.status, 200, "{}", file.text());
    let order = json!({"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let key = kept.key(json!({"tpd_limit": 1000})).await;
    let made = kept.ask("/v1/batches", &key, order.clone()).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let before = vendor.asked().len();
    let (status, kind, message) = kept.ask("/v1/batches", &key, order.clone()).await.error();
    assert_eq!(
        (status, kind.as_str()),
        (429, "throttling_error"),
        "{message}"
    );
    assert!(message.contains("api_key_per_day"), "{message}");
    let more = vendor.asked().split_off(before);
    assert!(
        more.iter().all(|asked| asked.path.ends_with("/content")),
        "no batch was made"
    );
    let free = kept.key(json!({})).await;
    assert_eq!(kept.ask("/v1/batches", &free, order).await.status, 200);
}
