//! The tasks behind the shared state: [writing](post), reading, and showing signs of life.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use redis::{
    AsyncCommands, RedisResult, Value,
    aio::MultiplexedConnection,
    streams::{StreamReadOptions, StreamReadReply},
};

use super::{Inner, LEASE, millis, post, script};
use crate::{Moment, News, Scope, Spent, shared::Board};

/// How often instances show signs of life.
const BEAT: Duration = Duration::from_millis(500);
/// How long a reader waits for news before it asks again.
const LISTEN: usize = 1_000;
/// News that is read at a time, at most.
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
    runtime.spawn(post::write(
        Arc::downgrade(inner),
        Arc::downgrade(board),
        inbox,
    ));
    runtime.spawn(beat(Arc::downgrade(inner), Arc::downgrade(board)));
    runtime.spawn(read(Arc::downgrade(inner), Arc::downgrade(board)));
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
    post::publish(inner, &mut connection, &[News::Loads { loads }]).await?;
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
pub(super) fn budget(scope: Scope, name: &str) -> String {
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
    let Some(Value::BulkString(from)) = entry.map.get("from") else {
        return;
    };
    if from == own.as_bytes() {
        return;
    }
    let Ok(from) = std::str::from_utf8(from) else {
        return;
    };
    let Some(Value::BulkString(news)) = entry.map.get("news") else {
        return;
    };
    // News of a newer version that this one does not understand is not for it.
    if let Ok(news) = serde_json::from_slice::<News>(news) {
        board.hear(from, &news);
    }
}
