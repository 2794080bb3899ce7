//! Keys and users by what they spent: `/spend/keys`, `/spend/users`.

use llm_store::{
    Record,
    rows::{Key, User},
};
use serde::Serialize;
use serde_json::Value;

use super::{csv, view::View};
use crate::{Answer, Call, Refusal, edit::shown};

/// Rows of an answer, unless it is said otherwise.
const USUAL: u64 = 1_000;

/// `GET /spend/keys`.
pub(super) async fn keys(call: Call) -> Result<Answer, Refusal> {
    let (store, limit) = (call.governance.store(), limit(&call));
    let keys = match View::of(&call, None).await? {
        View::All => store.keys_by_spend(limit).await?,
        View::User(user) => {
            store
                .list::<Key>(&[("user_id", &user)], limit, 0)
                .await?
                .rows
        }
        View::Team(team) => {
            store
                .list::<Key>(&[("team_id", &team)], limit, 0)
                .await?
                .rows
        }
        View::Key(key) => store.get::<Key>(&[&key]).await?.into_iter().collect(),
    };
    listed(&call, keys, |key| key.spend.0)
}

/// `GET /spend/users`.
pub(super) async fn users(call: Call) -> Result<Answer, Refusal> {
    let (store, limit) = (call.governance.store(), limit(&call));
    let named = call.query.text("user_id");
    let users = match (View::of(&call, None).await?, named) {
        (View::All, None) => store.users_by_spend(limit).await?,
        (View::All, Some(id)) => store.get::<User>(&[id]).await?.into_iter().collect(),
        (View::User(own), named) if named.is_none_or(|id| id == own) => {
            store.get::<User>(&[&own]).await?.into_iter().collect()
        }
        _ => Vec::new(),
    };
    listed(&call, users, |user| user.spend.0)
}

fn listed<R: Record + Serialize>(
    call: &Call,
    mut rows: Vec<R>,
    spent: fn(&R) -> i64,
) -> Result<Answer, Refusal> {
    // Sums of windows that are over still order the rows in the database.
    rows.sort_by_key(|row| std::cmp::Reverse(spent(row)));
    let rows = rows.iter().map(shown).collect::<Result<Vec<Value>, _>>()?;
    Ok(csv::answer(&call.query, rows.into()))
}

fn limit(call: &Call) -> i64 {
    let limit = call.query.count("limit").unwrap_or(USUAL).clamp(1, USUAL);
    i64::try_from(limit).unwrap_or(1)
}
