//! Keys that are made while the gateway runs: what they may do, and what they spend.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use llm_proxy::settings::{Place, Settings};
use llm_router::{AccessWindow, HedgeRules};
use llm_store::rows::SpendRow;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    stored::kit::{self, Database},
    support::*,
};

/// Dollars a token in, and out.
const PRICES: (f64, f64) = (0.000_001, 0.000_01);

/// A gateway that keeps keys and spend, and the database it keeps them in.
pub(crate) struct Kept {
    pub(crate) gateway: Gateway,
    database: Database,
}

impl Kept {
    pub(crate) async fn before(vendor: &Vendor) -> Self {
        Self::with(priced(settings(&vendor.url))).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::on(kit::sqlite(), settings).await
    }

    pub(crate) async fn on(database: Database, settings: Settings) -> Self {
        let mut settings = with_master_key(settings);
        settings.database.place = Place::Named(database.settings.url.clone());
        settings.database.journal = Some(database.folder().join("journal"));
        Self {
            gateway: Gateway::with(settings).await,
            database,
        }
    }

    /// Calls a management route with the master key.
    pub(crate) async fn manage(&self, path: &str, body: Value) -> Got {
        let headers = [("authorization", "Bearer sk-master")];
        self.gateway
            .send("POST", path, &headers, body.to_string())
            .await
    }

    pub(crate) async fn key(&self, body: Value) -> String {
        let got = self.manage("/key/generate", body).await;
        assert_eq!(got.status, 200, "{}", got.text());
        got.json()["key"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn chat_with(&self, key: &str, body: Value) -> Got {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        self.gateway
            .send("POST", "/v1/chat/completions", &headers, body.to_string())
            .await
    }

    /// The folder of its database and its journal.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.database.folder()
    }

    /// Stops, and reads what is kept.
    pub(crate) async fn rows(self) -> Vec<SpendRow> {
        self.gateway.running.stop().await;
        let store = self.database.open().await;
        assert_eq!(
            store.all_held().await.unwrap().0,
            0,
            "something is still held"
        );
        store.list::<SpendRow>(&[], 10_000, 0).await.unwrap().rows
    }
}

/// The same deployments with prices of their own.
fn priced(mut settings: Settings) -> Settings {
    for deployment in &mut settings.deployments {
        deployment
            .model_info
            .insert("input_cost_per_token".into(), PRICES.0.into());
        deployment
            .model_info
            .insert("output_cost_per_token".into(), PRICES.1.into());
    }
    settings
}

#[tokio::test]
async fn a_key_asks_what_it_may_and_every_request_has_its_row() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    let key = kept
        .key(json!({"models": ["gpt"], "user_id": "ada", "metadata": {"tags": ["ci"]}}))
        .await;
    assert_eq!(kept.chat_with(&key, chat("gpt")).await.status, 200);
    let denied = kept.chat_with(&key, chat("claude")).await;
    let (status, kind, _) = denied.error();
    assert_eq!((status, kind.as_str()), (403, "key_model_access_denied"));
    let unknown = kept
        .chat_with("sk-nobody-knows-this-one", chat("gpt"))
        .await;
    assert_eq!(unknown.error().1, "token_not_found_in_db");
    let mut streamed = chat("gpt");
    streamed["stream"] = true.into();
    let got = kept.chat_with(&key, streamed).await;
    assert!(
        got.text().trim_end().ends_with("data: [DONE]"),
        "{}",
        got.text()
    );

    let rows = kept.rows().await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in rows {
        assert_eq!(row.api_key, llm_store::hash_token(&key));
        assert_eq!(
            (row.status.as_str(), row.user_id.as_deref()),
            ("success", Some("ada"))
        );
        assert_eq!(row.request_tags, ["ci"]);
        assert!(row.spend.0 > 0 && row.total_tokens > 0 && row.price_digest.is_some());
    }
}

#[tokio::test]
async fn reserved_deployments_are_for_keys_of_their_teams_and_rows_tell_who_was_led_around() {
    let vendor = Vendor::friendly().await;
    let mut settings = priced(settings(&vendor.url));
    let mut reserved = deployment("gpt", &vendor.url);
    reserved.id = "id-reserved".into();
    reserved.tags = vec!["night".into()];
    for (start, end) in [("00:00", "12:00"), ("12:00", "00:00")] {
        let window = AccessWindow::parse(start, end, "UTC", vec!["night".into()]);
        reserved.access_windows.push(window.unwrap());
    }
    settings.deployments.push(reserved);
    settings.router.tags.enabled = true;
    let kept = Kept::with(settings).await;
    let made = kept.manage("/team/new", json!({"team_id": "night"})).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let night = kept.key(json!({"team_id": "night"})).await;
    let other = kept.key(json!({})).await;
    let mut tagged = chat("gpt");
    tagged["tags"] = json!(["night"]);
    let got = kept.chat_with(&night, tagged.clone()).await;
    assert_eq!(got.header("x-litellm-model-id"), "id-reserved");
    // Nobody comes from a team by saying so.
    let mut claiming = chat("gpt");
    claiming["metadata"] = json!({"user_api_key_team_id": "night"});
    for _ in 0..8 {
        let got = kept.chat_with(&other, claiming.clone()).await;
        assert_eq!(got.header("x-litellm-model-id"), "id-gpt");
    }

    let rows = kept.rows().await;
    let of = |id: &str| {
        rows.iter()
            .find(|row| row.model_id.as_deref() == Some(id))
            .unwrap()
    };
    let told = &of("id-reserved").metadata["tag_routing"];
    assert_eq!(told["matched_via"], "tags");
    assert_eq!(told["matched_value"], "night");
    let around = &of("id-gpt").metadata["attempts"][0]["pick"]["skipped"][0];
    assert_eq!(around["deployment"], "id-reserved");
    assert_eq!(around["reason"], "reserved");
}

#[tokio::test]
async fn an_attempt_that_another_one_beats_has_a_row_of_its_own_and_is_paid() {
    let hangs = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&hangs);
    let (hung_up, mut gone) = mpsc::unbounded_channel::<()>();
    let vendor = Vendor::answering(move |asked| {
        let is_first = asked.path.starts_with("/v1/first");
        if is_first && told.load(Ordering::SeqCst) {
            let hold = hung_up.clone();
            return reply(200, "application/json", endless(vec![], Said(hold)));
        }
        whole(&completion("Hello"))
    })
    .await;
    let mut settings = settings(&vendor.url);
    let first = &mut settings.deployments[0];
    first.order = Some(1);
    first.target = first.target.clone().at(&format!("{}/first", vendor.url));
    let mut second = deployment("gpt", &vendor.url);
    (second.id, second.order) = ("id-second".into(), Some(2));
    settings.deployments.push(second);
    settings.router.hedge = Some(HedgeRules::default());
    let kept = Kept::with(priced(settings)).await;
    let key = kept.key(json!({})).await;
    for _ in 0..20 {
        assert_eq!(kept.chat_with(&key, chat("gpt")).await.status, 200);
    }
    hangs.store(true, Ordering::SeqCst);
    let got = kept.chat_with(&key, chat("gpt")).await;
    assert_eq!(got.header("x-litellm-model-id"), "id-second");
    gone.recv().await.expect("the slow one is hung up on");
    kept.gateway.settled().await;
    let admin = [("authorization", "Bearer sk-master")];
    let path = format!("/key/info?key={key}");
    let info = kept.gateway.send("GET", &path, &admin, "").await.json();
    let spent = info["info"]["spend"].as_f64().unwrap();

    let rows = kept.rows().await;
    assert_eq!(rows.len(), 22);
    let is_lost = |row: &&SpendRow| row.metadata.get("outpaced").is_some();
    let lost: Vec<&SpendRow> = rows.iter().filter(is_lost).collect();
    let [lost] = lost[..] else {
        panic!("one was beaten");
    };
    assert_eq!(lost.model_id.as_deref(), Some("id-gpt"));
    assert!(lost.spend.0 > 0, "its prompt was read");
    let won = rows
        .iter()
        .find(|row| row.model_id.as_deref() == Some("id-second"));
    let won = won.expect("the other one answered");
    assert!(won.metadata.get("outpaced").is_none() && won.spend > lost.spend);
    assert_eq!(won.metadata["attempts"][0]["lost"], true);
    let sum: i64 = rows.iter().map(|row| row.spend.0).sum();
    assert!((spent * 1e9 - sum as f64).abs() < 1.0, "{spent} of {sum}");
}

/// Tells when it is dropped.
struct Said(mpsc::UnboundedSender<()>);

impl Drop for Said {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn an_exhausted_budget_refuses_and_nothing_is_overspent() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    // About a hundred answers of one token at most.
    let key = kept.key(json!({"max_budget": 0.01})).await;
    let mut asked = chat("gpt");
    asked["max_tokens"] = 5.into();
    let all = join_all((0..500).map(|_| kept.chat_with(&key, asked.clone()))).await;
    let served = all.iter().filter(|got| got.status == 200).count();
    assert!(served > 0 && served < 500, "{served} served");
    for refused in all.iter().filter(|got| got.status != 200) {
        assert_eq!(
            (refused.status.as_u16(), refused.error().1.as_str()),
            (422, "budget_exceeded")
        );
    }
    let rows = kept.rows().await;
    let spent: i64 = rows.iter().map(|row| row.spend.0).sum();
    assert_eq!(rows.len(), served);
    assert!(spent <= 10_000_000, "{spent} nano-dollars");
}

#[tokio::test]
async fn management_is_for_those_who_may() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    let key = kept.key(json!({})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let got = kept
        .gateway
        .send("POST", "/key/generate", &headers, "{}")
        .await;
    assert_eq!(got.status, 401, "{}", got.text());
    let got = kept
        .gateway
        .send("GET", "/key/info", &headers, String::new())
        .await;
    assert_eq!(got.json()["key"], llm_store::hash_token(&key));
    let nobody = kept
        .gateway
        .send("GET", "/key/info", &[], String::new())
        .await;
    assert_eq!(nobody.status, 401);
    let wrong = kept
        .manage("/key/generate", json!({"max_budget": "much"}))
        .await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.json()["detail"][0]["loc"]),
        (422, &json!(["body", "max_budget"]))
    );
    kept.manage("/key/block", json!({"key": key})).await;
    assert_eq!(kept.chat_with(&key, chat("gpt")).await.status, 401);
}

#[tokio::test]
async fn lists_of_models_show_what_a_key_may_ask() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.deployments.push(deployment("other", &vendor.url));
    let kept = Kept::with(settings).await;
    let key = kept.key(json!({"models": ["other"]})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let got = kept
        .gateway
        .send("GET", "/v1/models", &headers, String::new())
        .await;
    let names: Vec<Value> = got.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].clone())
        .collect();
    assert_eq!(names, ["other"]);
}

#[tokio::test]
async fn who_is_invited_needs_no_key_and_who_runs_an_organization_no_other_role() {
    let kept = Kept::with(settings("http://127.0.0.1:9")).await;
    let user =
        json!({"user_id": "u", "user_email": "u@example.com", "user_role": "internal_user_viewer"});
    let made = kept.manage("/user/new", user).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let invitation = kept
        .manage("/invitation/new", json!({"user_id": "u"}))
        .await;
    let claim = json!({"invitation_link": invitation.json()["id"], "password": "Correct-Horse-1"});
    let claimed = kept
        .gateway
        .send("POST", "/onboarding/claim_token", &[], claim.to_string())
        .await;
    assert_eq!(claimed.status, 200, "{}", claimed.text());

    let organization = json!({"organization_id": "o", "organization_alias": "O"});
    kept.manage("/organization/new", organization).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let team = json!({"team_id": "t", "organization_id": "o"}).to_string();
    let refused = kept
        .gateway
        .send("POST", "/team/new", &headers, team.clone())
        .await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    let member = json!({"organization_id": "o", "member": {"user_id": "u", "role": "org_admin"}});
    kept.manage("/organization/member_add", member).await;
    let made = kept.gateway.send("POST", "/team/new", &headers, team).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let path = format!("/key/{key}/regenerate");
    let replaced = kept.manage(&path, json!({"grace_period": "1h"})).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text());
}

#[tokio::test]
async fn metrics_say_whose_requests_they_were_and_what_is_left() {
    let vendor = Vendor::friendly().await;
    let mut open = priced(settings(&vendor.url));
    open.metrics_need_key = false;
    let kept = Kept::with(open).await;
    let team =
        json!({"team_id": "t-1", "team_alias": "crew", "max_budget": 2, "budget_duration": "1d"});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let made = json!({"team_id": "t-1", "key_alias": "ci", "max_budget": 1});
    let key = kept.key(made).await;
    assert_eq!(kept.chat_with(&key, chat("gpt")).await.status, 200);
    let metric = async |words: &[&str]| kept.gateway.metric(words).await;
    let whose = [
        r#"api_key_alias="ci""#,
        r#"team="t-1""#,
        r#"team_alias="crew""#,
    ];
    let of = |name| [&[name], &whose[..]].concat();
    assert_eq!(metric(&of("litellm_requests_metric_total")).await, 1.0);
    let spent = metric(&of("litellm_spend_metric_total")).await;
    assert!(spent > 0.0);
    let key = r#"api_key_alias="ci""#;
    assert_eq!(
        metric(&["litellm_api_key_max_budget_metric{", key]).await,
        1.0
    );
    let left = metric(&["litellm_remaining_api_key_budget_metric{", key]).await;
    assert_eq!(left, 1.0 - spent);
    let team = r#"team="t-1""#;
    let left = metric(&["litellm_remaining_team_budget_metric{", team]).await;
    assert_eq!(left, 2.0 - spent);
    let hours = metric(&["litellm_team_budget_remaining_hours_metric{", team]).await;
    assert!(hours > 0.0 && hours <= 24.0);
    // A gateway tells of those who have a budget, and of nobody else.
    let page = kept.gateway.get("/metrics").await;
    let page = page.text();
    assert!(
        !page.contains("litellm_remaining_user_budget_metric{"),
        "{page}"
    );
}

#[tokio::test]
async fn what_passes_through_is_held_to_its_price_beforehand() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    let key = kept.key(json!({"max_budget": 0.001})).await;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let pass = async |tokens: u64| {
        let body = json!({"model": "gpt", "max_tokens": tokens, "messages": [{"role": "user", "content": "Hi"}]});
        let path = "/openai/chat/completions";
        kept.gateway
            .send("POST", path, &headers, body.to_string())
            .await
    };
    let refused = pass(1_000_000).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(vendor.asked().is_empty(), "nobody was asked");
    assert_eq!(pass(10).await.status, 200);
    let rows = kept.rows().await;
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn a_key_for_some_models_passes_no_other_whatever_the_body() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    let key = kept.key(json!({"models": ["gpt"]})).await;
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "multipart/form-data; boundary=XX"),
    ];
    for path in ["audio/transcriptions", "unheard/of"] {
        let path = format!("/openai/{path}");
        let form =
            "--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XX--\r\n";
        let got = kept.gateway.send("POST", &path, &headers, form).await;
        let (status, kind, _) = got.error();
        assert_eq!((status, kind.as_str()), (403, "key_model_access_denied"));
    }
    assert!(vendor.asked().is_empty());
}
