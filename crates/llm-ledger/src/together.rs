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
        let now = Moment::now();
        let take = |one: &Asked| self.shared.take(&self.limits, one.bounds, now);
        // While they waited, a share may have come.
        let taken: Vec<Option<Holding>> = asked.iter().map(take).collect();
        let rest = asked.into_iter().zip(&taken);
        let rest: Vec<Asked> = rest
            .filter_map(|(one, taken)| taken.is_none().then_some(one))
            .collect();
        let mut held = self.hold_each(&rest).await.into_iter();
        let answers = taken.into_iter();
        answers
            .filter_map(|taken| taken.map(Ok).or_else(|| held.next()))
            .collect()
    }

    async fn hold_each(&self, asked: &[Asked]) -> Vec<Result<Holding, Error>> {
        if asked.is_empty() {
            return Vec::new();
        }
        if let Some(amount) = self.shared.beforehand(&self.limits, asked)
            && let Some(answers) = self.hold_whole(asked, Some(amount)).await
        {
            return answers;
        }
        let is_whole = |one: &Asked| one.bounds.at_least == one.bounds.amount;
        // What may be less than it asks for gets its own answer.
        if asked.len() > 1
            && asked.iter().all(is_whole)
            && let Some(answers) = self.hold_whole(asked, None).await
        {
            return answers;
        }
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            answers.push(self.hold_one(one).await);
        }
        answers
    }

    async fn hold_one(&self, asked: &Asked) -> Result<Holding, Error> {
        let amount = NanoDollars(asked.bounds.amount);
        let asks = [(asked.id.clone(), amount)];
        let at_least = NanoDollars(asked.bounds.at_least);
        let some_was_on_its_way = self.shared.is_returning();
        let mut held = self.hold(&asks, at_least, asked.deadline).await?;
        let recall = self.shared.recall(&self.limits, asked.bounds, &held);
        if held.granted.is_none() && (recall.await || some_was_on_its_way) {
            held = self.hold(&asks, at_least, asked.deadline).await?;
        }
        match held.granted {
            Some(granted) => Ok(Holding {
                amount: Some(granted.0),
                share: None,
                windows: windows(&held),
                found: found(&self.limits, &held),
            }),
            None => Err(refused(&self.limits, asked.bounds, &held)),
        }
    }

    /// Holds for all of these at once, and so much beforehand; nothing, where there is not enough for all: one by one, as much
    /// as there is is given, and who is refused is told why.
    async fn hold_whole(
        &self,
        asked: &[Asked],
        beforehand: Option<i64>,
    ) -> Option<Vec<Result<Holding, Error>>> {
        let amount = |asked: &Asked| (asked.id.clone(), NanoDollars(asked.bounds.amount));
        let mut asks: Vec<(String, NanoDollars)> = asked.iter().map(amount).collect();
        let deadline = asked.iter().map(|one| one.deadline).max();
        let deadline = deadline.unwrap_or_default();
        let share = beforehand.map(|amount| self.shared.share(amount, deadline));
        asks.extend(
            share
                .iter()
                .map(|share| (share.id.clone(), NanoDollars(share.amount))),
        );
        let deadline = share.as_ref().map_or(deadline, |share| share.deadline);
        let sum = asks.iter().map(|(_, amount)| amount.0);
        let sum = NanoDollars(sum.fold(0, i64::saturating_add));
        let held = match self.hold(&asks, sum, deadline).await {
            Ok(held) => held,
            Err(error) => {
                let others = asked.iter().skip(1);
                let others = others.map(|_| Err(llm_store::Error::Away.into()));
                return Some(std::iter::once(Err(error)).chain(others).collect());
            }
        };
        held.granted?;
        if let Some(share) = share {
            self.shared.open(&self.limits, share, &held);
        }
        let (windows, found) = (windows(&held), found(&self.limits, &held));
        let holding = |one: &Asked| Holding {
            amount: Some(one.bounds.amount),
            share: None,
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
        match &held {
            Ok(held) => self.shared.answered(&self.limits, held),
            // Who knows whether it is held: nobody is told that it is.
            Err(_) => asks.iter().for_each(|(id, _)| self.shared.end(id)),
        }
        Ok(held?)
    }
}
