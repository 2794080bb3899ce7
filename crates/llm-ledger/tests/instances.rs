//! Several instances on one PostgreSQL, and the way to it cut.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod kit;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use kit::Database;
use llm_cost::NanoDollars;
use llm_ledger::{Ask, Error, Estimate, Ledger, Settings, Spender};
use llm_store::{Account, Scope, Store, rows::SpendRow};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

const PRICE: i64 = 7_000_001;

fn ask(max: i64) -> Ask {
    let team = Spender::of(Account::of(Scope::Team, "t")).at_most(NanoDollars(max));
    let user = Spender::of(Account::of(Scope::User, "u")).at_most(NanoDollars(i64::MAX));
    Ask::new(vec![team, user], Estimate::AtMost(NanoDollars(PRICE)))
}

fn row() -> SpendRow {
    SpendRow {
        status: "success".into(),
        spend: NanoDollars(PRICE),
        ..SpendRow::default()
    }
}

async fn instance(store: &Store, database: &Database, name: &str) -> Ledger {
    let settings = Settings::new(database.folder().join(name));
    Ledger::open(store.clone(), settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_instances_hand_out_the_whole_budget_and_no_more() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let store = database.open().await;
    let mut requests = JoinSet::new();
    let mut ledgers = Vec::new();
    for name in ["one", "two", "three"] {
        let ledger = instance(&store, &database, name).await;
        for _ in 0..170 {
            let ledger = ledger.clone();
            requests.spawn(async move {
                let reservation = ledger.reserve(ask(100 * PRICE + 5)).await?;
                reservation.settle(row()).await.map(|_| ())
            });
        }
        ledgers.push(ledger);
    }
    let answers = requests.join_all().await;
    let served = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().filter(|answer| {
        answer
            .as_ref()
            .is_err_and(|error| error.refusal().is_some())
    });
    assert_eq!((served, refused.count()), (100, 410));
    for ledger in ledgers {
        ledger.close().await;
    }
    let balance = store.balance(&Account::of(Scope::Team, "t")).await.unwrap();
    assert_eq!((balance.spent.0, balance.reserved.0), (100 * PRICE, 0));
    assert_eq!(store.all_held().await.unwrap(), NanoDollars(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_and_comes_loses_nothing_and_needs_no_restart() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (host, name) = database
        .settings
        .url
        .rsplit_once('@')
        .unwrap()
        .1
        .split_once('/')
        .unwrap();
    let wire = Wire::to(host.parse().unwrap()).await;
    let settings = llm_store::Settings {
        url: format!("postgres://postgres@{}/{name}", wire.address),
        acquire_timeout: Duration::from_millis(300),
        ..database.settings.clone()
    };
    let store = Store::open(&settings).await.unwrap();
    let ledger = instance(&store, &database, "journal").await;
    for _ in 0..5 {
        let under_way = ledger.reserve(ask(i64::MAX)).await.unwrap();
        wire.cut();
        // It was spent: it is written down, whatever the database does.
        under_way.settle(row()).await.unwrap();
        let refused = ledger.reserve(ask(i64::MAX)).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Store(error) if error.is_unavailable()),
            "{refused}"
        );
        // Relaxed operation: served without a hold, and charged.
        ledger.unchecked(ask(i64::MAX)).settle(row()).await.unwrap();
        wire.mend();
        ledger.flush().await;
        assert_eq!(ledger.status().backlog, 0);
    }
    ledger.close().await;
    assert_eq!(
        store.sum_of_rows(None).await.unwrap(),
        (NanoDollars(10 * PRICE), 10)
    );
    let balance = store.balance(&Account::of(Scope::Team, "t")).await.unwrap();
    assert_eq!((balance.spent.0, balance.reserved.0), (10 * PRICE, 0));
}

/// Forwards connections, until it is cut.
struct Wire {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: bool,
    connections: Vec<AbortHandle>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut state = shared.lock().unwrap();
                if state.cut {
                    continue;
                }
                let forwarding = tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
                state.connections.push(forwarding.abort_handle());
            }
        });
        Self { address, state }
    }

    fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.cut = true;
        for connection in state.connections.drain(..) {
            connection.abort();
        }
    }

    fn mend(&self) {
        self.state.lock().unwrap().cut = false;
    }
}
