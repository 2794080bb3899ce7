//! Rows: what is written is what is read, on both databases.

#![allow(clippy::unwrap_used)]

mod kit;

use std::fmt::Debug;

use llm_cost::NanoDollars;
use llm_store::{
    Account, Charge, Charged, Deletion, Error, Keyring, Moment, Position, Record, Scope, Store,
    hash_token,
    rows::{
        AccessGroup, AuditEntry, Budget, Credential, Customer, DeletedKey, DeletedTeam, Key, Model,
        Organization, OrganizationMember, Project, RetiredKey, SpendDay, SpendRow, Tag, Team,
        TeamMember, User,
    },
};
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A full key: every kind of column there is, with values that would break statements if they were text in them.
fn key(token: &str) -> Key {
    Key {
        token: token.to_owned(),
        key_alias: Some(format!("alias of {token}'; DROP TABLE keys; --")),
        user_id: Some("{{7*7}}".to_owned()),
        models: vec!["gpt-4o".to_owned(), "\"quoted\"".to_owned()],
        metadata: object(
            json!({"z": 1, "a": {"deep": [1.5, null, "🦀"]}, "big": 9007199254740993i64}),
        ),
        object_permission: Some(json!({"mcp_servers": []})),
        blocked: Some(false),
        expires: Some(Moment(1_795_271_225_123)),
        max_budget: Some(NanoDollars(10_500_000_000)),
        tpm_limit: Some(i64::MAX),
        created_at: Moment(1),
        ..Key::default()
    }
}

#[tokio::test]
async fn every_table_takes_and_gives_its_rows() {
    for database in kit::databases().await {
        let store = database.open().await;
        same(&store, &["t"], &key("t")).await;
        let team = Team {
            team_id: "t".into(),
            blocked: true,
            ..Team::default()
        };
        same(&store, &["t"], &team).await;
        let member = TeamMember {
            team_id: "t".into(),
            user_id: "u".into(),
            ..TeamMember::default()
        };
        same(&store, &["t", "u"], &member).await;
        let user = User {
            user_id: "u".into(),
            password: Some("hash".into()),
            ..User::default()
        };
        same(&store, &["u"], &user).await;
        let one = Organization {
            organization_id: "o".into(),
            ..Organization::default()
        };
        same(&store, &["o"], &one).await;
        let one = OrganizationMember {
            organization_id: "o".into(),
            user_id: "u".into(),
            ..OrganizationMember::default()
        };
        same(&store, &["o", "u"], &one).await;
        same(
            &store,
            &["c"],
            &Customer {
                user_id: "c".into(),
                ..Customer::default()
            },
        )
        .await;
        same(
            &store,
            &["b"],
            &Budget {
                budget_id: "b".into(),
                ..Budget::default()
            },
        )
        .await;
        same(
            &store,
            &["g"],
            &Tag {
                tag_name: "g".into(),
                ..Tag::default()
            },
        )
        .await;
        let one = AccessGroup {
            access_group_id: "a".into(),
            ..AccessGroup::default()
        };
        same(&store, &["a"], &one).await;
        same(
            &store,
            &["p"],
            &Project {
                project_id: "p".into(),
                ..Project::default()
            },
        )
        .await;
        let ring = Keyring::new(["salt"]);
        let credential_values = ring
            .seal::<Credential>("credential_values", "c", b"{}")
            .unwrap();
        let one = Credential {
            credential_id: "c".into(),
            credential_values,
            ..Credential::default()
        };
        same(&store, &["c"], &one).await;
        same(
            &store,
            &["m"],
            &Model {
                model_id: "m".into(),
                ..Model::default()
            },
        )
        .await;
        same(
            &store,
            &["e"],
            &AuditEntry {
                id: "e".into(),
                ..AuditEntry::default()
            },
        )
        .await;
        same(
            &store,
            &["r"],
            &RetiredKey {
                token: "r".into(),
                ..RetiredKey::default()
            },
        )
        .await;
        same(
            &store,
            &["d"],
            &DeletedKey {
                id: "d".into(),
                ..DeletedKey::default()
            },
        )
        .await;
        same(
            &store,
            &["d"],
            &DeletedTeam {
                id: "d".into(),
                ..DeletedTeam::default()
            },
        )
        .await;
        same(
            &store,
            &["s"],
            &SpendRow {
                id: "s".into(),
                ..SpendRow::default()
            },
        )
        .await;
        let day = SpendDay {
            day: "2026-11-21".into(),
            ..SpendDay::default()
        };
        same(&store, &["", "2026-11-21", "", "", "", "", "", ""], &day).await;
    }
}

async fn same<R: Record + PartialEq + Debug>(store: &Store, key: &[&str], row: &R) {
    assert_eq!(store.get::<R>(key).await.unwrap(), None);
    store.insert(row).await.unwrap();
    assert_eq!(store.get::<R>(key).await.unwrap().as_ref(), Some(row));
    let again = store.insert(row).await.unwrap_err();
    assert!(
        matches!(again, Error::Exists { table } if table == R::TABLE),
        "{again}"
    );
    assert!(!store.add(row).await.unwrap());
    assert!(store.update(key, row).await.unwrap());
    assert_eq!(store.list::<R>(&[], 10, 0).await.unwrap().total, 1);
    assert!(store.delete::<R>(key).await.unwrap());
    assert!(!store.delete::<R>(key).await.unwrap());
    store.insert(row).await.unwrap();
}

#[tokio::test]
async fn listings_are_narrowed_and_paged() {
    for database in kit::databases().await {
        let store = database.open().await;
        for at in 0..5 {
            let owner = if at % 2 == 0 { "even" } else { "odd" };
            let row = Key {
                user_id: Some(owner.to_owned()),
                created_at: Moment(at),
                ..key(&format!("key {at}"))
            };
            store.insert(&row).await.unwrap();
        }
        let page = store
            .list::<Key>(&[("user_id", "even")], 2, 0)
            .await
            .unwrap();
        assert_eq!(page.total, 3);
        let tokens: Vec<_> = page.rows.iter().map(|key| key.token.as_str()).collect();
        assert_eq!(tokens, ["key 4", "key 2"]);
        let page = store
            .list::<Key>(&[("user_id", "even")], 2, 2)
            .await
            .unwrap();
        assert_eq!(page.rows.len(), 1);
        let unknown = store.list::<Key>(&[("metadata", "x")], 2, 0).await;
        assert!(matches!(unknown, Err(Error::Filter { .. })));
    }
}

#[tokio::test]
async fn a_deleted_key_is_kept_with_what_it_spent() {
    for database in kit::databases().await {
        let store = database.open().await;
        let token = hash_token("sk-of-one-key-1234");
        store.insert(&key(&token)).await.unwrap();
        let account = Account::of(Scope::Key, &token);
        store
            .set_spent(&account, NanoDollars(2_500_000_000), None)
            .await
            .unwrap();
        let mut change = store.begin().await.unwrap();
        let deletion = Deletion {
            at: Moment(5),
            by: Some("admin".into()),
            ..Deletion::default()
        };
        assert!(change.delete_key(&token, &deletion).await.unwrap());
        assert!(!change.delete_key(&token, &deletion).await.unwrap());
        change.commit().await.unwrap();
        assert_eq!(store.key(&token, Moment(9)).await.unwrap(), None);
        let deleted = store
            .list::<DeletedKey>(&[("token", &token)], 9, 0)
            .await
            .unwrap();
        assert_eq!(deleted.rows[0].row_value["spend"], json!(2.5));
        assert_eq!(deleted.rows[0].deleted_by.as_deref(), Some("admin"));
    }
}

#[tokio::test]
async fn a_replaced_key_works_until_its_grace_ends() {
    for database in kit::databases().await {
        let store = database.open().await;
        store.insert(&key("first")).await.unwrap();
        store
            .set_spent(&Account::of(Scope::Key, "first"), NanoDollars(7), None)
            .await
            .unwrap();
        for (old, new, at) in [("first", "second", 10), ("second", "third", 20)] {
            let mut change = store.begin().await.unwrap();
            let row = Key {
                updated_at: Moment(at),
                ..key(new)
            };
            assert!(
                change
                    .replace_token(old, &row, Moment(at + 100))
                    .await
                    .unwrap()
            );
            change.commit().await.unwrap();
        }
        let found = store.key("first", Moment(50)).await.unwrap().unwrap();
        assert_eq!(
            (found.token.as_str(), found.spend),
            ("third", NanoDollars(7))
        );
        assert_eq!(store.key("first", Moment(110)).await.unwrap(), None);
        assert!(store.key("second", Moment(110)).await.unwrap().is_some());
        assert!(store.key("third", Moment(999)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn changes_that_are_not_committed_do_not_happen() {
    for database in kit::databases().await {
        let store = database.open().await;
        let mut change = store.begin().await.unwrap();
        change.insert(&key("t")).await.unwrap();
        drop(change);
        assert_eq!(store.get::<Key>(&["t"]).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_do_not_undo_each_other() {
    for database in kit::databases().await {
        let store = database.open().await;
        store.insert(&key("t")).await.unwrap();
        let changes = (0..10).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut change = store.begin().await.unwrap();
                let mut key: Key = change.get(&["t"]).await.unwrap().unwrap();
                key.rpm_limit = Some(key.rpm_limit.unwrap_or(0) + 1);
                change.update(&["t"], &key).await.unwrap();
                change.commit().await.unwrap();
            })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap();
        }
        let key: Key = store.get(&["t"]).await.unwrap().unwrap();
        assert_eq!(key.rpm_limit, Some(10));
    }
}

fn charged(id: usize, until: Option<i64>) -> Charged {
    let accounts = vec![
        Account::of(Scope::Key, "k"),
        Account::of(Scope::Team, "t"),
        Account::member("t", "u"),
    ];
    let charge = |account: &Account| Charge {
        account: account.clone(),
        until,
    };
    Charged {
        charges: accounts.iter().map(charge).collect(),
        row: SpendRow {
            id: format!("row {id}"),
            status: "success".into(),
            api_key: "k".into(),
            user_id: Some("u".into()),
            team_id: Some("t".into()),
            request_tags: vec!["a".into(), "b".into(), "a".into()],
            model: "m".into(),
            provider: "p".into(),
            spend: NanoDollars(3),
            total_tokens: 10,
            start_time: Moment(1_795_271_225_000),
            end_time: Moment(1_795_271_225_500),
            accounts,
            ..SpendRow::default()
        },
        at: Moment::now(),
        under_way: false,
        renews: false,
        is_alone: true,
        hold: None,
    }
}

#[tokio::test]
async fn a_batch_that_comes_again_counts_once() {
    for database in kit::databases().await {
        let store = database.open().await;
        store.insert(&key("k")).await.unwrap();
        let batch: Vec<Charged> = (0..120).map(|id| charged(id, None)).collect();
        let twice: Vec<Charged> = [&batch[..], &batch[..30]].concat();
        let position = Position {
            segment: 1,
            offset: 70,
        };
        assert_eq!(store.ship(&twice, "j", Some(position)).await.unwrap(), 120);
        assert_eq!(store.ship(&batch, "j", Some(position)).await.unwrap(), 0);
        assert_eq!(store.position("j").await.unwrap(), position);
        assert_eq!(
            store.sum_of_rows(Some("k")).await.unwrap(),
            (NanoDollars(360), 120)
        );
        for account in [Account::of(Scope::Key, "k"), Account::member("t", "u")] {
            let balance = store.balance(&account).await.unwrap();
            assert_eq!(
                (balance.spent.0, balance.total.0, balance.reserved.0),
                (360, 360, 0)
            );
        }
        let key: Key = store.get(&["k"]).await.unwrap().unwrap();
        assert_eq!(key.spend, NanoDollars(360));
        let mut days = store.list::<SpendDay>(&[], 100, 0).await.unwrap().rows;
        for dimension in ["all", "key_total", "tag_total", "team_total", "user_total"] {
            let totals = store.sums_by_entity(dimension, "0000-00-00", "9999-99-99", 9);
            days.extend(totals.await.unwrap());
        }
        let mut sums: Vec<_> = days
            .iter()
            .map(|day| {
                (
                    day.dimension.as_str(),
                    day.entity.as_str(),
                    day.spend.0,
                    day.api_requests,
                )
            })
            .collect();
        sums.sort_unstable();
        assert_eq!(
            sums,
            [
                ("all", "", 360, 120),
                ("key_total", "k", 360, 120),
                ("tag", "a", 360, 120),
                ("tag", "b", 360, 120),
                ("tag_total", "a", 360, 120),
                ("tag_total", "b", 360, 120),
                ("team", "t", 360, 120),
                ("team_total", "t", 360, 120),
                ("user", "u", 360, 120),
                ("user_total", "u", 360, 120)
            ]
        );
    }
}

#[tokio::test]
async fn charges_fall_into_their_windows() {
    for database in kit::databases().await {
        let store = database.open().await;
        let now = Moment::now().0;
        let (first, second) = (now + 1000, now + 2000);
        let account = Account::of(Scope::Key, "k");
        // Two in the first window and two in the next, in one batch and out of order.
        let moments = [now + 1, now + 1001, now + 2, now + 1002];
        let batch: Vec<Charged> = moments
            .iter()
            .enumerate()
            .map(|(id, at)| Charged {
                at: Moment(*at),
                ..charged(id, Some(if *at < first { first } else { second }))
            })
            .collect();
        store.ship(&batch, "j", None).await.unwrap();
        // One of the first that arrives late.
        let late = Charged {
            at: Moment(now + 3),
            ..charged(4, Some(first))
        };
        store.ship(&[late], "j", None).await.unwrap();
        let balance = store.balance(&account).await.unwrap();
        assert_eq!((balance.spent.0, balance.total.0), (6, 15));
        assert_eq!(balance.resets_at, Some(Moment(second)));
        // A window that ends sooner than it was to keeps what was spent in it.
        store
            .set_window(&account, Some(Moment(now + 1500)))
            .await
            .unwrap();
        let more = Charged {
            at: Moment(now + 1100),
            ..charged(5, Some(second))
        };
        store.ship(&[more], "j", None).await.unwrap();
        let balance = store.balance(&account).await.unwrap();
        assert_eq!((balance.spent.0, balance.total.0), (9, 18));
        assert_eq!(balance.resets_at, Some(Moment(now + 1500)));
    }
}

#[tokio::test]
async fn a_window_that_is_over_has_nothing_spent_in_it() {
    for database in kit::databases().await {
        let store = database.open().await;
        store.insert(&key("k")).await.unwrap();
        store.ship(&[charged(0, Some(1))], "j", None).await.unwrap();
        let key: Key = store.get(&["k"]).await.unwrap().unwrap();
        assert_eq!(
            (key.spend.0, key.total_spend.0, key.budget_reset_at),
            (0, 3, None)
        );
    }
}
