//! What an answer wears for its client: its id, its model's name, and who keeps it.

use std::sync::Arc;

use llm_router::{Deployment, Trace};
use llm_types::{JsonObject, Op};

use crate::{
    ids::{self, Ids},
    responses::{Keeper, Recalled, ResponseStore},
    restamp::Stamp,
};

/// What the answers of all attempts at one request wear.
pub(crate) struct Wardrobe {
    pub(crate) op: Op,
    pub(crate) call_id: String,
    /// The model's name as the client gave it, where it is to see that.
    pub(crate) name: Option<String>,
    /// With a router, ids say who answered.
    pub(crate) ids: Option<Ids>,
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
            (Op::Responses, true) => self.kept(stamp, deployment, body),
            _ => match &self.ids {
                Some(ids) if keeps(self.op) => (stamp.kept_by(ids, self.op, deployment), None),
                _ => (stamp, None),
            },
        }
    }

    /// Who keeps a response that its vendor began, as `shown`, and does not end: only here it is whole.
    pub(crate) fn keeper_of(&self, shown: &str, body: &JsonObject) -> Option<Keeper> {
        let handed = self.ids.as_ref().and_then(|ids| ids.read(shown).ok());
        let id = handed
            .flatten()
            .map_or_else(|| shown.to_owned(), |handed| handed.id);
        self.recalled.keeper(&self.responses, id, body)
    }

    /// A response that we make goes by an id of ours, and is kept under it.
    fn kept(
        &self,
        stamp: Stamp,
        deployment: &Deployment,
        body: &JsonObject,
    ) -> (Stamp, Option<Keeper>) {
        let id = ids::fresh();
        let shown = match &self.ids {
            Some(ids) => ids.hand_out(deployment, &id),
            None => id.clone(),
        };
        let keeper = self.recalled.keeper(&self.responses, id, body);
        (stamp.called(shown), keeper)
    }
}

/// Whether vendors keep what such an operation makes.
fn keeps(op: Op) -> bool {
    op.verbs().len() > 1
}
