//! The lines of batches that the gateway answers itself: held to the same rules as requests, and recorded like them.

use std::sync::{Arc, OnceLock, Weak};

use llm_governance::Caller;
use llm_providers::Error;
use llm_sdk::{Clerk, Request};
use llm_types::{JsonObject, Op};

use crate::{check, error::Refusal, labels::Labels, record::Recorder, state::Gateway};

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

    fn gateway(&self) -> Option<Arc<Gateway>> {
        self.gateway.get().and_then(Weak::upgrade)
    }
}

impl Clerk for LineClerk {
    fn check(&self, body: &mut JsonObject) -> Result<(), Error> {
        check::allowed(body).map_err(refused)?;
        let gateway = self.gateway();
        let mocks = gateway.is_some_and(|gateway| {
            let live = gateway.live();
            live.settings.allow_client_mock_response
        });
        check::strip(body, mocks);
        Ok(())
    }

    fn admit(&self, request: &mut Request) {
        let Some(gateway) = self.gateway() else {
            return;
        };
        let live = gateway.live();
        let caller = match live.settings.master_key {
            Some(_) => Caller::master(),
            None => Caller::anyone(),
        };
        let labels = Labels::of(&Default::default(), &request.body, &[]);
        request.observer = Some(Arc::new(Recorder {
            hub: Arc::clone(&gateway.hub),
            live,
            route: Op::Batch.path(),
            caller: Arc::new(caller),
            tab: None,
            labels,
            address: None,
        }));
    }
}

fn refused(refusal: Refusal) -> Error {
    Error::bad_request(
        refusal.param.unwrap_or_default().into_owned(),
        refusal.message,
    )
}
