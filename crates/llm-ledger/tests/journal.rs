//! The journal when things go wrong: torn files, a disk that takes nothing, a database that is away.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod kit;

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use kit::Database;
use llm_cost::NanoDollars;
use llm_ledger::{Ask, Error, Estimate, Ledger, Overflow, Settings, Spender};
use llm_store::{Account, Json, Scope, Store, rows::SpendRow};

fn account() -> Account {
    Account::of(Scope::Key, "k")
}

fn ask() -> Ask {
    let key = Spender::of(account()).at_most(NanoDollars(1_000_000));
    Ask::new(vec![key], Estimate::AtMost(NanoDollars(5)))
}

fn row() -> SpendRow {
    SpendRow {
        api_key: "k".into(),
        status: "success".into(),
        spend: NanoDollars(5),
        ..SpendRow::default()
    }
}

fn settings(database: &Database) -> Settings {
    Settings::new(database.folder().join("journal"))
}

async fn spend(ledger: &Ledger) {
    let reservation = ledger.reserve(ask()).await.unwrap();
    reservation.settle(row()).await.unwrap();
}

fn files(database: &Database) -> Vec<PathBuf> {
    let entries = fs::read_dir(database.folder().join("journal")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "journal"));
    files.sort();
    files
}

/// Ends the ledger as a kill would: nothing more is shipped.
async fn stop_without_shipping(store: Store, ledger: Ledger) {
    drop(ledger);
    drop(store);
    // Aborted tasks let go of the database when the runtime gets to them.
    tokio::task::yield_now().await;
}

/// Waits for another's end: a lock is let go a moment after its holder.
async fn open_when_free(database: &Database) -> (Store, Ledger) {
    let opened = async {
        loop {
            let Ok(store) = Store::open(&database.settings).await else {
                tokio::task::yield_now().await;
                continue;
            };
            match Ledger::open(store.clone(), settings(database)).await {
                Ok(ledger) => return (store, ledger),
                Err(Error::JournalInUse(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), opened)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_end_is_left_out_and_all_before_it_counts() {
    let database = kit::sqlite();
    let store = database.open().await;
    // The database is away for as long as this transaction is open.
    let ledger = Ledger::open(store.clone(), settings(&database))
        .await
        .unwrap();
    spend(&ledger).await;
    let away = store.begin().await.unwrap();
    for _ in 0..9 {
        spend(&ledger).await;
    }
    stop_without_shipping(store, ledger).await;
    drop(away);
    let last = files(&database).pop().unwrap();
    let bytes = fs::read(&last).unwrap();
    // Half of another record, as a kill in the middle of a write leaves it.
    let mut file = File::options().append(true).open(&last).unwrap();
    file.write_all(&bytes[..bytes.len().min(60)]).unwrap();
    drop(file);

    let (store, ledger) = open_when_free(&database).await;
    assert_eq!(
        store.sum_of_rows(None).await.unwrap(),
        (NanoDollars(50), 10)
    );
    assert_eq!(
        ledger.balance(&account()).await.unwrap().spent,
        NanoDollars(50)
    );
    assert!(!files(&database).contains(&last));
    // The same again: nothing is counted twice.
    ledger.close().await;
    drop(store);
    let (store, _ledger) = open_when_free(&database).await;
    assert_eq!(
        store.sum_of_rows(None).await.unwrap(),
        (NanoDollars(50), 10)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_has_one_writer() {
    let database = kit::sqlite();
    let store = database.open().await;
    let ledger = Ledger::open(store.clone(), settings(&database))
        .await
        .unwrap();
    let second = Ledger::open(store, settings(&database)).await;
    assert!(matches!(second, Err(Error::JournalInUse(_))), "{second:?}");
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_the_journal_fills_up_to_its_bound() {
    let database = kit::sqlite();
    let store = database.open().await;
    let bound = 2_000;
    for overflow in [Overflow::Shed, Overflow::Block(Duration::from_secs(30))] {
        let settings = Settings {
            journal_bytes: bound,
            overflow,
            ..settings(&database)
        };
        let ledger = Ledger::open(store.clone(), settings).await.unwrap();
        spend(&ledger).await;
        ledger.flush().await;
        let away = store.begin().await.unwrap();
        while ledger.status().backlog < bound {
            spend(&ledger).await;
        }
        let waiting = ledger.clone();
        let asked = tokio::spawn(async move { waiting.reserve(ask()).await });
        if overflow == Overflow::Shed {
            assert!(matches!(asked.await.unwrap(), Err(Error::JournalFull)));
            drop(away);
        } else {
            drop(away);
            asked.await.unwrap().unwrap().release();
        }
        ledger.flush().await;
        spend(&ledger).await;
        ledger.close().await;
    }
    let (sum, rows) = store.sum_of_rows(None).await.unwrap();
    assert_eq!(sum, store.balance(&account()).await.unwrap().total);
    assert_eq!(sum.0, rows * 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_does_not_take_goes_to_the_database() {
    for database in kit::databases().await {
        let store = database.open().await;
        // Every write begins a file, and there is no folder for it.
        let settings = Settings {
            segment_bytes: 0,
            ..settings(&database)
        };
        let folder = settings.journal.clone();
        let ledger = Ledger::open(store.clone(), settings).await.unwrap();
        let reservation = ledger.reserve(ask()).await.unwrap();
        fs::rename(&folder, folder.with_extension("away")).unwrap();
        reservation.settle(row()).await.unwrap();
        assert_eq!(
            store.sum_of_rows(None).await.unwrap().1,
            1,
            "{}",
            database.name
        );
        assert!(ledger.status().journal_fails);
        // Either is enough to go on.
        spend(&ledger).await;
        fs::rename(folder.with_extension("away"), &folder).unwrap();
        spend(&ledger).await;
        assert!(!ledger.status().journal_fails);
        ledger.close().await;
        assert_eq!(store.sum_of_rows(None).await.unwrap(), (NanoDollars(15), 3));
        assert_eq!(
            store.balance(&account()).await.unwrap().total,
            NanoDollars(15)
        );
        assert_eq!(store.all_held().await.unwrap(), NanoDollars(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_neither_disk_nor_database_nobody_is_told_that_it_lasts() {
    let database = kit::sqlite();
    let short = llm_store::Settings {
        acquire_timeout: Duration::from_secs(1),
        ..database.settings.clone()
    };
    let store = Store::open(&short).await.unwrap();
    let settings = Settings {
        segment_bytes: 0,
        ..settings(&database)
    };
    let folder = settings.journal.clone();
    let ledger = Ledger::open(store.clone(), settings).await.unwrap();
    let reservation = ledger.reserve(ask()).await.unwrap();
    let away = store.begin().await.unwrap();
    fs::rename(&folder, folder.with_extension("away")).unwrap();
    let settling = tokio::spawn(reservation.settle(row()));
    let waiting = ledger.clone();
    let failing = async move {
        while !waiting.status().journal_fails {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), failing)
        .await
        .unwrap();
    let refused = async {
        while !matches!(ledger.reserve(ask()).await, Err(Error::JournalFull)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused)
        .await
        .unwrap();
    assert!(!settling.is_finished());
    fs::rename(folder.with_extension("away"), &folder).unwrap();
    settling.await.unwrap().unwrap();
    drop(away);
    ledger.close().await;
    assert_eq!(store.sum_of_rows(None).await.unwrap(), (NanoDollars(5), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_databases_do_not_take_are_written_all_the_same() {
    for database in kit::databases().await {
        let store = database.open().await;
        let ledger = Ledger::open(store.clone(), settings(&database))
            .await
            .unwrap();
        let odd = "a\0b\u{1f}c\u{fffd}'\"\\";
        let customer = Spender::of(Account::of(Scope::Customer, odd)).at_most(NanoDollars(5));
        let reservation = ledger
            .reserve(Ask::new(vec![customer], Estimate::AtMost(NanoDollars(5))))
            .await
            .unwrap();
        let row = SpendRow {
            end_user: Some(odd.into()),
            model: odd.into(),
            ..row()
        };
        reservation.settle(row).await.unwrap();
        ledger.close().await;
        assert_eq!(
            store.sum_of_rows(None).await.unwrap().1,
            1,
            "{}",
            database.name
        );
        let spent = store
            .balance(&Account::of(Scope::Customer, odd))
            .await
            .unwrap();
        assert_eq!((spent.spent.0, spent.reserved.0), (5, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_reported_is_in_its_row() {
    let database = kit::sqlite();
    let store = database.open().await;
    let ledger = Ledger::open(store.clone(), settings(&database))
        .await
        .unwrap();
    let reservation = ledger.reserve(ask()).await.unwrap();
    let id = reservation.id().to_owned();
    let usage = serde_json::json!({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}, "new": 1.25});
    let row = SpendRow {
        usage_value: Json::of(&usage),
        price_digest: Some("sha256:00ff".into()),
        price_gap: Some("audio".into()),
        ..row()
    };
    reservation.settle(row).await.unwrap();
    ledger.close().await;
    let stored: SpendRow = store.get(&[&id]).await.unwrap().unwrap();
    assert_eq!(stored.usage_value, Json::of(&usage));
    assert_eq!(stored.price_digest.as_deref(), Some("sha256:00ff"));
    assert_eq!(stored.accounts, [account()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_client_sends_along_there_is_a_row() {
    let database = kit::sqlite();
    let store = database.open().await;
    let ledger = Ledger::open(store.clone(), settings(&database))
        .await
        .unwrap();
    let mut long = row();
    let text = "x".repeat(20 << 20);
    long.metadata.insert("note".into(), text.into());
    long.request_id = Some("y".repeat(10_000));
    long.usage_value = Json::of(&serde_json::json!({"prompt_tokens": 1}));
    let reservation = ledger.reserve(ask()).await.unwrap();
    let id = reservation.id().to_owned();
    reservation.settle(long.clone()).await.unwrap();
    ledger.close().await;
    let stored: SpendRow = store.get(&[&id]).await.unwrap().unwrap();
    assert_eq!(stored.request_id, long.request_id);
    assert_eq!(stored.usage_value, long.usage_value);
    assert!(stored.metadata.contains_key("left_out"));
    assert_eq!(store.sum_of_rows(None).await.unwrap(), (NanoDollars(5), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_database_that_is_away() {
    let database = kit::sqlite();
    let store = database.open().await;
    let patience = Duration::from_secs(3);
    let ledger = Ledger::open(
        store.clone(),
        Settings {
            patience,
            ..settings(&database)
        },
    )
    .await
    .unwrap();
    spend(&ledger).await;
    let away = store.begin().await.unwrap();
    ledger.unchecked(ask()).settle(row()).await.unwrap();
    ledger.close().await;
    drop((away, store));
    let (store, _ledger) = open_when_free(&database).await;
    assert_eq!(store.sum_of_rows(None).await.unwrap(), (NanoDollars(10), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_noted_until_it_ends() {
    let database = kit::sqlite();
    let store = database.open().await;
    // Nothing is written later than it could be.
    let at_once = Settings {
        sync_every: Duration::ZERO,
        ..settings(&database)
    };
    let ledger = Ledger::open(store.clone(), at_once).await.unwrap();
    let sent = |spend| {
        move || SpendRow {
            spend: NanoDollars(spend),
            ..row()
        }
    };
    // Shipped, and ended afterwards; ended in one batch; never ended.
    let [long, short, lost] = [
        ledger.reserve(ask()).await.unwrap(),
        ledger.reserve(ask()).await.unwrap(),
        ledger.reserve(ask()).await.unwrap(),
    ];
    let id = lost.id().to_owned();
    long.sent(sent(4));
    lost.sent(sent(3));
    spend(&ledger).await;
    ledger.flush().await;
    short.sent(sent(4));
    short.settle(row()).await.unwrap();
    long.settle(row()).await.unwrap();
    ledger.flush().await;
    let left = store.under_way(&journal_name(&database)).await.unwrap();
    let ids: Vec<&str> = left.iter().map(|charged| charged.row.id.as_str()).collect();
    assert_eq!(ids, [id.as_str()]);
    lost.settle(row()).await.unwrap();
    ledger.close().await;
    let left = store.under_way(&journal_name(&database)).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let (sum, rows) = store.sum_of_rows(None).await.unwrap();
    assert_eq!((sum.0, rows), (20, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_is_charged_for_what_it_had_cost_when_its_process_died() {
    for database in kit::databases().await {
        let store = database.open().await;
        let ledger = Ledger::open(store.clone(), settings(&database))
            .await
            .unwrap();
        let so_far = |spend| {
            move || SpendRow {
                spend: NanoDollars(spend),
                ..row()
            }
        };
        let [lost, ended, whole] = [
            ledger.reserve(ask()).await.unwrap(),
            ledger.reserve(ask()).await.unwrap(),
            ledger.reserve(ask()).await.unwrap(),
        ];
        for one in [&lost, &ended] {
            one.sent(so_far(1));
            one.so_far(so_far(2));
            ledger.flush().await;
            one.so_far(so_far(3));
        }
        // Noted and ended in one batch.
        whole.sent(row);
        whole.so_far(so_far(4));
        whole.settle(row()).await.unwrap();
        ended.settle(row()).await.unwrap();
        ledger.flush().await;
        let left = store.under_way(&journal_name(&database)).await.unwrap();
        let left: Vec<(&str, i64)> = left
            .iter()
            .map(|one| (one.row.id.as_str(), one.row.spend.0))
            .collect();
        assert_eq!(left, [(lost.id(), 3)], "{}", database.name);
        // Nobody ever says how it ended.
        ledger.close().await;
        drop(lost);
        let again = Ledger::open(store.clone(), settings(&database))
            .await
            .unwrap();
        let (sum, rows) = store.sum_of_rows(None).await.unwrap();
        assert_eq!((sum.0, rows), (2 * row().spend.0 + 3, 3));
        again.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_soon_after_it_was_sent_leaves_one_record() {
    let database = kit::sqlite();
    let store = database.open().await;
    let patient = Settings {
        sync_every: Duration::from_secs(3600),
        ..settings(&database)
    };
    let ledger = Ledger::open(store.clone(), patient).await.unwrap();
    let [answered, released, lost] = [
        ledger.reserve(ask()).await.unwrap(),
        ledger.reserve(ask()).await.unwrap(),
        ledger.reserve(ask()).await.unwrap(),
    ];
    for request in [&answered, &released, &lost] {
        request.sent(row);
    }
    let ids = [&answered, &released, &lost].map(|request| request.id().to_owned());
    answered.settle(row()).await.unwrap();
    released.release();
    // What was neither is written before the end, whenever its time would have come.
    ledger.close().await;
    let left = store.under_way(&journal_name(&database)).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].row.id, ids[2]);
    let written: usize = files(&database)
        .iter()
        .map(|file| {
            let bytes = fs::read(file).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            ids.iter()
                .map(|id| text.matches(id.as_str()).count())
                .sum::<usize>()
        })
        .sum();
    assert_eq!(written, 2);
}

fn journal_name(database: &Database) -> String {
    let name = database.folder().join("journal/name");
    fs::read_to_string(name).unwrap()
}
