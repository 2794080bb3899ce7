//! Callers that an identity provider vouches for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use http::Method;
use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{
    Access, Caller, Refusal, Role, Settings, Work,
    identity::{Asked, Claims, TokenRules},
};
use llm_ledger::Estimate;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

fn rules(value: Value) -> TokenRules {
    let rules: TokenRules = serde_json::from_value(value).unwrap();
    rules.check().unwrap();
    rules
}

/// Asks a model by a token with these claims.
async fn ask(office: &Office, rules: &TokenRules, claims: Value) -> Result<Arc<Caller>, Refusal> {
    at(office, rules, claims, (Access::Model, CHAT), None).await
}

async fn at(
    office: &Office,
    rules: &TokenRules,
    claims: Value,
    (access, path): (Access, &str),
    team: Option<&str>,
) -> Result<Arc<Caller>, Refusal> {
    let claims = Claims::new(claims.as_object().cloned().unwrap());
    let asked = Asked {
        access,
        method: &Method::POST,
        path,
        team,
    };
    office
        .governance
        .caller_of_claims(rules, &claims, asked)
        .await
}

async fn team(office: &Office, id: &str, models: &[&str]) {
    let body = json!({"team_id": id, "team_alias": format!("{id}-alias"), "models": models});
    office.post("/team/new", body).await.unwrap();
}

async fn decided(office: &Office, caller: &Arc<Caller>, model: &str) -> Result<String, Refusal> {
    let nothing = |_: &str| Vec::new();
    let caller = office.governance.decided(caller, model, &nothing).await?;
    office.governance.may_ask(&caller, model, &[])?;
    Ok(caller.team_id().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_user_is_known_by_its_id_or_made() {
    for office in Office::everywhere().await {
        let known = rules(json!({"user_id_jwt_field": "sub", "user_email_jwt_field": "email"}));
        let claims = json!({"sub": "ann", "email": "Ann@Example.com"});
        let refused = ask(&office, &known, claims.clone()).await.unwrap_err();
        assert_eq!(refused.status, 401);

        let made = rules(json!({
            "user_id_jwt_field": "sub", "user_email_jwt_field": "email", "user_id_upsert": true,
        }));
        let caller = ask(&office, &made, claims.clone()).await.unwrap();
        assert_eq!(
            (caller.role, caller.user_id()),
            (Role::InternalUser, Some("ann"))
        );
        assert!(caller.key_hash().starts_with("hashed-jwt-"));
        let info = office.get("/v2/user/info?user_id=ann").await.unwrap();
        assert_eq!(info["user_email"], "ann@example.com");

        // From now on she is known, also by her address alone.
        ask(&office, &known, claims).await.unwrap();
        let other = json!({"sub": "another-id", "email": "ann@example.com"});
        let caller = ask(&office, &known, other).await.unwrap();
        assert_eq!(caller.user_id(), Some("ann"));

        let update = json!({"user_id": "ann", "metadata": {"scim_active": false}});
        office.post("/user/update", update).await.unwrap();
        let refused = ask(&office, &known, json!({"sub": "ann"}))
            .await
            .unwrap_err();
        assert_eq!(refused.status, 401);
    }
}

#[tokio::test]
async fn many_first_requests_make_one_user_and_one_team() {
    for office in Office::everywhere().await {
        let rules = rules(json!({
            "user_id_jwt_field": "sub", "user_id_upsert": true, "team_id_jwt_field": "team",
            "team_id_upsert": true, "upsert_sso_user_to_team": true,
        }));
        let claims = json!({"sub": "u", "team": "t"});
        let all = (0..8).map(|_| ask(&office, &rules, claims.clone()));
        for caller in futures_util::future::join_all(all).await {
            assert_eq!(caller.unwrap().team_id(), Some("t"));
        }
        let members = office.get("/team/info?team_id=t").await.unwrap();
        assert_eq!(members["team_memberships"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn the_first_team_that_may_ask_the_model_pays() {
    for office in Office::everywhere().await {
        team(&office, "small", &["cheap"]).await;
        team(&office, "large", &["cheap", "dear"]).await;
        let rules = rules(json!({"team_ids_jwt_field": "groups"}));
        let claims = json!({"sub": "u", "groups": ["nobody", "small", "large"]});
        let caller = ask(&office, &rules, claims.clone()).await.unwrap();
        assert_eq!(caller.role, Role::Team);
        assert_eq!(decided(&office, &caller, "cheap").await.unwrap(), "small");
        assert_eq!(decided(&office, &caller, "dear").await.unwrap(), "large");
        let refused = decided(&office, &caller, "secret").await.unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.kind),
            (403, "team_model_access_denied")
        );

        for (wanted, team) in [("large", "large"), ("large-alias", "large")] {
            let chosen = at(
                &office,
                &rules,
                claims.clone(),
                (Access::Model, CHAT),
                Some(wanted),
            );
            let caller = chosen.await.unwrap();
            assert_eq!(decided(&office, &caller, "cheap").await.unwrap(), team);
        }
        let foreign = at(
            &office,
            &rules,
            claims.clone(),
            (Access::Model, CHAT),
            Some("nobody"),
        );
        assert_eq!(foreign.await.unwrap_err().status, 403);

        let unknown = ask(&office, &rules, json!({"groups": ["nobody"]})).await;
        assert_eq!(unknown.unwrap_err().status, 403);
        // A blocked team is passed over.
        office
            .post("/team/block", json!({"team_id": "small"}))
            .await
            .unwrap();
        let caller = ask(&office, &rules, claims).await.unwrap();
        assert_eq!(decided(&office, &caller, "cheap").await.unwrap(), "large");
        let blocked = ask(&office, &rules, json!({"groups": ["small"]})).await;
        assert_eq!(blocked.unwrap_err().status, 401);
    }
}

#[tokio::test]
async fn a_token_without_its_team_is_refused() {
    let office = Office::open().await;
    team(&office, "t", &[]).await;
    team(&office, "usual", &[]).await;
    let must = rules(json!({"team_id_jwt_field": "team"}));
    assert_eq!(
        ask(&office, &must, json!({})).await.unwrap_err().status,
        401
    );
    assert_eq!(
        ask(&office, &must, json!({"team": {}}))
            .await
            .unwrap_err()
            .status,
        401
    );
    let gone = ask(&office, &must, json!({"team": "gone"})).await;
    assert_eq!(gone.unwrap_err().status, 403);
    assert_eq!(
        ask(&office, &must, json!({"team": "t"}))
            .await
            .unwrap()
            .team_id(),
        Some("t")
    );
    let usual = rules(json!({"team_id_jwt_field": "team", "team_id_default": "usual"}));
    assert_eq!(
        ask(&office, &usual, json!({})).await.unwrap().team_id(),
        Some("usual")
    );
    let enforced = rules(json!({"enforce_team_based_model_access": true}));
    assert_eq!(
        ask(&office, &enforced, json!({"sub": "u"}))
            .await
            .unwrap_err()
            .status,
        403
    );
    let alias = rules(json!({"team_alias_jwt_field": "team"}));
    let caller = ask(&office, &alias, json!({"team": "t-alias"}))
        .await
        .unwrap();
    assert_eq!(caller.team_id(), Some("t"));
}

#[tokio::test]
async fn a_user_of_one_team_spends_for_it() {
    let office = Office::open().await;
    for id in ["a", "b"] {
        team(&office, id, &[]).await;
    }
    office.user("u", "internal_user").await;
    let member = |team: &str| json!({"team_id": team, "member": {"user_id": "u", "role": "user"}});
    let plain = rules(json!({"user_id_jwt_field": "sub", "team_ids_jwt_field": "groups"}));
    let own = json!({"sub": "u"});
    assert_eq!(
        ask(&office, &plain, own.clone()).await.unwrap().team_id(),
        None
    );
    office.post("/team/member_add", member("a")).await.unwrap();
    let caller = ask(&office, &plain, own.clone()).await.unwrap();
    assert_eq!(
        (caller.team_id(), caller.member.is_some()),
        (Some("a"), true)
    );

    let unknown = json!({"sub": "u", "groups": ["elsewhere"]});
    assert_eq!(
        ask(&office, &plain, unknown.clone())
            .await
            .unwrap_err()
            .status,
        403
    );
    let lenient = rules(json!({
        "user_id_jwt_field": "sub", "team_ids_jwt_field": "groups", "team_claim_fallback": true,
    }));
    assert_eq!(
        ask(&office, &lenient, unknown.clone())
            .await
            .unwrap()
            .team_id(),
        Some("a")
    );

    office.post("/team/member_add", member("b")).await.unwrap();
    assert_eq!(
        ask(&office, &plain, own.clone()).await.unwrap().team_id(),
        None
    );
    assert_eq!(
        ask(&office, &lenient, unknown).await.unwrap_err().status,
        403
    );
    let by_rows = rules(json!({"user_id_jwt_field": "sub", "fallback_to_db_teams": true}));
    let chosen = at(&office, &by_rows, own, (Access::Model, CHAT), Some("b"))
        .await
        .unwrap();
    assert_eq!(chosen.team_id(), Some("b"));
}

#[tokio::test]
async fn an_admin_is_one_on_the_routes_of_admins() {
    let office = Office::open().await;
    let rules = rules(json!({}));
    let claims = json!({"sub": "root", "scope": "openid litellm_proxy_admin"});
    let admin = at(
        &office,
        &rules,
        claims.clone(),
        (Access::Managed, "/key/generate"),
        None,
    );
    let admin = admin.await.unwrap();
    assert_eq!(admin.role, Role::ProxyAdmin);
    office
        .call(admin, "POST", "/key/generate", json!({}))
        .await
        .unwrap();
    let refused = ask(&office, &rules, claims).await.unwrap_err();
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_team_calls_the_routes_of_teams() {
    let office = Office::open().await;
    team(&office, "t", &[]).await;
    office.user("u", "internal_user").await;
    let rules = rules(json!({"team_ids_jwt_field": "groups", "user_id_jwt_field": "sub"}));
    let alone = json!({"groups": ["t"]});
    let with_user = json!({"groups": ["t"], "sub": "u"});
    for (claims, access, path, status) in [
        (&alone, Access::Model, CHAT, None),
        (&alone, Access::Info, "/model/info", None),
        (&alone, Access::Model, "/v1/messages", Some(403)),
        (&alone, Access::Managed, "/key/generate", Some(403)),
        (&with_user, Access::Model, "/v1/messages", Some(403)),
        (&with_user, Access::Managed, "/key/generate", None),
    ] {
        let asked = at(&office, &rules, claims.clone(), (access, path), None).await;
        let got = asked.as_ref().err().map(|refusal| refusal.status.as_u16());
        assert_eq!(got, status, "{path}");
    }
    // What is no team's to call, the user calls for itself.
    let own = at(
        &office,
        &rules,
        with_user,
        (Access::Managed, "/key/generate"),
        None,
    );
    assert_eq!(own.await.unwrap().team_id(), None);
}

#[tokio::test]
async fn domains_and_roles_keep_others_out() {
    let office = Office::open().await;
    let domain = rules(json!({
        "user_id_jwt_field": "sub", "user_email_jwt_field": "email", "user_allowed_email_domain": "good.example",
    }));
    for (email, is_in) in [
        (json!("a@good.example"), true),
        (json!("a@GOOD.example"), true),
        (json!("a@bad.example"), false),
        (json!("a@good.example.bad.example"), false),
        (json!("good.example"), false),
        (json!("@good.example"), false),
        (Value::Null, false),
    ] {
        let claims = json!({"sub": "u", "email": email});
        assert_eq!(
            ask(&office, &domain, claims).await.is_ok(),
            is_in,
            "{email}"
        );
    }
    let roles = rules(json!({
        "user_id_jwt_field": "sub", "user_id_upsert": true,
        "user_roles_jwt_field": "access.roles", "user_allowed_roles": "dev",
    }));
    let of = |roles: Value| json!({"sub": "u", "access": {"roles": roles}});
    assert!(ask(&office, &roles, of(json!(["dev"]))).await.is_ok());
    assert_eq!(
        ask(&office, &roles, of(json!(["ops"])))
            .await
            .unwrap_err()
            .status,
        403
    );
    assert_eq!(
        ask(&office, &roles, json!({"sub": "u"}))
            .await
            .unwrap_err()
            .status,
        403
    );
}

#[tokio::test]
async fn roles_and_scopes_say_which_models() {
    let office = Office::open().await;
    let by_scope = rules(json!({
        "enforce_scope_based_access": true,
        "scope_mappings": [
            {"scope": "small", "models": ["cheap"]},
            {"scope": "large", "models": ["dear"], "routes": [CHAT]},
        ],
    }));
    for (scope, model, is_in) in [
        ("small", "cheap", true),
        ("small", "dear", false),
        ("small large", "dear", true),
        ("other", "cheap", false),
        ("", "cheap", false),
    ] {
        let let_in = match ask(&office, &by_scope, json!({"sub": "u", "scope": scope})).await {
            Ok(caller) => decided(&office, &caller, model).await.is_ok(),
            Err(refusal) => {
                assert_eq!(refusal.status, 403);
                false
            }
        };
        assert_eq!(let_in, is_in, "{scope} {model}");
    }
    let by_role = rules(json!({
        "enforce_rbac": true, "roles_jwt_field": "roles", "object_id_jwt_field": "oid", "user_id_upsert": true,
        "role_mappings": [{"role": "consumer", "internal_role": "internal_user"}],
        "role_permissions": [{"role": "internal_user", "models": ["cheap"], "routes": ["openai_routes"]}],
    }));
    let refused = ask(&office, &by_role, json!({"roles": ["other"], "oid": "u"})).await;
    assert_eq!(refused.unwrap_err().status, 403);
    let claims = json!({"roles": ["consumer"], "oid": "u"});
    let caller = ask(&office, &by_role, claims.clone()).await.unwrap();
    assert_eq!(caller.user_id(), Some("u"));
    assert!(decided(&office, &caller, "cheap").await.is_ok());
    assert!(decided(&office, &caller, "dear").await.is_err());
    let elsewhere = at(
        &office,
        &by_role,
        claims,
        (Access::Managed, "/key/generate"),
        None,
    );
    assert_eq!(elsewhere.await.unwrap_err().status, 403);
}

#[tokio::test]
async fn role_and_teams_follow_the_token() {
    for office in Office::everywhere().await {
        for id in ["a", "b"] {
            team(&office, id, &[]).await;
        }
        let rules = rules(json!({
            "user_id_jwt_field": "sub", "user_id_upsert": true, "team_ids_jwt_field": "groups",
            "roles_jwt_field": "roles", "sync_user_role_and_teams": true,
            "jwt_litellm_role_map": [{"jwt_role": "ADMIN*", "litellm_role": "proxy_admin"},
                                     {"jwt_role": "*", "litellm_role": "internal_user"}],
        }));
        let claims =
            |role: &str, groups: Value| json!({"sub": "u", "roles": [role], "groups": groups});
        let caller = ask(&office, &rules, claims("ADMIN-1", json!(["a"])))
            .await
            .unwrap();
        assert_eq!(caller.role, Role::ProxyAdmin);
        ask(&office, &rules, claims("plain", json!(["b"])))
            .await
            .unwrap();
        let info = office.get("/v2/user/info?user_id=u").await.unwrap();
        assert_eq!(info["user_role"], "internal_user");
        assert_eq!(info["teams"], json!(["b"]));
    }
}

#[tokio::test]
async fn a_claim_stands_for_a_key() {
    for office in Office::everywhere().await {
        let key = office
            .key(json!({"key_alias": "svc", "models": ["cheap"]}))
            .await;
        let mapping = json!({"jwt_claim_name": "azp", "jwt_claim_value": "svc", "key": key});
        let made = office
            .post("/jwt/key/mapping/new", mapping.clone())
            .await
            .unwrap();
        assert!(made.get("token").is_none() && made["is_active"] == true);
        let again = office
            .post("/jwt/key/mapping/new", mapping)
            .await
            .unwrap_err();
        assert_eq!(again.status, 409);
        let reject = rules(json!({
            "virtual_key_claim_field": "azp", "unregistered_jwt_client_behavior": "reject",
        }));
        let caller = ask(&office, &reject, json!({"azp": "svc", "iss": "i"}))
            .await
            .unwrap();
        assert_eq!(caller.key_alias(), Some("svc"));
        assert!(decided(&office, &caller, "dear").await.is_err());
        for claims in [json!({"azp": "other"}), json!({})] {
            assert_eq!(ask(&office, &reject, claims).await.unwrap_err().status, 403);
        }
        let id = &made["id"];
        let off = json!({"id": id, "is_active": false});
        office.post("/jwt/key/mapping/update", off).await.unwrap();
        assert_eq!(
            ask(&office, &reject, json!({"azp": "svc"}))
                .await
                .unwrap_err()
                .status,
            403
        );
        let listed = office.get("/jwt/key/mapping/list").await.unwrap();
        assert_eq!(listed["mappings"][0]["id"], *id);
        office
            .post("/jwt/key/mapping/delete", json!({"id": id}))
            .await
            .unwrap();
        let info = office
            .get("/jwt/key/mapping/info?id=gone")
            .await
            .unwrap_err();
        assert_eq!(info.status, 404);
    }
}

#[tokio::test]
async fn a_token_without_a_key_gets_one() {
    for office in Office::everywhere().await {
        let rules = rules(json!({
            "user_id_jwt_field": "sub", "user_id_upsert": true, "virtual_key_claim_field": "sub",
            "unregistered_jwt_client_behavior": "auto_register",
        }));
        let first = ask(&office, &rules, json!({"sub": "u", "iss": "i"}))
            .await
            .unwrap();
        assert_eq!(first.user_id(), Some("u"));
        let second = ask(&office, &rules, json!({"sub": "u", "iss": "i"}))
            .await
            .unwrap();
        assert_eq!(first.key_hash(), second.key_hash());
        assert!(!first.key_hash().starts_with("hashed-jwt-"));
        let refused = ask(&office, &rules, json!({"iss": "i"})).await.unwrap_err();
        assert_eq!(refused.status, 403);
    }
}

#[tokio::test]
async fn budgets_hold_for_tokens() {
    let office = Office::with(Settings::default()).await;
    let team = json!({"team_id": "t", "max_budget": 1.0});
    office.post("/team/new", team).await.unwrap();
    let rules = rules(json!({
        "team_id_jwt_field": "team", "end_user_id_jwt_field": "customer",
    }));
    let claims = json!({"team": "t", "sub": "s", "customer": "c"});
    let caller = ask(&office, &rules, claims.clone()).await.unwrap();
    assert_eq!(
        caller.grant.as_ref().unwrap().customer.as_deref(),
        Some("c")
    );
    let work = |dollars: i64| Work {
        model: "m",
        groups: &[],
        tags: &[],
        customer: Some("c"),
        estimate: Estimate::AtMost(NanoDollars(dollars * 1_000_000_000)),
        prompt_tokens: 1,
        answer_tokens: None,
        ..Work::default()
    };
    let held = office.governance.admit(&caller, work(1)).await.unwrap();
    // Another token of the same bearer is the same bearer.
    let later = json!({"team": "t", "sub": "s", "exp": 1});
    let other = ask(&office, &rules, later).await.unwrap();
    assert_eq!(other.key_hash(), caller.key_hash());
    let over = office.governance.admit(&other, work(1)).await.unwrap_err();
    assert_eq!((over.status.as_u16(), over.kind), (422, "budget_exceeded"));
    drop(held);
}
