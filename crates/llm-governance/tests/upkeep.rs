//! What goes on beside requests: rows priced again, old ones let go, alerts raised.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{ToSpan, civil::Date};
use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{
    Bill, Pricer, Repricing, Retention,
    alerts::{AlertKind, AlertSettings, Alerts, Carrier, Carrying, Finished, Letter, Way},
    reprice,
};
use llm_store::{
    Account, Charge, Charged, Json, Moment, Scope, hash_token,
    rows::{Key, SpendRow, User},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const DAY: i64 = 86_400_000;

fn charged(id: &str, at: Moment, nano: i64) -> Charged {
    let account = Account::of(Scope::Key, "k");
    Charged {
        charges: vec![Charge {
            account: account.clone(),
            until: None,
        }],
        row: SpendRow {
            id: id.into(),
            status: "success".into(),
            api_key: "k".into(),
            model: "openai/gpt-4o".into(),
            spend: NanoDollars(nano),
            price_digest: Some("old".into()),
            usage_value: Json::of(&json!({"prompt_tokens": nano})),
            start_time: at,
            end_time: at,
            accounts: vec![account],
            ..SpendRow::default()
        },
        at,
        ..Charged::default()
    }
}

/// Twice the tokens.
struct Double;

impl Pricer for Double {
    fn digest(&self) -> &str {
        "new"
    }

    fn price(&self, row: &SpendRow) -> Option<Bill> {
        let usage: Value = row.usage_value.as_ref()?.read()?;
        let tokens = usage.get("prompt_tokens")?.as_i64()?;
        Some(Bill {
            spend: NanoDollars(tokens * 2),
            gap: None,
        })
    }
}

#[tokio::test]
async fn rows_are_priced_again_once_and_may_be_tried_before() {
    for office in Office::everywhere().await {
        let store = office.governance.store();
        let now = Moment::now();
        let mut batch: Vec<Charged> = (0..1_200)
            .map(|at| charged(&format!("row-{at:04}"), now.plus(-at / 2), 10))
            .collect();
        batch[0].row.usage_value = None;
        batch[1].row.cache_hit = true;
        store.ship(&batch, "journal", None).await.unwrap();
        let mut ask = Repricing {
            from: now.plus(-DAY),
            to: now,
            dry_run: true,
        };
        let tried = reprice(store, &Double, ask, |_| {}).await.unwrap();
        assert_eq!(
            (tried.rows, tried.changed, tried.left_out, tried.totals()),
            (1_200, 1_198, 2, (11_980, 23_960)),
            "{}",
            office.on
        );
        assert_eq!(
            store.sum_of_rows(None).await.unwrap().0,
            NanoDollars(12_000)
        );
        ask.dry_run = false;
        let done = reprice(store, &Double, ask, |_| {}).await.unwrap();
        assert_eq!(done, tried);
        let again = reprice(store, &Double, ask, |_| {}).await.unwrap();
        assert_eq!((again.changed, again.left_out), (0, 2));
        assert_eq!(
            store.sum_of_rows(None).await.unwrap().0,
            NanoDollars(23_980)
        );
        let balance = store.balance(&Account::of(Scope::Key, "k")).await.unwrap();
        assert_eq!((balance.spent.0, balance.total.0), (23_980, 23_980));
        let row: SpendRow = store.get(&["row-0007"]).await.unwrap().unwrap();
        assert_eq!(row.price_digest.as_deref(), Some("new"));
    }
}

#[tokio::test]
async fn old_rows_go_in_batches_by_one_instance_and_their_sums_stay() {
    for office in Office::everywhere().await {
        let store = office.governance.store();
        let now = Moment::now();
        let old = (0..25).map(|at| charged(&format!("old-{at}"), now.plus(-8 * DAY - at), 10));
        let young = (0..5).map(|at| charged(&format!("young-{at}"), now.plus(-6 * DAY - at), 10));
        let batch: Vec<Charged> = old.chain(young).collect();
        store.ship(&batch, "journal", None).await.unwrap();
        let retention = Retention {
            batch: 10,
            batches: 2,
            ..Retention::of("7d".parse().unwrap(), "1h".parse().unwrap())
        };
        let run = async |owner: &str, now| retention.run(store, owner, now).await.unwrap();
        assert_eq!(run("a", now).await, 20, "{}", office.on);
        // It is done for now, whoever asks.
        assert_eq!(run("a", now).await, 0);
        assert_eq!(run("b", now).await, 0);
        let later = now.plus(3_700_000);
        assert_eq!(run("b", later).await, 5);
        let (left, rows) = store.sum_of_rows(None).await.unwrap();
        assert_eq!((left.0, rows), (50, 5));
        assert_eq!(
            office.get("/spend/tags").await.unwrap(),
            json!([]),
            "nothing had a tag"
        );
        let balance = store.balance(&Account::of(Scope::Key, "k")).await.unwrap();
        assert_eq!(balance.total.0, 300);
    }
}

/// Hands on what it is given; posts to `fails` fail the first three times.
struct Sent {
    to: mpsc::UnboundedSender<(String, Value)>,
    failed: Mutex<HashMap<String, u32>>,
}

impl Carrier for Sent {
    fn post<'a>(&'a self, url: &'a str, body: &'a Value) -> Carrying<'a> {
        Box::pin(async move {
            let mut failed = self.failed.lock().unwrap();
            let tries = failed.entry(url.to_owned()).or_default();
            *tries += 1;
            if url.contains("fails") && *tries < 4 {
                return Err("503".to_owned());
            }
            self.to.send((url.to_owned(), body.clone())).unwrap();
            Ok(())
        })
    }

    fn mail<'a>(&'a self, letter: &'a Letter) -> Carrying<'a> {
        Box::pin(async move {
            let letter = json!({"to": letter.to, "subject": letter.subject});
            self.to.send(("mail".to_owned(), letter)).unwrap();
            Ok(())
        })
    }
}

fn alerts(settings: AlertSettings) -> (Alerts, mpsc::UnboundedReceiver<(String, Value)>) {
    let (to, sent) = mpsc::unbounded_channel();
    let carrier = Sent {
        to,
        failed: Mutex::default(),
    };
    (Alerts::start(settings, Arc::new(carrier)), sent)
}

/// What either of two instances sends next.
async fn next_of(
    one: &mut mpsc::UnboundedReceiver<(String, Value)>,
    other: &mut mpsc::UnboundedReceiver<(String, Value)>,
) -> (String, Value) {
    let next = async {
        tokio::select! {
            Some(sent) = one.recv() => sent,
            Some(sent) = other.recv() => sent,
        }
    };
    let next = tokio::time::timeout(Duration::from_secs(20), next).await;
    next.expect("an alert")
}

fn slack(url: &str) -> Way {
    Way::Slack {
        urls: vec![url.to_owned()],
        by_kind: HashMap::new(),
    }
}

#[tokio::test]
async fn a_budget_is_told_of_once_for_each_threshold_by_one_of_the_instances() {
    for office in Office::everywhere().await {
        let store = office.governance.store();
        store
            .insert(&User {
                user_id: "ann".into(),
                user_email: Some("ann@example.com".into()),
                ..User::default()
            })
            .await
            .unwrap();
        let token = hash_token("sk-ann");
        store
            .insert(&Key {
                token: token.clone(),
                key_alias: Some("ann's".into()),
                user_id: Some("ann".into()),
                max_budget: Some(NanoDollars(1_000_000_000)),
                soft_budget: Some(NanoDollars(500_000_000)),
                ..Key::default()
            })
            .await
            .unwrap();
        let settings = || AlertSettings {
            ways: vec![
                Way::Webhook {
                    url: "hook".to_owned(),
                },
                Way::Email,
            ],
            look: Duration::from_millis(10),
            ..AlertSettings::default()
        };
        let (one, mut sent) = alerts(settings());
        let (other, mut sent_by_other) = alerts(settings());
        office.governance.watch(one);
        office.governance.watch(other);
        let mut spent = 0;
        let mut told = Vec::new();
        for (part, expected) in [
            (500_000_000, Some("soft_budget_crossed")),
            (100_000_000, None),
            (250_000_000, Some("threshold_crossed")),
            (100_000_000, Some("threshold_crossed")),
            (100_000_000, Some("budget_crossed")),
            (100_000_000, None),
        ] {
            spent += 1;
            let mut charged = charged(&format!("row-{spent}"), Moment::now(), part);
            charged.charges[0].account = Account::of(Scope::Key, &token);
            store.ship(&[charged], "journal", None).await.unwrap();
            // A webhook and a letter, from whichever was first.
            for _ in 0..if expected.is_some() { 2 } else { 0 } {
                let (way, body) = next_of(&mut sent, &mut sent_by_other).await;
                if way == "hook" {
                    assert_eq!(body["event"].as_str(), expected, "{}: {body}", office.on);
                }
                told.push((way, body));
            }
        }
        let hooks = told.iter().filter(|(way, _)| way == "hook");
        let hooks: Vec<&Value> = hooks.map(|(_, body)| body).collect();
        assert_eq!(hooks.len(), 4);
        let last = hooks[3];
        assert_eq!(last["event_group"], "key");
        assert_eq!(last["token"], token);
        assert_eq!(
            (last["spend"].as_f64(), last["max_budget"].as_f64()),
            (Some(1.05), Some(1.0))
        );
        assert_eq!(
            (&last["key_alias"], &last["user_email"]),
            (&json!("ann's"), &json!("ann@example.com"))
        );
        assert!(
            last["event_message"]
                .as_str()
                .unwrap()
                .contains("has spent $1.0500 of $1.0000")
        );
        let letter = json!({"to": ["ann@example.com"], "subject": "Max Budget Alert"});
        assert!(told.contains(&("mail".to_owned(), letter)));
        assert!(sent.try_recv().is_err() && sent_by_other.try_recv().is_err());
    }
}

#[tokio::test]
async fn what_a_week_and_a_month_cost_is_told_once_by_one_of_the_instances() {
    for office in Office::everywhere().await {
        let store = office.governance.store();
        let team = json!({"team_id": "t", "team_alias": "crew"});
        office.post("/team/new", team).await.unwrap();
        // A day counts an hour after it is over.
        let today: Date = Moment::now().plus(-3_600_000).day().parse().unwrap();
        let since_monday = i32::from(today.weekday().to_monday_zero_offset());
        let sunday = today.saturating_sub((since_monday + 1).days());
        let last_month = today.first_of_month().saturating_sub(1.day());
        let spent = [(sunday, 500_000_000), (last_month, 250_000_000)];
        for (at, (day, nano)) in spent.into_iter().enumerate() {
            let noon: jiff::Timestamp = format!("{day}T12:00:00Z").parse().unwrap();
            let mut charged = charged(&format!("row-{at}"), noon.into(), nano);
            charged.row.team_id = Some("t".into());
            charged.row.request_tags = vec!["night".into()];
            store.ship(&[charged], "journal", None).await.unwrap();
        }
        let settings = || AlertSettings {
            ways: vec![slack("hook")],
            kinds: vec![AlertKind::SpendReports],
            look: Duration::from_millis(10),
            ..AlertSettings::default()
        };
        let (one, mut sent) = alerts(settings());
        let (other, mut sent_by_other) = alerts(settings());
        office.governance.watch(one);
        office.governance.watch(other);
        let mut told = Vec::new();
        for _ in 0..2 {
            let (_, body) = next_of(&mut sent, &mut sent_by_other).await;
            told.push(body["text"].as_str().unwrap().to_owned());
        }
        let monday = sunday.saturating_sub(6.days());
        let first = last_month.first_of_month();
        for (from, to) in [(monday, sunday), (first, last_month)] {
            let days = format!("Spent from {from} to {to}: $");
            let report = told.iter().find(|text| text.contains(&days));
            let report = report.unwrap_or_else(|| panic!("{days}: {told:?}"));
            assert!(report.contains("\nTeams: crew $") && report.contains("\nTags: night $"));
        }
        assert!(sent.try_recv().is_err() && sent_by_other.try_recv().is_err());
    }
}

#[tokio::test]
async fn changes_are_told_to_those_who_want_to_know() {
    for office in Office::everywhere().await {
        let (alerts, mut sent) = alerts(AlertSettings {
            ways: vec![Way::Webhook {
                url: "hook".to_owned(),
            }],
            kinds: vec![
                AlertKind::NewVirtualKey,
                AlertKind::VirtualKeyUpdated,
                AlertKind::NewTeam,
                AlertKind::NewUser,
                AlertKind::UserDeleted,
            ],
            ..AlertSettings::default()
        });
        office.governance.watch(alerts);
        let key = office.key(json!({"key_alias": "ci"})).await;
        let team = json!({"team_id": "t", "team_alias": "crew"});
        office.post("/team/new", team).await.unwrap();
        let user = json!({"user_id": "ann", "auto_create_key": false});
        office.post("/user/new", user).await.unwrap();
        // Nobody asked to know of this, and what is refused did not happen.
        let gone = json!({"team_ids": ["t"]});
        office.post("/team/delete", gone).await.unwrap();
        let again = json!({"user_id": "ann"});
        office.post("/user/new", again).await.unwrap_err();
        let replaced = office.post("/key/regenerate", json!({"key": key})).await;
        let replaced = replaced.unwrap();
        let gone = json!({"user_ids": ["ann"]});
        office.post("/user/delete", gone).await.unwrap();
        let mut told = Vec::new();
        for _ in 0..6 {
            let (_, body) = sent.recv().await.unwrap();
            let body: Value = serde_json::from_str(&body.to_string()).unwrap();
            let text = body.to_string();
            let secret = replaced["key"].as_str().unwrap();
            assert!(!text.contains(&key) && !text.contains(secret), "{text}");
            let user = body["user_id"].as_str().unwrap_or_default().to_owned();
            told.push((body["event"].clone(), body["event_group"].clone(), user));
        }
        let expected = [
            ("key_created", "key", ""),
            ("team_created", "team", ""),
            // Who makes a team is in it.
            ("internal_user_created", "internal_user", "default_user_id"),
            ("internal_user_created", "internal_user", "ann"),
            ("key_rotated", "key", ""),
            ("internal_user_deleted", "internal_user", "ann"),
        ];
        let expected =
            expected.map(|(event, group, user)| (json!(event), json!(group), user.to_owned()));
        assert_eq!(told, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_and_failing_providers_are_told_and_tried_again_without_a_flood() {
    let (alerts, mut sent) = alerts(AlertSettings {
        ways: vec![slack("fails")],
        ..AlertSettings::default()
    });
    let well = Finished {
        call_id: "call-1",
        model: "gpt-4o",
        provider: "openai",
        api_base: "https://api.example.com",
        took: Duration::from_secs(2),
        status: None,
        instead: None,
    };
    alerts.finished(&well);
    alerts.finished(&Finished {
        status: Some(429),
        ..well
    });
    let slow = Finished {
        took: Duration::from_secs(301),
        ..well
    };
    let failed = Finished {
        status: Some(503),
        ..well
    };
    (0..50).for_each(|_| alerts.finished(&slow));
    (0..50).for_each(|_| alerts.finished(&failed));
    assert_eq!(alerts.dropped(), 0);
    drop(alerts);
    let mut texts = Vec::new();
    while let Some((_, body)) = sent.recv().await {
        let text = body["text"].as_str().unwrap();
        texts.push(text.split(':').next().unwrap().to_owned());
    }
    assert_eq!(
        texts,
        [
            "A slow answer",
            "A failed request",
            "A minor outage",
            "A major outage"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_kind_goes_where_it_is_sent_and_what_nobody_wants_goes_nowhere() {
    let by_kind = HashMap::from([(AlertKind::LlmTooSlow, vec!["a".to_owned(), "b".to_owned()])]);
    let (alerts, mut sent) = alerts(AlertSettings {
        ways: vec![Way::Slack {
            urls: vec!["usual".to_owned()],
            by_kind,
        }],
        kinds: vec![AlertKind::LlmTooSlow, AlertKind::OutageAlerts],
        minor_outage: 1,
        ..AlertSettings::default()
    });
    alerts.finished(&Finished {
        call_id: "call-1",
        model: "gpt-4o",
        provider: "openai",
        api_base: "https://api.example.com",
        took: Duration::from_secs(600),
        status: Some(504),
        instead: None,
    });
    drop(alerts);
    let mut urls = Vec::new();
    while let Some((url, _)) = sent.recv().await {
        urls.push(url);
    }
    assert_eq!(urls, ["a", "b", "usual"]);
}
