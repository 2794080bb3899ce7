//! Letting a request in: whose it is, whether there is money for it, and what becomes of that.

use std::{sync::Arc, time::Instant};

use llm_ledger::{Ask, Estimate, Pending, Reservation};
use llm_store::{
    Account, Scope,
    rows::{AccessGroup, Budget, Customer, SpendRow, Tag},
};

use crate::{
    Caller, Governance, Refusal,
    budgets::{Beside, spenders},
    limits::{self, Asked, Left, Permit, Want, wants},
    model_access::names,
    terms::{Own, Terms},
};

/// A request that wants in.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The model it asks for, after aliases.
    pub model: &'a str,
    /// The access groups that the model is in.
    pub groups: &'a [String],
    /// Its tags.
    pub tags: &'a [String],
    /// Whom it is for.
    pub customer: Option<&'a str>,
    /// What it will cost.
    pub estimate: Estimate,
    /// About how many tokens its prompt has.
    pub prompt_tokens: u64,
    /// How many tokens its answer may have; `None` where nobody says.
    pub answer_tokens: Option<u64>,
}

/// What an answer counts beforehand, at most, where nobody says how long it may get.
const USUAL_ANSWER: u64 = 1024;

/// A request that was let in. Dropped, what is held for it is returned.
#[derive(Debug)]
pub struct Admission {
    caller: Arc<Caller>,
    customer: Option<String>,
    tags: Vec<String>,
    reservation: Reservation,
    permit: Permit,
    left: Vec<Left>,
}

impl Work<'_> {
    /// How many tokens it counts for a limit, until its real ones are known.
    fn tokens(&self, want: &Want) -> u64 {
        let usual = want
            .tpm
            .map_or(USUAL_ANSWER, |tpm| (tpm / 4).min(USUAL_ANSWER));
        self.prompt_tokens
            .saturating_add(self.answer_tokens.unwrap_or(usual))
    }
}

impl Governance {
    /// Lets a request in, or says why not. Money for it is held from here on.
    pub async fn admit(&self, caller: &Arc<Caller>, work: Work<'_>) -> Result<Admission, Refusal> {
        let tags = self.tags(caller, work.tags);
        let beside = self.beside(caller, work, &tags).await?;
        if let Some(customer) = &beside.customer {
            self.may_serve(&customer.row, work.model)?;
        }
        let asked = Asked {
            model: work.model,
            tags: &tags,
        };
        let wants = wants(caller, asked, &beside);
        let (permit, left) = self
            .limiter()
            .take(wants, |want| work.tokens(want), Instant::now())
            .map_err(|over| limits::exceeded(&over, Instant::now()))?;
        let spenders = spenders(caller, work.model, &beside, self.settings());
        let ask = Ask::new(spenders, work.estimate);
        let reservation = match self.ledger().reserve(ask.clone()).await {
            Ok(reservation) => reservation,
            Err(error) if error.is_unavailable() && self.settings().serve_without_database => {
                self.ledger().unchecked(ask)
            }
            Err(error) => {
                // It counts for no limit that another rule refuses.
                permit.withdraw();
                return Err(error.into());
            }
        };
        Ok(Admission {
            caller: Arc::clone(caller),
            customer: work.customer.map(str::to_owned),
            tags,
            reservation,
            permit,
            left,
        })
    }

    /// The request's tags, and those of its key, its team and its project.
    fn tags(&self, caller: &Caller, own: &[String]) -> Vec<String> {
        let of_key = caller.key.as_ref().map(|key| &key.row.metadata);
        let of_team = caller.team.as_ref().map(|team| &team.row.metadata);
        let of_project = caller.project.as_ref().map(|project| &project.row.metadata);
        let inherited = of_key.into_iter().chain(of_team).chain(of_project);
        let inherited = inherited
            .filter_map(|metadata| metadata.get("tags")?.as_array())
            .flatten()
            .filter_map(|tag| tag.as_str());
        let mut tags = own.to_vec();
        for tag in inherited {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    async fn beside(
        &self,
        caller: &Caller,
        work: Work<'_>,
        tags: &[String],
    ) -> Result<Beside, Refusal> {
        let directory = self.directory();
        let mut beside = Beside::default();
        if let Some(id) = work.customer {
            beside.customer = directory.get::<Customer>(&[id]).await?;
            beside.customer_terms = self.customer_terms(caller, id, &beside).await?;
            if beside.customer.is_none() {
                self.meet(id);
            }
        }
        for tag in tags {
            beside.tags.extend(directory.get::<Tag>(&[tag]).await?);
        }
        let is_of = |group: &AccessGroup| {
            let named =
                |name: &String| *name == group.access_group_name || *name == group.access_group_id;
            work.groups.iter().any(named) || names(&group.access_model_names, work.model)
        };
        let groups = directory.access_groups().await?;
        let groups = groups.iter().filter(|group| is_of(&group.row));
        beside.access_groups.extend(groups.cloned());
        Ok(beside)
    }

    /// What bounds a customer: its own budget, or else the one that the key has for its customers, or the usual one. So it
    /// is from the first request on, before there is a row.
    async fn customer_terms(
        &self,
        caller: &Caller,
        id: &str,
        beside: &Beside,
    ) -> Result<Option<Terms>, Refusal> {
        let known = beside.customer.as_ref();
        if let Some(own) = known.filter(|customer| customer.row.budget_id.is_some()) {
            return Ok(Some(own.terms.clone()));
        }
        let of_key = caller.key.as_ref().and_then(|key| {
            let budget = key.row.metadata.get("end_user_budget_id")?;
            budget.as_str()
        });
        let settings = self.settings();
        let budget = match of_key.or(settings.customer_budget_id.as_deref()) {
            Some(budget) => self.directory().get::<Budget>(&[budget]).await?,
            None => None,
        };
        let own = Own {
            max_budget: settings.max_customer_budget.filter(|_| budget.is_none()),
            ..Own::default()
        };
        let account = Account::of(Scope::Customer, id);
        let budget = budget.as_ref().map(|budget| &budget.row);
        Ok(Some(Terms::of(&account, &own, budget, &settings.calendar)))
    }

    /// A customer is there from its first request on. Nobody waits for that.
    fn meet(&self, id: &str) {
        let governance = self.clone();
        let customer = Customer {
            user_id: id.to_owned(),
            ..Customer::default()
        };
        tokio::spawn(async move {
            match governance.store().add(&customer).await {
                Ok(_) => governance.forget("customers", &customer.user_id),
                Err(error) => tracing::debug!(%error, "a customer was not added"),
            }
        });
    }

    fn may_serve(&self, customer: &Customer, model: &str) -> Result<(), Refusal> {
        if customer.blocked {
            return Err(Refusal::unauthenticated(format!(
                "User={} is blocked. Update via `/customer/unblock` if you're an admin.",
                customer.user_id
            )));
        }
        crate::model_access::customer_may_ask(&customer.models, model)
    }
}

impl Admission {
    /// What is left of its limits, as headers of its answer.
    pub fn headers(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.left.iter().flat_map(|left| {
            let name =
                |what: &str| format!("x-ratelimit-{}-{what}-{}", left.scope, left.kind.name());
            [
                (name("remaining"), left.remaining),
                (name("limit"), left.limit),
            ]
        })
    }

    /// Who asked.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Its tags, and those of its key and its team behind them.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The id of its row.
    pub fn id(&self) -> &str {
        self.reservation.id()
    }

    /// A row that says whose the request is, and nothing yet of how it went.
    pub fn row(&self) -> SpendRow {
        let caller = &self.caller;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        SpendRow {
            api_key: caller.key_hash().to_owned(),
            user_id: owned(caller.user_id()),
            team_id: owned(caller.team_id()),
            organization_id: owned(caller.organization_id()),
            project_id: owned(caller.project_id()),
            end_user: self.customer.clone(),
            request_tags: self.tags.clone(),
            ..SpendRow::default()
        }
    }

    /// Notes that the request goes out now: if the process dies before it ends, `row` is what is charged.
    pub fn sent(&self, row: SpendRow) {
        self.reservation.sent(row);
    }

    /// Charges what it cost. The charge is made when this returns; it lasts once what it returns is awaited.
    pub fn charge(self, row: SpendRow) -> Result<Pending, llm_ledger::Error> {
        self.permit.settle(row.total_tokens.try_into().unwrap_or(0));
        self.reservation.charge(row)
    }

    /// Another charge for the same request, with a row of its own: an attempt that a faster one beat.
    pub fn beside(
        &self,
        ledger: &llm_ledger::Ledger,
        row: SpendRow,
    ) -> Result<Pending, llm_ledger::Error> {
        let spenders = self.reservation.spenders().to_vec();
        ledger
            .unchecked(Ask::new(spenders, Estimate::Free))
            .charge(row)
    }
}
