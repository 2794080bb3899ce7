//! How long each report takes over a million requests, on every database there is.
//!
//! `cargo bench -p llm-governance --bench reports [ROWS]`; PostgreSQL is asked if `INTERLINGUA_TEST_POSTGRES` names a
//! server. Makes the rows by the way that requests go, then prints for each report what the first answer takes, which may have
//! to fetch from the disk what the system does not have in memory, and the slowest of four more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/kit/mod.rs"]
mod kit;

use std::time::Instant;

use kit::Office;
use llm_cost::NanoDollars;
use llm_store::{
    Account, Charge, Charged, Moment, Scope, hash_token,
    rows::{Key, SpendRow, Team, User},
};

/// 2026-11-01 00:00 UTC.
const START: i64 = 1_793_491_200_000;
const DAYS: i64 = 30;
const KEYS: u64 = 1_000;
const USERS: u64 = 300;
const TEAMS: u64 = 40;
const CUSTOMERS: u64 = 2_000;
const MODELS: u64 = 12;

const REPORTS: &[&str] = &[
    "/spend/logs?limit=100",
    "/spend/logs?start_date=2026-11-01&end_date=2026-11-30",
    "/spend/logs?start_date=2026-11-01&end_date=2026-11-30&user_id=user-7",
    "/spend/logs/v2?start_date=2026-11-01&end_date=2026-11-30",
    "/spend/logs/v2?start_date=2026-11-01&end_date=2026-11-30&page=19999",
    "/spend/logs/v2?start_date=2026-11-01&end_date=2026-11-30&sort_by=spend",
    "/spend/logs/v2?start_date=2026-11-01&end_date=2026-11-30&status_filter=failure",
    "/spend/logs/v2?start_date=2026-11-01&end_date=2026-11-30&model=model-3",
    "/spend/logs/v2?start_date=2026-11-01&end_date=2026-11-30&team_id=team-3",
    "/spend/logs/v2?start_date=2026-11-15&end_date=2026-11-15&min_spend=0.009",
    "/spend/logs/ui/call-77777",
    "/spend/keys",
    "/spend/users",
    "/spend/tags",
    "/global/spend",
    "/global/spend/logs?start_date=2026-11-01&end_date=2026-11-30",
    "/global/spend/keys?start_date=2026-11-01&end_date=2026-11-30",
    "/global/spend/models?start_date=2026-11-01&end_date=2026-11-30",
    "/global/spend/teams?start_date=2026-11-01&end_date=2026-11-30",
    "/global/spend/tags?start_date=2026-11-01&end_date=2026-11-30",
    "/global/spend/provider?start_date=2026-11-01&end_date=2026-11-30",
    "/global/all_end_users",
    "/global/activity?start_date=2026-11-01&end_date=2026-11-30",
    "/global/activity/model?start_date=2026-11-01&end_date=2026-11-30",
    "/global/activity/exceptions?start_date=2026-11-01&end_date=2026-11-30",
    "/global/activity/cache_hits?start_date=2026-11-01&end_date=2026-11-02",
    "/user/daily/activity?start_date=2026-11-01&end_date=2026-11-30&page_size=1000",
    "/user/daily/activity/aggregated?start_date=2026-11-01&end_date=2026-11-30",
    "/user/daily/activity/aggregated?start_date=2026-11-01&end_date=2026-11-30&user_id=user-7",
    "/team/daily/activity/aggregated?start_date=2026-11-01&end_date=2026-11-30&team_ids=team-3",
    "/tag/daily/activity?start_date=2026-11-01&end_date=2026-11-30",
    "/customer/daily/activity?start_date=2026-11-01&end_date=2026-11-30&end_user_ids=customer-5",
    "/key/spend/report?start_date=2026-11-01&end_date=2026-11-07",
    "/team/spend/report?start_date=2026-11-01&end_date=2026-11-30&team_id=team-3",
    "/global/spend/report?start_date=2026-11-01&end_date=2026-11-03",
];

#[tokio::main]
async fn main() {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let rows: u64 = rows.unwrap_or(1_000_000);
    for office in Office::everywhere().await {
        let began = Instant::now();
        fill(&office, rows).await;
        println!(
            "{}: {rows} rows made in {:.0} s",
            office.on,
            began.elapsed().as_secs_f64()
        );
        println!("   first   others");
        for report in REPORTS {
            let first = asked(&office, report).await;
            let mut slowest = 0.0_f64;
            for _ in 0..4 {
                slowest = slowest.max(asked(&office, report).await);
            }
            println!("{first:8.1} {slowest:8.1} ms  {report}");
        }
    }
}

/// How many milliseconds an answer takes, until it is written as it goes to the client.
async fn asked(office: &Office, report: &str) -> f64 {
    let began = Instant::now();
    let answer = office.written(report).await;
    answer.unwrap_or_else(|refused| panic!("{report}: {}", refused.message));
    began.elapsed().as_secs_f64() * 1e3
}

async fn fill(office: &Office, rows: u64) {
    let store = office.governance.store();
    for at in 0..USERS {
        let user = User {
            user_id: format!("user-{at}"),
            ..User::default()
        };
        store.insert(&user).await.unwrap();
    }
    for at in 0..TEAMS {
        let team = Team {
            team_id: format!("team-{at}"),
            ..Team::default()
        };
        store.insert(&team).await.unwrap();
    }
    for at in 0..KEYS {
        let key = Key {
            token: hash_token(&format!("key-{at}")),
            user_id: Some(format!("user-{}", at % USERS)),
            ..Key::default()
        };
        store.insert(&key).await.unwrap();
    }
    let mut dice = Dice(1);
    let mut batch = Vec::new();
    for at in 0..rows {
        batch.push(charged(at, rows, &mut dice));
        if batch.len() == 2_000 || at + 1 == rows {
            store.ship(&batch, "journal", None).await.unwrap();
            batch.clear();
        }
    }
}

/// A request of one of the keys, most often of the first ones, as traffic goes.
fn charged(at: u64, rows: u64, dice: &mut Dice) -> Charged {
    let key = dice.below(KEYS).min(dice.below(KEYS));
    let start =
        Moment(START + i64::try_from(at * 86_400_000 * DAYS.unsigned_abs() / rows).unwrap());
    let end = start.plus(i64::try_from(200 + dice.below(4_000)).unwrap());
    let failed = dice.below(50) == 0;
    let model = (key + dice.below(3)) % MODELS;
    let tokens = i64::try_from(50 + dice.below(2_000)).unwrap();
    let token = hash_token(&format!("key-{key}"));
    let (user, team) = (
        format!("user-{}", key % USERS),
        format!("team-{}", key % TEAMS),
    );
    let accounts = [
        Account::of(Scope::Key, &token),
        Account::of(Scope::User, &user),
        Account::of(Scope::Team, &team),
        Account::of(Scope::Global, ""),
    ];
    Charged {
        charges: accounts
            .iter()
            .map(|account| Charge {
                account: account.clone(),
                until: None,
            })
            .collect(),
        row: SpendRow {
            id: format!("{at:032x}"),
            request_id: Some(format!("chatcmpl-{at}")),
            call_id: Some(format!("call-{at}")),
            call_type: "acompletion".into(),
            status: if failed { "failure" } else { "success" }.into(),
            error_code: failed.then(|| "429".into()),
            api_key: token,
            user_id: Some(user),
            team_id: Some(team),
            end_user: Some(format!("customer-{}", dice.below(CUSTOMERS))),
            request_tags: vec![format!("tag-{}", dice.below(20))],
            model: format!("model-{model}"),
            model_group: Some(format!("group-{model}")),
            model_id: Some(format!("deployment-{model}")),
            provider: format!("provider-{}", model % 4),
            api_base: Some("https://api.example.com/v1".into()),
            spend: NanoDollars(tokens * 4_500),
            total_tokens: tokens,
            prompt_tokens: tokens / 2,
            completion_tokens: tokens - tokens / 2,
            start_time: start,
            end_time: end,
            accounts: accounts.into(),
            ..SpendRow::default()
        },
        at: end,
        ..Charged::default()
    }
}

/// The same numbers every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
