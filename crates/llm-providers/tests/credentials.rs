//! Credentials of AWS and Azure as they are fetched: token services, a container's agent and metadata services on the
//! loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod loopback;

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use llm_providers::{
    Body, Call, CallOptions, Credential, auth, lookup,
    resolve::{self, Surroundings},
    transport::{HyperTransport, TransportSettings},
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use loopback::Server;

struct Around(BTreeMap<String, String>);

impl Surroundings for Around {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
    fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }
    fn provider_of(&self, _: &str) -> Option<String> {
        None
    }
}

fn login(params: Value, around: &[(&str, &str)]) -> Credential {
    login_to("bedrock", params, around)
}

fn login_to(provider: &str, params: Value, around: &[(&str, &str)]) -> Credential {
    let mut params = JsonObject::from_serialize(&params).unwrap();
    let vars = around
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let login = lookup(provider).unwrap().login.unwrap();
    login(&mut params, &Around(vars.collect()))
        .unwrap()
        .unwrap()
}

async fn fetch(credential: &Credential, now: SystemTime) -> Result<String, String> {
    let Credential::Source(source) = credential else {
        panic!("{credential:?} is not fetched");
    };
    let transport = HyperTransport::new(&TransportSettings::default()).unwrap();
    match source.get(&transport, now).await {
        Ok(Credential::Aws(keys)) => Ok(format!(
            "{} {} {}",
            keys.access_key_id,
            keys.secret_access_key.expose(),
            keys.session_token
                .as_ref()
                .map_or("-", |token| token.expose())
        )),
        Ok(Credential::Token(token)) => Ok(token.expose().to_owned()),
        other => Err(other.map_or_else(|e| e.to_string(), |c| format!("{c:?}"))),
    }
}

fn sts(expires: &str) -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKTEMP</AccessKeyId>\
         <SecretAccessKey>sec</SecretAccessKey><SessionToken>tok</SessionToken><Expiration>{expires}</Expiration>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 2030-01-01T00:00:00Z.
const NEW_YEAR: u64 = 1_893_456_000;

#[tokio::test]
async fn a_role_is_taken_on_once_and_again_before_it_ends() {
    let server = Server::start(|_| (200, sts("2030-01-01T01:00:00Z")));
    let credential = login(
        json!({"aws_access_key_id": "AKBASE", "aws_secret_access_key": "s",
            "aws_role_name": "arn:aws:iam::1:role/r", "aws_session_name": "me", "aws_external_id": "ex",
            "aws_session_tags": [{"Key": "team", "Value": "a b"}], "aws_sts_endpoint": server.url,
            "aws_region_name": "eu-west-1"}),
        &[],
    );
    let now = at(NEW_YEAR);
    let (one, two) = tokio::join!(fetch(&credential, now), fetch(&credential, now));
    assert_eq!(one.unwrap(), "AKTEMP sec tok");
    assert_eq!(two.unwrap(), "AKTEMP sec tok");
    assert_eq!(server.seen().len(), 1, "one fetch serves both");
    let request = server.seen().remove(0);
    for part in [
        "POST / HTTP/1.1",
        "Credential=AKBASE/20300101/eu-west-1/sts/aws4_request",
        "Action=AssumeRole&",
        "RoleSessionName=me",
        "ExternalId=ex",
        "Tags%2Emember%2E1%2EKey=team",
        "Tags%2Emember%2E1%2EValue=a%20b",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
    fetch(&credential, at(NEW_YEAR + 3000)).await.unwrap();
    assert_eq!(server.seen().len(), 1, "good for ten minutes more");
    fetch(&credential, at(NEW_YEAR + 3400)).await.unwrap();
    assert_eq!(server.seen().len(), 2, "renewed before it ends");
}

#[tokio::test]
async fn keys_that_are_still_good_outlive_a_failure_of_the_issuer() {
    let calls = Mutex::new(0);
    let server = Server::start(move |_| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        match *calls {
            1 => (200, sts("2030-01-01T01:00:00Z")),
            _ => (
                403,
                "<E><Error><Code>AccessDenied</Code><Message>no</Message></Error></E>".into(),
            ),
        }
    });
    let credential = login(
        json!({"aws_access_key_id": "AK", "aws_secret_access_key": "s", "aws_role_name": "r",
            "aws_sts_endpoint": server.url}),
        &[],
    );
    fetch(&credential, at(NEW_YEAR)).await.unwrap();
    assert!(fetch(&credential, at(NEW_YEAR + 3500)).await.is_ok());
    let error = fetch(&credential, at(NEW_YEAR + 3700)).await.unwrap_err();
    assert!(error.contains("AccessDenied no"), "{error}");
}

#[tokio::test]
async fn a_web_identity_is_read_from_its_file_each_time() {
    let server = Server::start(|_| (200, sts("2030-01-01T00:01:00Z")));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let credential = login(
        json!({"aws_sts_endpoint": server.url}),
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
            ("AWS_REGION", "us-east-1"),
        ],
    );
    fetch(&credential, at(NEW_YEAR)).await.unwrap();
    std::fs::write(file.path(), "second\n").unwrap();
    fetch(&credential, at(NEW_YEAR)).await.unwrap();
    let seen = server.seen();
    assert!(seen[0].contains("WebIdentityToken=first"), "{}", seen[0]);
    assert!(seen[1].contains("WebIdentityToken=second"), "{}", seen[1]);
    assert!(!seen[0].contains("authorization"), "nothing is signed");
}

#[tokio::test]
async fn a_container_s_agent_is_asked_with_its_token() {
    let server = Server::start(|_| {
        (
            200,
            json!({"AccessKeyId": "AKPOD", "SecretAccessKey": "s", "Token": "t",
            "Expiration": "2030-01-01T06:00:00Z"})
            .to_string(),
        )
    });
    let credential = login(
        json!({}),
        &[
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                &format!("{}/v1/creds", server.url),
            ),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent-token"),
        ],
    );
    assert_eq!(fetch(&credential, at(NEW_YEAR)).await.unwrap(), "AKPOD s t");
    let request = server.seen().remove(0);
    assert!(request.starts_with("GET /v1/creds "), "{request}");
    assert!(request.contains("authorization: agent-token"), "{request}");
}

#[tokio::test]
async fn a_machine_is_asked_in_three_steps() {
    let server = Server::start(|request| {
        let good = request.contains("x-aws-ec2-metadata-token: session");
        match request.lines().next().unwrap() {
            "PUT /latest/api/token HTTP/1.1" => (200, "session".into()),
            "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" if good => (200, "my-role\n".into()),
            "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1" if good => (
                200,
                json!({"Code": "Success", "AccessKeyId": "AKVM", "SecretAccessKey": "s", "Token": "t",
                    "Expiration": "2030-01-01T06:00:00Z"}).to_string(),
            ),
            _ => (401, String::new()),
        }
    });
    let around = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.as_str())];
    let credential = login(json!({}), &around);
    assert_eq!(fetch(&credential, at(NEW_YEAR)).await.unwrap(), "AKVM s t");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_machine_without_a_role_says_what_to_do() {
    let server = Server::start(|_| (404, String::new()));
    let around = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.as_str())];
    let error = fetch(&login(json!({}), &around), at(NEW_YEAR))
        .await
        .unwrap_err();
    assert!(error.contains("404"), "{error}");
}

#[test]
fn a_bearer_token_needs_no_keys() {
    let login = lookup("bedrock").unwrap().login.unwrap();
    let token = ("AWS_BEARER_TOKEN_BEDROCK".to_owned(), "b".to_owned());
    let around = Around([token].into());
    assert!(login(&mut JsonObject::new(), &around).unwrap().is_none());
}

#[tokio::test]
async fn an_entra_token_is_asked_for_once_and_again_before_it_ends() {
    let server = Server::start(|_| {
        (
            200,
            json!({"access_token": "entra", "expires_in": 3600, "token_type": "Bearer"})
                .to_string(),
        )
    });
    let credential = login_to(
        "azure",
        json!({"tenant_id": "ten/ant", "client_id": "cli", "client_secret": "a&b"}),
        &[("AZURE_AUTHORITY_HOST", &server.url)],
    );
    for seconds in [0, 0, 3000] {
        let token = fetch(&credential, at(NEW_YEAR + seconds)).await;
        assert_eq!(token.unwrap(), "entra");
    }
    assert_eq!(server.seen().len(), 1);
    fetch(&credential, at(NEW_YEAR + 3400)).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    let request = server.seen().remove(0);
    for part in [
        "POST /ten%2Fant/oauth2/v2.0/token HTTP/1.1",
        "grant_type=client_credentials",
        "client_secret=a%26b",
        "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default",
    ] {
        assert!(request.contains(part), "{part} in {request}");
    }
}

#[tokio::test]
async fn a_workload_shows_its_own_token() {
    let server = Server::start(|_| {
        (
            200,
            json!({"access_token": "t", "expires_in": "60"}).to_string(),
        )
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "projected\n").unwrap();
    let credential = login_to(
        "azure",
        json!({}),
        &[
            ("AZURE_AUTHORITY_HOST", &server.url),
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap()),
        ],
    );
    assert_eq!(fetch(&credential, at(NEW_YEAR)).await.unwrap(), "t");
    let request = server.seen().remove(0);
    assert!(request.contains("client_assertion=projected"), "{request}");
    assert!(!request.contains("client_secret"), "{request}");
}

#[tokio::test]
async fn managed_identities_are_asked_in_their_two_ways() {
    let server = Server::start(|request| {
        let good = request.contains("metadata: true") || request.contains("x-identity-header: h");
        let body = json!({"access_token": "m", "expires_on": "1893460000"});
        (if good { 200 } else { 400 }, body.to_string())
    });
    let machine = login_to(
        "azure",
        json!({"enable_azure_ad_token_refresh": true, "client_id": "who"}),
        &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &server.url)],
    );
    let service = login_to(
        "azure_ai",
        json!({}),
        &[
            ("IDENTITY_ENDPOINT", &format!("{}/msi", server.url)),
            ("IDENTITY_HEADER", "h"),
        ],
    );
    for credential in [machine, service] {
        assert_eq!(fetch(&credential, at(NEW_YEAR)).await.unwrap(), "m");
    }
    let seen = server.seen();
    let line = |i: usize| seen[i].lines().next().unwrap();
    let resource = "resource=https%3A%2F%2Fcognitiveservices.azure.com";
    assert_eq!(
        line(0),
        format!(
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01&{resource}&client_id=who HTTP/1.1"
        )
    );
    assert_eq!(
        line(1),
        format!("GET /msi?api-version=2019-08-01&{resource} HTTP/1.1")
    );
}

#[tokio::test]
async fn a_refused_token_keeps_its_words() {
    let server = Server::start(|_| {
        (401, json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}).to_string())
    });
    let credential = login_to(
        "azure",
        json!({"tenant_id": "t", "client_id": "c", "client_secret": "hush"}),
        &[("AZURE_AUTHORITY_HOST", &server.url)],
    );
    let error = fetch(&credential, at(NEW_YEAR)).await.unwrap_err();
    assert!(error.contains("invalid_client AADSTS7000215"), "{error}");
    assert!(!error.contains("hush"));
}

/// Resolves, encodes and signs what a user would write, and gives the finished request.
fn finished(params: Value, around: &[(&str, &str)]) -> http::Request<llm_providers::Outgoing> {
    let mut params = JsonObject::from_serialize(&params).unwrap();
    let vars = around
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let target = resolve::target(&mut params, &Around(vars.collect())).unwrap();
    assert!(!format!("{target:?}").contains("hush"), "{target:?}");
    params.set_raw("messages", r#"[{"role":"user","content":"Hi"}]"#);
    let options = CallOptions::default();
    let call = Call::prepare(Op::Chat, &target, Body::from(params), &options).unwrap();
    let mut request = call.encode().unwrap();
    auth::apply(&target, &target.credential, &mut request, at(NEW_YEAR)).unwrap();
    request
}

fn header<'a>(request: &'a http::Request<llm_providers::Outgoing>, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value.map_or("-", |value| value.to_str().unwrap())
}

#[test]
fn bedrock_is_signed_for_the_region_it_is_sent_to() {
    let keys = json!({"aws_access_key_id": "AK", "aws_secret_access_key": "hush",
        "aws_session_token": "hush", "model": "bedrock/eu-west-3/anthropic.claude-3-haiku-20240307-v1:0"});
    let request = finished(keys, &[("AWS_REGION", "us-east-1")]);
    assert_eq!(
        request.uri().host(),
        Some("bedrock-runtime.eu-west-3.amazonaws.com")
    );
    let signed = header(&request, "authorization");
    assert!(
        signed.contains("Credential=AK/20300101/eu-west-3/bedrock/aws4_request"),
        "{signed}"
    );
    assert!(!String::from_utf8_lossy(request.body().bytes().expect("in memory")).contains("aws_"));

    let request = finished(
        json!({"model": "bedrock/amazon.nova-lite-v1:0"}),
        &[
            ("AWS_BEARER_TOKEN_BEDROCK", "token"),
            ("AWS_REGION", "us-east-1"),
        ],
    );
    assert_eq!(
        request.uri().host(),
        Some("bedrock-runtime.us-east-1.amazonaws.com")
    );
    assert_eq!(header(&request, "authorization"), "Bearer token");

    let request = finished(
        json!({"model": "sagemaker_chat/ep", "aws_access_key_id": "AK", "aws_secret_access_key": "hush"}),
        &[],
    );
    let signed = header(&request, "authorization");
    assert!(
        signed.contains("/us-west-2/sagemaker/aws4_request"),
        "{signed}"
    );
}

#[test]
fn azure_s_key_goes_where_each_of_its_apis_wants_it() {
    let around = [
        ("AZURE_API_KEY", "key"),
        ("AZURE_API_BASE", "https://r.openai.azure.com/"),
        ("AZURE_AI_API_KEY", "key"),
        ("AZURE_AI_API_BASE", "https://r.services.ai.azure.com"),
    ];
    let request = finished(json!({"model": "azure/mine"}), &around);
    assert_eq!(header(&request, "api-key"), "key");
    assert_eq!(header(&request, "authorization"), "-");

    let request = finished(json!({"model": "azure/mine", "api_version": "v1"}), &around);
    assert_eq!(header(&request, "authorization"), "Bearer key");

    let request = finished(
        json!({"model": "azure/mine", "azure_ad_token": "hush"}),
        &around,
    );
    assert_eq!(header(&request, "authorization"), "Bearer hush");
    assert_eq!(header(&request, "api-key"), "-");

    let request = finished(json!({"model": "azure_ai/claude-opus-4-5"}), &around);
    assert_eq!(header(&request, "x-api-key"), "key");
    assert_eq!(header(&request, "anthropic-version"), "2023-06-01");
}
