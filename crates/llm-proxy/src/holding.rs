//! Holds money for a request: for the bytes of its prompt, which nobody has to count, and only where that does not fit for
//! its tokens.

use std::sync::Arc;

use llm_governance::{Admission, Caller, Governance, Refusal, Work};
use llm_ledger::Estimate;
use llm_sdk::{Bound, Counted, Counting};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Prompts that are counted at the same time: what few need must not slow down all.
static COUNTING: Semaphore = Semaphore::const_new(2);

/// What a request may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Wherever it goes.
    pub(crate) anywhere: Bound,
    /// Where it goes first.
    pub(crate) own: Bound,
}

/// A request that may be looked at more closely.
pub(crate) trait Priced: Sync {
    /// Its prompt; `None` where counting it is of no use.
    fn counting(&self) -> Option<Counting>;

    /// What it may cost at most, with a prompt of so many tokens.
    fn figures(&self, counted: &Counted) -> Figures;
}

/// A request that is paid for.
pub(crate) struct Held {
    pub(crate) admission: Admission,
    pub(crate) bound: Bound,
    /// There is enough only as long as it stays where it goes first.
    pub(crate) stays: bool,
}

impl Held {
    /// Lets `work` in, which may cost what `figures` say, or less if `priced` is counted.
    pub(crate) async fn of(
        governance: &Governance,
        caller: &Arc<Caller>,
        work: Work<'_>,
        figures: Figures,
        priced: &impl Priced,
    ) -> Result<Self, Refusal> {
        let bound = figures.anywhere;
        let may_be_less = matches!(bound, Bound::AtMost(_)) || bound != figures.own;
        let work = Work {
            estimate: estimate(bound),
            may_be_less,
            ..work
        };
        match governance.admit(caller, work).await {
            Ok(admission) => Ok(Self {
                admission,
                bound,
                stays: false,
            }),
            Err(refusal) if may_be_less && refusal.is_about_money() => {
                Box::pin(Self::for_less(
                    governance, caller, work, figures, priced, refusal,
                ))
                .await
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn for_less(
        governance: &Governance,
        caller: &Arc<Caller>,
        work: Work<'_>,
        figures: Figures,
        priced: &impl Priced,
        mut refusal: Refusal,
    ) -> Result<Self, Refusal> {
        let counted = count(priced, &refusal).await;
        let less = counted.map_or(figures, |counted| priced.figures(&counted));
        let mut tries = Vec::new();
        if less.anywhere != figures.anywhere {
            tries.push((less.anywhere, false));
        }
        if less.own != less.anywhere {
            tries.push((less.own, true));
        }
        if tries.is_empty() && governance.settings().limits.throttle.is_some() {
            // There is no less: now its key may go on slowly.
            tries.push((figures.anywhere, false));
        }
        while !tries.is_empty() {
            let (bound, stays) = tries.remove(0);
            let work = Work {
                estimate: estimate(bound),
                may_be_less: !tries.is_empty(),
                ..work
            };
            match governance.admit(caller, work).await {
                Ok(admission) => {
                    return Ok(Self {
                        admission,
                        bound,
                        stays,
                    });
                }
                Err(next) => refusal = next,
            }
            if !refusal.is_about_money() {
                break;
            }
        }
        Err(refusal)
    }
}

/// Counts a prompt, unless there is not even enough for the answer.
async fn count(priced: &impl Priced, refusal: &Refusal) -> Option<Counted> {
    let left = refusal.left?;
    let counting = priced.counting()?;
    let fits = match priced.figures(&counting.least()).own {
        Bound::AtMost(least) => least <= left,
        _ => left.0 > 0,
    };
    let _turn = COUNTING.acquire().await.ok().filter(|_| fits)?;
    spawn_blocking(move || counting.count()).await.ok()
}

pub(crate) fn estimate(bound: Bound) -> Estimate {
    match bound {
        Bound::Free => Estimate::Free,
        Bound::AtMost(amount) => Estimate::AtMost(amount),
        Bound::About(amount) => Estimate::About(amount),
        Bound::Unpriced => Estimate::Unpriced,
    }
}
