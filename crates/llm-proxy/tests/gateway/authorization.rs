//! Who may call what, over HTTP: every page, management route and operation against every kind of caller.

use std::collections::BTreeSet;

use llm_governance::{Access, Role, route_groups, routes};
use llm_proxy::settings::{Hook, Settings};
use serde_json::{Value, json};

use crate::{
    governed::Kept,
    issuing::{Provider, Signer},
    operations::{self, Row},
    people,
    scopes::configured,
    support::*,
    tokens,
};

/// Somebody who calls.
struct Who {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    /// What it is; `None` is nobody.
    role: Option<Role>,
    /// The routes it is bound to.
    only: Option<&'static [&'static str]>,
}

impl Who {
    fn new(name: &'static str, key: &str, role: Option<Role>) -> Self {
        Self {
            name,
            headers: vec![("authorization", format!("Bearer {key}"))],
            role,
            only: None,
        }
    }

    fn bound(self, only: &'static [&'static str]) -> Self {
        Self {
            only: Some(only),
            ..self
        }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let pairs = self.headers.iter();
        pairs.map(|(name, value)| (*name, value.as_str())).collect()
    }
}

/// What a request leads to.
struct Place {
    method: String,
    path: String,
    access: Access,
}

/// Every page and management route; what stands for a part of a path leads to nothing.
fn pages() -> Vec<Place> {
    let own = llm_proxy::pages().into_iter();
    let own = own.map(|page| (page.method, page.path, page.access));
    let managed = routes::all().map(|route| (route.method, route.path, route.access));
    let place = |(method, path, access): (routes::Verb, &str, Access)| {
        let parts = path.split('/').map(|part| match part.starts_with('{') {
            true => "nobody",
            false => part,
        });
        Place {
            method: method.method().to_string(),
            path: parts.collect::<Vec<_>>().join("/"),
            access,
        }
    };
    own.chain(managed).map(place).collect()
}

/// What refusals say that look at nothing but who asks.
const BY_ROLE: [&str; 6] = [
    "Only proxy admin can be used",
    "a viewer may not call",
    "this route needs a master key",
    "Admin not allowed to access this route",
    "Team not allowed to access this route",
    "Virtual key is not allowed to call this route",
];

/// What is wrong with an answer to `who`; nothing where it is as it should be.
fn verdict(who: &Who, place: &Place, got: &Got) -> Option<String> {
    let Place {
        method,
        path,
        access,
    } = place;
    let (status, text) = (got.status.as_u16(), String::from_utf8_lossy(&got.body));
    let by_role = matches!(status, 401 | 403) && BY_ROLE.iter().any(|start| text.contains(start));
    let method = method.parse().unwrap();
    let is_right = match who.role {
        _ if *access == Access::Public => !by_role,
        // A handshake that is refused is a 403.
        None => status == 401 || status == 403 && path.contains("/realtime"),
        Some(role) => {
            let listed = |only: &[&str]| {
                let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
                route_groups::contain(&only, *access, path)
            };
            let may = access.allows(role, &method) && who.only.is_none_or(listed);
            // Whoever may ask for it is known: what is refused after that is refused for other reasons.
            by_role != may && status < 500 && !(may && status == 401)
        }
    };
    let said = || format!("{}: {method} {path}: {status} {text:.200}", who.name);
    (!is_right).then(said)
}

/// Asks for everything as everybody.
async fn walk(kept: &Kept, vendor: &Vendor, callers: &[Who]) -> Vec<String> {
    let mut wrong = Vec::new();
    for who in callers {
        for place in pages() {
            let body = if place.method == "GET" { "" } else { "{}" };
            let headers = who.headers();
            let got = kept
                .gateway
                .send(&place.method, &place.path, &headers, body);
            wrong.extend(verdict(who, &place, &got.await));
        }
        for row in operations::all() {
            let place = Place {
                method: row.method.to_owned(),
                path: row
                    .path
                    .split('?')
                    .next()
                    .unwrap()
                    .replace("{id}", "nobody"),
                access: Access::Model,
            };
            let before = vendor.asked().len();
            let got = ask(kept, &row, who).await;
            wrong.extend(verdict(who, &place, &got));
            if who.role.is_none() && vendor.asked().len() > before {
                wrong.push(format!("{}: {} went on to the vendor", who.name, row.name));
            }
        }
    }
    wrong
}

async fn ask(kept: &Kept, row: &Row, who: &Who) -> Got {
    operations::send(&kept.gateway, row, "nobody", &who.headers()).await
}

async fn user(kept: &Kept, id: &str, role: &str) -> String {
    let body = json!({"user_id": id, "user_role": role});
    let made = kept.manage("/user/new", body).await;
    made.json()["key"].as_str().unwrap().to_owned()
}

/// The key of whoever signs in.
async fn session(kept: &Kept, name: &str, password: &str) -> String {
    let body = json!({"username": name, "password": password});
    let got = kept.gateway.post("/v2/login", &body).await;
    let claims = people::claims(got.json()["token"].as_str().unwrap());
    claims["key"].as_str().unwrap().to_owned()
}

/// Keys in every state that lets nobody in, of users who could do everything.
async fn dead_keys(kept: &Kept) -> Vec<Who> {
    let admin = async |id: &str| user(kept, id, "proxy_admin").await;
    let (blocked, revoked, replaced) = (admin("d1").await, admin("d2").await, admin("d3").await);
    let (deactivated, expired) = (admin("d4").await, admin("d5").await);
    for (path, body) in [
        ("/key/block", json!({"key": blocked})),
        ("/key/delete", json!({"keys": [revoked]})),
        ("/key/regenerate", json!({"key": replaced})),
        (
            "/user/update",
            json!({"user_id": "d4", "metadata": {"scim_active": false}}),
        ),
        ("/key/update", json!({"key": expired, "duration": "1s"})),
    ] {
        let got = kept.manage(path, body).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
    }
    while kept.chat_with(&expired, chat("talk")).await.status != 401 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let nobody = Who {
        headers: Vec::new(),
        ..Who::new("no key", "", None)
    };
    vec![
        nobody,
        Who::new("an empty key", "", None),
        Who::new("a malformed key", "' OR '1'='1", None),
        Who::new("a foreign key", "sk-made-somewhere-else-entirely", None),
        Who::new(
            "a hash instead of a key",
            &llm_store::hash_token(&replaced),
            None,
        ),
        Who::new("a blocked key", &blocked, None),
        Who::new("a revoked key", &revoked, None),
        Who::new("a replaced key", &replaced, None),
        Who::new("a deactivated user's key", &deactivated, None),
        Who::new("an expired key", &expired, None),
    ]
}

/// Keys of every role.
async fn keys(kept: &Kept) -> Vec<Who> {
    let body = json!({"organization_id": "o", "organization_alias": "o"});
    kept.manage("/organization/new", body).await;
    let boss = user(kept, "boss", "internal_user").await;
    let body = json!({"organization_id": "o", "member": {"user_id": "boss", "role": "org_admin"}});
    kept.manage("/organization/member_add", body).await;
    let mut all = vec![
        Who::new("the master key", "sk-master", Some(Role::ProxyAdmin)),
        Who::new("an organization's admin", &boss, Some(Role::OrgAdmin)),
        Who::new(
            "a key of nobody",
            &kept.key(json!({})).await,
            Some(Role::Unowned),
        ),
    ];
    for (name, role) in [
        ("an admin's key", Role::ProxyAdmin),
        ("a viewer's key", Role::ProxyAdminViewer),
        ("a user's key", Role::InternalUser),
        ("a reader's key", Role::InternalUserViewer),
    ] {
        all.push(Who::new(
            name,
            &user(kept, name, role.name()).await,
            Some(role),
        ));
    }
    const ONLY: &[&str] = &["llm_api_routes"];
    let body = json!({"user_id": "an admin's key", "allowed_routes": ONLY});
    let key = kept.key(body).await;
    all.push(Who::new("an admin's key for models", &key, Some(Role::ProxyAdmin)).bound(ONLY));
    all
}

/// Those who sign in.
async fn sessions(kept: &Kept) -> Vec<Who> {
    user(kept, "ann", "internal_user").await;
    let invited = kept
        .manage("/invitation/new", json!({"user_id": "ann"}))
        .await;
    let claim = json!({"invitation_link": invited.json()["id"], "password": people::GOOD});
    kept.gateway.post("/onboarding/claim_token", &claim).await;
    let admin = session(kept, "admin", "sk-master").await;
    let ann = session(kept, "ann", people::GOOD).await;
    vec![
        Who::new("the admin's session", &admin, Some(Role::ProxyAdmin)),
        Who::new("a user's session", &ann, Some(Role::InternalUser)),
    ]
}

/// Bearers of tokens.
fn bearers(signer: &Signer, stranger: &Signer) -> Vec<Who> {
    const ADMINS: &[&str] = &[
        "management_routes",
        "spend_tracking_routes",
        "global_spend_tracking_routes",
        "info_routes",
    ];
    const TEAMS: &[&str] = &["openai_routes", "info_routes", "mcp_routes"];
    let with = |fields: Value| {
        let mut claims = tokens::good();
        claims.as_object_mut().unwrap().remove("sub");
        for (name, value) in fields.as_object().unwrap() {
            claims[name] = value.clone();
        }
        signer.sign(&claims)
    };
    let of_user = |id: &str, role: &str| with(json!({"uid": id, "roles": [role]}));
    let unsigned = tokens::unsigned("none");
    let mut over = tokens::good();
    over["exp"] = 1.into();
    over["scope"] = "litellm_proxy_admin".into();
    vec![
        Who::new(
            "an admin's token",
            &with(json!({"scope": "litellm_proxy_admin"})),
            Some(Role::ProxyAdmin),
        )
        .bound(ADMINS),
        Who::new(
            "a team's token",
            &with(json!({"teams": ["t"]})),
            Some(Role::Team),
        )
        .bound(TEAMS),
        Who::new(
            "a user's token",
            &of_user("u1", "dev"),
            Some(Role::InternalUser),
        ),
        Who::new(
            "a viewer's token",
            &of_user("u2", "auditor"),
            Some(Role::ProxyAdminViewer),
        ),
        Who::new(
            "a reader's token",
            &of_user("u3", "reader"),
            Some(Role::InternalUserViewer),
        ),
        Who::new(
            "a token of nobody",
            &with(json!({"sub": "x"})),
            Some(Role::Unowned),
        ),
        Who::new("a token that is over", &signer.sign(&over), None),
        Who::new("a token signed by nobody", &unsigned, None),
        Who::new(
            "a token signed by another",
            &stranger.sign(&tokens::good()),
            None,
        ),
    ]
}

fn rules() -> Value {
    json!({
        "user_id_jwt_field": "uid", "user_id_upsert": true, "team_ids_jwt_field": "teams", "team_id_upsert": true,
        "roles_jwt_field": "roles", "sync_user_role_and_teams": true,
        "jwt_litellm_role_map": [
            {"jwt_role": "dev", "litellm_role": "internal_user"},
            {"jwt_role": "auditor", "litellm_role": "proxy_admin_viewer"},
            {"jwt_role": "reader", "litellm_role": "internal_user_viewer"},
        ],
    })
}

async fn gateway(vendor: &Vendor, change: impl FnOnce(&mut Settings)) -> Kept {
    let mut settings = configured(&operations::models(&vendor.url, ""));
    change(&mut settings);
    Kept::with(settings).await
}

#[test]
fn every_page_says_who_may_see_it() {
    let mut seen = BTreeSet::new();
    for place in pages() {
        let (method, path) = (place.method, place.path);
        assert!(
            seen.insert(format!("{method} {path}")),
            "{method} {path} twice"
        );
    }
}

#[tokio::test]
async fn keys_and_sessions_call_what_their_roles_may() {
    let vendor = Vendor::answering(operations::answer).await;
    let kept = gateway(&vendor, |_| {}).await;
    let mut callers = dead_keys(&kept).await;
    callers.extend(keys(&kept).await);
    callers.extend(sessions(&kept).await);
    let wrong = walk(&kept, &vendor, &callers).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn tokens_call_what_their_claims_make_of_them() {
    let vendor = Vendor::answering(operations::answer).await;
    let (signer, stranger) = (Signer::ecdsa("e"), Signer::ecdsa("e"));
    let provider = Provider::with(&[&signer]).await;
    let given = provider.tokens(rules());
    let kept = gateway(&vendor, |settings| settings.identity.tokens = Some(given)).await;
    let wrong = walk(&kept, &vendor, &bearers(&signer, &stranger)).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn those_whom_a_service_vouches_for_call_what_it_says_that_they_are() {
    let vendor = Vendor::answering(operations::answer).await;
    let service = Vendor::answering(|asked| {
        let question = asked.json();
        match question["key"].as_str().unwrap_or_default() {
            "admin" => whole(&json!({"user_id": "root", "user_role": "proxy_admin"})),
            "viewer" => whole(&json!({"user_id": "v", "user_role": "proxy_admin_viewer"})),
            "user" => whole(&json!({"user_id": "ann"})),
            "unowned" => whole(&json!({"key_alias": "x"})),
            "bound" => whole(&json!({"user_id": "b", "user_role": "proxy_admin", "allowed_routes": ["info_routes"]})),
            "over" => whole(&json!({"user_id": "root", "user_role": "proxy_admin", "expires": "2020-01-01T00:00:00Z"})),
            "blocked" => whole(&json!({"user_id": "root", "user_role": "proxy_admin", "blocked": true})),
            _ => reply(401, "application/json", r#"{"message": "who are you?"}"#),
        }
    })
    .await;
    let hook = Hook {
        url: service.url.clone(),
        secret: None,
        headers: Vec::new(),
        patience: std::time::Duration::from_secs(5),
        falls_back: false,
        checks: true,
    };
    let kept = gateway(&vendor, |settings| settings.identity.hook = Some(hook)).await;
    let callers = [
        Who::new("vouched for as an admin", "admin", Some(Role::ProxyAdmin)),
        Who::new(
            "vouched for as a viewer",
            "viewer",
            Some(Role::ProxyAdminViewer),
        ),
        Who::new("vouched for as a user", "user", Some(Role::InternalUser)),
        Who::new("vouched for as nobody's", "unowned", Some(Role::Unowned)),
        Who::new(
            "vouched for, for some routes",
            "bound",
            Some(Role::ProxyAdmin),
        )
        .bound(&["info_routes"]),
        Who::new("vouched for, and too old", "over", None),
        Who::new("vouched for, and blocked", "blocked", None),
        Who::new("unknown to the service", "stranger", None),
    ];
    let wrong = walk(&kept, &vendor, &callers).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
