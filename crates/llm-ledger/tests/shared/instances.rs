//! Several instances on one PostgreSQL, and the way to it cut.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use llm_cost::NanoDollars;
use llm_ledger::{Error, Ledger, Settings};
use llm_store::{Account, Scope, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    PRICE, ask, instance,
    kit::{self, Database},
    row,
};

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
    let (wire, store) = over_a_wire(&database).await;
    let ledger = instance(&store, &database, "journal").await;
    for _ in 0..3 {
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
        (NanoDollars(6 * PRICE), 6)
    );
    let balance = store.balance(&Account::of(Scope::Team, "t")).await.unwrap();
    assert_eq!((balance.spent.0, balance.reserved.0), (6 * PRICE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_holds_up_nobody_and_keeps_no_money() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let (wire, store) = over_a_wire(&database).await;
    let settings = Settings {
        patience: Duration::from_secs(3),
        ..Settings::new(database.folder().join("journal"))
    };
    let ledger = Ledger::open(store.clone(), settings).await.unwrap();
    ledger.reserve(ask(i64::MAX)).await.unwrap().release();
    wire.flows.send_replace(false);
    let waited = ledger.reserve(ask(i64::MAX)).await.unwrap_err();
    assert!(waited.is_unavailable(), "{waited}");
    wire.flows.send_replace(true);
    // The database may hold the money of a request that nobody waits for any more: it comes back.
    let returned = async {
        while store.all_held().await.unwrap().0 > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), returned)
        .await
        .unwrap();
    let served = ledger.reserve(ask(i64::MAX)).await.unwrap();
    served.settle(row()).await.unwrap();
    ledger.flush().await;
    // Without the end of the lease, which would return everything.
    assert_eq!(store.all_held().await.unwrap(), NanoDollars(0));
    ledger.close().await;
}

async fn over_a_wire(database: &Database) -> (Wire, Store) {
    let address = database.settings.url.rsplit_once('@').unwrap().1;
    let (host, name) = address.split_once('/').unwrap();
    let wire = Wire::to(host.parse().unwrap()).await;
    let settings = llm_store::Settings {
        url: format!("postgres://postgres@{}/{name}", wire.address),
        acquire_timeout: Duration::from_secs(3),
        ..database.settings.clone()
    };
    let store = Store::open(&settings).await.unwrap();
    (wire, store)
}

/// Forwards bytes while they may flow.
async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut flow: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if flow.wait_for(|flows| *flows).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// Forwards connections, until it is cut.
struct Wire {
    address: SocketAddr,
    flows: watch::Sender<bool>,
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
        let (flows, flow) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut state = shared.lock().unwrap();
                if state.cut {
                    continue;
                }
                let flows = [flow.clone(), flow.clone()];
                let forwarding = tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    let [there, back] = flows;
                    tokio::join!(
                        forward(from_client, to_server, there),
                        forward(from_server, to_client, back)
                    );
                });
                state.connections.push(forwarding.abort_handle());
            }
        });
        Self {
            address,
            flows,
            state,
        }
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
