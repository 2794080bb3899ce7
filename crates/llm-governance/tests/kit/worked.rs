//! A few people and what they spent, for reports to show.

use super::Office;
use llm_cost::NanoDollars;
use llm_store::{
    Account, Charge, Charged, Moment, Scope, hash_token,
    rows::{SpendRow, TeamMember},
};
use serde_json::{Value, json};

/// 2026-11-20 12:00 UTC.
pub const NOON: i64 = 1_795_176_000_000;
pub const DAY: i64 = 86_400_000;

/// Two users, of whom one is in a team with a key of its own there.
pub struct People {
    pub ann: String,
    pub bob: String,
    pub team: String,
}

pub async fn people(office: &Office) -> People {
    let key = async |body: Value| {
        let made = office.post("/key/generate", body).await.unwrap();
        made["key"].as_str().unwrap().to_owned()
    };
    let store = office.governance.store();
    for (id, email) in [("ann", "ann@example.com"), ("bob", "bob@example.com")] {
        let user = llm_store::rows::User {
            user_id: id.into(),
            user_email: Some(email.into()),
            user_role: Some("internal_user".into()),
            ..Default::default()
        };
        store.insert(&user).await.unwrap();
    }
    let team = llm_store::rows::Team {
        team_id: "t1".into(),
        team_alias: Some("Research".into()),
        ..Default::default()
    };
    store.insert(&team).await.unwrap();
    for (user, role) in [("ann", "admin"), ("bob", "user")] {
        let member = TeamMember {
            team_id: "t1".into(),
            user_id: user.into(),
            role: role.into(),
            ..TeamMember::default()
        };
        store.insert(&member).await.unwrap();
    }
    People {
        ann: key(json!({"user_id": "ann", "key_alias": "ann's"})).await,
        bob: key(json!({"user_id": "bob"})).await,
        team: key(json!({"user_id": "bob", "team_id": "t1"})).await,
    }
}

pub fn charged(id: &str, key: &str, user: &str, days: i64, cents: i64) -> Charged {
    let account = Account::of(Scope::Key, hash_token(key));
    let start = Moment(NOON + days * DAY);
    Charged {
        charges: vec![
            Charge {
                account: account.clone(),
                until: None,
            },
            Charge {
                account: Account::of(Scope::Global, ""),
                until: None,
            },
        ],
        row: SpendRow {
            id: id.into(),
            request_id: Some(format!("chatcmpl-{id}")),
            call_id: Some(format!("call-{id}")),
            session_id: Some("session".into()),
            call_type: "acompletion".into(),
            status: "success".into(),
            api_key: hash_token(key),
            user_id: Some(user.into()),
            request_tags: vec!["prod".into()],
            end_user: Some("acme".into()),
            model: "openai/gpt-4o".into(),
            model_group: Some("gpt-4o".into()),
            provider: "openai".into(),
            spend: NanoDollars(cents * 10_000_000),
            prompt_tokens: 10,
            completion_tokens: 5,
            total_tokens: 15,
            start_time: start,
            end_time: start.plus(250),
            accounts: vec![account],
            ..SpendRow::default()
        },
        at: start.plus(250),
        ..Charged::default()
    }
}

pub async fn worked(office: &Office) -> People {
    let people = people(office).await;
    let mut batch = vec![
        charged("a", &people.ann, "ann", 0, 100),
        charged("b", &people.ann, "ann", 1, 25),
        charged("c", &people.bob, "bob", 1, 50),
        charged("d", &people.team, "bob", 1, 200),
    ];
    batch[2].row.model = "anthropic/claude".into();
    batch[2].row.model_group = Some("claude".into());
    batch[2].row.provider = "anthropic".into();
    batch[2].row.cache_hit = true;
    batch[3].row.team_id = Some("t1".into());
    batch[3].row.status = "failure".into();
    batch[3].row.error_code = Some("429".into());
    batch[3].row.api_base = Some("https://api.example.com".into());
    batch[3].row.metadata.insert(
        "messages".into(),
        json!([{"role": "user", "content": "hello"}]),
    );
    office
        .governance
        .store()
        .ship(&batch, "journal", None)
        .await
        .unwrap();
    people
}

pub const DATES: &str = "start_date=2026-11-20&end_date=2026-11-21";

pub fn ids(rows: &Value) -> Vec<&str> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect()
}
