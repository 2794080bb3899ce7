//! What is written behind requests' backs: news, ends of attempts, and what was spent of budgets.

use std::{collections::BTreeMap, fmt::Write, sync::Weak, time::Duration};

use redis::{RedisResult, aio::MultiplexedConnection, streams::StreamMaxlen};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{Inner, Letter, script, tasks::budget};
use crate::{Admitted, News, Spent, Used, shared::Board};

/// News that is kept for those who come late.
const KEPT: usize = 2_000;
/// Letters in one batch, at most.
const BATCH: usize = 512;
/// How long speeds gather: of all that is told they alone come with every answer, and nobody waits for them.
const GATHER: Duration = Duration::from_millis(20);

/// Writes what was posted, as much as there is at a time.
pub(super) async fn write(
    inner: Weak<Inner>,
    board: Weak<Board>,
    mut inbox: mpsc::Receiver<Letter>,
) {
    let mut letters = Vec::with_capacity(BATCH);
    let mut due: Option<Instant> = None;
    loop {
        let coming = inbox.recv_many(&mut letters, BATCH);
        let came = match due {
            Some(due) => timeout_at(due, coming).await.ok(),
            None => Some(coming.await),
        };
        let Some(inner) = inner.upgrade().filter(|_| came != Some(0)) else {
            return;
        };
        let mut batch = Batch::default();
        for letter in letters.drain(..) {
            match letter {
                Letter::Speeds => due = due.or_else(|| Some(Instant::now() + GATHER)),
                letter => batch.add(letter),
            }
        }
        if due.take_if(|due| *due <= Instant::now()).is_some() {
            let kept = board.upgrade().map_or(1, |board| board.samples());
            batch.news.push(inner.speeds.take(kept));
        }
        // While Redis is away, leases end by themselves and news grows old.
        if let Some(connection) = inner.connection()
            && let Err(e) = batch.deliver(&inner, connection).await
        {
            inner.failed(&e);
        }
    }
}

/// Tells all instances, in one round trip.
pub(super) async fn publish(
    inner: &Inner,
    connection: &mut MultiplexedConnection,
    news: &[News],
) -> RedisResult<()> {
    let stream = inner.common("news");
    let mut entries = redis::pipe();
    for news in news {
        let Ok(text) = serde_json::to_string(news) else {
            continue;
        };
        let fields = [("from", inner.name.as_str()), ("news", text.as_str())];
        let kept = StreamMaxlen::Approx(KEPT);
        entries.xadd_maxlen(&stream, kept, "*", &fields).ignore();
    }
    if entries.is_empty() {
        return Ok(());
    }
    entries.query_async(connection).await
}

/// What is written together.
#[derive(Debug, Default)]
struct Batch {
    /// In their order.
    news: Vec<News>,
    /// By deployment.
    ends: BTreeMap<String, Vec<(Admitted, Used)>>,
    spent: Vec<Spent>,
}

impl Batch {
    fn add(&mut self, letter: Letter) {
        match letter {
            Letter::News(News::Spent(spent)) => self.spent.push(spent),
            Letter::News(news) => self.news.push(news),
            Letter::End(admitted, used) => {
                let deployment = admitted.deployment.clone();
                let ends = self.ends.entry(deployment).or_default();
                ends.push((admitted, used));
            }
            Letter::Speeds => {}
        }
    }

    /// A rest is known before the place is free of the attempt that brought it about.
    async fn deliver(
        &self,
        inner: &Inner,
        mut connection: MultiplexedConnection,
    ) -> RedisResult<()> {
        for news in &self.news {
            note(inner, &mut connection, news).await?;
        }
        publish(inner, &mut connection, &self.news).await?;
        for (deployment, ends) in &self.ends {
            end(inner, &mut connection, deployment, ends).await?;
        }
        spend(inner, &mut connection, &self.spent).await
    }
}

/// Keeps what those who come late must know, too.
async fn note(
    inner: &Inner,
    connection: &mut MultiplexedConnection,
    news: &News,
) -> RedisResult<()> {
    match news {
        News::Cooled { deployment, until } => {
            script::COOL
                .key(inner.common("rests"))
                .key(inner.key(deployment, "trial"))
                .arg(deployment)
                .arg(until.millis())
                .invoke_async(connection)
                .await
        }
        News::Recovered { deployment } => {
            redis::pipe()
                .hdel(inner.common("rests"), deployment)
                .ignore()
                .del(inner.key(deployment, "trial"))
                .ignore()
                .query_async(connection)
                .await
        }
        _ => Ok(()),
    }
}

/// Ends attempts at a deployment.
async fn end(
    inner: &Inner,
    connection: &mut MultiplexedConnection,
    deployment: &str,
    ends: &[(Admitted, Used)],
) -> RedisResult<()> {
    let beyond = |used: u64, expected: u64| {
        let difference = i128::from(used) - i128::from(expected);
        i64::try_from(difference).unwrap_or(i64::MAX)
    };
    let mut words = String::new();
    for (admitted, used) in ends {
        let (lease, minute) = (&admitted.lease, admitted.minute);
        let tokens = beyond(used.tokens, admitted.tokens);
        let input = beyond(used.input(), admitted.tokens);
        let output = beyond(used.output, 0);
        // A text takes all that is written.
        let _ = write!(words, "{lease} {minute} {tokens} {input} {output} ");
    }
    script::END
        .key(inner.key(deployment, "slots"))
        .key(inner.key(deployment, "minute"))
        .key(inner.key(deployment, "trial"))
        .arg(words)
        .invoke_async(connection)
        .await
}

/// Adds to the sums of budgets, which everybody reads.
async fn spend(
    inner: &Inner,
    connection: &mut MultiplexedConnection,
    all: &[Spent],
) -> RedisResult<()> {
    if all.is_empty() {
        return Ok(());
    }
    let mut script = script::SPEND.key(inner.common("spent"));
    for spent in all {
        script.arg(budget(spent.scope, &spent.name));
        script.arg(spent.nanos).arg(spent.until.millis());
    }
    script.invoke_async(connection).await
}
