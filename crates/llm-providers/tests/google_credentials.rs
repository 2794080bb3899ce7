//! Google's tokens as they are fetched: a token endpoint, an impersonation service and a metadata service on the loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod loopback;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, SystemTime},
};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use llm_providers::{
    Credential, Kind, Target, lookup,
    resolve::{self, Surroundings},
    transport::{HyperTransport, TransportSettings},
};
use llm_types::JsonObject;
use serde_json::{Value, json};

use loopback::Server;

#[derive(Default)]
struct Around {
    vars: BTreeMap<&'static str, String>,
    files: BTreeMap<&'static str, String>,
}

impl Surroundings for Around {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }
    fn file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }
    fn provider_of(&self, _: &str) -> Option<String> {
        None
    }
}

fn target(params: Value, around: &Around) -> Result<Target, llm_providers::Error> {
    let mut params = JsonObject::from_serialize(&params).unwrap();
    params.set_str("model", "vertex_ai/gemini-2.5-flash");
    resolve::target(&mut params, around)
}

async fn token(credential: &Credential, now: SystemTime) -> Result<String, llm_providers::Error> {
    let Credential::Source(source) = credential else {
        panic!("{credential:?} is not fetched");
    };
    let transport = HyperTransport::new(&TransportSettings::default()).unwrap();
    match source.get(&transport, now).await? {
        Credential::Token(token) => Ok(token.expose().to_owned()),
        other => panic!("{other:?} is no token"),
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn user(token_uri: &str) -> Value {
    json!({"type": "authorized_user", "client_id": "id", "client_secret": "s+/=", "refresh_token": "r",
        "quota_project_id": "theirs", "token_uri": token_uri})
}

/// A key for this run alone, as a service account's file has it, and what verifies its signatures.
fn fresh_key() -> (String, DecodingKey) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let lines = STANDARD.encode(AsDer::as_der(&pair).unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n");
    (pem, DecodingKey::from_rsa_der(pair.public_key().as_ref()))
}

#[tokio::test]
async fn a_service_account_signs_for_itself_and_again_before_the_token_ends() {
    let server = Server::start(|_| (200, json!({"access_token": "ya29.x", "expires_in": 3600})));
    let (key, verifies) = fresh_key();
    let uri = format!("{}/token", server.url);
    let file = json!({"type": "service_account", "project_id": "own", "client_email": "a@own.example", "private_key": key,
        "private_key_id": "k1", "token_uri": uri});
    let target = target(json!({"vertex_credentials": file}), &Around::default()).unwrap();
    assert_eq!(target.setting("vertex_project"), Some("own"));
    assert_eq!(target.setting("vertex_location"), Some("us-central1"));
    let now = 1_900_000_000;
    for (later, fetches) in [(0, 1), (3000, 1), (3400, 2)] {
        let got = token(&target.credential, at(now + later)).await.unwrap();
        assert_eq!(got, "ya29.x");
        assert_eq!(server.seen().len(), fetches, "after {later} s");
    }
    let request = server.seen().remove(0);
    assert!(request.starts_with("POST /token HTTP/1.1"), "{request}");
    let form = request.split_once("\r\n\r\n").unwrap().1;
    let (grant, assertion) = form.split_once("&assertion=").unwrap();
    assert_eq!(
        grant,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    );
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[&uri]);
    let claims = jsonwebtoken::decode::<Value>(assertion, &verifies, &validation).unwrap();
    assert_eq!(claims.header.kid.as_deref(), Some("k1"));
    assert_eq!(
        claims.claims,
        json!({"iss": "a@own.example", "scope": "https://www.googleapis.com/auth/cloud-platform", "aud": uri,
            "iat": now, "exp": now + 3600})
    );
}

#[tokio::test]
async fn a_person_who_logged_in_is_found_where_gcloud_left_the_file() {
    let server = Server::start(|_| (200, json!({"access_token": "ya29.u", "expires_in": 3599})));
    let around = Around {
        vars: [
            ("HOME", "/home/me".to_owned()),
            ("VERTEXAI_PROJECT", "mine".to_owned()),
        ]
        .into(),
        files: [(
            "/home/me/.config/gcloud/application_default_credentials.json",
            user(&server.url).to_string(),
        )]
        .into(),
    };
    let target = target(json!({"vertex_ai_location": "global"}), &around).unwrap();
    assert_eq!(target.setting("vertex_project"), Some("mine"));
    assert_eq!(target.setting("vertex_location"), Some("global"));
    assert_eq!(token(&target.credential, at(9)).await.unwrap(), "ya29.u");
    let request = server.seen().remove(0);
    assert!(
        request.ends_with(
            "grant_type=refresh_token&client_id=id&client_secret=s%2B%2F%3D&refresh_token=r"
        ),
        "{request}"
    );
}

#[tokio::test]
async fn a_refusal_is_an_error_of_the_credentials() {
    let server = Server::start(|_| {
        (
            400,
            json!({"error": "invalid_grant", "error_description": "Bad Request: expired"}),
        )
    });
    let target = target(
        json!({"vertex_credentials": user(&server.url).to_string()}),
        &Around::default(),
    )
    .unwrap();
    let error = token(&target.credential, at(9)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.message.contains("expired"), "{error}");
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_token() {
    let server = Server::start(|_| (200, json!({"access_token": "t", "expires_in": 3600})));
    let target = target(
        json!({"vertex_credentials": user(&server.url)}),
        &Around::default(),
    )
    .unwrap();
    let asked = (0..20).map(|_| token(&target.credential, at(9)));
    for got in futures_util::future::join_all(asked).await {
        assert_eq!(got.unwrap(), "t");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn another_issuers_token_is_exchanged_and_acts_as_a_service_account() {
    let server = Server::start(|request| {
        if request.starts_with("POST /sts") {
            return (
                200,
                json!({"access_token": "federated", "expires_in": 3600}),
            );
        }
        assert!(
            request
                .to_lowercase()
                .contains("authorization: bearer federated")
        );
        (
            200,
            json!({"accessToken": "impersonated", "expireTime": "2030-01-01T01:00:00Z"}),
        )
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, r#"{"tok": "subject"}"#).unwrap();
    let file = json!({
        "type": "external_account", "audience": "//iam/x", "subject_token_type": "jwt", "token_url": format!("{}/sts", server.url),
        "service_account_impersonation_url": format!("{}/as:generateAccessToken", server.url),
        "credential_source": {"file": path, "format": {"type": "json", "subject_token_field_name": "tok"}}
    });
    let target = target(json!({"vertex_credentials": file}), &Around::default()).unwrap();
    assert_eq!(
        token(&target.credential, at(9)).await.unwrap(),
        "impersonated"
    );
    assert!(
        server.seen()[0].contains("&subject_token=subject&"),
        "{:?}",
        server.seen()
    );
}

#[tokio::test]
async fn without_a_file_the_machine_answers_or_the_error_says_what_to_set() {
    let server = Server::start(|request| {
        assert!(request.to_lowercase().contains("metadata-flavor: google"));
        (200, json!({"access_token": "gce", "expires_in": 10}))
    });
    let host = server.url.trim_start_matches("http://").to_owned();
    let around = |host: String| Around {
        vars: [("GCE_METADATA_HOST", host)].into(),
        files: BTreeMap::new(),
    };
    let here = target(json!({}), &around(host)).unwrap();
    assert_eq!(token(&here.credential, at(9)).await.unwrap(), "gce");
    // Nobody listens on a port that was just given back.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nowhere = target(json!({}), &around(gone.to_string())).unwrap();
    let error = token(&nowhere.credential, at(9)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(
        error.message.contains("GOOGLE_APPLICATION_CREDENTIALS"),
        "{error}"
    );
}

#[test]
fn broken_credentials_are_named_before_anything_is_sent() {
    let around = Around {
        vars: [("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file".to_owned())].into(),
        files: BTreeMap::new(),
    };
    let error = target(json!({}), &around).unwrap_err();
    assert!(error.message.contains("/no/such/file"), "{error}");
    let error = target(json!({"vertex_credentials": {"type": "other"}}), &around).unwrap_err();
    assert!(error.message.contains("'other'"), "{error}");
    assert_eq!(error.kind, Kind::Auth);
    assert_eq!(error.provider, "vertex_ai");
}

#[test]
fn a_plain_key_is_express_mode() {
    let target = target(json!({"api_key": "AIza"}), &Around::default()).unwrap();
    assert_eq!(target.setting("vertex_project"), None);
    assert!(matches!(target.credential, Credential::Key(_)));
    assert_eq!(lookup("vertex_ai_beta").unwrap().name, "vertex_ai");
}
