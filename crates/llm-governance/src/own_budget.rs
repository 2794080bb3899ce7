//! Budgets that belong to one row: a member's, a team's for its members, an organization's.

use llm_store::rows::Budget;
use uuid::Uuid;

use crate::{
    Actor, Edit, Form, Refusal,
    budget::{BUDGET, sound},
};

/// A field of a request, and the budget's column that it means.
pub(crate) type Names = &'static [(&'static str, &'static str)];

/// Whether the request says anything of the budget.
pub(crate) fn is_named(form: &Form, names: Names) -> bool {
    names.iter().any(|(field, _)| form.has(field))
}

/// Makes the budget that `form` describes, or changes the one that there is. `None` where nothing is said of it.
pub(crate) async fn keep(
    edit: &mut Edit<'_>,
    actor: &Actor,
    id: Option<&str>,
    form: &Form,
    names: Names,
) -> Result<Option<Budget>, Refusal> {
    let before = match id {
        Some(id) => edit.get::<Budget>(&[id]).await?,
        None => None,
    };
    if !is_named(form, names) {
        return Ok(before);
    }
    let mut columns = Form::default();
    for (field, column) in names {
        if let Some(value) = form.given().get(*field) {
            columns.set(column, value.clone());
        }
    }
    let now = edit.now();
    let Some(before) = before else {
        let blank = Budget {
            budget_id: Uuid::now_v7().to_string(),
            created_at: now,
            created_by: actor.user_id.clone(),
            updated_at: now,
            updated_by: actor.user_id.clone(),
            ..Budget::default()
        };
        let budget = columns.applied(&[BUDGET], &blank)?;
        sound(&budget)?;
        let taken = Refusal::taken("budget_id", "this budget exists");
        edit.insert(&budget, taken).await?;
        return Ok(Some(budget));
    };
    let mut after = columns.applied(&[BUDGET], &before)?;
    sound(&after)?;
    after.updated_at = now;
    after.updated_by.clone_from(&actor.user_id);
    let taken = Refusal::taken("budget_id", "this budget exists");
    edit.update(&before, &after, taken).await?;
    Ok(Some(after))
}
