//! The ledger on both databases: who is refused, what is held, and what is charged.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod kit;

use std::sync::Arc;

use kit::Database;
use llm_cost::NanoDollars;
use llm_ledger::{Ask, Calendar, Error, Estimate, Ledger, Settings, Spender, Unpriced, Window};
use llm_store::{Account, Moment, Scope, Store, rows::SpendRow};
use tokio::task::JoinSet;

async fn open(database: &Database) -> (Store, Ledger) {
    open_with(database, |_| {}).await
}

async fn open_with(database: &Database, change: impl Fn(&mut Settings)) -> (Store, Ledger) {
    let store = database.open().await;
    let mut settings = Settings::new(database.folder().join("journal"));
    change(&mut settings);
    let ledger = Ledger::open(store.clone(), settings).await.unwrap();
    (store, ledger)
}

fn key(max: i64) -> Spender {
    Spender::of(Account::of(Scope::Key, "k")).at_most(NanoDollars(max))
}

fn at_most(nano: i64) -> Estimate {
    Estimate::AtMost(NanoDollars(nano))
}

fn row(nano: i64) -> SpendRow {
    SpendRow {
        api_key: "k".into(),
        status: "success".into(),
        model: "m".into(),
        provider: "p".into(),
        spend: NanoDollars(nano),
        end_time: Moment::now(),
        ..SpendRow::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_refuses_for_itself_and_holds_nothing_then() {
    for database in kit::databases().await {
        let (_, ledger) = open(&database).await;
        for exhausted in Scope::ALL {
            let spenders = Scope::ALL.map(|scope| {
                let max = if scope == exhausted { 9 } else { 1000 };
                Spender::of(Account::of(scope, format!("of {exhausted:?}")))
                    .at_most(NanoDollars(max))
            });
            let refused = ledger
                .reserve(Ask::new(spenders.to_vec(), at_most(10)))
                .await;
            let refused = refused.unwrap_err();
            let refusal = refused.refusal().unwrap();
            assert_eq!(refusal.account.scope, exhausted, "{}", database.name);
            assert_eq!(
                (refusal.spent.0, refusal.max.0, refusal.wanted.0),
                (0, 9, 10)
            );
            assert_eq!(ledger.all_held().await.unwrap(), NanoDollars(0));
            // The others have enough.
            let spenders = spenders
                .into_iter()
                .filter(|spender| spender.account.scope != exhausted);
            let served = ledger
                .reserve(Ask::new(spenders.collect(), at_most(10)))
                .await
                .unwrap();
            served.release();
            eventually(&ledger, 0).await;
        }
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_returned_however_the_request_ends() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let ask = || Ask::new(vec![key(10)], at_most(10));
        ledger.reserve(ask()).await.unwrap().release();
        eventually(&ledger, 0).await;
        drop(ledger.reserve(ask()).await.unwrap());
        eventually(&ledger, 0).await;
        let reservation = ledger.reserve(ask()).await.unwrap();
        assert!(ledger.reserve(ask()).await.unwrap_err().refusal().is_some());
        let settled = reservation.settle(row(4)).await.unwrap();
        assert_eq!(settled.overrun, NanoDollars(0));
        ledger.flush().await;
        eventually(&ledger, 0).await;
        let rest = ledger
            .reserve(Ask::new(vec![key(10)], at_most(6)))
            .await
            .unwrap();
        assert_eq!(rest.settle(row(8)).await.unwrap().overrun, NanoDollars(2));
        ledger.close().await;
        assert_eq!(
            store.sum_of_rows(Some("k")).await.unwrap(),
            (NanoDollars(12), 2)
        );
        assert_eq!(store.all_held().await.unwrap(), NanoDollars(0));
    }
}

/// Holds are returned in the background where the database keeps them.
async fn eventually(ledger: &Ledger, held: i64) {
    let reached = async {
        while ledger.all_held().await.unwrap() != NanoDollars(held) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), reached).await;
    assert!(waited.is_ok(), "still held: {:?}", ledger.all_held().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_without_an_upper_bound_takes_what_is_left() {
    for database in kit::databases().await {
        let (_, ledger) = open(&database).await;
        let about = || Ask::new(vec![key(10)], Estimate::About(NanoDollars(25)));
        let reservation = ledger.reserve(about()).await.unwrap();
        assert_eq!(reservation.held(), NanoDollars(10));
        assert!(
            ledger
                .reserve(about())
                .await
                .unwrap_err()
                .refusal()
                .is_some()
        );
        assert_eq!(
            reservation.settle(row(13)).await.unwrap().overrun,
            NanoDollars(3)
        );
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn free_requests_pass_an_exhausted_budget_and_unpriced_ones_by_policy() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let ask = |estimate| Ask::new(vec![key(10)], estimate);
        let last = ledger.reserve(ask(at_most(10))).await.unwrap();
        last.settle(row(10)).await.unwrap();
        ledger.flush().await;
        assert!(ledger.reserve(ask(at_most(1))).await.is_err());
        assert!(ledger.reserve(ask(at_most(0))).await.is_err());
        assert!(ledger.reserve(ask(Estimate::Unpriced)).await.is_err());
        let free = ledger.reserve(ask(Estimate::Free)).await.unwrap();
        free.settle(row(0)).await.unwrap();
        ledger
            .set_spent(&Account::of(Scope::Key, "k"), NanoDollars(9))
            .await
            .unwrap();
        let unpriced = ledger.reserve(ask(Estimate::Unpriced)).await.unwrap();
        unpriced.settle(row(0)).await.unwrap();
        ledger.close().await;
        drop(store);
        let (_, ledger) =
            open_with(&database, |settings| settings.unpriced = Unpriced::Block).await;
        let refused = ledger.reserve(ask(Estimate::Unpriced)).await;
        assert!(matches!(refused, Err(Error::Unpriced)), "{refused:?}");
        ledger.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_over_gives_the_whole_budget_again() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let account = Account::of(Scope::Key, "k");
        let window = Window {
            period: "1d".parse().unwrap(),
            calendar: Arc::new(Calendar::utc()),
        };
        let ask = || Ask::new(vec![key(10).within(window.clone())], at_most(10));
        ledger
            .reserve(ask())
            .await
            .unwrap()
            .settle(row(10))
            .await
            .unwrap();
        ledger.flush().await;
        let refused = ledger.reserve(ask()).await.unwrap_err();
        let resets_at = refused.refusal().unwrap().resets_at.unwrap();
        assert!(resets_at == window.end(Moment::now()));
        ledger.close().await;
        // Yesterday's window, as it lies in the database in the morning.
        store
            .set_spent(&account, NanoDollars(10), Some(Moment::now()))
            .await
            .unwrap();
        drop(store);
        let (store, ledger) = open(&database).await;
        ledger
            .reserve(ask())
            .await
            .unwrap()
            .settle(row(7))
            .await
            .unwrap();
        ledger.close().await;
        let balance = store.balance(&account).await.unwrap();
        assert_eq!(
            (balance.spent.0, balance.total.0),
            (7, 17),
            "{}",
            database.name
        );
        assert_eq!(balance.resets_at, Some(resets_at));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_at_once_on_a_budget_for_a_hundred() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let (price, budget) = (1_000_003, 100 * 1_000_003 + 7);
        let team = Spender::of(Account::of(Scope::Team, "t")).at_most(NanoDollars(budget));
        let mut requests = JoinSet::new();
        for _ in 0..500 {
            let ask = Ask::new(vec![key(10 * budget), team.clone()], at_most(price));
            let ledger = ledger.clone();
            requests.spawn(async move {
                let reservation = ledger.reserve(ask).await?;
                tokio::task::yield_now().await;
                reservation.settle(row(price)).await.map(|_| ())
            });
        }
        let answers = requests.join_all().await;
        let served = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = answers.iter().filter(|answer| {
            answer
                .as_ref()
                .is_err_and(|error| error.refusal().is_some())
        });
        assert_eq!((served, refused.count()), (100, 400), "{}", database.name);
        ledger.close().await;
        let balance = store.balance(&Account::of(Scope::Team, "t")).await.unwrap();
        assert_eq!((balance.spent.0, balance.reserved.0), (100 * price, 0));
        assert_eq!(
            store.sum_of_rows(None).await.unwrap(),
            (NanoDollars(100 * price), 100)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_of_all_kinds_add_up() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let mut dice = fastrand::Rng::with_seed(7);
        let mut workers = JoinSet::new();
        for _ in 0..20 {
            let (ledger, seed) = (ledger.clone(), dice.u64(..));
            workers.spawn(async move {
                let mut dice = fastrand::Rng::with_seed(seed);
                for _ in 0..500 {
                    one_of_many(&ledger, &mut dice).await;
                }
            });
        }
        workers.join_all().await;
        ledger.flush().await;
        eventually(&ledger, 0).await;
        ledger.close().await;
        assert_eq!(store.all_held().await.unwrap(), NanoDollars(0));
        let mut sum = 0;
        for number in 0..5 {
            let name = format!("key {number}");
            let balance = store
                .balance(&Account::of(Scope::Key, &name))
                .await
                .unwrap();
            let (rows, _) = store.sum_of_rows(Some(&name)).await.unwrap();
            assert_eq!(
                (balance.spent, balance.total),
                (rows, rows),
                "{}",
                database.name
            );
            sum += rows.0;
        }
        let global = store
            .balance(&Account::of(Scope::Global, ""))
            .await
            .unwrap();
        let (rows, count) = store.sum_of_rows(None).await.unwrap();
        assert_eq!((global.total.0, rows.0), (sum, sum));
        assert!(count > 1000, "{count}");
    }
}

/// A request that is answered, fails before or behind the provider, is given up at any point, or panics.
async fn one_of_many(ledger: &Ledger, dice: &mut fastrand::Rng) {
    let name = format!("key {}", dice.u8(..5));
    let spenders = vec![
        Spender::of(Account::of(Scope::Key, &name)).at_most(NanoDollars(2_000_000)),
        Spender::of(Account::of(Scope::Global, "")).at_most(NanoDollars(9_000_000)),
        Spender::of(Account::member("t", &name)),
    ];
    let bound = dice.i64(1..5000);
    let reserving = ledger.reserve(Ask::new(spenders, at_most(bound)));
    let hangs_up = dice.u8(..10) == 0;
    let reservation = if hangs_up {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => return,
            reservation = reserving => reservation,
        }
    } else {
        reserving.await
    };
    let Ok(reservation) = reservation else { return };
    let settled = SpendRow {
        api_key: name,
        ..row(dice.i64(0..=bound))
    };
    match dice.u8(..5) {
        0 => reservation.release(),
        1 => drop(tokio::spawn(async move {
            let _held = reservation;
            std::panic::resume_unwind(Box::new("a plug-in that panics"));
        })),
        // A client that hangs up while the answer is written down: it was spent all the same.
        2 => {
            let settling =
                tokio::time::timeout(std::time::Duration::ZERO, reservation.settle(settled));
            drop(settling.await);
        }
        _ => {
            reservation.settle(settled).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_nobody_checked_is_charged() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        ledger
            .unchecked(Ask::new(vec![key(10)], at_most(5)))
            .settle(row(5))
            .await
            .unwrap();
        ledger
            .unchecked(Ask::new(vec![key(10)], at_most(5)))
            .release();
        let more = ledger
            .reserve(Ask::new(vec![key(10)], at_most(5)))
            .await
            .unwrap();
        more.settle(row(5)).await.unwrap();
        ledger.flush().await;
        assert!(
            ledger
                .reserve(Ask::new(vec![key(10)], at_most(1)))
                .await
                .is_err()
        );
        ledger.close().await;
        assert_eq!(
            store
                .balance(&Account::of(Scope::Key, "k"))
                .await
                .unwrap()
                .total
                .0,
            10
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_sets_is_what_counts() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let account = Account::of(Scope::Key, "k");
        ledger
            .reserve(Ask::new(vec![key(10)], at_most(10)))
            .await
            .unwrap()
            .settle(row(10))
            .await
            .unwrap();
        ledger.flush().await;
        ledger.set_spent(&account, NanoDollars(3)).await.unwrap();
        ledger
            .reserve(Ask::new(vec![key(10)], at_most(7)))
            .await
            .unwrap()
            .settle(row(7))
            .await
            .unwrap();
        ledger.flush().await;
        assert!(
            ledger
                .reserve(Ask::new(vec![key(10)], at_most(1)))
                .await
                .is_err()
        );
        ledger.close().await;
        let balance = store.balance(&account).await.unwrap();
        assert_eq!(
            (balance.spent.0, balance.total.0),
            (10, 17),
            "{}",
            database.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_whose_duration_changes_keeps_what_was_spent() {
    for database in kit::databases().await {
        let (store, ledger) = open(&database).await;
        let within = |period: &str| {
            key(10).within(Window {
                period: period.parse().unwrap(),
                calendar: Arc::new(Calendar::utc()),
            })
        };
        let ask = |period| Ask::new(vec![within(period)], at_most(6));
        let before = ledger.reserve(ask("12mo")).await.unwrap();
        before.settle(row(6)).await.unwrap();
        ledger.flush().await;
        ledger.set_window(&within("1mo")).await.unwrap();
        let refused = ledger.reserve(ask("1mo")).await.unwrap_err();
        let refusal = refused.refusal().unwrap().clone();
        let until = within("1mo").window.unwrap().end(Moment::now());
        assert_eq!((refusal.spent.0, refusal.resets_at), (6, Some(until)));
        let rest = Ask::new(vec![within("1mo")], at_most(4));
        let rest = ledger.reserve(rest).await.unwrap();
        rest.settle(row(4)).await.unwrap();
        ledger.close().await;
        let balance = store.balance(&Account::of(Scope::Key, "k")).await.unwrap();
        assert_eq!(
            (balance.spent.0, balance.resets_at),
            (10, Some(until)),
            "{}",
            database.name
        );
    }
}
