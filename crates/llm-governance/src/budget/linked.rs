//! Budgets that others name: whose they are, and one of an entity's own.

use llm_ledger::Spender;
use llm_store::{
    Record,
    rows::{
        AccessGroup, Budget, Customer, Key, Object, Organization, OrganizationMember, Project, Tag,
        TeamMember,
    },
};
use serde_json::Value;
use uuid::Uuid;

use super::{BUDGET, described, sound};
use crate::{Call, Edit, Entry, Governance, Governed, Refusal, edit::shown};

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
