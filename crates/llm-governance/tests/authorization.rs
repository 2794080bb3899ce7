//! Who may call what: every route, every role, and keys in every state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::{collections::BTreeSet, sync::Arc};

use kit::Office;
use llm_governance::{
    Access, Caller, Raw, Refusal, Role, Route,
    routes::{self, Content},
};
use llm_store::{
    Record,
    rows::{Key, Organization, OrganizationMember, Team, TeamMember, User},
};
use serde_json::{Map, Value, json};

/// What nobody but its owner and admins may read.
const MARK: &str = "only-for-the-victim";

/// Asks as a request with this key would: without a key, only what is public answers.
async fn ask(
    office: &Office,
    key: Option<&str>,
    route: &Route,
    raw: Raw,
) -> Result<Value, Refusal> {
    let caller = match (route.access, key) {
        (Access::Public, _) => Arc::new(Caller::anyone()),
        (_, None) => return Err(Refusal::unauthenticated("no key")),
        (_, Some(key)) => {
            let known = office.governance.caller(key).await?;
            known.ok_or_else(|| Refusal::unauthenticated("unknown"))?
        }
    };
    let answer = office.governance.answer(route, caller, raw).await?;
    Ok(match answer.body {
        Content::Json(value) => value,
        Content::Written(text) => serde_json::from_str(&text).unwrap(),
        Content::Text(_, text) => text.into(),
    })
}

/// A request with nothing in it, and a path that leads to nothing.
fn empty(route: &Route) -> Raw {
    Raw {
        path: parts(route, |_| "nobody".to_owned()),
        ..Raw::default()
    }
}

fn parts(route: &Route, value: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let names = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let names = names.map(|name| name.trim_start_matches('*'));
    names.map(|name| (name.to_owned(), value(name))).collect()
}

/// Whether somebody is refused because of what it is, before anything was looked at.
fn by_role(refusal: &Refusal) -> bool {
    let starts = [
        "Only proxy admin can be used",
        "a viewer may not call",
        "this route needs a master key",
    ];
    matches!(refusal.status.as_u16(), 401 | 403)
        && starts
            .iter()
            .any(|start| refusal.message.starts_with(start))
}

#[test]
fn routes_are_told_apart_and_say_what_they_do() {
    let mut seen = BTreeSet::new();
    for route in routes::all() {
        assert!(
            seen.insert((route.path, route.method.method().to_string())),
            "{} twice",
            route.path
        );
        assert!(route.path.starts_with('/'), "{}", route.path);
        assert!(
            route.about.ends_with('.'),
            "{}: {}",
            route.path,
            route.about
        );
    }
}

#[tokio::test]
async fn every_role_calls_what_the_table_lets_it() {
    for office in Office::everywhere().await {
        let body = json!({"organization_id": "o", "organization_alias": "o"});
        office.post("/organization/new", body).await.unwrap();
        for (role, name) in Role::OF_USERS.iter().map(|role| (*role, role.name())) {
            let key = office.user(name, name).await;
            for route in routes::all() {
                check(&office, role, Some(&key), route).await;
            }
        }
        let org_admin = office.user("boss", "internal_user").await;
        let body =
            json!({"organization_id": "o", "member": {"user_id": "boss", "role": "org_admin"}});
        office.post("/organization/member_add", body).await.unwrap();
        let unowned = office.key(json!({})).await;
        for route in routes::all() {
            check(&office, Role::OrgAdmin, Some(&org_admin), route).await;
            check(&office, Role::Unowned, Some(&unowned), route).await;
            for role in [Role::Team, Role::Customer, Role::Anyone] {
                check(&office, role, None, route).await;
            }
        }
    }
}

/// Without a key the caller is nothing but its role.
async fn check(office: &Office, role: Role, key: Option<&str>, route: &Route) {
    let answer = match key {
        Some(key) => ask(office, Some(key), route, empty(route)).await,
        None => {
            let caller = Arc::new(Caller::plain(role));
            let answer = office.governance.answer(route, caller, empty(route)).await;
            answer.map(|_| Value::Null)
        }
    };
    let method = route.method.method();
    let refused = answer.as_ref().is_err_and(by_role);
    let expected = !route.access.allows(role, &method);
    assert_eq!(
        refused,
        expected,
        "{} {method} {}: {answer:?}",
        role.name(),
        route.path
    );
    if let Err(refusal) = &answer {
        assert!(
            !refusal.status.is_server_error(),
            "{method} {}: {refusal:?}",
            route.path
        );
    }
}

#[tokio::test]
async fn a_key_that_is_not_in_force_gets_nowhere() {
    for office in Office::everywhere().await {
        let admin = |id: &str| json!({"user_id": id, "user_role": "proxy_admin"});
        for id in ["a", "b", "c", "d", "e", "f"] {
            office.post("/user/new", admin(id)).await.unwrap();
        }
        office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap();
        let expired = office.key(json!({"user_id": "a", "duration": "1s"})).await;
        let blocked = office.key(json!({"user_id": "b"})).await;
        office
            .post("/key/block", json!({"key": blocked}))
            .await
            .unwrap();
        let revoked = office.key(json!({"user_id": "c"})).await;
        office
            .post("/key/delete", json!({"keys": [revoked]}))
            .await
            .unwrap();
        let replaced = office.key(json!({"user_id": "d"})).await;
        office
            .post("/key/regenerate", json!({"key": replaced}))
            .await
            .unwrap();
        let deactivated = office.key(json!({"user_id": "e"})).await;
        let body = json!({"user_id": "e", "metadata": {"scim_active": false}});
        office.post("/user/update", body).await.unwrap();
        let of_blocked_team = office.key(json!({"user_id": "f", "team_id": "t"})).await;
        office
            .post("/team/block", json!({"team_id": "t"}))
            .await
            .unwrap();
        let past = json!({"key": expired, "duration": "1s"});
        office.post("/key/update", past).await.unwrap();
        let mut row = office
            .governance
            .store()
            .get::<Key>(&[&llm_store::hash_token(&expired)])
            .await
            .unwrap()
            .unwrap();
        row.expires = Some(llm_store::Moment(1));
        office
            .governance
            .store()
            .update(&[&row.token.clone()], &row)
            .await
            .unwrap();
        let keys = [
            ("no", None),
            ("foreign", Some("sk-made-somewhere-else")),
            ("malformed", Some("' OR 1=1 --")),
            ("expired", Some(expired.as_str())),
            ("blocked", Some(blocked.as_str())),
            ("revoked", Some(revoked.as_str())),
            ("replaced", Some(replaced.as_str())),
            ("deactivated", Some(deactivated.as_str())),
            ("team blocked", Some(of_blocked_team.as_str())),
        ];
        for route in routes::all().filter(|route| route.access != Access::Public) {
            for (state, key) in keys {
                let refused = ask(&office, key, route, empty(route)).await;
                let status = refused.as_ref().map_err(|refusal| refusal.status.as_u16());
                assert_eq!(
                    status.err(),
                    Some(401),
                    "{state} key on {}: {refused:?}",
                    route.path
                );
            }
        }
    }
}

#[tokio::test]
async fn a_key_for_other_routes_gets_nowhere_else() {
    let office = Office::open().await;
    office.user("root", "proxy_admin").await;
    let body = json!({"user_id": "root", "allowed_routes": ["/v1/chat/completions"]});
    let key = office.key(body).await;
    for route in routes::all().filter(|route| route.access != Access::Public) {
        let refused = ask(&office, Some(&key), route, empty(route))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 403, "{}", route.path);
        assert!(refused.detail.is_some());
    }
}

/// Somebody's things, and how requests name them.
struct Victim {
    names: Map<String, Value>,
}

impl Victim {
    async fn of(office: &Office) -> Self {
        let body = json!({"organization_id": "v-org", "organization_alias": MARK});
        office.post("/organization/new", body).await.unwrap();
        let body = json!({
            "user_id": "v-user", "user_alias": MARK, "user_email": "v@example.com", "user_role": "internal_user",
            "organizations": ["v-org"],
        });
        office.post("/user/new", body).await.unwrap();
        let body = json!({
            "team_id": "v-team", "team_alias": MARK, "organization_id": "v-org",
            "members_with_roles": [{"user_id": "v-user", "role": "admin"}],
        });
        office.post("/team/new", body).await.unwrap();
        let body = json!({"key_alias": format!("{MARK}-key"), "user_id": "v-user"});
        let key = office.key(body).await;
        let names = json!({
            "key": key, "keys": [key], "key_hash": llm_store::hash_token(&key), "key_aliases": [format!("{MARK}-key")],
            "user_id": "v-user", "user_ids": ["v-user"], "user_email": "v@example.com", "users": [{"user_id": "v-user", "max_budget": 9}],
            "team_id": "v-team", "team_ids": ["v-team"], "team": "v-team",
            "organization_id": "v-org", "organization_ids": ["v-org"], "organizations": ["v-org"], "org_id": "v-org",
            "member": {"user_id": "thief", "role": "admin"}, "members": [{"user_id": "thief", "role": "admin"}],
            "role": "org_admin", "models": ["x"], "max_budget": 9, "blocked": true, "metadata": {"thief": true},
            "reset_to": 0, "spend": 0, "team_member_permissions": ["/key/generate"], "search": "v-", "user_alias": "x",
            "callback_name": "langfuse", "include_team_keys": true, "include_created_by_keys": true,
            "return_full_object": true, "team_alias": "x", "organization_alias": "x", "new_key": "sk-of-the-thief-himself",
        });
        Self {
            names: names.as_object().unwrap().clone(),
        }
    }

    /// A request to `route` that names the victim's things wherever it can.
    fn request(&self, route: &Route, without: &[&str]) -> Raw {
        let named = |name: &str| self.names.get(name).filter(|_| !without.contains(&name));
        let fields = route.body.iter().copied().flatten();
        let body =
            fields.filter_map(|field| Some((field.name.to_owned(), named(field.name)?.clone())));
        let fields = route.query.iter().copied().flatten();
        let query = fields.filter_map(|field| {
            let text = match named(field.name)? {
                Value::String(text) => text.clone(),
                Value::Array(all) => all
                    .iter()
                    .filter_map(Value::as_str)
                    .collect::<Vec<_>>()
                    .join(","),
                other => other.to_string(),
            };
            Some((field.name.to_owned(), text))
        });
        Raw {
            path: parts(route, |name| {
                let value = self.names.get(name).and_then(Value::as_str);
                value.unwrap_or("nobody").to_owned()
            }),
            query: query.collect(),
            body: body.collect(),
            changed_by: Some("v-user".to_owned()),
            peer: None,
        }
    }
}

/// Everything that is the victim's, as it is stored.
async fn belongings(office: &Office) -> Value {
    async fn rows<R: Record + serde::Serialize>(office: &Office) -> Vec<Value> {
        let rows = office
            .governance
            .store()
            .list::<R>(&[], 1_000, 0)
            .await
            .unwrap()
            .rows;
        let rows = rows.iter().map(|row| serde_json::to_value(row).unwrap());
        rows.filter(|row| row.to_string().contains("\"v-"))
            .collect()
    }
    json!([
        rows::<Key>(office).await,
        rows::<User>(office).await,
        rows::<Team>(office).await,
        rows::<TeamMember>(office).await,
        rows::<Organization>(office).await,
        rows::<OrganizationMember>(office).await,
    ])
}

#[tokio::test]
async fn what_belongs_to_others_is_neither_seen_nor_changed() {
    for office in Office::everywhere().await {
        let victim = Victim::of(&office).await;
        // Admins of something else, too.
        let stranger = office.user("stranger", "internal_user").await;
        let body = json!({"organization_id": "s-org", "organization_alias": "s"});
        office.post("/organization/new", body).await.unwrap();
        let boss = office.user("s-boss", "internal_user").await;
        let body = json!({"organization_id": "s-org", "member": {"user_id": "s-boss", "role": "org_admin"}});
        office.post("/organization/member_add", body).await.unwrap();
        let body = json!({"team_id": "s-team", "members_with_roles": [{"user_id": "s-lead", "role": "admin"}]});
        office.post("/team/new", body).await.unwrap();
        let lead = office.key(json!({"user_id": "s-lead"})).await;
        let of_team = office
            .key(json!({"user_id": "s-lead", "team_id": "s-team"}))
            .await;
        let viewer = office.user("s-viewer", "internal_user_viewer").await;
        let unowned = office.key(json!({})).await;
        let before = belongings(&office).await;
        let callers = [&stranger, &boss, &lead, &of_team, &viewer, &unowned];
        // All at once, and without what an own check might stumble over first.
        let bounds = [
            "max_budget",
            "blocked",
            "metadata",
            "spend",
            "models",
            "new_key",
        ];
        let of_others = ["user_id", "user_email", "organization_id", "organizations"];
        let asked: [&[&str]; 3] = [&[], &of_others, &bounds];
        for route in routes::all().filter(|route| route.access != Access::Public) {
            let place = format!("{} {}", route.method.method(), route.path);
            for key in callers {
                for without in asked {
                    let raw = victim.request(route, without);
                    let answer = ask(&office, Some(key), route, raw).await;
                    let told = match &answer {
                        Ok(value) => value.to_string(),
                        Err(refusal) => refusal.message.clone(),
                    };
                    assert!(!told.contains(MARK), "{place} tells: {told}");
                }
            }
            let now = belongings(&office).await;
            assert_eq!(now, before, "{place} changes what is another's");
        }
    }
}
