//! Who may be asked: each filter leaves out some candidates and says why.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{Ask, Deployment, Moment, group::Traits, spending::Spending};

/// Leaves out deployments that should not answer a request. Pure over what it is shown.
pub trait Filter: Send + Sync + std::fmt::Debug {
    /// Leaves out of `field` whoever should not answer.
    fn apply(&self, field: &mut Field<'_>, view: &View<'_>);
}

/// The deployments that are still in question, and why the others are not.
#[derive(Debug)]
pub struct Field<'a> {
    open: Vec<&'a Arc<Deployment>>,
    skipped: Vec<Skipped>,
}

/// What a filter knows of the request.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The request.
    pub ask: &'a Ask,
    /// The group that is being tried, with all its deployments.
    pub group: &'a str,
    /// All deployments of the group.
    pub deployments: &'a [Arc<Deployment>],
    /// The time.
    pub now: Moment,
    pub(crate) spending: &'a Spending,
    pub(crate) traits: Traits,
}

/// A deployment that was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its id.
    pub deployment: String,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why a deployment was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
#[non_exhaustive]
pub enum Reason {
    /// It failed this request in a way that it would again.
    Barred,
    /// It failed this request, and others have not.
    Tried,
    /// It rests after failures.
    Cooling {
        /// For how many milliseconds more.
        millis: u64,
    },
    /// It rested, and another request is finding out whether it is well.
    OnTrial,
    /// A health check found it ill.
    Unhealthy,
    /// It has as many attempts under way as it may.
    Parallel,
    /// It had its requests of this minute.
    Rpm,
    /// It had its tokens of this minute.
    Tpm,
    /// It had its prompts' tokens of this minute.
    Itpm,
    /// It had its answers' tokens of this minute.
    Otpm,
    /// It is too expensive for a second attempt beside a slow one.
    Dearer,
    /// Another has a lower `order`.
    Order,
    /// Its tags do not fit the request's.
    Tags,
    /// Its provider's, its own, or a tag's budget is spent.
    Budget {
        /// For how many milliseconds more.
        millis: u64,
    },
    /// The conversation, the session or the user is at another one.
    Affinity,
    /// The prompt is longer than its model's window.
    ContextWindow,
    /// It is not in the region that is asked for.
    Region,
    /// Its model does not know a parameter of the request.
    Parameter,
    /// It is reserved for another team at this hour.
    Reserved {
        /// For how many milliseconds more.
        millis: u64,
    },
    /// It is switched off.
    Blocked,
}

impl<'a> Field<'a> {
    pub(crate) fn new(deployments: &'a [Arc<Deployment>]) -> Self {
        Self {
            open: deployments.iter().collect(),
            skipped: Vec::new(),
        }
    }

    /// Those still in question.
    pub fn open(&self) -> &[&'a Arc<Deployment>] {
        &self.open
    }

    /// Leaves out those for whom `why` has a reason.
    pub fn skip(&mut self, mut why: impl FnMut(&Deployment) -> Option<Reason>) {
        let skipped = &mut self.skipped;
        self.open.retain(|deployment| match why(deployment) {
            None => true,
            Some(reason) => {
                skipped.push(Skipped {
                    deployment: deployment.id.clone(),
                    reason,
                });
                false
            }
        });
    }

    /// Leaves out all but those who `fit`, if any does: a wish, not a demand.
    pub(crate) fn prefer(&mut self, reason: Reason, fits: impl Fn(&Deployment) -> bool) {
        if self.open.iter().any(|deployment| fits(deployment)) {
            self.skip(|deployment| (!fits(deployment)).then_some(reason));
        }
    }

    pub(crate) fn skip_one(&mut self, index: usize, reason: Reason) {
        let deployment = self.open.remove(index);
        self.skipped.push(Skipped {
            deployment: deployment.id.clone(),
            reason,
        });
    }

    pub(crate) fn into_skipped(self) -> Vec<Skipped> {
        self.skipped
    }
}

impl Reason {
    /// How long until it may be over; `None` if waiting does not help.
    pub(crate) fn wait(self, now: Moment) -> Option<Duration> {
        match self {
            Self::Cooling { millis } | Self::Budget { millis } => {
                Some(Duration::from_millis(millis))
            }
            Self::Rpm | Self::Tpm | Self::Itpm | Self::Otpm => Some(now.to_next_minute()),
            Self::Parallel | Self::OnTrial => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
