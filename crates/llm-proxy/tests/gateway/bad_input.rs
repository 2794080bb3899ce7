//! What administrators and their scripts get wrong, over HTTP, with keys in either database.

use llm_governance::{FieldKind, routes};
use llm_proxy::settings::Place;
use serde_json::{Value, json};

use crate::{
    stored::kit::{Database, databases},
    support::*,
};

/// A gateway over one of the databases.
struct Books {
    gateway: Gateway,
    on: &'static str,
    _database: Database,
}

impl Books {
    async fn everywhere() -> Vec<Self> {
        let mut all = Vec::new();
        for database in databases().await {
            let mut settings = with_master_key(settings("http://127.0.0.1:1/v1"));
            settings.database.place = Place::Named(match database.name {
                "SQLite" => database.folder().join("g.db").display().to_string(),
                _ => database.settings.url.clone(),
            });
            settings.database.journal = Some(database.folder().join("journal"));
            all.push(Self {
                gateway: Gateway::with(settings).await,
                on: database.name,
                _database: database,
            });
        }
        all
    }

    async fn send(&self, method: &str, path: &str, body: impl Into<String>) -> Got {
        let headers = [("authorization", "Bearer sk-master")];
        self.gateway.send(method, path, &headers, body.into()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        self.send("POST", path, body.to_string()).await
    }
}

/// What no field of this kind may hold.
fn wrong_of(kind: FieldKind) -> Vec<Value> {
    match kind {
        FieldKind::Text => vec![json!(7), json!({}), json!("x".repeat(5_000))],
        FieldKind::Choice(_) => vec![json!("nothing of the kind"), json!(true)],
        FieldKind::Texts => vec![json!("x"), json!([1])],
        FieldKind::List => vec![json!("x"), json!({})],
        FieldKind::Flag => vec![json!("yes"), json!(1)],
        FieldKind::Dollars => vec![json!("much"), json!(-0.01), json!(1e300), json!([])],
        FieldKind::Count => vec![json!("many"), json!(-1), json!(1.5), json!(1e30)],
        FieldKind::Object => vec![json!([1]), json!("{}"), json!({"x": "y".repeat(300_000)})],
        FieldKind::NamesByName => vec![json!([1]), json!({"m": "x"}), json!({"m": [1]})],
        FieldKind::Counts => vec![json!([1]), json!({"m": -1}), json!({"m": "x"})],
        FieldKind::Duration => vec![
            json!("30x"),
            json!("-5d"),
            json!(""),
            json!("0s"),
            json!(30),
            json!("99999999999999999999d"),
        ],
        FieldKind::Moment => vec![json!("soon"), json!(true), json!("2026-13-45T99:00:00Z")],
        FieldKind::ModelBudgets => vec![
            json!([]),
            json!({"m": 1}),
            json!({"m": {"budget_limit": -3}}),
            json!({"m": {"time_period": "30x"}}),
            json!({"m": {"colour": "red"}}),
        ],
        FieldKind::Windows => vec![
            json!({}),
            json!([{}]),
            json!([{"budget_duration": "30x", "max_budget": 1}]),
            json!([{"budget_duration": "1d", "max_budget": -1}]),
        ],
        // Whatever it is, the route looks at it.
        FieldKind::Json => Vec::new(),
    }
}

#[tokio::test]
async fn each_field_of_each_route_is_named_when_it_is_wrong() {
    for books in Books::everywhere().await {
        let mut wrong = Vec::new();
        let mut asked = 0;
        for route in routes::all() {
            let method = route.method.method();
            let path = route.path.replace(['{', '}', '*'], "");
            for field in route.body.iter().copied().flatten() {
                for value in wrong_of(field.kind) {
                    asked += 1;
                    let body = json!({field.name: value});
                    let got = books.send(method.as_str(), &path, body.to_string()).await;
                    let (status, text) = (got.status.as_u16(), got.text());
                    let told = got.json();
                    let param = told["error"]["param"].as_str().unwrap_or_default();
                    let place = told["detail"][0]["loc"][1].as_str().unwrap_or_default();
                    let is_named = [param, place]
                        .iter()
                        .any(|named| named.starts_with(field.name));
                    if !matches!(status, 400 | 422) || !is_named {
                        wrong.push(format!(
                            "{}: {method} {path} {body:.100}: {status} {text:.200}",
                            books.on
                        ));
                    }
                }
            }
        }
        assert!(asked > 1_000, "only {asked} values were tried");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[tokio::test]
async fn what_makes_no_sense_together_is_named() {
    for books in Books::everywhere().await {
        for (path, body) in [
            ("/key/generate", json!({"key_alias": "taken"})),
            ("/team/new", json!({"team_id": "taken"})),
            (
                "/user/new",
                json!({"user_id": "taken", "user_email": "taken@example.com"}),
            ),
            ("/budget/new", json!({"budget_id": "taken"})),
            ("/customer/new", json!({"user_id": "taken"})),
            ("/tag/new", json!({"name": "taken"})),
            (
                "/organization/new",
                json!({"organization_id": "taken", "organization_alias": "taken"}),
            ),
        ] {
            let got = books.post(path, &body).await;
            assert!(
                got.status.is_success(),
                "{}: {path}: {}",
                books.on,
                got.text()
            );
        }
        for (path, body, statuses, named) in [
            (
                "/key/generate",
                json!({"key_alias": "taken"}),
                [400, 409],
                "key_alias",
            ),
            (
                "/key/generate",
                json!({"soft_budget": 5, "max_budget": 3}),
                [400, 400],
                "soft_budget",
            ),
            (
                "/key/generate",
                json!({"key": "sk-short"}),
                [400, 400],
                "key",
            ),
            (
                "/key/generate",
                json!({"key": "not-ours-but-long-enough"}),
                [400, 400],
                "key",
            ),
            (
                "/key/generate",
                json!({"team_id": "nowhere"}),
                [400, 404],
                "team_id",
            ),
            (
                "/key/update",
                json!({"key": "sk-nobody-has-this-one", "max_budget": 1}),
                [404, 404],
                "key",
            ),
            (
                "/team/new",
                json!({"team_id": "taken"}),
                [400, 409],
                "team_id",
            ),
            (
                "/team/new",
                json!({"organization_id": "nowhere"}),
                [400, 404],
                "organization_id",
            ),
            (
                "/user/new",
                json!({"user_id": "taken"}),
                [400, 409],
                "user_id",
            ),
            (
                "/user/new",
                json!({"user_email": "taken@example.com"}),
                [400, 409],
                "user_email",
            ),
            (
                "/user/new",
                json!({"user_role": "king"}),
                [400, 422],
                "user_role",
            ),
            (
                "/budget/new",
                json!({"budget_id": "taken"}),
                [400, 409],
                "budget_id",
            ),
            (
                "/customer/new",
                json!({"user_id": "taken"}),
                [400, 409],
                "user_id",
            ),
            ("/tag/new", json!({"name": "taken"}), [400, 409], "name"),
        ] {
            let got = books.post(path, &body).await;
            let status = got.status.as_u16();
            let param = got.json()["error"]["param"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let is_named = param == named;
            assert!(
                statuses.contains(&status) && is_named,
                "{}: {path} {body}: {status} {}",
                books.on,
                got.text()
            );
        }
    }
}

#[tokio::test]
async fn unknown_fields_are_told_and_bodies_that_are_none_are_refused() {
    for books in Books::everywhere().await {
        let got = books.post("/key/generate", &json!({"max_bugdet": 3})).await;
        assert_eq!(
            got.json()["notices"][0],
            "unknown field 'max_bugdet': did you mean 'max_budget'?"
        );
        let got = books
            .post("/team/new", &json!({"nonsense_of_mine": 3}))
            .await;
        let told = got.json()["notices"].to_string();
        assert!(told.contains("nonsense_of_mine"), "{}: {told}", books.on);
        let deep = format!(
            "{{\"metadata\": {}{}}}",
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        for body in [
            "[]".to_owned(),
            "\"x\"".to_owned(),
            "{".to_owned(),
            "nothing".to_owned(),
            "{\"max_budget\": 1e999}".to_owned(),
            "{\"max_budget\": NaN}".to_owned(),
            "{\"key_alias\": \"\\ud800\"}".to_owned(),
            deep,
        ] {
            let got = books.send("POST", "/key/generate", body.clone()).await;
            assert!(
                matches!(got.status.as_u16(), 400 | 422),
                "{}: {body:.50}: {}",
                books.on,
                got.status
            );
        }
        let huge = json!({"metadata": {"x": "y".repeat(5 << 20)}});
        assert_eq!(books.post("/key/generate", &huge).await.status, 413);
    }
}

/// What would be something else than a text, if anybody read it as SQL, as a template or as a path.
const HOSTILE: [&str; 10] = [
    "'; DROP TABLE keys; --",
    "\" OR \"1\"=\"1",
    "1; SELECT pg_sleep(10)",
    "%' OR 1=1 --",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/x}",
    "$1 $2 ? :name @x",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\u{202e}\u{1f4a9} \\x00 \\",
];

#[tokio::test]
async fn hostile_values_are_values() {
    for books in Books::everywhere().await {
        for hostile in HOSTILE {
            let escaped =
                percent_encoding::utf8_percent_encode(hostile, percent_encoding::NON_ALPHANUMERIC)
                    .to_string();
            let made = books
                .post(
                    "/key/generate",
                    &json!({"key_alias": hostile, "metadata": {hostile: hostile}}),
                )
                .await;
            assert_eq!(made.status, 200, "{}: {hostile}: {}", books.on, made.text());
            let key = made.json()["key"].as_str().unwrap().to_owned();
            let info = books
                .send("GET", &format!("/key/info?key={key}"), "")
                .await
                .json();
            assert_eq!(
                (
                    &info["info"]["key_alias"],
                    &info["info"]["metadata"][hostile]
                ),
                (&json!(hostile), &json!(hostile))
            );
            let found = books
                .send("GET", &format!("/key/list?key_alias={escaped}"), "")
                .await
                .json();
            assert_eq!(found["total_count"], 1, "{}: {hostile}: {found}", books.on);
            let team = books
                .post(
                    "/team/new",
                    &json!({"team_id": hostile, "team_alias": hostile}),
                )
                .await;
            assert_eq!(team.status, 200, "{}: {hostile}: {}", books.on, team.text());
            let info = books
                .send("GET", &format!("/team/info?team_id={escaped}"), "")
                .await
                .json();
            assert_eq!(info["team_info"]["team_alias"], hostile);
            for path in [
                "/spend/logs?user_id=",
                "/user/info?user_id=",
                "/customer/info?end_user_id=",
                "/audit?object_id=",
                "/user/list?search=",
                "/team/list?search=",
                "/key/list?search=",
                "/global/spend/tags?tags=",
            ] {
                let got = books.send("GET", &format!("{path}{escaped}"), "").await;
                assert!(
                    !got.status.is_server_error(),
                    "{}: {path}{hostile}: {}",
                    books.on,
                    got.text()
                );
            }
        }
        // Everything is still there.
        let keys = books.send("GET", "/key/list", "").await.json();
        assert_eq!(keys["total_count"], HOSTILE.len(), "{}", books.on);
    }
}

#[tokio::test]
async fn keys_that_are_none_lead_nowhere() {
    for books in Books::everywhere().await {
        let made = books.post("/key/generate", &json!({})).await.json();
        let (key, hash) = (
            made["key"].as_str().unwrap(),
            made["token"].as_str().unwrap(),
        );
        let long = format!("sk-{}", "x".repeat(6_000));
        let shouted = key.to_uppercase();
        let padded = format!("{key}\t{key}");
        for wrong in [
            "",
            "sk-",
            "sk",
            hash,
            &shouted,
            &padded,
            &key[..key.len() - 1],
            "sk-' OR '1'='1",
            "sk-%00",
            "null",
            "undefined",
            "Bearer",
            "sk-{{master_key}}",
            &long,
            "eyJhbGciOiJub25lIn0.e30.",
            "sk-eyJhbGciOiJub25lIn0.e30.",
        ] {
            for (name, value) in [
                ("authorization", format!("Bearer {wrong}")),
                ("authorization", wrong.to_owned()),
                ("authorization", format!("Basic {wrong}")),
                ("x-api-key", wrong.to_owned()),
            ] {
                let got = books
                    .gateway
                    .send("GET", "/key/info", &[(name, &value)], "")
                    .await;
                let told = got.text();
                assert_eq!(got.status, 401, "{}: {name}: {value:.60}: {told}", books.on);
                assert!(!told.contains(key), "{told}");
            }
        }
    }
}
