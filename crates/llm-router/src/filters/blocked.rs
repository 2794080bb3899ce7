//! Deployments that are switched off.

use crate::{Field, Filter, Reason, View};

/// Leaves out deployments that are switched off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocked;

impl Filter for Blocked {
    fn apply(&self, field: &mut Field<'_>, _view: &View<'_>) {
        field.skip(|deployment| deployment.blocked.then_some(Reason::Blocked));
    }
}
