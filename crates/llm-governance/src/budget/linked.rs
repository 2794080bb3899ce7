//! Budgets that others name: whose they are, and one of an entity's own.

use llm_ledger::Spender;
use llm_store::{
    Order, Record, containing,
    rows::{
        AccessGroup, Budget, Customer, Key, Object, Organization, OrganizationMember, Project, Tag,
        Team, TeamMember,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{BUDGET, described, sound};
use crate::{Call, Edit, Entry, Governance, Governed, Refusal, edit::shown, teams};

/// Rows that are read at once.
const PAGE: i64 = 500;

/// The budget that a request gives an entity: the one it names, one that is made of the limits it says, or the one that
/// the entity had. `present` is the entity's until now.
pub(crate) async fn given(
    call: &Call,
    edit: &mut Edit<'_>,
    present: Option<&str>,
) -> Result<Option<Budget>, Refusal> {
    let form = &call.body;
    let says = |field: &&crate::Field| form.has(field.name);
    let limits = BUDGET.iter().find(says);
    if let Some(id) = form.text("budget_id") {
        if let Some(field) = limits {
            let message = format!("give 'budget_id' or '{}', not both", field.name);
            return Err(Refusal::bad("budget_id", message));
        }
        let budget = edit.get::<Budget>(&[id]).await?;
        let unknown = || Refusal::bad("budget_id", format!("there is no budget '{id}'"));
        return Ok(Some(budget.ok_or_else(unknown)?));
    }
    let present = match present.filter(|_| !form.has("budget_id")) {
        Some(id) => edit.get::<Budget>(&[id]).await?,
        None => None,
    };
    let meant = BUDGET.iter().any(|field| form.get(field.name).is_some());
    match present {
        present if limits.is_none() => Ok(present),
        None if !meant => Ok(None),
        Some(before) if is_own(&call.governance, &before).await? => {
            let mut after = form.applied(&[BUDGET], &before)?;
            sound(&after)?;
            after.updated_at = edit.now();
            after.updated_by.clone_from(&call.actor.user_id);
            edit.update(&before, &after, Refusal::internal()).await?;
            Ok(Some(after))
        }
        // A budget that others name too stays theirs: this entity gets one of its own.
        other => {
            let blank = Budget {
                budget_id: Uuid::now_v7().to_string(),
                created_at: edit.now(),
                created_by: call.actor.user_id.clone(),
                updated_at: edit.now(),
                updated_by: call.actor.user_id.clone(),
                ..other.unwrap_or_default()
            };
            let budget = form.applied(&[BUDGET], &blank)?;
            sound(&budget)?;
            edit.insert(&budget, Refusal::internal()).await?;
            Ok(Some(budget))
        }
    }
}

/// Deletes a budget that somebody had for itself, unless somebody else names it too: whoever names a budget that is gone
/// could spend without end.
pub(crate) async fn abandon(edit: &mut Edit<'_>, id: &str) -> Result<(), Refusal> {
    let Some(budget) = edit.get::<Budget>(&[id]).await? else {
        return Ok(());
    };
    let naming = [("budget_id", id)];
    let is_named = !(edit.list::<TeamMember>(&naming, 1).await?.is_empty()
        && edit.list::<Key>(&naming, 1).await?.is_empty()
        && edit.list::<Organization>(&naming, 1).await?.is_empty()
        && edit
            .list::<OrganizationMember>(&naming, 1)
            .await?
            .is_empty()
        && edit.list::<Customer>(&naming, 1).await?.is_empty()
        && edit.list::<Tag>(&naming, 1).await?.is_empty()
        && edit.list::<AccessGroup>(&naming, 1).await?.is_empty()
        && edit.list::<Project>(&naming, 1).await?.is_empty());
    match is_named {
        true => Ok(()),
        false => edit.delete(&budget).await,
    }
}

/// An entity and its budget as their readers see them.
pub(crate) fn with_budget<R: Governed>(
    governance: &Governance,
    row: &R,
    budget: Option<&Budget>,
) -> Result<Object, Refusal> {
    let Value::Object(mut object) = shown(row)? else {
        return Err(Refusal::internal());
    };
    let settings = governance.settings();
    let budget = budget
        .map(|budget| described(budget, &settings.calendar))
        .transpose()?;
    object.insert("litellm_budget_table".to_owned(), budget.into());
    Ok(object)
}

async fn is_own(governance: &Governance, budget: &Budget) -> Result<bool, Refusal> {
    let users = governance.users_of_budget(&budget.budget_id).await?;
    Ok(users.iter().map(|(_, count)| count).sum::<i64>() <= 1)
}

impl Governance {
    /// The tables whose rows name this budget, and how many of them do.
    pub(crate) async fn users_of_budget(
        &self,
        id: &str,
    ) -> Result<Vec<(&'static str, i64)>, Refusal> {
        let mut users = vec![
            self.naming::<Key>(id).await?,
            self.naming::<TeamMember>(id).await?,
            self.naming::<Organization>(id).await?,
            self.naming::<OrganizationMember>(id).await?,
            self.naming::<Customer>(id).await?,
            self.naming::<Tag>(id).await?,
            self.naming::<AccessGroup>(id).await?,
            self.naming::<Project>(id).await?,
        ];
        users.retain(|(_, count)| *count > 0);
        Ok(users)
    }

    async fn naming<R: Record>(&self, id: &str) -> Result<(&'static str, i64), Refusal> {
        let page = self.store().list::<R>(&[("budget_id", id)], 0, 0).await?;
        Ok((R::TABLE, page.total))
    }

    /// Who names it for others: keys for their customers, teams for their members, the configuration for everybody.
    pub(super) async fn givers_of_budget(
        &self,
        id: &str,
    ) -> Result<Vec<(&'static str, i64)>, Refusal> {
        let of_all = self.settings().customer_budget_id.as_deref() == Some(id);
        let mut givers = vec![
            ("keys for their customers", self.customers_of(id).await?),
            ("teams for their members", self.members_of(id).await?),
            ("the configuration", i64::from(of_all)),
        ];
        givers.retain(|(_, count)| *count > 0);
        Ok(givers)
    }

    /// How many keys name it for their customers.
    async fn customers_of(&self, id: &str) -> Result<i64, Refusal> {
        let like = [("metadata_like", containing(&json!(id).to_string()))];
        let keys = self
            .store()
            .find::<Key>(&like, Order::default(), i64::MAX, 0);
        let names = |key: &&Key| key.metadata.get("end_user_budget_id") == Some(&json!(id));
        let found = keys.await?.rows.iter().filter(names).count();
        Ok(i64::try_from(found).unwrap_or(i64::MAX))
    }

    /// How many teams name it for their members.
    async fn members_of(&self, id: &str) -> Result<i64, Refusal> {
        let like = [("metadata_like", containing(&json!(id).to_string()))];
        let teams = self
            .store()
            .find::<Team>(&like, Order::default(), i64::MAX, 0);
        let names = |team: &&Team| teams::member_budget(team) == Some(id);
        let found = teams.await?.rows.iter().filter(names).count();
        Ok(i64::try_from(found).unwrap_or(i64::MAX))
    }

    /// The budget that a row names.
    pub(crate) async fn budget_of_row<R: Governed>(
        &self,
        row: &R,
    ) -> Result<Option<Budget>, Refusal> {
        self.budget(row.budget_id()).await
    }

    /// Lets the present window of an entity end as its budget says now.
    pub(crate) async fn rewindow<R: Governed>(
        &self,
        row: &R,
        budget: Option<&Budget>,
    ) -> Result<(), Refusal> {
        let entry = Entry::new(row.clone(), budget, &self.settings().calendar);
        let spender = entry.terms.spenders.into_iter().next();
        let spender = spender.unwrap_or_else(|| Spender::of(row.account()));
        Ok(self.ledger().set_window(&spender).await?)
    }

    /// Lets the present windows of all who name a budget end as it says now.
    pub(crate) async fn realign(&self, budget: &Budget) -> Result<(), Refusal> {
        self.realign_table::<Key>(budget).await?;
        self.realign_table::<TeamMember>(budget).await?;
        self.realign_table::<Organization>(budget).await?;
        self.realign_table::<Customer>(budget).await?;
        self.realign_table::<Tag>(budget).await?;
        self.realign_table::<AccessGroup>(budget).await?;
        self.realign_table::<Project>(budget).await
    }

    async fn realign_table<R: Governed>(&self, budget: &Budget) -> Result<(), Refusal> {
        let mut offset = 0;
        loop {
            let filter = [("budget_id", budget.budget_id.as_str())];
            let page = self.store().list::<R>(&filter, PAGE, offset).await?;
            for row in &page.rows {
                self.rewindow(row, Some(budget)).await?;
            }
            offset += PAGE;
            if offset >= page.total {
                return Ok(());
            }
        }
    }
}
