//! Letting a request in: whose it is, whether there is money for it, and what becomes of that.

use std::{sync::Arc, time::Instant};

use llm_ledger::{Ask, Estimate, Pending, Reservation, Spender};
use llm_store::{
    Account, Scope,
    rows::{AccessGroup, Budget, Customer, SpendRow, Tag},
};

use crate::{
    Caller, Governance, ModelLimits, Refusal, Remains,
    budgets::{Beside, spenders},
    limits::{
        self, Asked, Counts, Kind, Left, LimitRules, Permit, Priority, Refused, TokenKind, Want,
        counted, wants,
    },
    model_access::names as names_model,
    names,
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
    /// Whoever asks knows of less that it may cost, and asks again with that: nobody goes on slowly for this figure.
    pub may_be_less: bool,
    /// About how many tokens its prompt has.
    pub prompt_tokens: u64,
    /// How many tokens its answer may have; `None` where nobody says.
    pub answer_tokens: Option<u64>,
    /// Tokens of all requests of a batch, where it is one and a limit of days looks at them.
    pub batch_tokens: Option<u64>,
    /// The session that it belongs to.
    pub session: Option<&'a str>,
    /// The limits that each key has at the model where the key's own say nothing of it.
    pub usual: ModelLimits,
    /// What the model can take, all its deployments together.
    pub capacity: ModelLimits,
    /// Whether the model failed lately: limits that are dynamic hold.
    pub is_ailing: bool,
}

impl Default for Work<'_> {
    fn default() -> Self {
        Self {
            model: "",
            groups: &[],
            tags: &[],
            customer: None,
            estimate: Estimate::Free,
            may_be_less: false,
            prompt_tokens: 0,
            answer_tokens: None,
            batch_tokens: None,
            session: None,
            usual: ModelLimits::default(),
            capacity: ModelLimits::default(),
            is_ailing: false,
        }
    }
}

/// A request that was let in. Dropped, what is held for it is returned.
#[derive(Debug)]
pub struct Admission {
    whose: Arc<Whose>,
    reservation: Reservation,
    permit: Permit,
    /// What a batch holds of limits of days, and how many tokens that is.
    day: Option<(Permit, u64)>,
    remains: Remains,
    governance: Governance,
}

/// Whose a request is.
#[derive(Debug)]
pub struct Whose {
    caller: Arc<Caller>,
    customer: Option<String>,
    tags: Vec<String>,
}

/// A request that its limits let in.
struct Passed {
    permit: Permit,
    left: Vec<Left>,
    /// Its priority at its model, and how much of that is in use.
    priority: Option<(String, f64)>,
}

impl Governance {
    /// Lets a request in, or says why not. Money for it is held from here on.
    pub async fn admit(&self, caller: &Arc<Caller>, work: Work<'_>) -> Result<Admission, Refusal> {
        let tags = caller.tags(work.tags);
        let beside = self.beside(caller, &work, &tags).await?;
        if let Some(customer) = &beside.customer {
            self.may_serve(&customer.row, work.model)?;
        }
        let settings = self.settings();
        let asked = Asked {
            work: &work,
            tags: &tags,
            rules: &settings.limits,
        };
        // On the heap, as what few requests need would make the way of all longer.
        let day = match work.batch_tokens {
            Some(tokens) => Some(Box::pin(self.take_day(caller, &work, tokens, &beside)).await?),
            None => None,
        };
        let wants = wants(caller, asked, &beside);
        // Asked once more where a key goes on slowly.
        let throttle = settings.limits.throttle.filter(|_| !work.may_be_less);
        let again = throttle.map(|_| wants.clone());
        let passed = self.pass(caller, asked, wants).await?;
        let spenders = spenders(caller, work.model, &beside, &settings);
        let ask = Ask::new(spenders, work.estimate);
        let (passed, reservation) = match self.ledger().reserve(ask.clone()).await {
            Ok(reservation) => (passed, reservation),
            Err(error) if error.is_unavailable() && settings.serve_without_database => {
                (passed, self.ledger().unchecked(ask))
            }
            Err(error) => {
                // It counts for no limit that another rule refuses.
                passed.permit.withdraw();
                let wants = again.unwrap_or_default();
                match throttled(caller, &error, throttle, wants) {
                    Some(wants) => Box::pin(self.go_on(caller, asked, wants, ask)).await?,
                    None => return Err(names::refused(error, caller)),
                }
            }
        };
        Ok(Admission {
            whose: Arc::new(Whose {
                caller: Arc::clone(caller),
                customer: work.customer.map(str::to_owned),
                tags,
            }),
            reservation,
            permit: passed.permit,
            day,
            remains: Remains::new(passed.left, passed.priority, work.model),
            governance: self.clone(),
        })
    }

    /// Whether anything bounds the tokens that batches of `caller` may have in a day (`tpd_limit`), or those for a customer
    /// or with tags.
    pub async fn has_daily_limit(
        &self,
        caller: &Caller,
        customer: Option<&str>,
        tags: &[String],
    ) -> Result<bool, Refusal> {
        let tags = caller.tags(tags);
        let work = Work {
            customer,
            ..Work::default()
        };
        let beside = self.beside(caller, &work, &tags).await?;
        Ok(limits::has_daily_limit(caller, &beside))
    }

    /// Counts a batch's tokens for the limits of its day. They are given back where the batch is not made.
    async fn take_day(
        &self,
        caller: &Caller,
        work: &Work<'_>,
        tokens: u64,
        beside: &Beside,
    ) -> Result<(Permit, u64), Refusal> {
        let customer = work.customer.unwrap_or_default();
        let wants = limits::daily_wants(caller, customer, beside, tokens);
        match self.limiter().take(wants).await {
            Ok((permit, _)) => Ok((permit, tokens)),
            Err(Refused::Over(over)) => {
                let mut refusal = limits::exceeded(&over, caller, Instant::now());
                let has = format!(". The batch has about {tokens} tokens");
                refusal.message.push_str(&has);
                Err(refusal)
            }
            Err(Refused::Unknown) => Err(limits::uncounted()),
        }
    }

    /// Counts a request for all of its limits, or for none.
    async fn pass(
        &self,
        caller: &Caller,
        asked: Asked<'_>,
        mut wants: Vec<Want>,
    ) -> Result<Passed, Refusal> {
        let mut named = None;
        if let Some(mut priority) = Priority::of(caller, asked) {
            let saturation = self.limiter().saturation(&priority.whole);
            let threshold = asked.rules.priorities.as_ref();
            if threshold.is_some_and(|priorities| saturation < priorities.threshold) {
                // There is enough for all: what others have reserved may be borrowed.
                priority.part.limits = Default::default();
            }
            wants.extend([priority.whole, priority.part]);
            named = Some((priority.name, saturation));
        }
        match self.limiter().take(wants).await {
            Ok((permit, left)) => Ok(Passed {
                permit,
                left,
                priority: named,
            }),
            Err(Refused::Over(over)) => {
                let mut refusal = limits::exceeded(&over, caller, Instant::now());
                if let Some((name, saturation)) = named {
                    refusal.headers.push(("x-litellm-priority", name));
                    let shown = format!("{saturation:.3}");
                    refusal.headers.push(("x-litellm-saturation", shown));
                }
                Err(refusal)
            }
            Err(Refused::Unknown) => Err(limits::uncounted()),
        }
    }

    /// A key that is over its budget goes on within a part of its limits, on what others that it spends for have left.
    async fn go_on(
        &self,
        caller: &Caller,
        asked: Asked<'_>,
        wants: Vec<Want>,
        mut ask: Ask,
    ) -> Result<(Passed, Reservation), Refusal> {
        let passed = self.pass(caller, asked, wants).await?;
        for spender in Arc::make_mut(&mut ask.spenders) {
            if is_of_key(caller, spender) {
                spender.max = None;
            }
        }
        match self.ledger().reserve(ask).await {
            Ok(reservation) => Ok((passed, reservation)),
            Err(error) => {
                passed.permit.withdraw();
                Err(names::refused(error, caller))
            }
        }
    }

    async fn beside(
        &self,
        caller: &Caller,
        work: &Work<'_>,
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
            work.groups.iter().any(named) || names_model(&group.access_model_names, work.model)
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
    /// What is left of its limits.
    pub fn remains(&self) -> &Remains {
        &self.remains
    }

    /// Whom it is for.
    pub(crate) fn customer(&self) -> Option<&str> {
        self.whose.customer.as_deref()
    }

    /// Whom it is charged to.
    pub(crate) fn spenders(&self) -> &[llm_ledger::Spender] {
        self.reservation.spenders()
    }

    /// What the database said that this account had spent.
    pub(crate) fn found(&self, account: &Account) -> Option<llm_cost::NanoDollars> {
        self.reservation.found(account)
    }

    pub(crate) fn governance(&self) -> &Governance {
        &self.governance
    }

    /// Who asked.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.whose.caller
    }

    /// Its tags, and those of its key and its team behind them.
    pub fn tags(&self) -> &[String] {
        &self.whose.tags
    }

    /// Whose it is.
    pub fn whose(&self) -> &Arc<Whose> {
        &self.whose
    }

    /// The id of its row.
    pub fn id(&self) -> &str {
        self.reservation.id()
    }

    /// A row that says whose the request is, and nothing yet of how it went.
    pub fn row(&self) -> SpendRow {
        self.whose.row()
    }

    /// Notes that the request goes out now: if the process dies before it ends, `row` is what is charged.
    pub fn sent(&self, row: impl FnOnce() -> SpendRow + Send + 'static) {
        self.reservation.sent(row);
    }

    /// Notes what the request has cost so far, in place of what was noted before.
    pub fn so_far(&self, row: impl FnOnce() -> SpendRow + Send + 'static) {
        self.reservation.so_far(row);
    }

    /// Charges what it cost. The charge is made when this returns; it lasts once what it returns is awaited.
    pub fn charge(self, row: SpendRow) -> Pending {
        let settings = self.governance.settings();
        if let Some((permit, tokens)) = self.day.filter(|_| row.status == "success") {
            let mut counts = Counts::default();
            counts[Kind::Tokens as usize] = tokens;
            permit.settle(&counts);
        }
        self.permit.settle(&used(&settings.limits, &row));
        self.reservation.charge(row)
    }

    /// Charges what the request was shown and may be shown again, under the id of `bill`, which has the only row of that id;
    /// and `row` for the request itself.
    pub async fn charge_once(
        self,
        ledger: &llm_ledger::Ledger,
        bill: SpendRow,
        row: SpendRow,
    ) -> Result<(), llm_ledger::Error> {
        let told = ledger.charge_once(self.reservation.spenders(), bill).await;
        // What was held for it is let go when it is charged.
        self.charge(row).written().await?;
        told
    }

    /// Another charge for the same request, with a row of its own: an attempt that a faster one beat.
    pub fn beside(&self, ledger: &llm_ledger::Ledger, row: SpendRow) -> Pending {
        let spenders = self.reservation.spenders().to_vec();
        ledger
            .unchecked(Ask::new(spenders, Estimate::Free))
            .charge(row)
    }
}

impl Whose {
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
            agent_id: caller.key.as_ref().and_then(|key| key.row.agent_id.clone()),
            end_user: self.customer.clone(),
            request_tags: self.tags.clone(),
            ..SpendRow::default()
        }
    }
}

/// What an answer used, as limits count it.
fn used(rules: &LimitRules, row: &SpendRow) -> Counts {
    let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
    let (input, output) = (count(row.prompt_tokens), count(row.completion_tokens));
    let mut used = Counts::default();
    used[Kind::Tokens as usize] = match rules.tokens {
        TokenKind::Total => count(row.total_tokens),
        _ => counted(rules, input, output),
    };
    used[Kind::Input as usize] = input;
    used[Kind::Output as usize] = output;
    used[Kind::Spend as usize] = count(row.spend.0);
    used
}

/// What a key may ask for that has spent its budget and goes on slowly (`throttle_on_budget_exceeded`). Nothing, where it
/// is somebody else's budget, or nothing is limited that could be made less.
fn throttled(
    caller: &Caller,
    error: &llm_ledger::Error,
    part: Option<f64>,
    mut wants: Vec<Want>,
) -> Option<Vec<Want>> {
    let key = caller.key.as_ref()?;
    let says = key.row.metadata.get("throttle_on_budget_exceeded")?;
    let part = part.filter(|_| says.as_bool() == Some(true))?;
    let refusal = error.refusal()?;
    let own = Spender::of(refusal.account.clone());
    let mut is_limited = false;
    for want in wants.iter_mut().filter(|want| want.scope == "api_key") {
        for limit in want.limits.iter_mut().flatten() {
            *limit = ((*limit as f64 * part) as u64).max(1);
            is_limited = true;
        }
    }
    (is_limited && is_of_key(caller, &own)).then_some(wants)
}

/// Whether it is an account of the caller's key.
fn is_of_key(caller: &Caller, spender: &Spender) -> bool {
    let (account, key) = (&spender.account, caller.key.as_ref());
    key.is_some_and(|key| {
        let own = key.row.account();
        (account.scope, &account.id) == (own.scope, &own.id)
    })
}
