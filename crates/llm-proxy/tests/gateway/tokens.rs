//! Tokens of an identity provider as keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use llm_proxy::settings::{Place, Settings, Tokens};
use serde_json::{Value, json};

use crate::{
    issuing::{Provider, Signer},
    support::*,
};

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

pub(crate) fn good() -> Value {
    json!({"iss": "https://id.example", "aud": "gateway", "sub": "ann", "exp": now() + 600})
}

fn but(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token of an admin that nobody signed.
pub(crate) fn unsigned(algorithm: &str) -> String {
    let header = json!({"alg": algorithm, "typ": "JWT", "kid": "e"});
    let claims = but("scope", json!("litellm_proxy_admin"));
    format!("{}.{}.", part(&header), part(&claims))
}

/// A gateway that takes a provider's tokens, and the folder of what it keeps.
async fn gateway(vendor: &Vendor, tokens: Tokens) -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings: Settings = with_master_key(settings(&vendor.url));
    settings.database.place = Place::Named(folder.path().join("g.db").display().to_string());
    settings.identity.tokens = Some(tokens);
    (Gateway::with(settings).await, folder)
}

async fn chat_with(gateway: &Gateway, token: &str) -> Got {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let body = chat("gpt").to_string();
    gateway
        .send("POST", "/v1/chat/completions", &headers, body)
        .await
}

fn upserting() -> Value {
    json!({"user_id_jwt_field": "sub", "user_id_upsert": true})
}

#[tokio::test]
async fn a_token_is_a_key_and_its_user_pays() {
    let (first, second) = (Signer::ecdsa("1"), Signer::ecdsa("2"));
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&first, &second]).await;
    let (gateway, _folder) = gateway(&vendor, provider.tokens(upserting())).await;
    for signer in [&first, &second, &first] {
        let got = chat_with(&gateway, &signer.sign(&good())).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    // Keys are fetched once, and the token goes no further.
    assert_eq!(provider.state.asked(), 1);
    for asked in vendor.asked() {
        assert_eq!(asked.headers["authorization"], "Bearer sk-vendor");
    }
    let master = [("authorization", "Bearer sk-master")];
    let info = gateway
        .send("GET", "/user/info?user_id=ann", &master, "")
        .await;
    assert_eq!(info.status, 200, "{}", info.text());
    // What is no token's is still a key's, and says nothing of tokens.
    let key = chat_with(&gateway, "sk-unknown").await;
    assert_eq!(key.error().1, "token_not_found_in_db");
}

#[tokio::test]
async fn what_was_forged_is_refused() {
    let (signer, other) = (Signer::ecdsa("e"), Signer::ecdsa("e"));
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&signer]).await;
    let (gateway, _folder) = gateway(&vendor, provider.tokens(upserting())).await;
    assert_eq!(chat_with(&gateway, &signer.sign(&good())).await.status, 200);

    let public = signer.public();
    let secret = URL_SAFE_NO_PAD
        .decode(public["x"].as_str().unwrap())
        .unwrap();
    let shared = |secret: &[u8]| {
        let header = Header {
            kid: Some("e".to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, &good(), &EncodingKey::from_secret(secret)).unwrap()
    };
    let genuine = signer.sign(&good());
    let (_, signature) = genuine.rsplit_once('.').unwrap();
    let admin = part(&but("scope", json!("litellm_proxy_admin")));
    let header = genuine.split('.').next().unwrap();
    let mut cases = vec![
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("no algorithm", unsigned("")),
        ("the public key as a secret", shared(&secret)),
        (
            "the set of keys as a secret",
            shared(public.to_string().as_bytes()),
        ),
        ("another key of the same name", other.sign(&good())),
        ("other claims", format!("{header}.{admin}.{signature}")),
        ("no signature", genuine.replace(signature, "")),
        ("half a signature", genuine[..genuine.len() - 20].to_owned()),
        ("not begun", signer.sign(&but("nbf", json!(now() + 120)))),
        ("over", signer.sign(&but("exp", json!(now() - 60)))),
        ("endless", signer.sign(&but("exp", Value::Null))),
        (
            "another issuer",
            signer.sign(&but("iss", json!("https://other.example"))),
        ),
        ("no issuer", signer.sign(&but("iss", Value::Null))),
        (
            "another audience",
            signer.sign(&but("aud", json!(["other"]))),
        ),
        ("no audience", signer.sign(&but("aud", Value::Null))),
        (
            "huge",
            signer.sign(&but("padding", json!("x".repeat(20_000)))),
        ),
        ("garbage", "eyJhbGciOiJFUzI1NiJ9.AAAA.AAAA".to_owned()),
    ];
    let critical = json!({"alg": "ES256", "kid": "e", "crit": ["b64"], "b64": false});
    cases.push((
        "critical",
        format!("{}.{}.{signature}", part(&critical), part(&good())),
    ));
    for (what, token) in cases {
        let got = chat_with(&gateway, &token).await;
        assert_eq!(got.status, 401, "{what}: {}", got.text());
        assert_eq!(got.error().1, "auth_error", "{what}");
        assert!(!got.text().contains(signature), "{what}");
    }
    // Within the leeway clocks may be apart.
    let late = signer.sign(&but("exp", json!(now() - 10)));
    assert_eq!(chat_with(&gateway, &late).await.status, 200);
}

#[tokio::test]
async fn every_algorithm_of_two_keys_is_taken_and_none_by_anothers_key() {
    let signers = Signer::of_each_algorithm();
    let all: Vec<&Signer> = signers.iter().collect();
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&all).await;
    let (gateway, _folder) = gateway(&vendor, provider.tokens(upserting())).await;
    for signer in &signers {
        let got = chat_with(&gateway, &signer.sign(&good())).await;
        assert_eq!(got.status, 200, "{}: {}", signer.id, got.text());
        let mut forged = signer.sign(&good()).into_bytes();
        let last = forged.len() - 10;
        forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(
            chat_with(&gateway, &forged).await.status,
            401,
            "{}",
            signer.id
        );
        // A key is for the algorithm that it was published for, and for no other.
        for other in signers.iter().filter(|other| other.id != signer.id) {
            let borrowed = Signer::new(&other.id, signer.algorithm, signer.key.clone());
            let got = chat_with(&gateway, &borrowed.sign(&good())).await;
            assert_eq!(
                got.status,
                401,
                "{} as {}: {}",
                signer.id,
                other.id,
                got.text()
            );
        }
    }
}

#[tokio::test]
async fn clocks_may_be_apart_as_far_as_the_leeway_and_no_further() {
    let signer = Signer::ecdsa("1");
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&signer]).await;
    let (gateway, _folder) = gateway(&vendor, provider.tokens(upserting())).await;
    for (claim, apart, status) in [
        ("exp", -15, 200),
        ("exp", -45, 401),
        ("exp", i64::MIN / 4, 401),
        ("nbf", 15, 200),
        ("nbf", 90, 401),
        ("nbf", -100_000, 200),
        ("iat", -100_000, 200),
    ] {
        let token = signer.sign(&but(claim, json!(now() + apart)));
        let got = chat_with(&gateway, &token).await;
        assert_eq!(got.status, status, "{claim} {apart}: {}", got.text());
    }
    for (claim, value) in [
        ("exp", json!("soon")),
        ("exp", json!({})),
        ("nbf", json!([1])),
        ("aud", json!(7)),
        ("aud", json!([])),
        ("iss", json!(["https://id.example"])),
        ("sub", json!({"$ne": ""})),
    ] {
        let got = chat_with(&gateway, &signer.sign(&but(claim, value.clone()))).await;
        assert!(
            matches!(got.status.as_u16(), 401 | 403),
            "{claim} {value}: {} {}",
            got.status,
            got.text()
        );
        assert!(!got.text().contains("signature"), "{claim}: {}", got.text());
    }
    // A name may stand in a list.
    let listed = chat_with(&gateway, &signer.sign(&but("sub", json!(["ann"])))).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
}

#[tokio::test]
async fn keys_that_are_new_are_fetched_and_not_too_often() {
    let (first, second, third) = (Signer::ecdsa("1"), Signer::ecdsa("2"), Signer::ecdsa("3"));
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&first]).await;
    let mut tokens = provider.tokens(upserting());
    tokens.refresh_every = Duration::ZERO;
    let (gateway, _folder) = gateway(&vendor, tokens).await;
    assert_eq!(chat_with(&gateway, &first.sign(&good())).await.status, 200);
    assert_eq!(chat_with(&gateway, &second.sign(&good())).await.status, 401);
    provider.state.publish(&second);
    assert_eq!(chat_with(&gateway, &second.sign(&good())).await.status, 200);
    assert_eq!(provider.state.asked(), 3);

    let slow = Provider::with(&[&first]).await;
    let (gateway, _folder) = self::gateway(&vendor, slow.tokens(upserting())).await;
    assert_eq!(chat_with(&gateway, &first.sign(&good())).await.status, 200);
    for _ in 0..20 {
        assert_eq!(chat_with(&gateway, &third.sign(&good())).await.status, 401);
    }
    assert_eq!(slow.state.asked(), 1);
}

#[tokio::test]
async fn a_provider_that_is_away_is_no_fault_of_the_caller() {
    let signer = Signer::ecdsa("1");
    let vendor = Vendor::friendly().await;
    for (status, body) in [
        (500, "{}".to_owned()),
        (200, "nonsense".to_owned()),
        (200, "{}".to_owned()),
        (200, json!({"keys": []}).to_string()),
        (
            200,
            json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}]}).to_string(),
        ),
        (
            200,
            format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(2 << 20)),
        ),
    ] {
        let provider = Provider::with(&[&signer]).await;
        provider.state.answers(status, &body);
        let (gateway, _folder) = gateway(&vendor, provider.tokens(upserting())).await;
        for _ in 0..5 {
            let got = chat_with(&gateway, &signer.sign(&good())).await;
            let (status, kind, _) = got.error();
            assert_eq!((status, kind.as_str()), (503, "auth_provider_unavailable"));
        }
        // Nobody who is away is asked for each request.
        assert_eq!(provider.state.asked(), 1);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_again_are_used_for_a_while() {
    let signer = Signer::ecdsa("1");
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&signer]).await;
    let mut tokens = provider.tokens(upserting());
    tokens.fresh = Duration::ZERO;
    let (gateway, _folder) = gateway(&vendor, tokens).await;
    assert_eq!(chat_with(&gateway, &signer.sign(&good())).await.status, 200);
    provider.state.answers(500, "");
    let other = signer.sign(&but("sub", json!("bob")));
    assert_eq!(chat_with(&gateway, &other).await.status, 200);
    assert!(provider.state.asked() >= 2);
}

#[tokio::test]
async fn a_discovery_document_says_where_keys_are() {
    let signer = Signer::ecdsa("1");
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&signer]).await;
    let keys = provider.server.url.clone();
    for (issuer, status) in [("https://id.example", 200), ("https://other.example", 503)] {
        let document = json!({"issuer": issuer, "jwks_uri": keys});
        let discovery = Vendor::answering(move |_| whole(&document)).await;
        let mut tokens = provider.tokens(upserting());
        tokens.issuers[0].urls = vec![discovery.url.clone()];
        let (gateway, _folder) = gateway(&vendor, tokens).await;
        assert_eq!(
            chat_with(&gateway, &signer.sign(&good())).await.status,
            status
        );
    }
}

#[tokio::test]
async fn an_admins_token_manages_and_a_users_does_not() {
    let signer = Signer::ecdsa("1");
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&signer]).await;
    let (gateway, _folder) = gateway(&vendor, provider.tokens(upserting())).await;
    let manage = async |claims: Value, path: &str| {
        let bearer = format!("Bearer {}", signer.sign(&claims));
        let headers = [("authorization", bearer.as_str())];
        gateway.send("POST", path, &headers, "{}").await.status
    };
    let admin = but("scope", json!("litellm_proxy_admin"));
    assert_eq!(manage(admin.clone(), "/team/new").await, 200);
    assert_eq!(manage(good(), "/team/new").await, 403);
    assert_eq!(manage(good(), "/user/update").await, 401);
    assert_eq!(manage(admin, "/v1/chat/completions").await, 403);
}

#[tokio::test]
async fn a_tokens_customer_and_team_stand_in_the_row() {
    let signer = Signer::ecdsa("1");
    let vendor = Vendor::friendly().await;
    let provider = Provider::with(&[&signer]).await;
    let rules = json!({
        "team_ids_jwt_field": "groups", "team_id_upsert": true, "end_user_id_jwt_field": "for",
    });
    let (gateway, _folder) = gateway(&vendor, provider.tokens(rules)).await;
    let mut claims = but("groups", json!(["a", "b"]));
    claims["for"] = json!("customer");
    let bearer = format!("Bearer {}", signer.sign(&claims));
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-litellm-team-id", "b"),
    ];
    let body = chat("gpt").to_string();
    let got = gateway
        .send("POST", "/v1/chat/completions", &headers, body)
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    gateway.settled().await;
    let master = [("authorization", "Bearer sk-master")];
    let mut rows = json!([]);
    // Rows are shipped a moment after the answer.
    for _ in 0..200 {
        rows = gateway.send("GET", "/spend/logs", &master, "").await.json();
        if rows.as_array().is_some_and(|rows| !rows.is_empty()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        (&rows[0]["team_id"], &rows[0]["end_user"]),
        (&json!("b"), &json!("customer"))
    );
    let hash = rows[0]["api_key"].as_str().unwrap();
    assert!(hash.starts_with("hashed-jwt-"), "{hash}");
}
