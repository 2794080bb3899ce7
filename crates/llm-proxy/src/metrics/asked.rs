//! What was asked, and by whom, as metrics tell requests apart.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, header::USER_AGENT};
use llm_governance::Caller;

/// Whose request it is, and where from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) end_user: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: Option<&'a str>,
    /// What is said for the operator's own labels.
    pub(crate) own: &'a [String],
}

/// What was asked, by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) route: &'static str,
    pub(crate) who: Who<'a>,
    /// How long it was on its way to the engine.
    pub(super) queued: Option<Duration>,
    /// The address as a label; made only where a label is.
    pub(super) address: Option<&'a str>,
}

impl<'a> Who<'a> {
    /// Whoever asks, before what is asked was read.
    pub(crate) fn knocking(caller: &'a Caller, address: IpAddr, headers: &'a HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT);
        Self {
            caller,
            end_user: None,
            address: Some(address),
            agent: agent.and_then(|agent| agent.to_str().ok()),
            own: &[],
        }
    }
}

impl<'a> Asked<'a> {
    pub(crate) fn new(route: &'static str, who: Who<'a>) -> Self {
        Self {
            route,
            who,
            queued: None,
            address: None,
        }
    }

    /// The same, which was so long on its way to the engine.
    pub(crate) fn after(self, queued: Option<Duration>) -> Self {
        Self { queued, ..self }
    }
}
