//! Requests of the same accounts that are held for together: while the database answers one, others gather behind it, and the
//! next statement holds for all of them, or, where that does not fit, one after the other.

use std::sync::Arc;

use llm_cost::NanoDollars;
use llm_store::{Held, Hold, Limit, Moment, Store};

use crate::{
    Error,
    ask::Bounds,
    shared::{Holding, Shared, found, refused, windows},
};

/// A request to hold money for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) bounds: Bounds,
    pub(crate) deadline: Moment,
}

/// Who holds for requests of some accounts.
#[derive(Clone)]
pub(crate) struct Holder {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) limits: Arc<[Limit]>,
}

impl Holder {
    /// Holds for each of these, or says why not.
    pub(crate) async fn hold_all(self, asked: Vec<Asked>) -> Vec<Result<Holding, Error>> {
        let is_whole = |one: &Asked| one.bounds.at_least == one.bounds.amount;
        // What may be less than it asks for gets its own answer.
        if asked.len() > 1
            && asked.iter().all(is_whole)
            && let Some(answers) = self.hold_whole(&asked).await
        {
            return answers;
        }
        let mut answers = Vec::with_capacity(asked.len());
        for one in &asked {
            answers.push(self.hold_one(one).await);
        }
        answers
    }

    async fn hold_one(&self, asked: &Asked) -> Result<Holding, Error> {
        let amount = NanoDollars(asked.bounds.amount);
        let asks = [(asked.id.clone(), amount)];
        let at_least = NanoDollars(asked.bounds.at_least);
        let held = self.hold(&asks, at_least, asked.deadline).await?;
        match held.granted {
            Some(granted) => Ok(Holding {
                amount: Some(granted.0),
                windows: windows(&held),
                found: found(&self.limits, &held),
            }),
            None => Err(refused(&self.limits, asked.bounds, &held)),
        }
    }

    /// Holds for all of these at once; nothing, where there is not enough for all: one by one, as much as there is is given,
    /// and who is refused is told why.
    async fn hold_whole(&self, asked: &[Asked]) -> Option<Vec<Result<Holding, Error>>> {
        let amount = |asked: &Asked| (asked.id.clone(), NanoDollars(asked.bounds.amount));
        let asks: Vec<(String, NanoDollars)> = asked.iter().map(amount).collect();
        let sum = asks.iter().map(|(_, amount)| amount.0);
        let sum = NanoDollars(sum.fold(0, i64::saturating_add));
        let deadline = asked.iter().map(|one| one.deadline).max();
        let held = self.hold(&asks, sum, deadline.unwrap_or_default()).await;
        let (windows, found) = match held {
            Ok(held) => held
                .granted
                .map(|_| (windows(&held), found(&self.limits, &held)))?,
            Err(error) => {
                let others = asked.iter().skip(1);
                let others = others.map(|_| Err(llm_store::Error::Away.into()));
                return Some(std::iter::once(Err(error)).chain(others).collect());
            }
        };
        let holding = |one: &Asked| Holding {
            amount: Some(one.bounds.amount),
            windows: Arc::clone(&windows),
            found,
        };
        Some(asked.iter().map(|one| Ok(holding(one))).collect())
    }

    async fn hold(
        &self,
        asks: &[(String, NanoDollars)],
        at_least: NanoDollars,
        deadline: Moment,
    ) -> Result<Held, Error> {
        let hold = Hold {
            asks,
            owner: &self.shared.owner,
            deadline,
            at_least,
            limits: &self.limits,
        };
        let held = self.store.hold(&hold, Moment::now()).await;
        if held.is_err() {
            // Who knows whether it is held: nobody is told that it is.
            asks.iter().for_each(|(id, _)| self.shared.release(id));
        }
        Ok(held?)
    }
}
