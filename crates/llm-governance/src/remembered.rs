//! Callers who are gone while work goes on for them: batches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Caller, Governance, MASTER, Refusal, Role, behind::Ids};

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
        let behind = self.behind(Ids {
            user: who.user.as_deref(),
            team: who.team.as_deref(),
            organization: who.organization.as_deref(),
            project: None,
        });
        Ok(Arc::new(behind.await?.bind(Caller {
            name: Some(who.key.clone()),
            ..Caller::plain(Role::InternalUser)
        })))
    }
}
