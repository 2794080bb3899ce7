//! Taking over a LiteLLM database: everything that is there is here, equal to the nano-dollar, or it is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod database;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use crypto_secretbox::{KeyInit, XSalsa20Poly1305, aead::Aead};
use database::Database;
use llm_cost::NanoDollars;
use llm_governance::{
    Governance, Settings, Work,
    import::{Import, ImportError, Report, Salt},
};
use llm_ledger::{Estimate, Ledger};
use llm_store::{
    Account, Keyring, Moment, Scope, Store, hash_token,
    rows::{AccessGroup, Customer, Key, Tag, Team, TeamMember, User},
};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

/// Tables and their columns: text, or `:i` int4, `:I` int8, `:f` double, `:b` boolean, `:t` time, `:j` JSON, `[]` texts.
const TABLES: &[(&str, &str)] = &[
    (
        "BudgetTable",
        "budget_id max_budget:f soft_budget:f max_parallel_requests:i tpm_limit:I rpm_limit:I tpd_limit:I \
         model_max_budget:j budget_duration budget_reset_at:t allowed_models[] created_at:t created_by updated_at:t updated_by",
    ),
    (
        "CredentialsTable",
        "credential_id credential_name credential_values:j credential_info:j created_at:t created_by updated_at:t updated_by",
    ),
    (
        "ProxyModelTable",
        "model_id model_name litellm_params:j model_info:j blocked:b created_at:t created_by updated_at:t updated_by",
    ),
    (
        "OrganizationTable",
        "organization_id organization_alias budget_id metadata:j models[] spend:f model_spend:j object_permission_id \
         created_at:t created_by updated_at:t updated_by",
    ),
    (
        "ModelTable",
        "id:i model_aliases:j created_at:t created_by updated_at:t updated_by",
    ),
    (
        "TeamTable",
        "team_id team_alias organization_id object_permission_id admins[] members[] members_with_roles:j metadata:j \
         max_budget:f soft_budget:f spend:f models[] max_parallel_requests:i tpm_limit:I rpm_limit:I budget_duration \
         budget_reset_at:t blocked:b created_at:t updated_at:t model_spend:j model_max_budget:j \
         team_member_permissions[] model_id:i",
    ),
    (
        "UserTable",
        "user_id user_alias team_id sso_user_id organization_id object_permission_id password teams[] user_role \
         max_budget:f spend:f user_email models[] metadata:j max_parallel_requests:i tpm_limit:I rpm_limit:I \
         budget_duration budget_reset_at:t model_spend:j model_max_budget:j created_at:t updated_at:t",
    ),
    (
        "ObjectPermissionTable",
        "object_permission_id mcp_servers[] mcp_tool_permissions:j vector_stores[]",
    ),
    (
        "VerificationToken",
        "token key_name key_alias soft_budget_cooldown:b spend:f total_spend:f expires:t models[] aliases:j config:j \
         user_id team_id permissions:j max_parallel_requests:i metadata:j blocked:b tpm_limit:I rpm_limit:I max_budget:f \
         budget_duration budget_reset_at:t allowed_cache_controls[] allowed_routes[] model_spend:j model_max_budget:j \
         budget_id organization_id project_id object_permission_id created_at:t created_by updated_at:t updated_by \
         favourite_colour",
    ),
    (
        "EndUserTable",
        "user_id alias spend:f allowed_model_region default_model models[] budget_id object_permission_id blocked:b",
    ),
    (
        "TagTable",
        "tag_name description models[] model_info:j spend:f budget_id created_at:t created_by updated_at:t",
    ),
    (
        "TeamMembership",
        "user_id team_id spend:f total_spend:f budget_id",
    ),
    (
        "OrganizationMembership",
        "user_id organization_id user_role spend:f budget_id created_at:t updated_at:t",
    ),
    (
        "ProjectTable",
        "project_id project_alias description team_id budget_id metadata:j models[] spend:f model_spend:j \
         model_rpm_limit:j model_tpm_limit:j blocked:b object_permission_id created_at:t created_by updated_at:t updated_by",
    ),
    (
        "AccessGroupTable",
        "access_group_id access_group_name description access_model_names[] access_mcp_server_ids[] access_agent_ids[] \
         assigned_team_ids[] assigned_key_ids[] created_at:t created_by updated_at:t updated_by",
    ),
    (
        "ModelAccessGroupBudgetTable",
        "access_group_name spend:f budget_id created_at:t created_by updated_at:t updated_by",
    ),
    ("Config", "param_name param_value:j"),
];

const SALT: &str = "sk-their-salt";

/// A LiteLLM database.
struct Theirs {
    database: Database,
    raw: sqlx::AnyPool,
}

impl Theirs {
    async fn new() -> Option<Self> {
        let database = database::postgres().await?;
        let raw = database::raw(&database.settings).await;
        let theirs = Self { database, raw };
        for (table, columns) in TABLES {
            let columns: Vec<String> = columns.split_whitespace().map(column).collect();
            theirs
                .run(format!(
                    "CREATE TABLE \"LiteLLM_{table}\" ({})",
                    columns.join(", ")
                ))
                .await;
        }
        Some(theirs)
    }

    async fn run(&self, statement: String) {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&self.raw)
            .await
            .unwrap();
    }

    /// Adds a row as JSON says it; what is absent is null.
    async fn add(&self, table: &str, row: Value) {
        let row = row.to_string().replace('\'', "''");
        self.run(format!(
            "INSERT INTO \"LiteLLM_{table}\" SELECT * FROM jsonb_populate_record(NULL::\"LiteLLM_{table}\", '{row}')"
        ))
        .await;
    }

    async fn import(
        &self,
        ours: &Store,
        change: impl Fn(&mut Import<'_>),
    ) -> Result<Report, ImportError> {
        let keyring = Keyring::new(["our-salt"]);
        let mut import = Import {
            from: &self.database.settings.url,
            salt: Some(Salt::new(SALT)),
            store: ours,
            keyring: &keyring,
            dry_run: false,
            overwrite: false,
        };
        change(&mut import);
        import.run().await
    }
}

fn column(text: &str) -> String {
    let types = [
        (":i", "int4"),
        (":I", "int8"),
        (":f", "float8"),
        (":b", "boolean"),
        (":t", "timestamp(3)"),
        (":j", "jsonb"),
        ("[]", "text[]"),
    ];
    let known = types
        .iter()
        .find_map(|(end, sql)| Some((text.strip_suffix(end)?, *sql)));
    let (name, sql) = known.unwrap_or((text, "text"));
    format!("\"{name}\" {sql}")
}

/// A text as LiteLLM encrypts it.
fn encrypted(text: &str) -> String {
    let mut key = [0_u8; 32];
    key.copy_from_slice(digest(&SHA256, SALT.as_bytes()).as_ref());
    let nonce = [7_u8; 24];
    let sealed = XSalsa20Poly1305::new(&key.into()).encrypt(&nonce.into(), text.as_bytes());
    URL_SAFE.encode([&nonce[..], &sealed.unwrap()].concat())
}

/// Something of everything.
async fn full() -> Option<Theirs> {
    let theirs = Theirs::new().await?;
    let made = "2025-06-01T10:00:00.250";
    let reset = "2099-12-01T00:00:00";
    for (id, max) in [("members", 5.0), ("shared", 2.5)] {
        theirs
            .add(
                "BudgetTable",
                json!({"budget_id": id, "max_budget": max, "budget_duration": "30d", "budget_reset_at": reset,
                    "tpm_limit": 5_000_000_000_i64, "allowed_models": ["small"], "created_at": made, "updated_at": made,
                    "created_by": "admin"}),
            )
            .await;
    }
    theirs
        .add(
            "ModelTable",
            json!({"id": 4, "model_aliases": "{\"fast\": \"gpt-4o-mini\"}"}),
        )
        .await;
    theirs
        .add(
            "ObjectPermissionTable",
            json!({"object_permission_id": "op", "mcp_servers": ["github"], "vector_stores": []}),
        )
        .await;
    theirs
        .add(
            "OrganizationTable",
            json!({"organization_id": "org", "organization_alias": "The company", "budget_id": "shared", "spend": 0.75,
                "metadata": {}, "models": [], "created_at": made, "updated_at": made}),
        )
        .await;
    for (id, email) in [
        ("ada", "ada@example.test"),
        ("bob", "bob@example.test"),
        ("bob2", "bob@example.test"),
    ] {
        theirs
            .add(
                "UserTable",
                json!({"user_id": id, "user_email": email, "user_role": "internal_user", "spend": 0.1, "teams": ["red"],
                    "password": "scrypt:abc", "max_budget": 10, "metadata": null, "models": [], "created_at": made}),
            )
            .await;
    }
    theirs
        .add(
            "TeamTable",
            json!({"team_id": "red", "team_alias": "Red", "organization_id": "org", "spend": 1.25, "max_budget": 2,
                "budget_duration": "7d", "budget_reset_at": reset, "models": ["small"], "model_id": 4, "blocked": false,
                "members_with_roles": [{"user_id": "ada", "role": "admin"}, {"user_email": "bob@example.test", "role": "user"}],
                "metadata": {"tags": ["t"]}, "created_at": made, "updated_at": made, "object_permission_id": "op"}),
        )
        .await;
    theirs
        .add(
            "TeamTable",
            json!({"team_id": "empty", "members_with_roles": {}, "spend": 0, "created_at": made}),
        )
        .await;
    theirs
        .add("TeamMembership", json!({"user_id": "ada", "team_id": "red", "spend": 0.3, "total_spend": 0.9, "budget_id": "members"}))
        .await;
    theirs
        .add("OrganizationMembership", json!({"user_id": "ada", "organization_id": "org", "user_role": "org_admin", "created_at": made}))
        .await;
    theirs
        .add("ProjectTable", json!({"project_id": "p", "project_alias": "Apollo", "team_id": "red", "spend": 0.5, "created_at": made}))
        .await;
    theirs
        .add(
            "AccessGroupTable",
            json!({"access_group_id": "ag-1", "access_group_name": "big", "access_model_names": ["gpt-4o"], "created_at": made}),
        )
        .await;
    for (name, spend) in [("big", 0.2), ("only-budget", 0.4)] {
        theirs
            .add("ModelAccessGroupBudgetTable", json!({"access_group_name": name, "spend": spend, "budget_id": "shared", "created_at": made}))
            .await;
    }
    theirs
        .add("TagTable", json!({"tag_name": "t", "description": "a tag", "spend": 0.000000001, "models": [], "created_at": made, "updated_at": made}))
        .await;
    theirs
        .add("EndUserTable", json!({"user_id": "customer", "spend": 2.5, "budget_id": "shared", "blocked": true, "default_model": "small"}))
        .await;
    let dust = 0.1 + 0.2;
    theirs
        .add(
            "VerificationToken",
            json!({"token": hash_token("sk-one"), "key_name": "sk-...-one", "key_alias": "one", "spend": dust,
                "total_spend": 7.5, "max_budget": 0.5, "budget_duration": "30d", "budget_reset_at": reset, "user_id": "ada",
                "team_id": "red", "models": ["all-team-models"], "metadata": {"tags": ["t"], "deep": {"a": [1, null]}},
                "expires": "2099-01-01T00:00:00", "rpm_limit": 100, "created_at": made, "soft_budget_cooldown": false,
                "favourite_colour": "green", "model_spend": {"gpt": 1}, "object_permission_id": "op"}),
        )
        .await;
    theirs
        .add(
            "VerificationToken",
            json!({"token": hash_token("sk-two"), "key_alias": "one", "spend": 0, "blocked": true}),
        )
        .await;
    theirs
        .add(
            "Config",
            json!({"param_name": "general_settings", "param_value": {}}),
        )
        .await;
    let params = json!({"model": encrypted("openai/gpt-4o"), "api_key": encrypted("sk-provider"), "rpm": 5, "mock": true});
    theirs
        .add(
            "ProxyModelTable",
            json!({"model_id": "m1", "model_name": "gpt", "litellm_params": params, "model_info": {"mode": "chat"},
                "blocked": false, "created_at": made, "updated_at": made}),
        )
        .await;
    theirs
        .add(
            "CredentialsTable",
            json!({"credential_id": "c1", "credential_name": "openai", "credential_values": {"api_key": encrypted("sk-cred")},
                "credential_info": {"description": "d"}, "created_at": made}),
        )
        .await;
    Some(theirs)
}

async fn targets() -> Vec<(Database, Store)> {
    let mut all = Vec::new();
    for database in database::databases().await {
        let store = database.open().await;
        all.push((database, store));
    }
    all
}

#[tokio::test]
async fn everything_is_taken_over_and_proven_equal() {
    let Some(theirs) = full().await else { return };
    for (database, store) in targets().await {
        let on = database.name;
        let report = theirs.import(&store, |_| {}).await.unwrap();
        assert!(report.is_equal(), "{on}\n{report}");
        let counts: Vec<(&str, i64)> = report
            .tables
            .iter()
            .map(|table| (table.name, table.here))
            .collect();
        assert_eq!(
            counts,
            [
                ("LiteLLM_BudgetTable", 2),
                ("LiteLLM_OrganizationTable", 1),
                ("LiteLLM_UserTable", 3),
                ("LiteLLM_TeamTable", 2),
                ("LiteLLM_TeamMembership", 2),
                ("LiteLLM_OrganizationMembership", 1),
                ("LiteLLM_ProjectTable", 1),
                ("LiteLLM_AccessGroupTable", 2),
                ("LiteLLM_TagTable", 1),
                ("LiteLLM_EndUserTable", 1),
                ("LiteLLM_VerificationToken", 2),
                ("LiteLLM_CredentialsTable", 1),
                ("LiteLLM_ProxyModelTable", 1),
            ]
        );
        let said = report.to_string();
        assert!(
            said.contains("'favourite_colour' has no place here (1 rows)"),
            "{said}"
        );
        assert!(
            said.contains("LiteLLM_Config: 1 rows are not imported"),
            "{said}"
        );
        assert!(
            said.contains("another row has its user_email 'bob@example.test'"),
            "{said}"
        );
        assert!(said.ends_with("Everything is here, and equal.\n"), "{said}");

        rows_are_right(&store).await;
        let again = theirs.import(&store, |_| {}).await.unwrap();
        assert!(again.is_equal());
        let touched = again.tables.iter().map(|table| table.new + table.changed);
        assert_eq!(touched.sum::<i64>(), 0, "{on}\n{again}");
        it_goes_on_from_there(&database, store).await;
    }
}

async fn rows_are_right(store: &Store) {
    let token = hash_token("sk-one");
    let key: Key = store.get(&[&token]).await.unwrap().unwrap();
    assert_eq!(key.spend, NanoDollars(300_000_000));
    assert_eq!(key.total_spend, NanoDollars(7_500_000_000));
    assert_eq!(key.max_budget, Some(NanoDollars(500_000_000)));
    assert_eq!(json!(key.expires), "2099-01-01T00:00:00.000Z");
    assert_eq!(json!(key.budget_reset_at), "2099-12-01T00:00:00.000Z");
    assert_eq!(json!(key.created_at), "2025-06-01T10:00:00.250Z");
    assert_eq!(
        json!(key.metadata),
        json!({"tags": ["t"], "deep": {"a": [1, null]}})
    );
    assert_eq!(
        key.object_permission.unwrap()["mcp_servers"],
        json!(["github"])
    );
    let second: Key = store.get(&[&hash_token("sk-two")]).await.unwrap().unwrap();
    assert_eq!((second.key_alias, second.blocked), (None, Some(true)));
    assert_eq!(second.metadata["key_alias"], "one");

    let team: Team = store.get(&["red"]).await.unwrap().unwrap();
    assert_eq!(team.model_aliases["fast"], "gpt-4o-mini");
    assert_eq!(team.spend, NanoDollars(1_250_000_000));
    let ada: TeamMember = store.get(&["red", "ada"]).await.unwrap().unwrap();
    assert_eq!(
        (ada.role.as_str(), ada.allowed_models),
        ("admin", vec!["small".to_owned()])
    );
    assert_eq!(
        (ada.spend, ada.total_spend),
        (NanoDollars(300_000_000), NanoDollars(900_000_000))
    );
    // The window is the one of the budget that the member has.
    assert_eq!(json!(ada.budget_reset_at), "2099-12-01T00:00:00.000Z");
    let bob: TeamMember = store.get(&["red", "bob"]).await.unwrap().unwrap();
    assert_eq!(bob.user_email.as_deref(), Some("bob@example.test"));
    let user: User = store.get(&["bob2"]).await.unwrap().unwrap();
    assert_eq!(
        (user.user_email, user.password.as_deref()),
        (None, Some("scrypt:abc"))
    );
    let tag: Tag = store.get(&["t"]).await.unwrap().unwrap();
    assert_eq!(tag.spend, NanoDollars(1));
    let customer: Customer = store.get(&["customer"]).await.unwrap().unwrap();
    assert!(customer.blocked);
    let big: AccessGroup = store.get(&["ag-1"]).await.unwrap().unwrap();
    assert_eq!(
        (big.budget_id.as_deref(), big.spend),
        (Some("shared"), NanoDollars(200_000_000))
    );
    let only: AccessGroup = store.get(&["only-budget"]).await.unwrap().unwrap();
    assert_eq!(only.spend, NanoDollars(400_000_000));
}

/// A gateway goes on where the other one stopped: what was spent there counts here.
async fn it_goes_on_from_there(database: &Database, store: Store) {
    let journal = llm_ledger::Settings::new(database.folder().join("journal"));
    let ledger = Ledger::open(store.clone(), journal).await.unwrap();
    let keyring = Keyring::new(["our-salt"]);
    let governance = Governance::new(store, ledger, keyring, Settings::default());
    let model = governance.stored_model("m1").await.unwrap().unwrap();
    assert_eq!(
        Value::from(model.params),
        json!({"model": "openai/gpt-4o", "api_key": "sk-provider", "rpm": 5, "mock": true})
    );
    let values = governance
        .credential_values("openai")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(values["api_key"], "sk-cred");

    let caller = governance.caller("sk-one").await.unwrap().unwrap();
    let ask = async |nano: i64| {
        let work = Work {
            model: "small",
            estimate: Estimate::AtMost(NanoDollars(nano)),
            ..Work::default()
        };
        governance.admit(&caller, work).await
    };
    let refused = ask(200_000_001).await.unwrap_err();
    assert_eq!(refused.kind, "budget_exceeded");
    drop(ask(200_000_000).await.unwrap());
    governance.caller("sk-two").await.unwrap_err();
    assert!(Arc::strong_count(&caller) > 0);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let Some(theirs) = full().await else { return };
    let database = database::sqlite();
    let store = database.open().await;
    let report = theirs
        .import(&store, |import| import.dry_run = true)
        .await
        .unwrap();
    assert!(report.is_equal(), "{report}");
    let keys = report
        .tables
        .iter()
        .find(|table| table.name == "LiteLLM_VerificationToken")
        .unwrap();
    assert_eq!(
        (keys.rows, keys.new, keys.spend),
        (2, 2, NanoDollars(300_000_000))
    );
    assert_eq!(store.list::<Key>(&[], 10, 0).await.unwrap().total, 0);
    let account = Account::of(Scope::Team, "red");
    assert_eq!(store.balance(&account).await.unwrap().spent, NanoDollars(0));
}

#[tokio::test]
async fn what_changed_there_is_changed_here_and_what_is_wrong_is_named() {
    let Some(theirs) = full().await else { return };
    let database = database::sqlite();
    let store = database.open().await;
    theirs.import(&store, |_| {}).await.unwrap();
    theirs.run("UPDATE \"LiteLLM_TeamTable\" SET spend = 1.5, team_alias = 'Rot' WHERE team_id = 'red'".to_owned()).await;
    let report = theirs.import(&store, |_| {}).await.unwrap();
    assert!(report.is_equal(), "{report}");
    let changed: i64 = report.tables.iter().map(|table| table.changed).sum();
    assert_eq!(changed, 1);
    let team: Team = store.get(&["red"]).await.unwrap().unwrap();
    assert_eq!(
        (team.team_alias.as_deref(), team.spend),
        (Some("Rot"), NanoDollars(1_500_000_000))
    );

    let wrong = theirs
        .import(&store, |import| import.salt = Some(Salt::new("another")))
        .await
        .unwrap();
    assert!(!wrong.is_equal());
    let said = wrong.to_string();
    assert!(
        said.contains("'api_key' was encrypted with another salt key"),
        "{said}"
    );
    assert!(said.contains("m1 is left out"), "{said}");
    // What was imported before stays.
    let none = theirs
        .import(&store, |import| import.salt = None)
        .await
        .unwrap();
    assert!(none.to_string().contains("no salt key is given"), "{none}");

    theirs
        .run("UPDATE \"LiteLLM_TeamTable\" SET members_with_roles = '[{\"user_email\": \"nobody@example.test\"}]' WHERE team_id = 'empty'".to_owned())
        .await;
    let lost = theirs.import(&store, |_| {}).await.unwrap();
    assert!(!lost.is_equal());
    assert!(
        lost.to_string()
            .contains("empty/nobody@example.test is left out"),
        "{lost}"
    );
}

#[tokio::test]
async fn what_this_gateway_charged_is_not_replaced_unless_somebody_says_so() {
    let Some(theirs) = full().await else { return };
    let database = database::sqlite();
    let store = database.open().await;
    let row = llm_store::rows::SpendRow {
        id: "r".into(),
        spend: NanoDollars(5),
        start_time: Moment::now(),
        ..Default::default()
    };
    store.insert(&row).await.unwrap();
    let refused = theirs.import(&store, |_| {}).await.unwrap_err();
    assert!(matches!(refused, ImportError::InUse(1)), "{refused}");
    let report = theirs
        .import(&store, |import| import.overwrite = true)
        .await
        .unwrap();
    assert!(report.is_equal(), "{report}");
}

#[tokio::test]
async fn another_database_is_refused() {
    let Some(other) = database::postgres().await else {
        return;
    };
    let database = database::sqlite();
    let store = database.open().await;
    let keyring = Keyring::new(["our-salt"]);
    let import = |from: &'static str| Import {
        from,
        salt: None,
        store: &store,
        keyring: &keyring,
        dry_run: false,
        overwrite: false,
    };
    let url: &'static str = other.settings.url.clone().leak();
    let refused = import(url).run().await.unwrap_err();
    assert!(matches!(refused, ImportError::NotOne(_)), "{refused}");
    let refused = import("sqlite://gateway.db").run().await.unwrap_err();
    assert!(refused.to_string().contains("postgres://"), "{refused}");
}
