//! Budgets that are crossed: found among the accounts that were charged, told once for each window by one instance.

use std::sync::Weak;

use llm_cost::NanoDollars;
use llm_store::{
    Account, AccountBalance, Moment, Scope,
    rows::{AccessGroup, Customer, Object, Organization, Project, Tag, Team, TeamMember, User},
};

use super::{Alert, AlertKind, Alerts, BudgetAlert};
use crate::{Governance, Refusal, directory::Shelved, governance::Inner, terms::Terms};

/// How far back charges are looked at again: what another instance was charged comes later than it happened.
const BACK: i64 = 120_000;

/// Accounts that are looked at in one go.
const ACCOUNTS: i64 = 2_000;

/// How long it is remembered that an alert was raised.
const REMEMBERED: i64 = 400 * 86_400_000;

/// Parts of a budget in percent, and what is said when so much is spent.
const THRESHOLDS: [(i64, &str); 3] = [
    (100, "budget_crossed"),
    (95, "threshold_crossed"),
    (85, "threshold_crossed"),
];

/// Looks at what was charged until the governance is gone.
pub(crate) async fn watch(governance: Weak<Inner>, alerts: Alerts) {
    let mut looks = tokio::time::interval(alerts.settings().look);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut since = Moment::now();
    let mut up = true;
    let mut rounds = 0_u64;
    loop {
        looks.tick().await;
        let Some(inner) = governance.upgrade() else {
            return;
        };
        let governance = Governance::of(inner);
        up = tell_database(&governance, &alerts, up);
        if !up {
            continue;
        }
        let now = Moment::now();
        match look(&governance, &alerts, since.plus(-BACK), now).await {
            Ok(()) => since = now,
            Err(refusal) => tracing::debug!(refusal.message, "budgets could not be looked at"),
        }
        if rounds.is_multiple_of(10_000) {
            let _ = governance
                .store()
                .forget_alerts(now.plus(-REMEMBERED))
                .await;
        }
        rounds = rounds.wrapping_add(1);
    }
}

fn tell_database(governance: &Governance, alerts: &Alerts, before: bool) -> bool {
    let now = governance.is_database_up();
    let text = match (before, now) {
        (true, false) => "The database cannot be reached.",
        (false, true) => "The database answers again.",
        _ => return now,
    };
    alerts.raise(Alert::new(AlertKind::DbExceptions, text, text));
    now
}

/// Raises what is due for the accounts that were charged since a moment.
async fn look(
    governance: &Governance,
    alerts: &Alerts,
    mut since: Moment,
    now: Moment,
) -> Result<(), Refusal> {
    loop {
        let charged = governance.store().charged_since(since, ACCOUNTS).await?;
        for one in &charged {
            if let Some(alert) = due(governance, one, now).await? {
                alerts.raise(alert);
            }
        }
        match charged.last() {
            Some(last)
                if i64::try_from(charged.len()) == Ok(ACCOUNTS) && last.charged_at > since =>
            {
                since = last.charged_at;
            }
            _ => return Ok(()),
        }
    }
}

/// Whom an account belongs to, and what it may spend.
struct Owner {
    max: Option<NanoDollars>,
    soft: Option<NanoDollars>,
    told: BudgetAlert,
    called: String,
    emails: Vec<String>,
}

async fn due(
    governance: &Governance,
    charged: &AccountBalance,
    now: Moment,
) -> Result<Option<Alert>, Refusal> {
    let balance = &charged.balance;
    if balance.resets_at.is_some_and(|end| end <= now) {
        return Ok(None);
    }
    let account = &charged.account;
    let Some(owner) = owner(governance, account).await? else {
        return Ok(None);
    };
    let spent = balance.spent.0;
    let of_max = owner.max.and_then(|max| {
        let reached =
            |percent: i64| i128::from(spent) * 100 >= i128::from(max.0) * i128::from(percent);
        let found = THRESHOLDS
            .into_iter()
            .find(|(percent, _)| reached(*percent));
        found.map(|(percent, event)| (percent, event, max))
    });
    let of_soft = owner.soft.filter(|soft| spent >= soft.0);
    let of_soft = of_soft.map(|soft| (0, "soft_budget_crossed", soft));
    for (percent, event, limit) in of_max.into_iter().chain(of_soft) {
        let end = balance.resets_at.map_or(0, |end| end.0);
        // A budget that was changed is another one.
        let name = format!("{event}/{percent}/{}/{end}/{account}", limit.0);
        if governance.store().raise(&name, now).await? {
            return Ok(Some(alert(
                owner,
                name,
                percent,
                event,
                spent,
                balance.resets_at,
            )));
        }
    }
    Ok(None)
}

fn alert(
    owner: Owner,
    name: String,
    percent: i64,
    event: &'static str,
    spent: i64,
    resets_at: Option<Moment>,
) -> Alert {
    let dollars = |nano: i64| llm_cost::Dollars::from_nano(NanoDollars(nano.max(0))).to_f64();
    let amount = |amount: Option<NanoDollars>| amount.map(|amount| dollars(amount.0));
    let until = match resets_at {
        Some(end) => format!(" The window ends at {}.", end.to_jiff()),
        None => String::new(),
    };
    let what = match event {
        "budget_crossed" => "Budget crossed".to_owned(),
        "soft_budget_crossed" => "Soft budget crossed".to_owned(),
        _ => format!("{}% of a budget are left", 100 - percent),
    };
    let limit = match event {
        "soft_budget_crossed" => owner.soft,
        _ => owner.max,
    };
    let text = format!(
        "{what}: {} has spent ${:.4} of ${:.4}.{until}",
        owner.called,
        dollars(spent),
        amount(limit).unwrap_or_default(),
    );
    let budget = BudgetAlert {
        spend: dollars(spent),
        max_budget: amount(owner.max),
        soft_budget: amount(owner.soft),
        event,
        event_message: text.clone(),
        ..owner.told
    };
    Alert {
        kind: AlertKind::BudgetAlerts,
        about: name,
        text,
        budget: Some(Box::new(budget)),
        emails: owner.emails,
    }
}

async fn owner(governance: &Governance, account: &Account) -> Result<Option<Owner>, Refusal> {
    let (id, directory) = (account.id.as_str(), governance.directory());
    let owner = match account.scope {
        Scope::Key => match directory.key(id).await? {
            Some(key) => {
                let row = &key.row;
                let called = row.key_alias.as_ref().or(row.key_name.as_ref());
                let mut owner =
                    Owner::of(account, &key.terms, "key", called.map_or(id, |name| name));
                owner.told.token = Some(row.token.clone());
                owner.told.key_alias.clone_from(&row.key_alias);
                owner.told.team_id.clone_from(&row.team_id);
                owner.told.organization_id.clone_from(&row.organization_id);
                owner.write_to(&row.metadata);
                owner.belongs_to(governance, row.user_id.as_deref()).await?;
                Some(owner)
            }
            None => None,
        },
        Scope::User => match directory.get::<User>(&[id]).await? {
            Some(user) => {
                let mut owner = Owner::of(account, &user.terms, "user", id);
                owner.belongs_to(governance, Some(id)).await?;
                Some(owner)
            }
            None => None,
        },
        Scope::Team => match directory.get::<Team>(&[id]).await? {
            Some(team) => {
                let alias = team.row.team_alias.as_deref();
                let mut owner = Owner::of(account, &team.terms, "team", alias.unwrap_or(id));
                owner.told.team_id = Some(id.to_owned());
                owner.told.team_alias.clone_from(&team.row.team_alias);
                owner.write_to(&team.row.metadata);
                Some(owner)
            }
            None => None,
        },
        Scope::Member => {
            let Some((team, user)) = id.split_once(Account::SEPARATOR) else {
                return Ok(None);
            };
            match directory.get::<TeamMember>(&[team, user]).await? {
                Some(member) => {
                    let called = format!("{user} in {team}");
                    let mut owner = Owner::of(account, &member.terms, "team_member", &called);
                    owner.told.team_id = Some(team.to_owned());
                    owner.belongs_to(governance, Some(user)).await?;
                    Some(owner)
                }
                None => None,
            }
        }
        Scope::Organization => {
            let found = plain::<Organization>(governance, account, "organization").await?;
            found.map(|mut owner| {
                owner.told.organization_id = Some(id.to_owned());
                owner
            })
        }
        Scope::Customer => {
            let found = plain::<Customer>(governance, account, "customer").await?;
            found.map(|mut owner| {
                owner.told.customer_id = Some(id.to_owned());
                owner
            })
        }
        Scope::Tag => plain::<Tag>(governance, account, "tag").await?,
        Scope::Project => plain::<Project>(governance, account, "project").await?,
        Scope::AccessGroup => plain::<AccessGroup>(governance, account, "access_group").await?,
        Scope::Global => governance.settings().max_budget.map(|max| Owner {
            max: Some(max),
            ..Owner::of(account, &Terms::default(), "proxy", "the gateway")
        }),
        Scope::Model | Scope::Provider | Scope::Session => None,
    };
    Ok(owner)
}

async fn plain<R: Shelved>(
    governance: &Governance,
    account: &Account,
    group: &str,
) -> Result<Option<Owner>, Refusal> {
    let entry = governance.directory().get::<R>(&[&account.id]).await?;
    Ok(entry.map(|entry| Owner::of(account, &entry.terms, group, &account.id)))
}

impl Owner {
    fn of(account: &Account, terms: &Terms, group: &str, called: &str) -> Self {
        let models = terms.models.iter().map(|(_, spender)| spender);
        let spender = terms.spenders.iter().chain(models);
        let spender = spender
            .into_iter()
            .find(|spender| *spender.account == *account);
        let main = account.meter.is_empty();
        let budget = match account.meter.as_str() {
            "" => String::new(),
            meter => format!(" ({meter})"),
        };
        Self {
            max: spender.and_then(|spender| spender.max),
            soft: terms.soft_budget.filter(|_| main),
            told: BudgetAlert {
                event_group: group.to_owned(),
                ..BudgetAlert::default()
            },
            called: format!("{} '{called}'{budget}", group.replace('_', " ")),
            emails: Vec::new(),
        }
    }

    async fn belongs_to(
        &mut self,
        governance: &Governance,
        user: Option<&str>,
    ) -> Result<(), Refusal> {
        let Some(id) = user else { return Ok(()) };
        self.told.user_id = Some(id.to_owned());
        let user = governance.directory().get::<User>(&[id]).await?;
        if let Some(email) = user.and_then(|user| user.row.user_email.clone()) {
            self.told.user_email = Some(email.clone());
            self.emails.push(email);
        }
        Ok(())
    }

    /// Addresses that the row itself names.
    fn write_to(&mut self, metadata: &Object) {
        let named = metadata.get("soft_budget_alerting_emails");
        let named = named
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten();
        let named = named.filter_map(|email| email.as_str().map(str::to_owned));
        self.emails.extend(named);
    }
}
