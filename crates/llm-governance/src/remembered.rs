//! Callers who are gone while work goes on for them: batches.

use std::sync::Arc;

use llm_store::rows::{Organization, Team, TeamMember, User};
use serde::{Deserialize, Serialize};

use crate::{Caller, Governance, MASTER, Refusal, Role};

/// Who a caller was, to be found again when it is long gone. What it may do and spend is looked up then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    /// It had a key of its own, and may do nothing without it.
    has_key: bool,
}

impl Caller {
    /// Who it is.
    pub fn remembered(&self) -> Remembered {
        let owned = |id: Option<&str>| id.map(str::to_owned);
        Remembered {
            key: self.key_hash().to_owned(),
            user: owned(self.user_id()),
            team: owned(self.team_id()),
            organization: owned(self.organization_id()),
            has_key: self.key.is_some(),
        }
    }
}

impl Governance {
    /// Finds a caller again, as it is now; one that may not ask any more is refused.
    pub async fn recall(&self, who: &Remembered) -> Result<Arc<Caller>, Refusal> {
        if who.key == MASTER {
            return Ok(Arc::new(Caller::master()));
        }
        if who.has_key {
            let caller = self.caller_by_hash(&who.key).await?;
            return caller.ok_or_else(|| {
                Refusal::unauthenticated("the key that this is asked with was deleted")
            });
        }
        let directory = self.directory();
        let mut caller = Caller {
            name: Some(who.key.clone()),
            ..Caller::plain(Role::InternalUser)
        };
        if let Some(id) = &who.user {
            caller.user = directory.get::<User>(&[id]).await?;
        }
        if let Some(id) = &who.team {
            caller.team = directory.get::<Team>(&[id]).await?;
            if let Some(user) = &who.user {
                caller.member = directory.get::<TeamMember>(&[id, user]).await?;
            }
        }
        if let Some(id) = &who.organization {
            caller.organization = directory.get::<Organization>(&[id]).await?;
        }
        let is_blocked = caller.team.as_ref().is_some_and(|team| team.row.blocked);
        if is_blocked {
            return Err(Refusal::unauthenticated("the team that asks is blocked"));
        }
        Ok(Arc::new(caller))
    }
}
