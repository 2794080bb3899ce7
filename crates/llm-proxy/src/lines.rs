//! The lines of batches that the gateway answers itself: held to the same rules as requests, charged to whoever made the
//! batch, and recorded like requests.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use http::{Method, StatusCode};
use llm_governance::{Access, Caller, Remembered};
use llm_providers::{Error, Kind};
use llm_sdk::{Clerk, Receipt, Request};
use llm_types::{JsonObject, Op};

use crate::{
    check, door::open_tab, error::Refusal, gateway::said_of, labels::Labels, record::Recorder,
    state::Gateway,
};

/// Stands at the gateway's door for lines of batches.
#[derive(Debug, Default)]
pub(crate) struct LineClerk {
    gateway: OnceLock<Weak<Gateway>>,
}

impl LineClerk {
    /// Lines are checked and recorded as requests of `gateway` are.
    pub(crate) fn serve(&self, gateway: &Arc<Gateway>) {
        let _ = self.gateway.set(Arc::downgrade(gateway));
    }

    /// Whether the gateway is there by now.
    pub(crate) fn serves(&self) -> bool {
        self.gateway.get().is_some()
    }

    fn gateway(&self) -> Option<Arc<Gateway>> {
        self.gateway.get().and_then(Weak::upgrade)
    }
}

#[async_trait]
impl Clerk for LineClerk {
    fn check(&self, body: &mut JsonObject) -> Result<(), Error> {
        check::allowed(body, false).map_err(refused)?;
        let gateway = self.gateway();
        let mocks = gateway.is_some_and(|gateway| {
            let live = gateway.live();
            live.settings.allow_client_mock_response
        });
        check::strip(body, mocks);
        Ok(())
    }

    async fn admit(
        &self,
        owner: Option<&str>,
        said: &JsonObject,
        request: &mut Request,
    ) -> Result<Receipt, Error> {
        // A batch of a former process begins with the gateway, and may be earlier than it is.
        let Some(gateway) = self.gateway() else {
            return Err(refused(Refusal::later("the gateway is starting")));
        };
        let live = gateway.live();
        let mut caller = caller(&gateway, owner, request.op).await.map_err(refused)?;
        let mut labels = Labels::of(&Default::default(), &request.body, &[]);
        request.route.distrust();
        let said = Some(said);
        let tab = open_tab(&gateway, &live, &mut caller, request, &mut labels, said)
            .await
            .map_err(refused)?;
        let own = gateway.hub.metrics.own(&caller, said_of(request));
        request.observer = Some(Arc::new(Recorder {
            hub: Arc::clone(&gateway.hub),
            live,
            route: Op::Batch.path(),
            caller,
            tab: tab.clone(),
            labels,
            own,
            queued: None,
            address: None,
        }));
        Ok(
            tab.map(|tab| -> futures_util::future::BoxFuture<'static, _> {
                Box::pin(async move { tab.written().await.map_err(refused) })
            }),
        )
    }
}

/// Whoever made the batch, as it is now. A batch that nobody is known for is the gateway's own.
async fn caller(gateway: &Gateway, owner: Option<&str>, op: Op) -> Result<Arc<Caller>, Refusal> {
    let who = owner.and_then(|owner| serde_json::from_str::<Remembered>(owner).ok());
    match (gateway.governance(), who) {
        (Some(governance), Some(who)) => {
            let caller = governance.recall(&who).await?;
            governance.may_call(&caller, Access::Model, &Method::POST, op.path())?;
            Ok(caller)
        }
        (None, Some(_)) => Err(Refusal::later("the gateway's database is not open yet")),
        _ if gateway.live().settings.master_key.is_some() => Ok(Arc::new(Caller::master())),
        _ => Ok(Arc::new(Caller::anyone())),
    }
}

fn refused(refusal: Refusal) -> Error {
    let kind = match refusal.status {
        StatusCode::UNAUTHORIZED => Kind::Auth,
        StatusCode::FORBIDDEN => Kind::Denied,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::Unprocessable,
        StatusCode::TOO_MANY_REQUESTS => Kind::RateLimit,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Overloaded,
        _ => Kind::BadRequest,
    };
    let mut error = Error::new(kind, refusal.message);
    error.param = refusal.param.map(|param| param.into_owned());
    error.status = Some(refusal.status);
    error.code = Some(refusal.kind.to_owned());
    error.retry_after = refusal.retry_after.map(Duration::from_secs);
    error
}
