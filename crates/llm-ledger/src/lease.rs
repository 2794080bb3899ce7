//! Says that this process lives, for as long as it does.

use std::{sync::Arc, time::Duration};

use llm_store::{Moment, Store};

use crate::shared::Shared;

/// Says that this process lives, and returns what dead ones held.
pub(crate) async fn keep_lease(store: Store, shared: Arc<Shared>, lease: Duration) {
    let mut ticks = tokio::time::interval((lease / 3).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.expire();
        let renewed = renew(&store, &shared, lease).await;
        let returned = match renewed {
            Ok(()) => store.return_abandoned(Moment::now()).await,
            Err(error) => Err(error),
        };
        match returned {
            Ok(0) => {}
            Ok(holds) => tracing::warn!(holds, "returned what stopped processes held"),
            Err(error) => tracing::warn!(%error, "this process's lease could not be renewed"),
        }
    }
}

/// Says that this process lives for another lease.
pub(crate) async fn renew(
    store: &Store,
    shared: &Shared,
    lease: Duration,
) -> Result<(), llm_store::Error> {
    let length = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let until = Moment::now().plus(length);
    store.renew_lease(&shared.owner, until).await
}
