//! Money that a process holds beforehand on PostgreSQL: it serves without a question, never overspends, and comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use llm_cost::NanoDollars;
use llm_ledger::{Ask, Calendar, Estimate, Ledger, Reservation, Settings, Spender, Window};
use llm_store::{Moment, Store};
use sqlx::AnyPool;
use tokio::task::JoinSet;

use crate::{
    PRICE, ask,
    kit::{self, Database},
    row, team,
};

const PLENTY: i64 = 1_000_000 * PRICE;

/// One that waits for a database that is busy.
async fn patient(store: &Store, database: &Database, name: &str) -> Ledger {
    let settings = Settings {
        patience: Duration::from_secs(20),
        ..Settings::new(database.folder().join(name))
    };
    Ledger::open(store.clone(), settings).await.unwrap()
}

/// So many requests of eight clients, one after the other; answers how many were served.
async fn spend(ledger: &Ledger, ask: &Ask, requests: usize) -> usize {
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (ledger, ask) = (ledger.clone(), ask.clone());
        clients.spawn(async move {
            let mut served = 0;
            for _ in 0..requests / 8 {
                match ledger.reserve(ask.clone()).await {
                    Ok(reservation) => {
                        reservation.settle(row()).await.unwrap();
                        served += 1;
                    }
                    Err(error) => assert!(error.refusal().is_some(), "{error}"),
                }
            }
            served
        });
    }
    clients.join_all().await.into_iter().sum()
}

/// Spends until more is held than a request needs.
async fn until_there_is_a_share(ledger: &Ledger, raw: &AnyPool, ask: &Ask) -> usize {
    let mut served = 0;
    loop {
        served += spend(ledger, ask, 80).await;
        if largest(raw).await > PRICE {
            return served;
        }
    }
}

async fn largest(raw: &AnyPool) -> i64 {
    let largest = "SELECT CAST(COALESCE(MAX(amount), 0) AS bigint) FROM reservations";
    sqlx::query_scalar(largest).fetch_one(raw).await.unwrap()
}

async fn nothing_is_held(store: &Store) {
    let returned = async {
        while store.all_held().await.unwrap().0 > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), returned)
        .await
        .unwrap();
}

async fn spent(store: &Store) -> i64 {
    store.balance(&team()).await.unwrap().spent.0
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_answers_nobody_requests_are_served_from_a_share() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (store, raw) = (database.open().await, kit::raw(&database.settings).await);
    let ledger = patient(&store, &database, "journal").await;
    let mut served = 0;
    loop {
        served += spend(&ledger, &ask(PLENTY), 160).await;
        let mut locked = raw.begin().await.unwrap();
        let lock = sqlx::query("SELECT id FROM balances FOR UPDATE");
        lock.fetch_all(&mut *locked).await.unwrap();
        let again_and_again = async {
            // What is released is there again: no share is for so many.
            for _ in 0..600 {
                ledger.reserve(ask(PLENTY)).await.unwrap().release();
            }
            ledger.reserve(ask(PLENTY)).await.unwrap()
        };
        let reserved = tokio::time::timeout(Duration::from_millis(500), again_and_again).await;
        let settled = match reserved {
            Ok(reservation) => {
                reservation.settle(row()).await.unwrap();
                true
            }
            // It was used up or given back just before.
            Err(_) => false,
        };
        locked.rollback().await.unwrap();
        served += usize::from(settled);
        if settled {
            break;
        }
    }
    ledger.flush().await;
    assert_eq!(spent(&store).await, i64::try_from(served).unwrap() * PRICE);
    nothing_is_held(&store).await;
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_shares_a_budget_ends_exactly_among_several_processes() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (store, raw) = (database.open().await, kit::raw(&database.settings).await);
    let budget = 4000 * PRICE + 5;
    let mut running = JoinSet::new();
    let mut ledgers = Vec::new();
    for name in ["one", "two", "three"] {
        let ledger = patient(&store, &database, name).await;
        ledgers.push(ledger.clone());
        running.spawn(async move { spend(&ledger, &ask(budget), 2400).await });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let looking = tokio::spawn({
        let (is_over, store) = (Arc::clone(&is_over), store.clone());
        async move {
            let mut shares = 0;
            while !is_over.load(Ordering::Relaxed) {
                let balance = store.balance(&team()).await.unwrap();
                let counted = balance.spent.0 + balance.reserved.0;
                assert!(counted <= budget, "{counted} of {budget}");
                shares += i32::from(largest(&raw).await > PRICE);
            }
            shares
        }
    });
    let served: usize = running.join_all().await.into_iter().sum();
    is_over.store(true, Ordering::Relaxed);
    assert!(looking.await.unwrap() > 0, "nothing was held beforehand");
    assert!((3920..=4000).contains(&served), "{served} of 4000");
    for ledger in &ledgers {
        ledger.flush().await;
    }
    nothing_is_held(&store).await;
    // All of it can be spent.
    let rest = spend(&ledgers[0], &ask(budget), 400).await;
    assert_eq!(served + rest, 4000);
    for ledger in ledgers {
        ledger.close().await;
    }
    assert_eq!(spent(&store).await, 4000 * PRICE);
    let (sum, rows) = store.sum_of_rows(None).await.unwrap();
    assert_eq!((sum.0, rows), (4000 * PRICE, 4000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_lowered_holds_at_once_and_a_share_takes_nothing_away_from_it() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (store, raw) = (database.open().await, kit::raw(&database.settings).await);
    let ledger = patient(&store, &database, "journal").await;
    until_there_is_a_share(&ledger, &raw, &ask(PLENTY)).await;
    let mut under_way: Vec<Reservation> = Vec::new();
    for _ in 0..3 {
        under_way.push(ledger.reserve(ask(PLENTY)).await.unwrap());
    }
    ledger.flush().await;
    let spent = spent(&store).await;
    assert!(ledger.reserve(ask(spent)).await.is_err());
    // Room for those under way and one more.
    let lower = spent + 4 * PRICE;
    let last = ledger.reserve(ask(lower)).await.unwrap();
    assert!(ledger.reserve(ask(lower)).await.is_err());
    last.release();
    for reservation in under_way {
        reservation.settle(row()).await.unwrap();
    }
    ledger.flush().await;
    nothing_is_held(&store).await;
    assert_eq!(spend(&ledger, &ask(lower), 8).await, 1);
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_shares_belong_to_the_window_that_they_end_in() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let store = database.open().await;
    let ledger = patient(&store, &database, "journal").await;
    let window = Window {
        period: "12mo".parse().unwrap(),
        calendar: Arc::new(Calendar::utc()),
    };
    let spender = Spender::of(team()).at_most(NanoDollars(PLENTY));
    let ask = Ask::new(
        vec![spender.within(window)],
        Estimate::AtMost(NanoDollars(PRICE)),
    );
    // A window that began in the past ends in the middle.
    ledger.reserve(ask.clone()).await.unwrap().release();
    let end = Moment::now().plus(700);
    let nothing = NanoDollars(0);
    store.set_spent(&team(), nothing, Some(end)).await.unwrap();
    let (all, surely, perhaps) = <(Arc<AtomicI64>, Arc<AtomicI64>, Arc<AtomicI64>)>::default();
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (ledger, ask) = (ledger.clone(), ask.clone());
        let counts = [&all, &surely, &perhaps].map(Arc::clone);
        clients.spawn(async move {
            while Moment::now() < end.plus(500) {
                let reservation = ledger.reserve(ask.clone()).await.unwrap();
                let before = Moment::now();
                reservation.settle(row()).await.unwrap();
                let is_behind = [true, before >= end, Moment::now() >= end];
                for (count, is) in counts.iter().zip(is_behind) {
                    count.fetch_add(i64::from(is), Ordering::Relaxed);
                }
            }
        });
    }
    clients.join_all().await;
    ledger.flush().await;
    nothing_is_held(&store).await;
    ledger.close().await;
    let balance = store.balance(&team()).await.unwrap();
    let [all, surely, perhaps] = [all, surely, perhaps].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(balance.total.0, all * PRICE);
    let counted = balance.spent.0 / PRICE;
    assert!(surely > 0 && surely < all, "{surely} of {all}");
    assert!(
        (surely..=perhaps).contains(&counted),
        "{surely} <= {counted} <= {perhaps}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_that_ends_without_a_word_held_beforehand_comes_back() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (store, raw) = (database.open().await, kit::raw(&database.settings).await);
    let settings = |name: &str| Settings {
        lease: Duration::from_secs(2),
        ..Settings::new(database.folder().join(name))
    };
    let first = Ledger::open(store.clone(), settings("first")).await;
    let first = first.unwrap();
    let served = until_there_is_a_share(&first, &raw, &ask(PLENTY)).await;
    let last = first.reserve(ask(PLENTY)).await.unwrap();
    last.settle(row()).await.unwrap();
    drop(first);
    let second = Ledger::open(store.clone(), settings("second")).await;
    let second = second.unwrap();
    nothing_is_held(&store).await;
    // Its writer ends in its own time.
    let revived = loop {
        if let Ok(ledger) = Ledger::open(store.clone(), settings("first")).await {
            break ledger;
        }
    };
    let rows = i64::try_from(served).unwrap() + 1;
    assert_eq!(spent(&store).await, rows * PRICE);
    let (sum, count) = store.sum_of_rows(None).await.unwrap();
    assert_eq!((sum.0, count), (rows * PRICE, rows));
    revived.close().await;
    second.close().await;
    nothing_is_held(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_long_keeps_no_more_than_twice_what_it_holds() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (store, raw) = (database.open().await, kit::raw(&database.settings).await);
    let ledger = patient(&store, &database, "journal").await;
    let mut under_way = Vec::new();
    until_there_is_a_share(&ledger, &raw, &ask(PLENTY)).await;
    for _ in 0..3 {
        under_way.push(ledger.reserve(ask(PLENTY)).await.unwrap());
    }
    ledger.flush().await;
    let shrunk = async {
        while store.balance(&team()).await.unwrap().reserved.0 > 6 * PRICE {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), shrunk)
        .await
        .unwrap();
    let held = store.balance(&team()).await.unwrap().reserved.0;
    assert!(held >= 3 * PRICE, "{held}");
    drop(under_way);
    nothing_is_held(&store).await;
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_its_key_has_spent_also_from_a_share() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let store = database.open().await;
    let ledger = patient(&store, &database, "journal").await;
    let (mut served, mut before, mut from_shares) = (0, 0, 0);
    while from_shares < 20 {
        let reservation = ledger.reserve(ask(PLENTY)).await.unwrap();
        let found = reservation.found(&team()).unwrap().0;
        assert!(found <= served * PRICE, "{found} of {served}");
        // The database has it a moment later, with that of others.
        from_shares += i32::from(found == before + PRICE);
        before = found;
        reservation.settle(row()).await.unwrap();
        served += 1;
    }
    ledger.close().await;
    assert_eq!(spent(&store).await, served * PRICE);
}
