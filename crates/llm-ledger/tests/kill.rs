//! Processes that are killed while they spend: every row that was acknowledged is there, once, and nothing stays held.
//!
//! This program is parent and child. The child spends and says what was acknowledged; the parent kills it after a number
//! of lines, and looks at what is left.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod kit;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use kit::Database;
use llm_cost::NanoDollars;
use llm_ledger::{Ask, Estimate, Ledger, Settings, Spender};
use llm_store::{Account, Scope, Store, rows::SpendRow};
use tokio::runtime::Runtime;

const DATABASE: &str = "LEDGER_TEST_DATABASE";
const JOURNAL: &str = "LEDGER_TEST_JOURNAL";
const PRICE: i64 = 1000;
const LEASE: Duration = Duration::from_millis(600);

fn main() {
    if let Ok(database) = std::env::var(DATABASE) {
        let journal = std::env::var(JOURNAL).unwrap();
        Runtime::new()
            .unwrap()
            .block_on(spend_for_ever(&database, &journal));
        return;
    }
    let runtime = Runtime::new().unwrap();
    for database in runtime.block_on(kit::databases()) {
        let kills = if database.name == "SQLite" { 50 } else { 20 };
        killed_again_and_again(&runtime, &database, kills);
        println!(
            "{}: every acknowledged row once after {kills} kills",
            database.name
        );
    }
    if let Some(database) = runtime.block_on(kit::postgres()) {
        one_of_two_is_killed(&runtime, &database);
        println!("PostgreSQL: what a killed process held came back, and nothing was overspent");
    }
}

fn settings(journal: &str) -> Settings {
    Settings {
        lease: LEASE,
        segment_bytes: 20_000,
        // So that what was sent is written down, though it ends soon.
        sync_every: Duration::from_millis(1),
        ..Settings::new(journal)
    }
}

fn budget(max: i64) -> Vec<Spender> {
    vec![
        Spender::of(Account::of(Scope::Team, "t")).at_most(NanoDollars(max)),
        Spender::of(Account::of(Scope::Global, "")),
    ]
}

/// The child: eight at once, each acknowledged request a line. Some are held and never end.
async fn spend_for_ever(database: &str, journal: &str) {
    let store = Store::open(&llm_store::Settings::new(database))
        .await
        .unwrap();
    let ledger = Ledger::open(store, settings(journal)).await.unwrap();
    let spending = (0..8).map(|at| tokio::spawn(spend(ledger.clone(), at == 0)));
    for task in spending.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn spend(ledger: Ledger, and_hold: bool) {
    let mut held = Vec::new();
    loop {
        let ask = Ask::new(budget(i64::MAX), Estimate::AtMost(NanoDollars(PRICE)));
        let reservation = ledger.reserve(ask).await.unwrap();
        reservation.sent(|| SpendRow {
            spend: NanoDollars(PRICE),
            ..SpendRow::default()
        });
        if and_hold && held.len() < 5 {
            held.push(reservation);
            continue;
        }
        let id = reservation.id().to_owned();
        reservation.settle(row()).await.unwrap();
        // One write, so that no line is a part of one.
        let line = format!("{id}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

fn row() -> SpendRow {
    SpendRow {
        status: "success".into(),
        spend: NanoDollars(PRICE),
        ..SpendRow::default()
    }
}

struct Spending {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Spending {
    fn start(database: &Database, journal: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(DATABASE, &database.settings.url)
            .env(JOURNAL, database.folder().join(journal))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads so many acknowledgements, kills the child, and reads what it had still said.
    fn kill_after(mut self, lines: usize) -> Vec<String> {
        let mut acknowledged: Vec<String> = Vec::new();
        for line in self.lines.by_ref().lines().take(lines) {
            acknowledged.push(line.unwrap());
        }
        assert_eq!(acknowledged.len(), lines, "the child ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let rest = self
            .lines
            .split(b'\n')
            .map(|line| String::from_utf8(line.unwrap()).unwrap());
        acknowledged.extend(rest.filter(|line| line.len() == 36));
        acknowledged
    }
}

fn killed_again_and_again(runtime: &Runtime, database: &Database, kills: usize) {
    let mut dice = fastrand::Rng::with_seed(11);
    let mut acknowledged = BTreeSet::new();
    for _ in 0..kills {
        let spending = Spending::start(database, "journal");
        for id in spending.kill_after(dice.usize(1..120)) {
            assert!(
                acknowledged.insert(id.clone()),
                "{id} was acknowledged twice"
            );
        }
    }
    runtime.block_on(async {
        let store = database.open().await;
        let journal = database.folder().join("journal");
        let ledger = Ledger::open(store.clone(), settings(journal.to_str().unwrap()))
            .await
            .unwrap();
        for id in &acknowledged {
            let row: Option<SpendRow> = store.get(&[id]).await.unwrap();
            assert!(
                row.is_some(),
                "{}: {id} was acknowledged and is lost",
                database.name
            );
        }
        let (sum, rows) = store.sum_of_rows(None).await.unwrap();
        assert_eq!(sum.0, rows * PRICE);
        // Requests that nobody was told of are there, too: at most those under way at each kill, eight and five held.
        let extra = usize::try_from(rows).unwrap() - acknowledged.len();
        assert!(extra <= kills * 13, "{extra} rows that nobody was told of");
        let unknown = store.list::<SpendRow>(&[("status", "unknown")], 1, 0);
        assert!(unknown.await.unwrap().total > 0);
        for account in [
            Account::of(Scope::Team, "t"),
            Account::of(Scope::Global, ""),
        ] {
            let balance = ledger.balance(&account).await.unwrap();
            assert_eq!(
                (balance.spent, balance.total, balance.reserved.0),
                (sum, sum, 0),
                "{}",
                database.name
            );
        }
        ledger.close().await;
    });
}

/// One process is killed while it holds money; another spends the rest of the same budget meanwhile and afterwards.
fn one_of_two_is_killed(runtime: &Runtime, database: &Database) {
    let first = Spending::start(database, "first");
    runtime.block_on(async {
        let store = database.open().await;
        let journal = database.folder().join("second");
        let ledger = Ledger::open(store.clone(), settings(journal.to_str().unwrap()))
            .await
            .unwrap();
        let ask = |max| Ask::new(budget(max), Estimate::AtMost(NanoDollars(PRICE)));
        for _ in 0..50 {
            ledger
                .reserve(ask(i64::MAX))
                .await
                .unwrap()
                .settle(row())
                .await
                .unwrap();
        }
        let killed = tokio::task::spawn_blocking(move || first.kill_after(100))
            .await
            .unwrap();
        assert!(killed.len() >= 100);
        ledger.flush().await;
        assert!(
            store.all_held().await.unwrap().0 > 0,
            "the dead process holds something"
        );
        // With the lease, what it held comes back.
        let returned = async {
            while store.all_held().await.unwrap().0 > 0 {
                tokio::time::sleep(LEASE / 10).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), returned)
            .await
            .unwrap();
        // A budget with room for ten more, and twenty that want it.
        let team = Account::of(Scope::Team, "t");
        let spent = store.balance(&team).await.unwrap().spent.0;
        let max = spent + 10 * PRICE;
        let mut served = 0;
        for _ in 0..20 {
            if let Ok(reservation) = ledger.reserve(ask(max)).await {
                reservation.settle(row()).await.unwrap();
                served += 1;
            }
        }
        assert_eq!(served, 10);
        ledger.close().await;
        // The dead one's journal comes back with it: what it had written counts, once.
        let journal = database.folder().join("first");
        let revived = Ledger::open(store.clone(), settings(journal.to_str().unwrap()))
            .await
            .unwrap();
        let (sum, _) = store.sum_of_rows(None).await.unwrap();
        let balance = store.balance(&team).await.unwrap();
        assert_eq!(
            (balance.spent, balance.total, balance.reserved.0),
            (sum, sum, 0)
        );
        for id in &killed {
            assert!(
                store.get::<SpendRow>(&[id]).await.unwrap().is_some(),
                "{id} is lost"
            );
        }
        revived.close().await;
    });
}
