//! Callers who do not ask themselves: batches go on for them when they are gone, and others look at what would be theirs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use llm_store::rows::Team;

use crate::{Caller, Governance, MASTER, Refusal, Role, behind::Ids, keys::token_of};

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
        let ids = Ids {
            user: who.user.as_deref(),
            team: who.team.as_deref(),
            organization: who.organization.as_deref(),
            project: None,
        };
        self.keyless(ids, Some(who.key.clone())).await
    }

    /// Whoever has this key, which is named by itself or by its hash.
    pub async fn stand_in_for_key(&self, key: &str) -> Result<Arc<Caller>, Refusal> {
        let caller = self.caller_by_hash(&token_of(key)).await?;
        caller.ok_or_else(|| Refusal::missing("key", "there is no such key"))
    }

    /// Somebody of this team.
    pub async fn stand_in_for_team(&self, team: &str) -> Result<Arc<Caller>, Refusal> {
        if self.directory().get::<Team>(&[team]).await?.is_none() {
            return Err(Refusal::missing("team_id", "there is no such team"));
        }
        let ids = Ids {
            user: None,
            team: Some(team),
            organization: None,
            project: None,
        };
        self.keyless(ids, None).await
    }

    async fn keyless(&self, ids: Ids<'_>, name: Option<String>) -> Result<Arc<Caller>, Refusal> {
        let behind = self.behind(ids).await?;
        Ok(Arc::new(behind.bind(Caller {
            name,
            ..Caller::plain(Role::InternalUser)
        })))
    }
}
