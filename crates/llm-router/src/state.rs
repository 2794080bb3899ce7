//! What a router remembers from request to request, and hands on to its successor.

use std::sync::{Arc, atomic::AtomicU64};

use crate::{
    Board, Clock, Shared, adaptive::Adaptive, affinity::Affinity, check::Checked, health::Health,
    limits::Meter, shared::Elsewhere, speed::Speed, spending::Spending,
};

/// What all requests of a router share. A router that succeeds another takes it over.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    /// Requests so far: the dice of each are seeded by its number.
    pub(crate) requests: AtomicU64,
    pub(crate) spending: Arc<Spending>,
    /// Who tells other instances what was spent, where the settings name nobody.
    pub(crate) budgets_shared: Option<Arc<dyn Shared>>,
    pub(crate) affinity: Arc<Affinity>,
    /// Where other instances' news is put up.
    pub(crate) board: Arc<Board>,
}

impl Default for State {
    fn default() -> Self {
        let (spending, affinity) = (Arc::<Spending>::default(), Arc::<Affinity>::default());
        let board = Board::over(Arc::clone(&spending), Arc::clone(&affinity));
        Self {
            clock: Clock::default(),
            requests: AtomicU64::new(0),
            spending,
            budgets_shared: None,
            affinity,
            board: Arc::new(board),
        }
    }
}

/// What is known of one deployment while it runs. Kept by its id when the configuration changes.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) meter: Meter,
    pub(crate) health: Health,
    pub(crate) speed: Speed,
    pub(crate) adaptive: Adaptive,
    pub(crate) elsewhere: Elsewhere,
    pub(crate) checked: Checked,
}
