//! Callers whom a service, an issuer or a proxy in front vouches for; and where requests may come from and go to.

use std::{net::IpAddr, time::Duration};

use axum::body::Body;
use http::Response;
use llm_governance::identity::TokenRules;
use llm_proxy::settings::{
    Hook, Introspection, Networks, Place, Proxied, Settings, Tokens, UserInfo,
};
use serde_json::{Value, json};

use crate::support::*;

async fn gateway(
    vendor: &Vendor,
    change: impl FnOnce(&mut Settings),
) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = with_master_key(settings(&vendor.url));
    settings.database.place = Place::Named(folder.path().join("g.db").display().to_string());
    change(&mut settings);
    (Gateway::with(settings).await, folder)
}

fn hook(service: &Vendor) -> Hook {
    Hook {
        url: service.url.clone(),
        secret: Some(llm_providers::Secret::new("known-by")),
        headers: vec!["x-tenant".to_owned()],
        patience: Duration::from_secs(5),
        falls_back: false,
        checks: true,
    }
}

async fn chat_with(gateway: &Gateway, headers: &[(&str, &str)]) -> Got {
    let body = chat("gpt").to_string();
    gateway
        .send("POST", "/v1/chat/completions", headers, body)
        .await
}

async fn manage(gateway: &Gateway, path: &str, body: Value) -> Got {
    let headers = [("authorization", "Bearer sk-master")];
    gateway.send("POST", path, &headers, body.to_string()).await
}

/// A service that knows a few keys.
async fn service() -> Vendor {
    Vendor::answering(|asked| -> Response<Body> {
        let question = asked.json();
        let said = |fields: Value| whole(&fields);
        match question["key"].as_str().unwrap() {
            "good" => said(json!({"user_id": "ann", "models": ["gpt"], "cache_ttl": 60})),
            "again" => said(json!({"user_id": "ann"})),
            "narrow" => said(json!({"user_id": "ann", "models": ["other"]})),
            "slow" => said(json!({"user_id": "s", "rpm_limit": 1})),
            "team" => said(json!({"team_id": "poor"})),
            "over" => said(json!({"user_id": "o", "expires": "2020-01-01T00:00:00Z"})),
            "blocked" => said(json!({"user_id": "o", "blocked": true})),
            "admin" => said(json!({"user_id": "root", "user_role": "proxy_admin"})),
            "garbage" => reply(200, "application/json", "[1]"),
            "wrong" => said(json!({"models": "all of them"})),
            "king" => said(json!({"user_role": "king"})),
            "broken" => reply(500, "application/json", "{}"),
            "huge" => reply(200, "application/json", "x".repeat(2 << 20)),
            "banned" => reply(403, "application/json", r#"{"message": "go away"}"#),
            _ => reply(
                401,
                "application/json",
                r#"{"error": {"message": "who are you?"}}"#,
            ),
        }
    })
    .await
}

/// An identity provider that knows a few tokens.
async fn provider() -> Vendor {
    Vendor::answering(|asked| -> Response<Body> {
        let said = |fields: Value| whole(&fields);
        match asked.headers["authorization"].to_str().unwrap() {
            "Bearer opaque" => said(json!({"sub": "ann", "teams": ["t"], "scope": ""})),
            "Bearer a.b.c" => said(json!({"sub": "bob"})),
            "Bearer nobodys" => said(json!({"name": "ann"})),
            "Bearer garbage" => reply(200, "application/jwt", "eyJ"),
            "Bearer broken" => reply(500, "application/json", "{}"),
            "Bearer busy" => reply(429, "application/json", "{}"),
            _ => reply(401, "application/json", "{}"),
        }
    })
    .await
}

#[tokio::test]
async fn a_provider_says_whom_a_token_is_for_that_says_nothing_itself() {
    let (vendor, provider) = (Vendor::friendly().await, provider().await);
    let rules: TokenRules = serde_json::from_value(json!({
        "user_id_jwt_field": "sub", "user_id_upsert": true, "team_ids_jwt_field": "teams",
    }))
    .unwrap();
    let (gateway, _folder) = gateway(&vendor, |settings| {
        let mut tokens = Tokens::of(Vec::new());
        tokens.userinfo = Some(UserInfo {
            url: format!("{}/userinfo", provider.url),
            lasts: Duration::from_secs(60),
            rules,
        });
        settings.identity.tokens = Some(tokens);
    })
    .await;
    let team = json!({"team_id": "t", "models": ["gpt"]});
    assert_eq!(manage(&gateway, "/team/new", team).await.status, 200);
    for (key, status, kind) in [
        ("opaque", 200, ""),
        ("opaque", 200, ""),
        ("a.b.c", 200, ""),
        ("unknown", 401, "auth_error"),
        ("sk-unknown", 401, "token_not_found_in_db"),
        ("nobodys", 503, "auth_provider_unavailable"),
        ("garbage", 503, "auth_provider_unavailable"),
        ("broken", 503, "auth_provider_unavailable"),
        ("busy", 503, "auth_provider_unavailable"),
    ] {
        let bearer = format!("Bearer {key}");
        let got = chat_with(&gateway, &[("authorization", &bearer)]).await;
        assert_eq!(got.status, status, "{key}: {}", got.text());
        if status != 200 {
            assert_eq!(got.error().1, kind, "{key}");
        }
    }
    let asked = provider.asked();
    let of = |key: &str| {
        let bearer = format!("Bearer {key}");
        let its = asked
            .iter()
            .filter(|asked| asked.headers["authorization"] == bearer);
        its.count()
    };
    // An answer is used again, and keys of the gateway's own are nobody else's business.
    assert_eq!((of("opaque"), of("sk-unknown")), (1, 0));
    let headers = [("authorization", "Bearer sk-master")];
    let user = gateway
        .send("GET", "/user/info?user_id=ann", &headers, "")
        .await;
    assert_eq!(user.status, 200, "{}", user.text());
}

#[tokio::test]
async fn a_service_says_who_asks() {
    let (vendor, service) = (Vendor::friendly().await, service().await);
    let (gateway, _folder) = gateway(&vendor, |settings| {
        settings.identity.hook = Some(hook(&service));
    })
    .await;
    manage(
        &gateway,
        "/team/new",
        json!({"team_id": "poor", "max_budget": 0}),
    )
    .await;
    for (key, status, kind) in [
        ("good", 200, ""),
        ("good", 200, ""),
        ("again", 200, ""),
        ("narrow", 403, "key_model_access_denied"),
        ("slow", 200, ""),
        ("slow", 429, "throttling_error"),
        ("over", 401, "expired_key"),
        ("blocked", 401, "auth_error"),
        ("garbage", 503, "auth_provider_unavailable"),
        ("wrong", 503, "auth_provider_unavailable"),
        ("king", 503, "auth_provider_unavailable"),
        ("broken", 503, "auth_provider_unavailable"),
        ("huge", 503, "auth_provider_unavailable"),
        ("banned", 403, "auth_error"),
        ("sk-unknown", 401, "auth_error"),
        ("sk-master", 200, ""),
    ] {
        let bearer = format!("Bearer {key}");
        let got = chat_with(&gateway, &[("authorization", &bearer), ("x-tenant", "t")]).await;
        assert_eq!(got.status, status, "{key}: {}", got.text());
        if status != 200 {
            assert_eq!(got.error().1, kind, "{key}");
        }
    }
    let asked = service.asked();
    let questions: Vec<Value> = asked.iter().map(|asked| asked.json()).collect();
    let of = |key: &str| questions.iter().filter(|one| one["key"] == key).count();
    // One answer said how long it holds, and the master key is nobody else's business.
    assert_eq!((of("good"), of("slow"), of("sk-master")), (1, 2, 0));
    assert_eq!(questions[0]["headers"], json!({"x-tenant": "t"}));
    assert_eq!(questions[0]["path"], "/v1/chat/completions");
    assert_eq!(asked[0].headers["authorization"], "Bearer known-by");
    // Who has no key at all may be known by something else.
    assert_eq!(chat_with(&gateway, &[]).await.status, 401);
    assert_eq!(service.asked().last().unwrap().json()["key"], "");
    let admin = [("authorization", "Bearer admin")];
    let made = gateway.send("POST", "/key/generate", &admin, "{}").await;
    assert_eq!(made.status, 200, "{}", made.text());
}

#[tokio::test]
async fn a_service_that_knows_nobody_leaves_it_to_keys_where_it_may() {
    let (vendor, service) = (Vendor::friendly().await, service().await);
    for (falls_back, status) in [(true, 200), (false, 401)] {
        let (gateway, _folder) = gateway(&vendor, |settings| {
            settings.identity.hook = Some(Hook {
                falls_back,
                ..hook(&service)
            });
        })
        .await;
        let made = manage(&gateway, "/key/generate", json!({})).await.json();
        let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
        let got = chat_with(&gateway, &[("authorization", &bearer)]).await;
        assert_eq!(got.status, status, "{}", got.text());
        // A refusal is a refusal either way.
        let banned = chat_with(&gateway, &[("authorization", "Bearer banned")]).await;
        assert_eq!(banned.status, 403);
    }
}

#[tokio::test]
async fn a_service_that_is_away_lets_nobody_in() {
    let vendor = Vendor::friendly().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = nobody.local_addr().unwrap();
    drop(nobody);
    for address in [silent.local_addr().unwrap(), gone] {
        let (gateway, _folder) = gateway(&vendor, |settings| {
            settings.identity.hook = Some(Hook {
                url: format!("http://{address}/"),
                secret: None,
                headers: Vec::new(),
                patience: Duration::from_millis(50),
                falls_back: true,
                checks: true,
            });
        })
        .await;
        let got = chat_with(&gateway, &[("authorization", "Bearer good")]).await;
        assert_eq!(got.error().1, "auth_provider_unavailable");
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn a_token_is_asked_about_where_it_was_issued() {
    let vendor = Vendor::friendly().await;
    let issuer = Vendor::answering(|asked| {
        let form = String::from_utf8(asked.body.to_vec()).unwrap();
        match form.as_str() {
            "token=opaque" => whole(&json!({"active": true, "sub": "ann", "team_id": "t"})),
            "token=a%2Bb" => whole(&json!({"sub": "nobody says it is active"})),
            "token=down" => reply(502, "text/plain", "?"),
            _ => whole(&json!({"active": false, "sub": "ann"})),
        }
    })
    .await;
    let (gateway, _folder) = gateway(&vendor, |settings| {
        settings.identity.introspection = Some(Introspection {
            url: issuer.url.clone(),
            client: Some(("id".to_owned(), llm_providers::Secret::new("secret"))),
            user: "sub".to_owned(),
            role: "role".to_owned(),
            team: "team_id".to_owned(),
        });
    })
    .await;
    for (token, status) in [
        ("opaque", 200),
        ("opaque", 200),
        ("a+b", 401),
        ("over", 401),
        ("down", 503),
    ] {
        let bearer = format!("Bearer {token}");
        let got = chat_with(&gateway, &[("authorization", &bearer)]).await;
        assert_eq!(got.status, status, "{token}: {}", got.text());
    }
    assert_eq!(issuer.asked().len(), 4);
    // Such tokens manage nothing.
    let bearer = [("authorization", "Bearer opaque")];
    let got = gateway.send("POST", "/key/generate", &bearer, "{}").await;
    assert_eq!(got.status, 401);
}

#[tokio::test]
async fn a_proxy_in_front_is_believed_and_nobody_else() {
    let vendor = Vendor::friendly().await;
    let headers = [("x-auth-user", "ann"), ("x-auth-models", "gpt, other")];
    for (range, status) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 401)] {
        let (gateway, _folder) = gateway(&vendor, |settings| {
            settings.identity.proxied = Some(Proxied {
                headers: vec![
                    ("user_id".to_owned(), "x-auth-user".parse().unwrap()),
                    ("models".to_owned(), "x-auth-models".parse().unwrap()),
                ],
                from: Networks::parse([range]).unwrap(),
            });
        })
        .await;
        assert_eq!(chat_with(&gateway, &headers).await.status, status);
        assert_eq!(
            chat_with(&gateway, &[("x-auth-user", "")]).await.status,
            401
        );
    }
}

#[tokio::test]
async fn addresses_count_as_our_proxies_tell_them() {
    let vendor = Vendor::friendly().await;
    let local: IpAddr = [127, 0, 0, 1].into();
    for (forwarded, proxies, allowed, header, status) in [
        (false, "127.0.0.1", "127.0.0.1", "198.51.100.1", 200),
        (true, "127.0.0.1", "127.0.0.1", "198.51.100.1", 403),
        (true, "127.0.0.1", "198.51.100.0/24", "198.51.100.1", 200),
        (
            true,
            "127.0.0.1",
            "198.51.100.0/24",
            "198.51.100.1, 203.0.113.1",
            403,
        ),
        (true, "10.0.0.0/8", "198.51.100.0/24", "198.51.100.1", 403),
        (false, "127.0.0.1", "198.51.100.0/24", "198.51.100.1", 403),
    ] {
        let (gateway, _folder) = gateway(&vendor, |settings| {
            settings.allowed_ips = Some(Networks::parse([allowed]).unwrap());
            settings.routes.forwarded = forwarded;
            settings.routes.proxies = Networks::parse([proxies]).unwrap();
        })
        .await;
        let headers = [
            ("authorization", "Bearer sk-master"),
            ("x-forwarded-for", header),
        ];
        let got = chat_with(&gateway, &headers).await;
        assert_eq!(
            got.status, status,
            "{forwarded} {proxies} {allowed} {header}: {local}"
        );
    }
}

#[tokio::test]
async fn routes_are_closed_opened_and_kept_for_admins() {
    let vendor = Vendor::friendly().await;
    let (gateway, _folder) = gateway(&vendor, |settings| {
        let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        settings.routes.allowed = Some(names(&["llm_api_routes", "/key/*", "/model/info"]));
        settings.routes.public = names(&["/v1/models"]);
        settings.routes.admin_only = names(&["/v1/embeddings"]);
    })
    .await;
    let made = manage(&gateway, "/key/generate", json!({})).await.json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let key: &[(&str, &str)] = &[("authorization", &bearer)];
    let master: &[(&str, &str)] = &[("authorization", "Bearer sk-master")];
    let embed = json!({"model": "gpt", "input": "x"}).to_string();
    for (method, path, headers, body, status) in [
        ("GET", "/v1/models", &[][..], "", 200),
        ("GET", "/model/info", &[], "", 401),
        ("GET", "/model/info", key, "", 200),
        ("GET", "/health", master, "", 403),
        ("POST", "/team/new", master, "{}", 403),
        ("POST", "/v1/embeddings", key, &embed, 403),
        ("POST", "/v1/embeddings", master, &embed, 200),
    ] {
        let got = gateway.send(method, path, headers, body.to_owned()).await;
        assert_eq!(got.status, status, "{method} {path}: {}", got.text());
    }
    assert_eq!(chat_with(&gateway, key).await.status, 200);
}
