//! Who has a budget, and how large it is: what gauges tell of.

use std::sync::Arc;

use llm_cost::NanoDollars;
use llm_store::{
    Account, Scope,
    rows::{Key, Organization, Team, User},
};

use crate::{Admission, Entry, Governance, Governed, Refusal};

/// A budget, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purse {
    /// What is spent from it is counted here.
    pub account: Arc<Account>,
    /// Whose it is.
    pub id: String,
    /// By which name.
    pub alias: Option<String>,
    /// How large it is.
    pub max: NanoDollars,
}

impl Governance {
    /// The budgets of keys, teams, users and organizations, of the newest `most` of each.
    pub async fn purses(&self, most: i64) -> Result<Vec<Purse>, Refusal> {
        let mut all = Vec::new();
        for key in self.store().list::<Key>(&[], most, 0).await?.rows {
            let (id, alias) = (key.token.clone(), key.key_alias.clone());
            all.extend(self.purse(key, id, alias).await?);
        }
        for team in self.store().list::<Team>(&[], most, 0).await?.rows {
            let (id, alias) = (team.team_id.clone(), team.team_alias.clone());
            all.extend(self.purse(team, id, alias).await?);
        }
        for user in self.store().list::<User>(&[], most, 0).await?.rows {
            let id = user.user_id.clone();
            all.extend(self.purse(user, id, None).await?);
        }
        for one in self.store().list::<Organization>(&[], most, 0).await?.rows {
            let (id, alias) = (one.organization_id.clone(), one.organization_alias.clone());
            all.extend(self.purse(one, id, Some(alias)).await?);
        }
        Ok(all)
    }

    /// How many users and teams there are.
    pub async fn census(&self) -> Result<(i64, i64), Refusal> {
        let users = self.store().list::<User>(&[], 1, 0).await?.total;
        let teams = self.store().list::<Team>(&[], 1, 0).await?.total;
        Ok((users, teams))
    }

    async fn purse<R: Governed>(
        &self,
        row: R,
        id: String,
        alias: Option<String>,
    ) -> Result<Option<Purse>, Refusal> {
        let budget = self.budget(row.budget_id()).await?;
        let entry = Entry::new(row, budget.as_ref(), &self.settings().calendar);
        let spender = entry.terms.spenders.into_iter().next();
        Ok(spender.and_then(|spender| {
            Some(Purse {
                max: spender.max?,
                account: spender.account,
                id,
                alias,
            })
        }))
    }
}

impl Admission {
    /// The budget of whom the request is for, if there is one.
    pub fn purse_of_customer(&self) -> Option<Purse> {
        let id = self.customer()?;
        let is_its =
            |account: &Account| account.scope == Scope::Customer && account.meter.is_empty();
        let mut spenders = self.spenders().iter();
        let spender = spenders.find(|spender| is_its(&spender.account))?;
        Some(Purse {
            account: spender.account.clone(),
            id: id.to_owned(),
            alias: None,
            max: spender.max?,
        })
    }
}
