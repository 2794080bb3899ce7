//! Changes that touch more than one table.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    Error, Moment, Store, Transaction,
    rows::{DeletedKey, DeletedTeam, Key, RetiredKey, Team},
};

/// Who deletes, and when.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deletion {
    /// When.
    pub at: Moment,
    /// Who asked for it.
    pub by: Option<String>,
    /// The hash of the key it was asked with.
    pub by_api_key: Option<String>,
    /// The actor that the request named.
    pub changed_by: Option<String>,
}

impl Store {
    /// The key with this hash, or the one that replaced it while the old one's grace lasts.
    pub async fn key(&self, token: &str, now: Moment) -> Result<Option<Key>, Error> {
        if let Some(key) = self.get::<Key>(&[token]).await? {
            return Ok(Some(key));
        }
        match self.get::<RetiredKey>(&[token]).await? {
            Some(retired) if retired.revoke_at > now => self.get(&[&retired.active_token]).await,
            _ => Ok(None),
        }
    }
}

impl Transaction {
    /// Moves a key to the deleted ones; says whether there was one.
    pub async fn delete_key(&mut self, token: &str, deletion: &Deletion) -> Result<bool, Error> {
        let Some(key) = self.get::<Key>(&[token]).await? else {
            return Ok(false);
        };
        let row_value = as_json(&key)?;
        let deleted = DeletedKey {
            id: Uuid::now_v7().to_string(),
            token: key.token,
            key_alias: key.key_alias,
            user_id: key.user_id,
            team_id: key.team_id,
            organization_id: key.organization_id,
            row_value,
            deleted_at: deletion.at,
            deleted_by: deletion.by.clone(),
            deleted_by_api_key: deletion.by_api_key.clone(),
            changed_by: deletion.changed_by.clone(),
        };
        self.insert(&deleted).await?;
        self.delete::<Key>(&[token]).await
    }

    /// Moves a team to the deleted ones; says whether there was one. Its keys are the caller's to delete.
    pub async fn delete_team(&mut self, id: &str, deletion: &Deletion) -> Result<bool, Error> {
        let Some(team) = self.get::<Team>(&[id]).await? else {
            return Ok(false);
        };
        let row_value = as_json(&team)?;
        let deleted = DeletedTeam {
            id: Uuid::now_v7().to_string(),
            team_id: team.team_id,
            team_alias: team.team_alias,
            organization_id: team.organization_id,
            row_value,
            deleted_at: deletion.at,
            deleted_by: deletion.by.clone(),
            deleted_by_api_key: deletion.by_api_key.clone(),
            changed_by: deletion.changed_by.clone(),
        };
        self.insert(&deleted).await?;
        self.delete::<Team>(&[id]).await
    }

    /// Gives a key another token. The old one works until `revoke_at`; the account stays the same, also for requests
    /// under way.
    pub async fn replace_token(
        &mut self,
        old: &str,
        new: &Key,
        revoke_at: Moment,
    ) -> Result<bool, Error> {
        let Some(before) = self.get::<Key>(&[old]).await? else {
            return Ok(false);
        };
        let new = Key {
            account_id: Some(before.account().id),
            ..new.clone()
        };
        self.update(&[old], &new).await?;
        crate::leases::forward_retired(self.connection(), old, &new.token).await?;
        if revoke_at > new.updated_at {
            self.insert(&RetiredKey {
                token: old.to_owned(),
                active_token: new.token.clone(),
                revoke_at,
                created_at: new.updated_at,
            })
            .await?;
        }
        Ok(true)
    }
}

fn as_json<R: Serialize + crate::Record>(row: &R) -> Result<serde_json::Value, Error> {
    serde_json::to_value(row).map_err(|error| Error::Row {
        table: R::TABLE,
        column: "row_value",
        reason: error.to_string(),
    })
}
