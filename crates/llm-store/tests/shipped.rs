//! What is shipped together is read one by one as it was.
#![allow(clippy::unwrap_used)]

mod kit;

use llm_cost::NanoDollars;
use llm_store::{Account, Charge, Charged, Json, Moment, Scope, rows::SpendRow};
use serde_json::{Map, Value, json};

/// A finished request of a key, with texts that a statement could take for its own.
fn charged(id: usize, key: &str, change: impl FnOnce(&mut SpendRow)) -> Charged {
    let account = Account::of(Scope::Key, key);
    let mut row = SpendRow {
        id: format!("row {id}"),
        status: "success".into(),
        api_key: key.into(),
        model: "m".into(),
        spend: NanoDollars(3),
        start_time: Moment(1_795_271_225_000),
        end_time: Moment(1_795_271_225_500),
        ..SpendRow::default()
    };
    change(&mut row);
    Charged {
        charges: vec![Charge {
            account,
            until: None,
        }],
        row,
        at: Moment::now(),
        is_alone: true,
        ..Charged::default()
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn rows_that_have_much_in_common_are_read_as_they_were() {
    for database in kit::databases().await {
        let store = database.open().await;
        let batch = [
            charged(0, "a", |row| {
                row.session_id = Some(r#"[1, {"no": "json"#.into());
                row.metadata = object(json!({"a": [1, 2.50, null], "b": {"c": "ü 😀"}}));
                row.usage_value = Json::of(&json!({"prompt_tokens": 7}));
            }),
            charged(1, "a", |row| {
                row.session_id = Some("{\"a\": 1}".into());
                row.metadata = object(json!({"a": "\u{0}\\ud800\" \n"}));
                row.request_tags = vec!["\"".into(), "\\".into(), "t,{}".into()];
                row.usage_value = Json::of(&json!(null));
            }),
            charged(2, "b\"\\", |row| {
                row.end_user = Some(String::new());
                row.model_id = Some("tab\tand\u{1}".into());
                row.cache_hit = true;
            }),
        ];
        for several in [&batch[..1], &batch[1..]] {
            let new = store.ship(several, "j", None).await.unwrap();
            assert_eq!(new, several.len(), "{}", database.name);
        }
        for charged in &batch {
            let mut expected = charged.row.clone();
            expected.accounts = vec![charged.charges[0].account.clone()];
            let read: SpendRow = store.get(&[&expected.id]).await.unwrap().unwrap();
            assert_eq!(read, expected, "{}", database.name);
        }
    }
}
