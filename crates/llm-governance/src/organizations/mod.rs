//! Organizations: `/organization/*`.

mod change;
mod fields;
mod listing;
mod members;

pub(crate) use members::{join, leave};

use llm_store::rows::{Budget, Object, Organization, OrganizationMember, Team};
use serde_json::{Value, json};

use crate::{
    Caller, Governance, Refusal,
    edit::shown,
    routes::{Route, route},
};

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/organization/new", Admin, change::new, "Makes an organization.", body fields::NEW),
    route!(Patch "/organization/update", Managed, change::update, "Changes an organization.", body fields::UPDATE),
    route!(Patch "/v2/organization/{organization_id}", Managed, change::update, "Changes an organization.", body fields::UPDATE),
    route!(Delete "/organization/delete", Managed, change::delete, "Deletes organizations that have no teams.", body fields::MANY),
    route!(Get "/organization/list", Info, listing::list, "Lists organizations.", query fields::LIST),
    route!(Get "/organization/info", Managed, listing::info, "Says what is known of an organization.", query fields::WHICH),
    route!(Post "/organization/info", Managed, listing::infos, "Says what is known of several organizations.", body fields::SEVERAL),
    route!(Post "/organization/member_add", Managed, members::add, "Puts users into an organization.", body fields::MEMBER_ADD),
    route!(Patch "/organization/member_update", Managed, members::update, "Changes what a user is and may spend in an organization.", body fields::MEMBER_UPDATE),
    route!(Delete "/organization/member_delete", Managed, members::delete, "Takes a user out of an organization.", body fields::MEMBER),
];

/// Members and teams of an organization that are told.
const MOST: i64 = 1_000;

/// An organization that the caller does not know of.
fn unknown(id: &str) -> Refusal {
    let id: String = id.chars().take(60).filter(|c| !c.is_control()).collect();
    Refusal::missing(
        "organization_id",
        format!("there is no organization '{id}'"),
    )
}

/// Refuses who does not run the organization. That it exists is told to who sees it.
fn runs(caller: &Caller, id: &str) -> Result<(), Refusal> {
    if caller.is_admin_of_organization(id) {
        return Ok(());
    }
    if caller.role.sees_all() || caller.organization_id() == Some(id) {
        let message = format!("this is for the admins of the organization '{id}'");
        return Err(Refusal::forbidden(message));
    }
    Err(unknown(id))
}

async fn named(governance: &Governance, id: &str) -> Result<Organization, Refusal> {
    let found = governance.store().get::<Organization>(&[id]).await?;
    found.ok_or_else(|| unknown(id))
}

/// An organization as its readers see it: with its budget, members and teams.
async fn described(governance: &Governance, row: &Organization) -> Result<Object, Refusal> {
    let Value::Object(mut object) = shown(row)? else {
        return Err(Refusal::internal());
    };
    let of_it = [("organization_id", row.organization_id.as_str())];
    let store = governance.store();
    let members = store
        .list::<OrganizationMember>(&of_it, MOST, 0)
        .await?
        .rows;
    let teams = store.list::<Team>(&of_it, MOST, 0).await?.rows;
    let budget = governance.budget(row.budget_id.as_deref()).await?;
    object.insert("litellm_budget_table".to_owned(), json!(budget));
    object.insert("members".to_owned(), json!(members));
    object.insert("teams".to_owned(), json!(teams));
    Ok(object)
}

/// A member as its readers see it.
fn membership_of(member: &OrganizationMember, budget: Option<&Budget>) -> Result<Value, Refusal> {
    let mut object = shown(member)?;
    if let Some(object) = object.as_object_mut() {
        object.insert("litellm_budget_table".to_owned(), json!(budget));
    }
    Ok(object)
}
