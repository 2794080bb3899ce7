//! What reports read: found by an index, counted once, the same after a price changed.
#![allow(clippy::unwrap_used)]

mod kit;

use llm_cost::NanoDollars;
use llm_store::{
    Account, Charge, Charged, Days, Find, Moment, Narrow, Repriced, Requests, Scope, Sort, Store,
    rows::{SpendDay, SpendRow},
    statements,
};
use sqlx::Row;

const START: i64 = 1_795_271_225_000;

fn charged(at: i64) -> Charged {
    let account = Account::of(Scope::Key, "k");
    Charged {
        charges: vec![Charge {
            account: account.clone(),
            until: None,
        }],
        row: SpendRow {
            id: format!("row-{at:04}"),
            status: "success".into(),
            call_type: "acompletion".into(),
            api_key: "k".into(),
            user_id: Some(format!("u{}", at % 3)),
            team_id: Some("t".into()),
            model: format!("m{}", at % 2),
            model_group: Some("group".into()),
            provider: "p".into(),
            spend: NanoDollars(at),
            total_tokens: 10,
            start_time: Moment(START + at / 2),
            end_time: Moment(START + at / 2 + 7),
            accounts: vec![account],
            ..SpendRow::default()
        },
        at: Moment(START + at / 2 + 7),
        ..Charged::default()
    }
}

fn ask(find: Find, value: &str) -> Requests {
    Requests {
        find: (find, value.to_owned()),
        from: Moment(START),
        to: Moment(START + 100_000),
        before: None,
        narrow: Narrow::default(),
        sort: Sort::Newest,
    }
}

async fn filled(store: &Store, rows: i64) {
    let batch: Vec<Charged> = (0..rows).map(charged).collect();
    store.ship(&batch, "j", None).await.unwrap();
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_or_a_repetition() {
    for database in kit::databases().await {
        let store = database.open().await;
        filled(&store, 90).await;
        // Two rows of every moment: a page may end between them.
        let mut ask = ask(Find::Key, "k");
        let mut seen = Vec::new();
        loop {
            let page = store.requests(&ask, 7, 0).await.unwrap();
            let Some(last) = page.last() else { break };
            (ask.to, ask.before) = (last.start_time, Some(last.id.clone()));
            seen.extend(page.into_iter().map(|row| row.id));
        }
        let expected: Vec<String> = (0..90).rev().map(|at| format!("row-{at:04}")).collect();
        assert_eq!(seen, expected, "{}", database.name);
    }
}

#[tokio::test]
async fn rows_are_narrowed_sorted_and_counted() {
    for database in kit::databases().await {
        let store = database.open().await;
        filled(&store, 60).await;
        let mut ask = ask(Find::User, "u1");
        ask.narrow.texts = vec![("model", "m0".to_owned())];
        ask.narrow.min_spend = Some(NanoDollars(10));
        ask.sort = Sort::By {
            column: "spend",
            ascending: true,
        };
        let rows = store.requests(&ask, 3, 1).await.unwrap();
        let spent: Vec<i64> = rows.iter().map(|row| row.spend.0).collect();
        assert_eq!(spent, [16, 22, 28], "{}", database.name);
        assert_eq!(store.count_requests(&ask, 1_000).await.unwrap(), 9);
        assert_eq!(store.count_requests(&ask, 4).await.unwrap(), 4);
    }
}

#[tokio::test]
async fn a_new_price_moves_the_row_its_accounts_and_its_day_together_and_once() {
    for database in kit::databases().await {
        let store = database.open().await;
        filled(&store, 10).await;
        let rows = store.requests(&ask(Find::Time, ""), 100, 0).await.unwrap();
        let batch: Vec<Repriced> = rows
            .into_iter()
            .map(|row| Repriced {
                spend: NanoDollars(row.spend.0 * 3),
                price_digest: Some("new".into()),
                price_gap: None,
                row,
            })
            .collect();
        assert_eq!(store.reprice(&batch).await.unwrap(), 10);
        // The first row cost nothing and costs nothing: it is the same as before, and is set again.
        assert_eq!(store.reprice(&batch).await.unwrap(), 1, "{}", database.name);
        assert_eq!(
            store.sum_of_rows(None).await.unwrap(),
            (NanoDollars(135), 10)
        );
        let balance = store.balance(&Account::of(Scope::Key, "k")).await.unwrap();
        assert_eq!((balance.spent.0, balance.total.0), (135, 135));
        assert_eq!(balance.resets_at, None);
        let days = Days {
            dimension: "all",
            from: "2026-01-01",
            to: "2026-12-31",
            ..Days::default()
        };
        let sums = store.days(&days, 100, 0).await.unwrap();
        let total: i64 = sums.iter().map(|day| day.spend.0).sum();
        let requests: i64 = sums.iter().map(|day| day.api_requests).sum();
        assert_eq!((total, requests), (135, 10));
    }
}

#[tokio::test]
async fn sums_leave_out_who_is_excepted() {
    for database in kit::databases().await {
        let store = database.open().await;
        filled(&store, 30).await;
        let except = ["u1".to_owned(), "u2".to_owned()];
        let days = Days {
            dimension: "user_total",
            from: "2026-01-01",
            to: "2026-12-31",
            except: &except,
            ..Days::default()
        };
        let sums: Vec<SpendDay> = store.days(&days, 100, 0).await.unwrap();
        let users: Vec<&str> = sums.iter().map(|day| day.entity.as_str()).collect();
        assert_eq!(users, ["u0"], "{}", database.name);
        let top = store
            .sums_by_entity("user_total", "2026-01-01", "2026-12-31", 2)
            .await
            .unwrap();
        let top: Vec<(&str, i64)> = top
            .iter()
            .map(|day| (day.entity.as_str(), day.spend.0))
            .collect();
        assert_eq!(top, [("u2", 155), ("u1", 145)]);
    }
}

#[tokio::test]
async fn work_is_done_by_one_and_not_before_it_is_due() {
    for database in kit::databases().await {
        let store = database.open().await;
        let now = Moment(1_000);
        let begin = async |owner: &str, now| store.begin_job("tidy", owner, now, now).await;
        let late = Moment(2_000);
        assert!(store.begin_job("tidy", "a", late, now).await.unwrap());
        assert!(!begin("b", now).await.unwrap());
        // Whoever is late is replaced; what it says afterwards counts for nothing.
        assert!(begin("b", late).await.unwrap());
        store.end_job("tidy", "a", Moment(9_000)).await.unwrap();
        store.end_job("tidy", "b", Moment(5_000)).await.unwrap();
        assert!(!begin("a", Moment(4_999)).await.unwrap());
        assert!(begin("a", Moment(5_000)).await.unwrap());
        assert!(store.raise("budget", now).await.unwrap());
        assert!(!store.raise("budget", late).await.unwrap());
        store.forget_alerts(late).await.unwrap();
        assert!(store.raise("budget", late).await.unwrap());
    }
}

/// A report that reads the whole table is fine with a hundred rows and useless with a million.
#[tokio::test]
async fn every_report_goes_by_an_index() {
    let database = kit::sqlite();
    drop(database.open().await);
    let raw = kit::raw(&database.settings).await;
    for statement in statements::all() {
        if ![
            "requests",
            "days",
            "totals",
            "forget spend",
            "charged since",
        ]
        .contains(&statement.name)
        {
            continue;
        }
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.text));
        let plan = sqlx::query(explain).fetch_all(&raw).await.unwrap();
        for step in plan {
            let step: String = step.get(3);
            let scans = step.starts_with("SCAN t") && !step.contains("INDEX");
            let all = statement.text.contains("LEFT JOIN balances");
            assert!(!scans || all, "{step}\n{}", statement.text);
        }
    }
}
