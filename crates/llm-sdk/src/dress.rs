//! What an answer wears for its client: its id, its model's name, and who keeps it.

use std::sync::Arc;

use llm_router::{Deployment, Trace};
use llm_types::{JsonObject, Op};

use crate::{
    responses::{Keeper, Recalled, ResponseStore, ids},
    restamp::Stamp,
};

/// What the answers of all attempts at one request wear.
pub(crate) struct Wardrobe {
    pub(crate) op: Op,
    pub(crate) call_id: String,
    /// The model's name as the client gave it, where it is to see that.
    pub(crate) name: Option<String>,
    /// With a router, ids say who answered.
    pub(crate) routed: bool,
    pub(crate) responses: Arc<dyn ResponseStore>,
    pub(crate) recalled: Arc<Recalled>,
}

impl Wardrobe {
    /// The stamp of an answer that `deployment` gives, and who keeps it.
    pub(crate) fn of(
        &self,
        body: &JsonObject,
        deployment: &Arc<Deployment>,
        bridged: bool,
        trace: &Trace,
    ) -> (Stamp, Option<Keeper>) {
        let named = matches!(
            self.op,
            Op::Chat | Op::Completion | Op::Embedding | Op::Messages
        );
        // After a fallback the client is told who really answered.
        let name = self.name.clone().filter(|_| named && trace.fallbacks == 0);
        let stamp = Stamp::new(&self.call_id, name);
        match (self.op, bridged) {
            (Op::Responses, false) if self.routed => (stamp.answered_by(deployment), None),
            (Op::Responses, true) => self.kept(stamp, deployment, body),
            _ => (stamp, None),
        }
    }

    /// A response that we make goes by an id of ours, and is kept under it.
    fn kept(
        &self,
        stamp: Stamp,
        deployment: &Deployment,
        body: &JsonObject,
    ) -> (Stamp, Option<Keeper>) {
        let id = ids::fresh();
        let shown = if self.routed {
            ids::hand_out(deployment, &id)
        } else {
            id.clone()
        };
        let keeper = self.recalled.keeper(&self.responses, id, body);
        (stamp.called(shown), keeper)
    }
}
