//! Whom a request lets join a team or an organization.

use serde_json::Value;

use crate::{Form, Refusal};

/// Members of one request.
const MOST: usize = 500;

/// The members that a request names: one in `member`, or several in either.
pub(crate) fn members(body: &Form) -> Result<Vec<Value>, Refusal> {
    let given = match body.get("member").or(body.get("members")) {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => {
            return Err(Refusal::invalid(
                "body",
                "member",
                "missing",
                "Field required",
            ));
        }
    };
    if given.is_empty() || given.len() > MOST {
        return Err(Refusal::bad(
            "member",
            format!("between one and {MOST} members join at once"),
        ));
    }
    Ok(given)
}
