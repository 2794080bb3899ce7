//! Signing in with a password.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::StatusCode;
use llm_store::rows::User;
use serde_json::json;

use super::{
    address,
    password::{self, Match},
    unknown,
};
use crate::{Actor, Answer, Call, Governance, Governed, Refusal};

/// Failures of one name after which it has to wait.
const OF_NAME: Tries = Tries {
    most: 5,
    window: Duration::from_secs(60),
    pause: Duration::from_secs(60),
};

/// Names that are remembered.
const NAMES: usize = 10_000;

/// How often somebody may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// Failures after which to wait.
    pub most: u32,
    /// How long after the last one a failure is forgotten.
    pub window: Duration,
    /// How long to wait.
    pub pause: Duration,
}

impl Default for Tries {
    /// Those of one address, behind which there may be many people.
    fn default() -> Self {
        Self {
            most: 20,
            ..OF_NAME
        }
    }
}

/// Counts failures to sign in, by name, also of names that nobody has, and by address.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Throttle {
    /// Seconds that this one has to wait.
    fn wait(&self, who: &str, tries: Tries, now: Instant) -> Option<u64> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = failures.get(who)?;
        let left = tries
            .pause
            .checked_sub(now.saturating_duration_since(*last))?;
        (*count >= tries.most && !left.is_zero()).then(|| left.as_secs().max(1))
    }

    fn failed(&self, who: &str, tries: Tries, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = tries.window.max(tries.pause);
        if failures.len() >= NAMES {
            failures.retain(|_, (_, last)| now.saturating_duration_since(*last) < lasts);
        }
        if failures.len() >= NAMES {
            // Somebody tries very many names: who waits already goes on waiting.
            return;
        }
        let (count, last) = failures.entry(who.to_owned()).or_insert((0, now));
        if now.saturating_duration_since(*last) >= lasts {
            *count = 0;
        }
        (*count, *last) = (*count + 1, now);
    }

    fn succeeded(&self, who: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(who);
    }
}

/// Whose failures count together.
pub(super) struct Attempt {
    who: Vec<(String, Tries)>,
}

impl Attempt {
    /// An attempt with this name, from this address.
    pub(super) fn of(name: &str, from: Option<IpAddr>, of_address: Tries) -> Self {
        let mut who = vec![(name.trim().to_lowercase(), OF_NAME)];
        who.extend(from.map(|from| (format!("from {from}"), of_address)));
        Self { who }
    }

    /// Refuses who has to wait.
    pub(super) fn may_try(&self, throttle: &Throttle) -> Result<(), Refusal> {
        let now = Instant::now();
        let waits = self.who.iter();
        let seconds = waits
            .filter_map(|(who, tries)| throttle.wait(who, *tries, now))
            .max();
        let Some(seconds) = seconds else {
            return Ok(());
        };
        Err(Refusal {
            retry_after: Some(seconds),
            ..Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "throttling_error",
                format!("too many failed attempts: try again in {seconds} seconds"),
            )
        })
    }

    pub(super) fn failed(&self, throttle: &Throttle) -> Refusal {
        for (who, tries) in &self.who {
            throttle.failed(who, *tries, Instant::now());
        }
        let message = "the user name or the password is wrong";
        Refusal::unauthenticated(message).of("invalid_credentials")
    }

    /// An address goes on counting: who knows one password may be trying others.
    pub(super) fn succeeded(&self, throttle: &Throttle) {
        self.who
            .iter()
            .take(1)
            .for_each(|(who, _)| throttle.succeeded(who));
    }
}

impl Governance {
    /// The user with this address or id, if the password is theirs. Who fails too often has to wait.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<User, Refusal> {
        let attempt = Attempt::of(name, None, OF_NAME);
        attempt.may_try(self.throttle())?;
        match self.user_with(name, password).await? {
            Some(user) => {
                attempt.succeeded(self.throttle());
                Ok(user)
            }
            None => Err(attempt.failed(self.throttle())),
        }
    }

    /// The user of this name and password. Takes as long where there is no such user.
    pub(super) async fn user_with(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<User>, Refusal> {
        let user = self.user_called(name).await?;
        let stored = user.as_ref().and_then(|user| user.password.clone());
        let given = password.to_owned();
        let matched = waiting(move || password::compare(&given, stored.as_deref())).await?;
        if let (Some(user), Match::Old) = (&user, matched) {
            self.set_password(&Actor::default(), &user.user_id, password)
                .await?;
        }
        Ok(user.filter(|_| matched != Match::No))
    }

    async fn user_called(&self, name: &str) -> Result<Option<User>, Refusal> {
        if let Ok(email) = address(name) {
            let by_email = [("user_email", email.as_str())];
            let found = self.store().list::<User>(&by_email, 1, 0).await?;
            return Ok(found.rows.into_iter().next());
        }
        Ok(self.store().get::<User>(&[name]).await?)
    }

    /// Stores another password of a user.
    pub(super) async fn set_password(
        &self,
        actor: &Actor,
        user: &str,
        password: &str,
    ) -> Result<(), Refusal> {
        let given = password.to_owned();
        let hash = waiting(move || password::hashed(&given)).await?;
        let hash = hash.ok_or_else(Refusal::internal)?;
        let mut edit = self.edit(actor).await?;
        let before = edit.get::<User>(&[user]).await?.ok_or_else(unknown)?;
        let after = User {
            password: Some(hash),
            updated_at: edit.now(),
            ..before.clone()
        };
        edit.update(&before, &after, super::taken(&after)).await?;
        // The row does not show it.
        let changed = json!({"password": "changed"});
        edit.note::<User>("updated", &after.key(), None, Some(changed))
            .await?;
        edit.commit().await
    }
}

/// Does what takes a while where others do not wait for it.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a password was not looked at");
        Refusal::internal()
    })
}

/// `POST /user/password/change`.
pub(super) async fn change(call: Call) -> Result<Answer, Refusal> {
    let new = call.body.need("new_password")?;
    let current = call.body.need("current_password")?;
    let own = call.caller.user.as_ref();
    let Some(user) = own.map(|user| user.row.user_id.clone()) else {
        return Err(Refusal::forbidden("this key belongs to no user"));
    };
    password::check(new).map_err(|refusal| refusal.of("new_password"))?;
    let known = call.governance.sign_in(&user, current).await;
    known.map_err(|refusal| match refusal.status {
        StatusCode::UNAUTHORIZED => Refusal::bad("current_password", "the password is wrong"),
        _ => refusal,
    })?;
    call.governance
        .set_password(&call.actor, &user, new)
        .await?;
    Ok(json!({"user_id": user, "message": "the password was changed"}).into())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{OF_NAME, Throttle};

    #[test]
    fn who_fails_too_often_waits_and_others_do_not() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let wait = |who: &str, now| throttle.wait(who, OF_NAME, now);
        for _ in 0..OF_NAME.most {
            assert_eq!(wait("a", now), None);
            throttle.failed("a", OF_NAME, now);
        }
        assert_eq!(wait("a", now), Some(60));
        assert_eq!(wait("b", now), None);
        assert_eq!(wait("a", now + OF_NAME.pause), None);
        throttle.succeeded("a");
        assert_eq!(wait("a", now), None);
    }
}
