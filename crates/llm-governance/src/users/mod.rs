//! Users: `/user/*`, and how they get in.

mod change;
mod fields;
mod invitations;
mod listing;
mod make;
mod password;
mod sessions;
mod sign_in;

use llm_store::rows::{Object, OrganizationMember, TeamMember, User};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use make::register;
pub use sessions::{Hidden, Looked, People, Recognized, SignIn};
pub(crate) use sign_in::Throttle;
pub use sign_in::Tries;

use crate::{
    Caller, Edit, Form, Governance, Refusal,
    edit::shown,
    routes::{Route, route},
};

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/user/new", Managed, make::new, "Makes a user, and a key of its own.", body fields::NEW),
    route!(Post "/user/update", Admin, change::update, "Changes a user.", body fields::UPDATE),
    route!(Post "/user/bulk_update", Admin, change::bulk_update, "Changes several users, each by itself.", body fields::BULK),
    route!(Post "/user/delete", Admin, change::delete, "Deletes users, their keys and their places in teams.", body fields::MANY),
    route!(Get "/user/info", Info, listing::info, "Says what is known of a user, its keys and teams.", query fields::WHICH),
    route!(Get "/v2/user/info", Info, listing::flat, "Says what is known of a user.", query fields::WHICH),
    route!(Get "/user/list", Managed, listing::list, "Lists users.", query fields::LIST),
    route!(Get "/user/filter/ui", Managed, listing::names, "Names the users who fit what is being typed.", query fields::FILTER),
    route!(Get "/user/available_roles", Info, listing::roles, "Says which roles there are."),
    route!(Post "/user/password/change", Info, sign_in::change, "Changes the caller's own password.", body fields::PASSWORD),
    route!(Post "/invitation/new", Managed, invitations::new, "Invites a user to set a password.", body fields::INVITE),
    route!(Get "/invitation/info", Admin, invitations::info, "Says what is known of an invitation.", query fields::INVITATION),
    route!(Post "/invitation/update", Admin, invitations::update, "Marks an invitation as used, or not.", body fields::INVITATION_UPDATE),
    route!(Post "/invitation/delete", Managed, invitations::delete, "Takes an invitation back.", body fields::INVITATION),
    route!(Post "/v2/login", Public, sessions::login, "Signs somebody in: a session's token, and the key in it.", body fields::LOGIN),
    route!(Post "/login", Public, sessions::login_form, "The same for a form, which leads on to the pages of the gateway.", body fields::LOGIN),
    route!(Get "/.well-known/litellm-ui-config", Public, sessions::page_settings, "Says how people sign in."),
    route!(Get "/onboarding/get_token", Public, invitations::open, "Says whom an invitation is for.", query fields::LINK),
    route!(Post "/onboarding/claim_token", Public, invitations::claim, "Sets the password of whoever was invited, and signs them in.", body fields::CLAIM),
];

/// Places of one user that are told.
const MOST: i64 = 1_000;

/// An address as it is kept: no two users differ by its letters' case alone.
pub(crate) fn address(text: &str) -> Result<String, Refusal> {
    let address = text.trim().to_lowercase();
    let plain = !address.chars().any(|c| c.is_control() || c.is_whitespace());
    match address.split_once('@') {
        Some((name, host)) if plain && !name.is_empty() && !host.is_empty() => Ok(address),
        _ => Err(Refusal::bad("user_email", "'user_email' is not an address")),
    }
}

/// An id or an address that is taken.
pub(crate) fn taken(user: &User) -> Refusal {
    match &user.user_email {
        Some(email) => Refusal::taken(
            "user_id",
            format!(
                "a user with the id '{}' or the address '{email}' exists",
                user.user_id
            ),
        ),
        None => Refusal::taken("user_id", format!("the user '{}' exists", user.user_id)),
    }
}

fn unknown() -> Refusal {
    Refusal::missing("user_id", "there is no such user")
}

/// The user whom a request names by id or address.
pub(crate) async fn named(edit: &mut Edit<'_>, form: &Form) -> Result<Option<User>, Refusal> {
    match (form.text("user_id"), form.text("user_email")) {
        (Some(id), _) => edit.get::<User>(&[id]).await,
        (None, Some(email)) => {
            let email = address(email)?;
            let found = edit.list::<User>(&[("user_email", &email)], 1).await?;
            match found.into_iter().next() {
                // Read again, and kept from others meanwhile.
                Some(user) => edit.get::<User>(&[&user.user_id]).await,
                None => Ok(None),
            }
        }
        (None, None) => Err(Refusal::invalid(
            "body",
            "user_id",
            "missing",
            "Field required",
        )),
    }
}

/// The same; one that is not known yet is made.
pub(crate) async fn named_or_new(edit: &mut Edit<'_>, form: &Form) -> Result<User, Refusal> {
    if let Some(user) = named(edit, form).await? {
        return Ok(user);
    }
    let id = form.text("user_id");
    let user = User {
        user_id: id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned),
        user_email: form.text("user_email").map(address).transpose()?,
        created_at: edit.now(),
        updated_at: edit.now(),
        ..User::default()
    };
    edit.insert(&user, taken(&user)).await?;
    Ok(user)
}

/// Whether the caller is above this user: it runs the gateway, or an organization that the user is in.
async fn oversees(governance: &Governance, caller: &Caller, user: &str) -> Result<bool, Refusal> {
    if caller.is_admin() {
        return Ok(true);
    }
    for organization in caller.standing.organizations() {
        let place = governance
            .store()
            .get::<OrganizationMember>(&[organization, user])
            .await?;
        if place.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A user as its readers see it: with its teams and organizations.
async fn described(governance: &Governance, user: &User) -> Result<Object, Refusal> {
    let Value::Object(mut object) = shown(user)? else {
        return Err(Refusal::internal());
    };
    let store = governance.store();
    let of_user = [("user_id", user.user_id.as_str())];
    let teams = store.list::<TeamMember>(&of_user, MOST, 0).await?.rows;
    let teams: Vec<String> = teams.into_iter().map(|member| member.team_id).collect();
    let places = store
        .list::<OrganizationMember>(&of_user, MOST, 0)
        .await?
        .rows;
    object.insert("teams".to_owned(), json!(teams));
    object.insert("organization_memberships".to_owned(), json!(places));
    Ok(object)
}
