//! The three tasks behind the shared state: writing, reading, and showing signs of life.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use redis::{
    AsyncCommands, RedisResult,
    aio::MultiplexedConnection,
    streams::{StreamMaxlen, StreamReadOptions, StreamReadReply},
};
use tokio::sync::mpsc;

use super::{Inner, LEASE, Letter, millis, script};
use crate::{Moment, News, Scope, Spent, shared::Board};

/// How often instances show signs of life.
const BEAT: Duration = Duration::from_millis(500);
/// How long a reader waits for news before it asks again.
const LISTEN: usize = 1_000;
/// News that is kept for those who come late.
const KEPT: usize = 2_000;
/// Letters in one batch, at most.
const BATCH: usize = 512;

/// Starts the tasks. They end with the state they belong to.
pub(super) fn start(inner: &Arc<Inner>, board: &Arc<Board>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    let inbox = inner
        .inbox
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    let Some(inbox) = inbox else { return };
    runtime.spawn(write(Arc::downgrade(inner), inbox));
    runtime.spawn(beat(Arc::downgrade(inner), Arc::downgrade(board)));
    runtime.spawn(read(Arc::downgrade(inner), Arc::downgrade(board)));
}

/// Writes what was posted, as much as there is at a time.
async fn write(inner: Weak<Inner>, mut inbox: mpsc::Receiver<Letter>) {
    let mut letters = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut letters, BATCH).await > 0 {
        let Some(inner) = inner.upgrade() else { return };
        let batch = std::mem::take(&mut letters);
        // While Redis is away, leases end by themselves and news grows old.
        if let Some(connection) = inner.connection()
            && let Err(e) = deliver(&inner, connection, batch).await
        {
            inner.failed(&e);
        }
    }
}

async fn deliver(
    inner: &Inner,
    mut connection: MultiplexedConnection,
    batch: Vec<Letter>,
) -> RedisResult<()> {
    for letter in batch {
        match letter {
            Letter::End(admitted, used) => {
                let beyond = |used: u64, expected: u64| {
                    let difference = i128::from(used) - i128::from(expected);
                    i64::try_from(difference).unwrap_or(i64::MAX)
                };
                let _: i64 = script::END
                    .key(inner.key(&admitted.deployment, "slots"))
                    .key(inner.key(&admitted.deployment, "minute"))
                    .key(inner.key(&admitted.deployment, "trial"))
                    .arg(&admitted.lease)
                    .arg(admitted.minute)
                    .arg(beyond(used.tokens, admitted.tokens))
                    .arg(beyond(used.input(), admitted.tokens))
                    .arg(beyond(used.output, 0))
                    .invoke_async(&mut connection)
                    .await?;
            }
            Letter::News(news) => publish(inner, &mut connection, &news).await?,
        }
    }
    Ok(())
}

async fn publish(
    inner: &Inner,
    connection: &mut MultiplexedConnection,
    news: &News,
) -> RedisResult<()> {
    let rests = inner.common("rests");
    match news {
        News::Cooled { deployment, until } => {
            let _: i64 = script::COOL
                .key(rests)
                .key(inner.key(deployment, "trial"))
                .arg(deployment)
                .arg(until.millis())
                .invoke_async(connection)
                .await?;
        }
        News::Spent(spent) => {
            let _: i64 = script::SPEND
                .key(inner.common("spent"))
                .arg(budget(spent.scope, &spent.name))
                .arg(spent.nanos)
                .arg(spent.until.millis())
                .invoke_async(connection)
                .await?;
            // Everybody reads the sums.
            return Ok(());
        }
        News::Recovered { deployment } => {
            let _: i64 = connection.hdel(rests, deployment).await?;
            let _: i64 = connection.del(inner.key(deployment, "trial")).await?;
        }
        _ => {}
    }
    let Ok(text) = serde_json::to_string(news) else {
        return Ok(());
    };
    let _: String = connection
        .xadd_maxlen(
            inner.common("news"),
            StreamMaxlen::Approx(KEPT),
            "*",
            &[("from", inner.name.as_str()), ("news", text.as_str())],
        )
        .await?;
    Ok(())
}

/// Tells what this instance carries, keeps its leases alive, and finds out whether Redis is there.
async fn beat(inner: Weak<Inner>, board: Weak<Board>) {
    loop {
        let (Some(strong), Some(news)) = (inner.upgrade(), board.upgrade()) else {
            return;
        };
        match pulse(&strong, &news).await {
            Ok(connection) => strong.back(connection),
            Err(e) => strong.failed(&e),
        }
        drop((strong, news));
        tokio::time::sleep(BEAT).await;
    }
}

/// A sign of life, over the connection that there is or a new one. A write, since a replica or a full Redis would answer
/// a ping too.
async fn pulse(inner: &Inner, board: &Board) -> RedisResult<MultiplexedConnection> {
    let known = inner.connection();
    let is_new = known.is_none();
    let mut connection = match known {
        Some(connection) => connection,
        None => inner.connect().await?,
    };
    if is_new {
        let rests: HashMap<String, u64> = connection.hgetall(inner.common("rests")).await?;
        for (deployment, until) in rests {
            let until = Moment::from_millis(until);
            board.hear(&inner.name, &News::Cooled { deployment, until });
        }
    }
    let sums: HashMap<String, String> = connection.hgetall(inner.common("spent")).await?;
    let spent: Vec<Spent> = sums
        .iter()
        .filter_map(|(name, sum)| read_spent(name, sum))
        .collect();
    board.hear_spent(&spent);
    let loads = board.loads();
    publish(inner, &mut connection, &News::Loads { loads }).await?;
    keep_alive(inner, &mut connection).await?;
    Ok(connection)
}

/// Keeps the places of all admitted attempts.
async fn keep_alive(inner: &Inner, connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let mut by_key: HashMap<(String, bool), Vec<String>> = HashMap::new();
    for (lease, held) in inner.leases().iter() {
        let kinds: &[bool] = if held.trial { &[false, true] } else { &[false] };
        for trial in kinds {
            let key = (held.deployment.clone(), *trial);
            by_key.entry(key).or_default().push(lease.clone());
        }
    }
    for ((deployment, trial), leases) in by_key {
        let key = inner.key(&deployment, if trial { "trial" } else { "slots" });
        let mut renew = script::RENEW.key(&key);
        renew.arg(millis(LEASE));
        for lease in &leases {
            renew.arg(lease);
        }
        let _: i64 = renew.invoke_async(connection).await?;
        // Those that have ended since may have been given back before they were kept alive.
        let holds = |lease: &String| {
            let leases = inner.leases();
            leases.get(lease).is_some_and(|held| held.trial || !trial)
        };
        let over: Vec<String> = leases.into_iter().filter(|lease| !holds(lease)).collect();
        if !over.is_empty() {
            let _: i64 = connection.zrem(key, over).await?;
        }
    }
    Ok(())
}

/// Reads what others tell, as soon as they do, over a connection of its own: a command that waits would hold up all
/// others on a shared one.
async fn read(inner: Weak<Inner>, board: Weak<Board>) {
    let mut last = "$".to_owned();
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        let client = strong.client.clone();
        drop(strong);
        if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
            connection.set_response_timeout(Duration::from_secs(10));
            while let Some(strong) = inner.upgrade() {
                let key = strong.common("news");
                let name = strong.name.clone();
                drop(strong);
                let options = StreamReadOptions::default().block(LISTEN).count(BATCH);
                let reply: RedisResult<Option<StreamReadReply>> =
                    connection.xread_options(&[&key], &[&last], &options).await;
                let (Ok(reply), Some(board)) = (reply, board.upgrade()) else {
                    break;
                };
                for entry in reply.iter().flat_map(|r| &r.keys).flat_map(|k| &k.ids) {
                    last.clone_from(&entry.id);
                    put_up(&board, &name, entry);
                }
            }
        }
        if board.upgrade().is_none() {
            return;
        }
        // A Redis that was replaced begins its stream anew.
        last = "$".to_owned();
        tokio::time::sleep(BEAT).await;
    }
}

/// A budget's name among all.
fn budget(scope: Scope, name: &str) -> String {
    let scope = match scope {
        Scope::Provider => "provider",
        Scope::Deployment => "deployment",
        Scope::Tag => "tag",
    };
    format!("{scope}:{name}")
}

fn read_spent(budget: &str, sum: &str) -> Option<Spent> {
    let (scope, name) = budget.split_once(':')?;
    let (nanos, until) = sum.split_once(':')?;
    let scope = match scope {
        "provider" => Scope::Provider,
        "deployment" => Scope::Deployment,
        "tag" => Scope::Tag,
        _ => return None,
    };
    Some(Spent {
        scope,
        name: name.to_owned(),
        nanos: nanos.parse().ok()?,
        until: Moment::from_millis(until.parse().ok()?),
    })
}

fn put_up(board: &Board, own: &str, entry: &redis::streams::StreamId) {
    let from: Option<String> = entry.get("from");
    let news: Option<String> = entry.get("news");
    let (Some(from), Some(news)) = (from, news) else {
        return;
    };
    if from == own {
        return;
    }
    // News of a newer version that this one does not understand is not for it.
    if let Ok(news) = serde_json::from_str::<News>(&news) {
        board.hear(&from, &news);
    }
}
