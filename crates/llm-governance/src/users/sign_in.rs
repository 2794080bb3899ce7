//! Signing in with a password.

use std::{
    collections::HashMap,
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

/// Failures after which a name has to wait.
const TRIES: u32 = 5;

/// How long it waits.
const PAUSE: Duration = Duration::from_secs(60);

/// Names that are remembered.
const NAMES: usize = 10_000;

/// Counts failures to sign in, by name: also of names that nobody has.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Throttle {
    /// Seconds that this name has to wait.
    fn wait(&self, name: &str, now: Instant) -> Option<u64> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, last) = failures.get(name)?;
        let left = PAUSE.checked_sub(now.saturating_duration_since(*last))?;
        (*count >= TRIES && !left.is_zero()).then(|| left.as_secs().max(1))
    }

    fn failed(&self, name: &str, now: Instant) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= NAMES {
            failures.retain(|_, (_, last)| now.saturating_duration_since(*last) < PAUSE);
        }
        if failures.len() >= NAMES {
            // Somebody tries very many names: who waits already goes on waiting.
            return;
        }
        let (count, last) = failures.entry(name.to_owned()).or_insert((0, now));
        if now.saturating_duration_since(*last) >= PAUSE {
            *count = 0;
        }
        (*count, *last) = (*count + 1, now);
    }

    fn succeeded(&self, name: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(name);
    }
}

impl Governance {
    /// The user with this address or id, if the password is theirs. Who fails too often has to wait.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<User, Refusal> {
        let key = name.trim().to_lowercase();
        if let Some(seconds) = self.throttle().wait(&key, Instant::now()) {
            return Err(Refusal {
                retry_after: Some(seconds),
                ..Refusal::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "throttling_error",
                    format!("too many failed attempts: try again in {seconds} seconds"),
                )
            });
        }
        let user = self.user_called(name).await?;
        let stored = user.as_ref().and_then(|user| user.password.clone());
        let given = password.to_owned();
        let matched = waiting(move || password::compare(&given, stored.as_deref())).await?;
        match (user, matched) {
            (Some(user), Match::Yes) => {
                self.throttle().succeeded(&key);
                Ok(user)
            }
            (Some(user), Match::Old) => {
                self.throttle().succeeded(&key);
                self.set_password(&Actor::default(), &user.user_id, password)
                    .await?;
                Ok(user)
            }
            _ => {
                self.throttle().failed(&key, Instant::now());
                let message = "the user name or the password is wrong";
                Err(Refusal::unauthenticated(message).of("invalid_credentials"))
            }
        }
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

    use super::{PAUSE, TRIES, Throttle};

    #[test]
    fn who_fails_too_often_waits_and_others_do_not() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..TRIES {
            assert_eq!(throttle.wait("a", now), None);
            throttle.failed("a", now);
        }
        assert_eq!(throttle.wait("a", now), Some(60));
        assert_eq!(throttle.wait("b", now), None);
        assert_eq!(throttle.wait("a", now + PAUSE), None);
        throttle.succeeded("a");
        assert_eq!(throttle.wait("a", now), None);
    }
}
