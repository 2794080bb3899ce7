//! What it costs to keep books of a request: held, sent, settled, and brought to the database.
//!
//! `cargo bench -p llm-ledger --bench books [REQUESTS]`; PostgreSQL is measured, too, if `INTERLINGUA_TEST_POSTGRES` names a
//! server. Prints processor time of this process for each request, in microseconds: of the whole way, and of the way to the
//! journal alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../../llm-store/tests/kit/mod.rs"]
mod kit;

use llm_cost::NanoDollars;
use llm_ledger::{Ask, Estimate, Ledger, Settings, Spender};
use llm_store::{Account, Json, Moment, Scope, rows::SpendRow};
use serde_json::json;
use tokio::task::JoinSet;

/// Requests at the same time, as many as the gateway's benchmark has connections.
const CLIENTS: u64 = 16;

/// A second of the kernel's clock of processor time.
const TICKS: f64 = 100.0;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let requests = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let requests: u64 = requests.unwrap_or(50_000);
    for database in kit::databases().await {
        let store = database.open().await;
        let settings = Settings::new(database.folder().join("journal"));
        let ledger = Ledger::open(store.clone(), settings).await.unwrap();
        run(&ledger, requests / 10).await;
        ledger.flush().await;
        let began = cpu();
        run(&ledger, requests).await;
        let written = cpu();
        ledger.flush().await;
        let each = |seconds: f64| seconds * 1e6 / requests as f64;
        println!(
            "{}: {:.1} us a request, {:.1} of them after the last answer",
            database.name,
            each(cpu() - began),
            each(cpu() - written),
        );
        ledger.close().await;
    }
}

async fn run(ledger: &Ledger, requests: u64) {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let ledger = ledger.clone();
        clients.spawn(async move {
            for _ in 0..requests / CLIENTS {
                request(&ledger).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

async fn request(ledger: &Ledger) {
    let key = Account::of(Scope::Key, "a".repeat(64));
    let spenders = [
        Spender::of(key).at_most(NanoDollars(i64::MAX / 4)),
        Spender::of(Account::of(Scope::User, "default_user_id")),
        Spender::of(Account::of(Scope::Global, "")),
    ];
    let ask = Ask::new(spenders.to_vec(), Estimate::AtMost(NanoDollars(1_000_000)));
    let held = ledger.reserve(ask).await.unwrap();
    let row = row(held.id());
    let sent = row.clone();
    held.sent(move || sent);
    held.settle(row).await.unwrap();
}

/// A row as the gateway's chat leaves one.
fn row(id: &str) -> SpendRow {
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21});
    let metadata = json!({
        "user_agent": "bench/1.0", "requested_model": "gpt-4o",
        "explanation": {"picked": "only one", "attempts": [{"deployment": "0123456789abcdef", "ms": 1.2}]},
    });
    SpendRow {
        request_id: Some(format!("chatcmpl-{id}")),
        call_id: Some(id.to_owned()),
        call_type: "acompletion".into(),
        status: "success".into(),
        api_key: "a".repeat(64),
        user_id: Some("default_user_id".into()),
        model: "gpt-4o".into(),
        model_id: Some("0123456789abcdef0123456789abcdef".into()),
        model_group: Some("gpt-4o".into()),
        provider: "openai".into(),
        api_base: Some("http://127.0.0.1:4010/v1".into()),
        spend: NanoDollars(120_000),
        price_digest: Some("0123456789abcdef".into()),
        usage_value: Json::of(&usage),
        prompt_tokens: 12,
        completion_tokens: 9,
        total_tokens: 21,
        start_time: Moment::now(),
        end_time: Moment::now(),
        requester_ip_address: Some("127.0.0.1".into()),
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        ..SpendRow::default()
    }
}

/// Processor time of this process in seconds; nothing where the kernel does not tell.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |at| {
        fields
            .split_whitespace()
            .nth(at)
            .and_then(|text| text.parse::<f64>().ok())
    };
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / TICKS
}
