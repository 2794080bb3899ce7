//! Callers who stay for long: they are told when they may not ask any more.

use std::time::Duration;

use http::StatusCode;
use llm_store::{
    Moment, Record,
    rows::{Key, Project, Team, User},
};
use tokio::{sync::broadcast::error::RecvError, time::sleep};

use crate::{Caller, Changed, Governance, Refusal};

/// How often it is looked without being told of a change: a key that was replaced ends by itself when its grace does.
const LOOK: Duration = Duration::from_secs(30);

/// The same where the database does not say how it is.
const AGAIN: Duration = Duration::from_secs(1);

impl Governance {
    /// Waits until `caller` may not ask any more, and says why: its key is blocked, was deleted or is too old, or its user,
    /// team or project is not in force.
    pub async fn until_unwelcome(&self, caller: &Caller) -> Refusal {
        let who = caller.remembered();
        let mut changes = self.changes();
        loop {
            let (now, patience) = match self.recall(&who).await {
                Ok(now) => {
                    let expires = now.key.as_ref().and_then(|key| key.row.expires);
                    let left = expires.map(|at| at.0.saturating_sub(Moment::now().0));
                    let left = left.map(|left| u64::try_from(left).unwrap_or(0));
                    let left = left.map_or(LOOK, |left| Duration::from_millis(left).min(LOOK));
                    (Some(now), left)
                }
                Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => return refusal,
                // What nobody knows ends nothing.
                Err(_) => (None, AGAIN),
            };
            let changed = async {
                loop {
                    match changes.recv().await {
                        Ok(changed) if !now.as_ref().is_some_and(|now| touches(&changed, now)) => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        // Without anybody who tells, it is looked from time to time.
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                () = changed => {}
                () = sleep(patience) => {}
            }
        }
    }
}

/// Whether a change may be one of `caller`.
fn touches(changed: &Changed, caller: &Caller) -> bool {
    let is = |id: Option<&str>| id == Some(&changed.object);
    match changed.table.as_str() {
        "" => true,
        <Key as Record>::TABLE => is(Some(caller.key_hash())),
        <User as Record>::TABLE => is(caller.user_id()),
        <Team as Record>::TABLE => is(caller.team_id()),
        <Project as Record>::TABLE => is(caller.project_id()),
        _ => false,
    }
}
