//! People who sign in: with passwords of ours, of the environment, and of a directory.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use llm_governance::{Hidden, Role};
use llm_proxy::settings::{Directory, Finding, Place, Settings};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::support::*;

pub(crate) const GOOD: &str = "Correct-Horse-1";

async fn gateway(change: impl FnOnce(&mut Settings)) -> (Gateway, tempfile::TempDir) {
    let vendor = Vendor::friendly().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = with_master_key(settings(&vendor.url));
    settings.database.place = Place::Named(folder.path().join("g.db").display().to_string());
    change(&mut settings);
    (Gateway::with(settings).await, folder)
}

async fn login(gateway: &Gateway, name: &str, password: &str) -> Got {
    let body = json!({"username": name, "password": password});
    gateway.post("/v2/login", &body).await
}

/// The claims of a session's token.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn manage(gateway: &Gateway, key: &str, path: &str, body: Value) -> Got {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    gateway.send("POST", path, &headers, body.to_string()).await
}

#[tokio::test]
async fn whoever_runs_the_gateway_signs_in() {
    let (gateway, _folder) = gateway(|_| {}).await;
    let got = login(&gateway, "admin", "sk-master").await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json()["redirect_url"], "/ui?login=success");
    let cookie = got.header("set-cookie").to_owned();
    let token = got.json()["token"].as_str().unwrap().to_owned();
    assert!(cookie.starts_with(&format!("token={token}; Path=/; ")));
    assert!(cookie.contains("SameSite=Lax") && got.header("cache-control") == "no-store");
    let session = claims(&token);
    assert_eq!(
        (&session["user_role"], &session["login_method"]),
        (&json!("proxy_admin"), &json!("username_password"))
    );
    assert_eq!(session["auth_header_name"], "Authorization");
    let key = session["key"].as_str().unwrap();
    assert_eq!(
        manage(&gateway, key, "/team/new", json!({})).await.status,
        200
    );

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let got = gateway
        .send(
            "POST",
            "/login",
            &form,
            "username=admin&password=sk%2Dmaster",
        )
        .await;
    assert_eq!(
        (got.status.as_u16(), got.header("location")),
        (303, "/ui?login=success")
    );
    assert!(got.header("set-cookie").starts_with("token="));

    let config = gateway.get("/.well-known/litellm-ui-config").await.json();
    assert_eq!(
        (&config["server_root_path"], &config["sso_configured"]),
        (&json!(""), &json!(false))
    );
}

#[tokio::test]
async fn a_cookie_goes_over_tls_alone_where_there_is_tls() {
    for (base, secure) in [("https://gateway.example", true), ("", false)] {
        let (gateway, _folder) = gateway(|settings| {
            settings.governance.sign_in.base_url = base.to_owned();
        })
        .await;
        let got = login(&gateway, "admin", "sk-master").await;
        let cookie = got.header("set-cookie");
        assert_eq!(cookie.contains("; Secure"), secure, "{cookie}");
        assert!(cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=86400"));
    }
}

#[tokio::test]
async fn a_wrong_password_of_somebody_is_as_wrong_as_one_of_nobody() {
    let (gateway, _folder) = gateway(|_| {}).await;
    let user = json!({"user_id": "ann", "user_email": "ann@example.com"});
    manage(&gateway, "sk-master", "/user/new", user).await;
    let invited = manage(
        &gateway,
        "sk-master",
        "/invitation/new",
        json!({"user_id": "ann"}),
    )
    .await;
    let claim = json!({"invitation_link": invited.json()["id"], "password": GOOD});
    assert_eq!(
        gateway.post("/onboarding/claim_token", &claim).await.status,
        200
    );
    let idle = json!({"user_id": "bob"});
    manage(&gateway, "sk-master", "/user/new", idle).await;
    let mut told = Vec::new();
    // With a password, without one, known by an address, and not known at all.
    for name in [
        "ann",
        "bob",
        "ann@example.com",
        "nobody",
        "nobody@example.com",
    ] {
        let got = login(&gateway, name, "Wrong-Horse-1").await;
        told.push((
            got.status,
            got.body.clone(),
            got.headers.contains_key("set-cookie"),
        ));
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    assert_eq!(told[0].0, 401);
}

#[tokio::test]
async fn a_wrong_password_tells_nothing_and_is_tried_a_few_times() {
    let (gateway, _folder) = gateway(|settings| {
        settings.governance.sign_in.admin = Some(("root".to_owned(), Hidden::new("secret")));
    })
    .await;
    let mut answers = Vec::new();
    for (name, password) in [
        ("root", "wrong"),
        ("nobody", "secret"),
        ("admin", "sk-master"),
        ("root", "secret "),
    ] {
        let got = login(&gateway, name, password).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["error"]["param"].as_str()),
            (401, Some("invalid_credentials"))
        );
        answers.push(got.body.clone());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    for _ in 0..3 {
        assert_eq!(login(&gateway, "root", "wrong").await.status, 401);
    }
    let slow = login(&gateway, "root", "secret").await;
    assert_eq!(slow.status, 429);
    // Who tries many names waits, too.
    for n in 0..20 {
        login(&gateway, &format!("name-{n}"), "x").await;
    }
    assert_eq!(login(&gateway, "another", "x").await.status, 429);
    for body in [
        json!({}),
        json!({"username": 1, "password": "x"}),
        json!({"username": "x", "password": {}}),
    ] {
        let got = gateway.post("/v2/login", &body).await;
        assert!(
            [400, 401, 422, 429].contains(&got.status.as_u16()),
            "{body}: {}",
            got.status
        );
    }
}

#[tokio::test]
async fn an_invited_user_sets_a_password_and_is_in() {
    let (gateway, _folder) = gateway(|_| {}).await;
    let user =
        json!({"user_id": "ann", "user_email": "ann@example.com", "user_role": "internal_user"});
    manage(&gateway, "sk-master", "/user/new", user).await;
    let invitation = manage(
        &gateway,
        "sk-master",
        "/invitation/new",
        json!({"user_id": "ann"}),
    )
    .await
    .json();
    let claim = json!({"invitation_link": invitation["id"], "password": GOOD});
    let got = gateway.post("/onboarding/claim_token", &claim).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let first = claims(got.json()["token"].as_str().unwrap());
    let got = login(&gateway, "Ann@Example.com", GOOD).await;
    let second = claims(got.json()["token"].as_str().unwrap());
    assert_eq!(
        (&second["user_id"], &second["user_role"]),
        (&json!("ann"), &json!("internal_user"))
    );
    for session in [first, second] {
        let key = session["key"].as_str().unwrap();
        let made = manage(&gateway, key, "/key/generate", json!({})).await;
        assert_eq!(made.json()["user_id"], "ann", "{}", made.text());
        assert_eq!(
            manage(&gateway, key, "/user/update", json!({}))
                .await
                .status,
            401
        );
    }
    // Who was deactivated is out, whatever the password.
    let off = json!({"user_id": "ann", "metadata": {"scim_active": false}});
    manage(&gateway, "sk-master", "/user/update", off).await;
    assert_eq!(login(&gateway, "ann", GOOD).await.status, 401);
}

/// A directory that speaks LDAP's messages.
struct Tree {
    url: String,
    /// Whether it turns to TLS when it is asked to.
    starttls: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What stands in it: a name, a password, and attributes.
type People = BTreeMap<&'static str, (&'static str, Vec<(&'static str, Vec<&'static str>)>)>;

/// How a directory is reached.
#[derive(Clone, Copy, PartialEq)]
enum Reached {
    Plainly,
    OverTls,
    ByStartTls,
}

/// The directory's certificate, which an authority of the tests signed.
fn certificate() -> TlsAcceptor {
    let file = |name: &str| std::fs::read(fixture(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&file("localhost.pem"))
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(&file("localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("../../fixtures/tls").join(name)
}

impl Tree {
    async fn grown() -> Self {
        Self::reached(Reached::Plainly).await
    }

    async fn reached(by: Reached) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match by {
            Reached::Plainly => format!("ldap://127.0.0.1:{port}"),
            Reached::OverTls => format!("ldaps://localhost:{port}"),
            Reached::ByStartTls => format!("ldap://localhost:{port}"),
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let people: People = BTreeMap::from([
            ("cn=reader,dc=example", ("reading", vec![])),
            (
                "uid=ann,ou=people,dc=example",
                (
                    "horse",
                    vec![
                        ("uid", vec!["ann"]),
                        ("mail", vec!["ann@example.com"]),
                        ("memberOf", vec!["cn=Admins,dc=example"]),
                    ],
                ),
            ),
            (
                "uid=bob,ou=people,dc=example",
                (
                    "staple",
                    vec![
                        ("uid", vec!["bob"]),
                        ("memberOf", vec!["cn=others,dc=example"]),
                    ],
                ),
            ),
        ]);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (people, seen) = (people.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let socket = match by {
                        Reached::Plainly => return serve(socket, people, seen).await,
                        Reached::OverTls => socket,
                        Reached::ByStartTls => turned(socket, &seen).await,
                    };
                    // Whoever does not believe the certificate says nothing more.
                    if let Ok(socket) = certificate().accept(socket).await {
                        serve(socket, people, seen).await;
                    }
                });
            }
        });
        let starttls = by == Reached::ByStartTls;
        Self {
            url,
            starttls,
            asked,
        }
    }
}

/// The tag and the contents of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let count = usize::from(long & 0x7f);
            let digits = rest.get(..count)?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, &rest[count..])
        }
    };
    Some((tag, rest.get(..length)?, &rest[length..]))
}

fn elements(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some((tag, contents, rest)) = element(bytes) {
        all.push((tag, contents));
        bytes = rest;
    }
    all
}

fn wrapped(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    bytes.extend(contents);
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A result with this code.
fn result(tag: u8, code: u8) -> Vec<u8> {
    let parts = [
        wrapped(0x0a, &[code]),
        wrapped(0x04, b""),
        wrapped(0x04, b""),
    ];
    wrapped(tag, &parts.concat())
}

fn entry(name: &str, attributes: &[(&str, Vec<&str>)]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, values)| {
            let values: Vec<u8> = values
                .iter()
                .flat_map(|value| wrapped(0x04, value.as_bytes()))
                .collect();
            wrapped(
                0x30,
                &[wrapped(0x04, name.as_bytes()), wrapped(0x31, &values)].concat(),
            )
        })
        .collect();
    wrapped(
        0x64,
        &[wrapped(0x04, name.as_bytes()), wrapped(0x30, &attributes)].concat(),
    )
}

/// Answers the question for TLS, which must come before all others.
async fn turned(mut socket: TcpStream, seen: &Mutex<Vec<String>>) -> TcpStream {
    let mut bytes = Vec::new();
    while element(&bytes).is_none() {
        assert!(socket.read_buf(&mut bytes).await.unwrap() > 0);
    }
    let parts = elements(element(&bytes).unwrap().1);
    assert_eq!(parts[1].0, 0x77, "something was said in the open");
    let name = elements(parts[1].1);
    assert_eq!(text(name[0].1), "1.3.6.1.4.1.1466.20037");
    seen.lock().unwrap().push("starttls".to_owned());
    let answer = [wrapped(parts[0].0, parts[0].1), result(0x78, 0)].concat();
    socket.write_all(&wrapped(0x30, &answer)).await.unwrap();
    socket
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    people: People,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut bytes = Vec::new();
    loop {
        while element(&bytes).is_none() {
            if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let (_, message, rest) = element(&bytes).unwrap();
        let parts = elements(message);
        let (id, (tag, request)) = (wrapped(parts[0].0, parts[0].1), parts[1]);
        let fields = elements(request);
        let answers = match tag {
            0x60 => {
                let (name, password) = (text(fields[1].1), text(fields[2].1));
                seen.lock().unwrap().push(format!("bind {name}"));
                let known = people
                    .get(name.as_str())
                    .is_some_and(|(own, _)| *own == password);
                vec![result(0x61, if known { 0 } else { 49 })]
            }
            0x63 => {
                let base = text(fields[0].1);
                let wanted = match fields[6].0 {
                    0xa3 => elements(fields[6].1)
                        .iter()
                        .map(|part| text(part.1))
                        .collect::<Vec<_>>()
                        .join("="),
                    _ => "*".to_owned(),
                };
                seen.lock().unwrap().push(format!("search {base} {wanted}"));
                let found = people.iter().filter(|(name, _)| match wanted.as_str() {
                    "*" => **name == base,
                    own => name.split(',').next() == Some(own) && name.ends_with(&base),
                });
                let mut answers: Vec<_> = found
                    .map(|(name, (_, attributes))| entry(name, attributes))
                    .collect();
                answers.push(result(0x65, 0));
                answers
            }
            _ => return,
        };
        for answer in answers {
            let message = wrapped(0x30, &[id.clone(), answer].concat());
            if socket.write_all(&message).await.is_err() {
                return;
            }
        }
        bytes = rest.to_vec();
    }
}

fn directory(tree: &Tree, finding: Finding) -> Directory {
    Directory {
        url: tree.url.clone(),
        starttls: tree.starttls,
        authorities: None,
        finding,
        id: "uid".to_owned(),
        email: "mail".to_owned(),
        groups: "memberOf".to_owned(),
        roles: vec![("cn=admins,dc=example".to_owned(), Role::ProxyAdmin)],
        usual: Some(Role::InternalUser),
        patience: Duration::from_secs(5),
    }
}

fn by_search() -> Finding {
    let login = (
        "cn=reader,dc=example".to_owned(),
        llm_providers::Secret::new("reading"),
    );
    Finding::Search {
        login: Some(login),
        base: "ou=people,dc=example".to_owned(),
        filter: "(uid={username})".to_owned(),
    }
}

#[tokio::test]
async fn people_of_a_directory_sign_in() {
    for finding in [
        Finding::Template("uid={username},ou=people,dc=example".to_owned()),
        by_search(),
    ] {
        let tree = Tree::grown().await;
        let (gateway, _folder) = gateway(|settings| {
            settings.governance.sign_in.people = Some(Arc::new(directory(&tree, finding)));
        })
        .await;
        for (name, password, role) in [
            ("ann", "horse", Some("proxy_admin")),
            ("bob", "staple", Some("internal_user")),
            ("ann", "staple", None),
            ("ann", "", None),
            ("nobody", "horse", None),
            ("*", "horse", None),
            ("ann)(uid=*", "horse", None),
            ("ann,ou=people", "horse", None),
        ] {
            let got = login(&gateway, name, password).await;
            let signed_in = got.status == 200;
            assert_eq!(signed_in, role.is_some(), "{name}: {}", got.text());
            if let Some(role) = role {
                let session = claims(got.json()["token"].as_str().unwrap());
                assert_eq!(
                    (&session["user_id"], &session["user_role"]),
                    (&json!(name), &json!(role))
                );
            } else if !password.is_empty() {
                assert_eq!(got.json()["error"]["param"], "invalid_credentials");
            }
        }
        // A name never reaches the directory as anything but a name.
        for asked in tree.asked.lock().unwrap().iter() {
            let is_one = !asked.starts_with("search ou=people") || asked.contains(" uid=");
            assert!(is_one, "{asked}");
            assert!(!asked.contains("uid=ann,ou=people,ou=people"), "{asked}");
        }
        let info = gateway
            .send(
                "GET",
                "/v2/user/info?user_id=ann",
                &[("authorization", "Bearer sk-master")],
                "",
            )
            .await;
        assert_eq!(info.json()["user_email"], "ann@example.com");
    }
}

#[tokio::test]
async fn a_directory_is_believed_when_its_certificate_comes_from_the_named_authority() {
    for by in [Reached::OverTls, Reached::ByStartTls] {
        let tree = Tree::reached(by).await;
        for (authorities, status) in [
            (Some(fixture("ca.pem")), 200),
            (None, 503),
            (Some(fixture("nowhere.pem")), 503),
        ] {
            let (gateway, _folder) = gateway(|settings| {
                let directory = Directory {
                    authorities,
                    ..directory(&tree, by_search())
                };
                settings.governance.sign_in.people = Some(Arc::new(directory));
            })
            .await;
            let before = tree.asked.lock().unwrap().len();
            let got = login(&gateway, "ann", "horse").await;
            assert_eq!(got.status, status, "{}", got.text());
            let asked = tree.asked.lock().unwrap().split_off(before);
            let binds = asked
                .iter()
                .filter(|asked| asked.starts_with("bind"))
                .count();
            // No password goes to whoever cannot say who it is.
            assert_eq!(binds, if status == 200 { 2 } else { 0 }, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_away_lets_nobody_in_and_ours_stay() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tree = Tree {
        url: format!("ldap://{}", silent.local_addr().unwrap()),
        starttls: false,
        asked: Arc::default(),
    };
    let (gateway, _folder) = gateway(|settings| {
        let quick = Directory {
            patience: Duration::from_millis(100),
            usual: None,
            ..directory(&tree, by_search())
        };
        settings.governance.sign_in.people = Some(Arc::new(quick));
    })
    .await;
    let got = login(&gateway, "ann", "horse").await;
    assert_eq!(
        (got.status.as_u16(), got.error().1),
        (503, "auth_provider_unavailable".to_owned())
    );
    assert_eq!(login(&gateway, "admin", "sk-master").await.status, 200);
}
