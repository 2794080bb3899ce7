//! Budgets of every scope against every operation, whole and streamed: the exhausted one refuses, and the others do not.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use llm_proxy::{config, settings::Settings};
use llm_store::{Scope, rows::SpendRow};
use llm_types::{Op, Verb};
use serde_json::{Value, json};

use crate::{
    governed::Kept,
    operations::{self, Pay, Row, Sent},
    stored::kit::{self, Database},
    support::*,
};

/// Whose budget is spent, and what the refusal calls it.
const SCOPES: [(&str, &str); 14] = [
    ("key", "Key="),
    ("key window", "over 1d budget"),
    ("key model", "over budget for model="),
    ("user", "User="),
    ("user model", "over budget for model="),
    ("team", "Team="),
    ("team window", "over 1d budget"),
    ("team model", "over budget for model="),
    ("member", "TeamMember="),
    ("organization", "Organization="),
    ("customer", "End User="),
    ("tag", "Tag="),
    ("tag of the key", "Tag="),
    ("project", "Project="),
];

/// What every chain's requests are charged to.
const CHARGED: [Scope; 9] = [
    Scope::Key,
    Scope::User,
    Scope::Team,
    Scope::Member,
    Scope::Organization,
    Scope::Customer,
    Scope::Tag,
    Scope::Project,
    Scope::Global,
];

/// A key that belongs to somebody of everything.
struct Chain {
    key: String,
    customer: String,
    tag: String,
}

impl Chain {
    /// Everybody in it may spend a hundred dollars, but `poor` nothing.
    async fn new(kept: &Kept, poor: &str) -> Self {
        let name = poor.replace(' ', "-");
        let id = |what: &str| format!("{what}-{name}");
        let budget = |scope: &str| if scope == poor { 0 } else { 100 };
        let per_model = |scope: &str| -> Value {
            let models = operations::all().into_iter().filter_map(|row| row.model);
            let one = json!({"budget_limit": budget(scope), "time_period": "30d"});
            models
                .map(|model| (model.to_owned(), one.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let window = |scope: &str| json!([{"budget_duration": "1d", "max_budget": budget(scope)}]);
        // A user's own budget is for its own keys.
        let is_users = poor.starts_with("user");
        let (org, team, user, project) = (id("org"), id("team"), id("user"), id("project"));
        let mut key = json!({
            "user_id": user, "max_budget": budget("key"), "budget_limits": window("key window"),
            "model_max_budget": per_model("key model"), "metadata": {"tags": [id("inherited")]},
        });
        if !is_users {
            key["team_id"] = json!(team);
            key["project_id"] = json!(project);
        }
        for (path, body) in [
            (
                "/organization/new",
                json!({"organization_id": org, "organization_alias": org, "max_budget": budget("organization")}),
            ),
            (
                "/user/new",
                json!({"user_id": user, "max_budget": budget("user"), "model_max_budget": per_model("user model"), "auto_create_key": false}),
            ),
            (
                "/team/new",
                json!({
                    "team_id": team, "organization_id": org, "max_budget": budget("team"), "budget_limits": window("team window"),
                    "model_max_budget": per_model("team model"),
                }),
            ),
            (
                "/team/member_add",
                json!({"team_id": team, "member": {"user_id": user, "role": "user"}, "max_budget_in_team": budget("member")}),
            ),
            (
                "/project/new",
                json!({"project_id": project, "team_id": team, "max_budget": budget("project")}),
            ),
            (
                "/tag/new",
                json!({"name": id("tag"), "max_budget": budget("tag")}),
            ),
            (
                "/tag/new",
                json!({"name": id("inherited"), "max_budget": budget("tag of the key")}),
            ),
            (
                "/customer/new",
                json!({"user_id": id("customer"), "max_budget": budget("customer")}),
            ),
        ] {
            let made = kept.manage(path, body).await;
            assert!(made.status.is_success(), "{path}: {}", made.text());
        }
        Self {
            key: kept.key(key).await,
            customer: id("customer"),
            tag: id("tag"),
        }
    }

    /// A request of it.
    async fn send(&self, kept: &Kept, row: &Row, ids: &BTreeMap<Op, String>) -> Got {
        let bearer = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-litellm-customer-id", &self.customer),
            ("x-litellm-tags", &self.tag),
            ("x-litellm-call-id", row.name),
        ];
        let id = ids.get(&row.op).map_or("nothing", String::as_str);
        operations::send(&kept.gateway, row, id, &headers).await
    }
}

pub(crate) fn configured(yaml: &str) -> Settings {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let mut settings = config::load(file.path(), &Nothing).unwrap();
    settings.logs.requests = false;
    settings
}

/// Whether a row was served.
fn is_served(row: &Row, got: &Got) -> bool {
    match row.body {
        Sent::Socket => got.status == 101,
        _ => got.status == 200,
    }
}

/// What the first request of each operation made.
fn remember(ids: &mut BTreeMap<Op, String>, row: &Row, got: &Got) {
    if row.verb != Verb::Create || row.op.verbs().len() == 1 || ids.contains_key(&row.op) {
        return;
    }
    let made: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    if let Some(id) = made["id"].as_str() {
        ids.insert(row.op, id.to_owned());
    }
}

fn is_refused(got: &Got, named: &str) -> bool {
    let text = got.text();
    got.status == 422 && text.contains("Budget has been exceeded!") && text.contains(named)
}

#[test]
fn no_operation_is_missing() {
    let rows = operations::all();
    for op in Op::all() {
        for verb in op.verbs() {
            let has = rows.iter().any(|row| (row.op, row.verb) == (op, *verb));
            assert!(has, "there is no request of {}", op.function(*verb));
        }
    }
}

#[tokio::test]
async fn the_exhausted_one_refuses_every_operation_and_the_others_none() {
    for database in kit::databases().await {
        refused_and_served(database).await;
    }
}

async fn refused_and_served(database: Database) {
    let vendor = Vendor::answering(operations::answer).await;
    let name = database.name;
    let settings = configured(&operations::models(&vendor.url, ""));
    let kept = Kept::on(database, settings).await;
    let rows = operations::all();
    let rich = Chain::new(&kept, "nobody").await;
    let mut ids = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let got = rich.send(&kept, row, &ids).await;
        if !is_served(row, &got) {
            wrong.push(format!("{}: {} {}", row.name, got.status, got.text()));
        }
        remember(&mut ids, row, &got);
    }
    for (poor, named) in SCOPES {
        let chain = Chain::new(&kept, poor).await;
        for row in &rows {
            let before = vendor.asked().len();
            let got = chain.send(&kept, row, &ids).await;
            let is_of_another = poor.ends_with("model") && row.model.is_none();
            let right = match row.pay == Pay::Never || is_of_another {
                true => is_served(row, &got),
                false => is_refused(&got, named) && vendor.asked().len() == before,
            };
            if !right {
                wrong.push(format!(
                    "{poor} spent, {}: {} {}",
                    row.name,
                    got.status,
                    got.text()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
    let wrong = miscounted(&rows, &kept.rows().await);
    assert!(wrong.is_empty(), "{name}: {}", wrong.join("\n"));
}

#[tokio::test]
async fn an_exhausted_access_group_refuses_every_operation_of_its_models() {
    let vendor = Vendor::answering(operations::answer).await;
    let kept = Kept::with(configured(&operations::models(&vendor.url, ""))).await;
    let chain = Chain::new(&kept, "nobody").await;
    let rows = operations::all();
    let models: BTreeSet<&str> = rows.iter().filter_map(|row| row.model).collect();
    let group = json!({"access_group": "spent", "model_names": models});
    let made = kept.manage("/access_group/new", group).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let bounded = async |most: u64| {
        let admin = [("authorization", "Bearer sk-master")];
        let budget = json!({"max_budget": most}).to_string();
        let path = "/access_group/spent/budget";
        let got = kept.gateway.send("PUT", path, &admin, budget).await;
        assert_eq!(got.status, 200, "{}", got.text());
    };
    bounded(0).await;
    let mut wrong = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.pay != Pay::Never && row.model.is_some())
    {
        let before = vendor.asked().len();
        let got = chain.send(&kept, row, &BTreeMap::new()).await;
        if !is_refused(&got, "Model access group=spent") || vendor.asked().len() > before {
            wrong.push(format!("{}: {} {}", row.name, got.status, got.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    bounded(100).await;
    let row = rows.iter().find(|row| row.op == Op::Chat).unwrap();
    let got = chain.send(&kept, row, &BTreeMap::new()).await;
    assert!(is_served(row, &got), "{}", got.text());
}

#[tokio::test]
async fn a_free_model_is_no_way_around_a_budget_to_the_dear_one_behind_it() {
    let vendor = Vendor::answering(|asked| match asked.json()["model"].as_str() {
        Some("gpt-4o-mini") => operations::answer(asked),
        _ => reply(500, "application/json", r#"{"error":{"message":"broken"}}"#),
    })
    .await;
    let models = operations::models(&vendor.url, "").replace(
        "model_list:\n",
        &format!(
            "model_list:\n- model_name: free\n  litellm_params: {{model: openai/own, api_key: k, api_base: '{}'}}\n  \
             model_info: {{input_cost_per_token: 0, output_cost_per_token: 0}}\n",
            vendor.url
        ),
    );
    let more = "router_settings: {num_retries: 0, fallbacks: [{free: [talk]}]}\n";
    let kept = Kept::with(configured(&(models + more))).await;
    let rich = kept.key(json!({"max_budget": 1})).await;
    let poor = kept.key(json!({"max_budget": 0})).await;
    let got = kept.chat_with(&rich, chat("free")).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.header("x-litellm-attempted-fallbacks"), "1");
    let asked = vendor.asked().len();
    // Whoever has nothing left gets what is free, and nothing else.
    let mut own = chat("free");
    own["fallbacks"] = json!(["talk"]);
    for body in [chat("free"), own] {
        let got = kept.chat_with(&poor, body).await;
        assert_eq!(got.status, 500, "{}", got.text());
    }
    let models = vendor.asked().split_off(asked);
    let models: Vec<Value> = models
        .iter()
        .map(|asked| asked.json()["model"].clone())
        .collect();
    assert_eq!(models, ["own", "own"]);
}

/// Budgets that are not a caller's: who has one, and what is added to the configuration.
const OTHERS: [(&str, &str, &str); 4] = [
    ("everybody", "Proxy", "litellm_settings: {max_budget: 0}"),
    (
        "provider",
        "budget",
        "router_settings: {num_retries: 0, provider_budget_config: {openai: {budget_limit: 0, time_period: 1d}, \
         text-completion-openai: {budget_limit: 0, time_period: 1d}, cohere: {budget_limit: 0, time_period: 1d}, \
         mistral: {budget_limit: 0, time_period: 1d}, anthropic: {budget_limit: 0, time_period: 1d}, \
         tavily: {budget_limit: 0, time_period: 1d}}}",
    ),
    (
        "tag at the router",
        "budget",
        "litellm_settings: {tag_budget_config: {tag-nobody: {max_budget: 0, budget_duration: 1d}}}\n\
         router_settings: {num_retries: 0}",
    ),
    ("deployment", "budget", "router_settings: {num_retries: 0}"),
];

#[tokio::test]
async fn budgets_that_are_no_callers_refuse_every_operation_too() {
    let mut wrong = Vec::new();
    for (poor, named, more) in OTHERS {
        let vendor = Vendor::answering(operations::answer).await;
        let extra = match poor {
            "deployment" => ", max_budget: 0, budget_duration: 1d",
            _ => "",
        };
        let yaml = operations::models(&vendor.url, extra) + more;
        let kept = Kept::with(configured(&yaml)).await;
        let chain = Chain::new(&kept, "nobody").await;
        // Accounts for files and search tools are deployments with budgets of their own.
        let is_bound =
            |row: &&Row| row.pay != Pay::Never && (poor != "deployment" || row.model.is_some());
        for row in operations::all().iter().filter(is_bound) {
            let before = vendor.asked().len();
            let got = chain.send(&kept, row, &BTreeMap::new()).await;
            let text = got.text();
            if !got.status.is_client_error()
                || !text.contains(named)
                || vendor.asked().len() > before
            {
                wrong.push(format!("{poor} spent, {}: {} {text}", row.name, got.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the rows: every request that cost something has one that says so, on every account of it, and what
/// costs nothing costs nothing.
fn miscounted(rows: &[Row], spent: &[SpendRow]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let is_of_it = |spent: &&SpendRow| spent.call_id.as_deref() == Some(row.name);
        let of_rich = |spent: &&SpendRow| spent.end_user.as_deref() == Some("customer-nobody");
        let cost: i64 = spent
            .iter()
            .filter(is_of_it)
            .map(|spent| spent.spend.0)
            .sum();
        // A session that ends before its first answer costs nothing.
        let is_free = row.pay != Pay::Now || row.op == Op::Realtime;
        if (cost == 0) != is_free {
            wrong.push(format!("{} cost {cost}", row.name));
        }
        let Some(found) = spent.iter().filter(is_of_it).find(of_rich) else {
            wrong.push(format!("{} has no row", row.name));
            continue;
        };
        for scope in CHARGED {
            if !found.accounts.iter().any(|account| account.scope == scope) {
                wrong.push(format!("{} is not charged to {scope:?}", row.name));
            }
        }
    }
    wrong
}
