//! What people call the keys and entities of a report: many at a time, rather than one by one.

use std::sync::LazyLock;

use sqlx::any::AnyRow;

use crate::{
    Cell, Column, Error, Moment, Store,
    balances::fault,
    record::{places, query},
};

/// Names that one statement asks for.
const AT_ONCE: usize = 100;

/// A key, and whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyName {
    /// The hash it was asked for by.
    pub token: String,
    /// What people call it.
    pub key_alias: Option<String>,
    /// Its team.
    pub team_id: Option<String>,
    /// Its user.
    pub user_id: Option<String>,
    /// That user's address.
    pub user_email: Option<String>,
}

/// Which kind of entity has names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Teams.
    Teams,
    /// Organizations.
    Organizations,
    /// Projects.
    Projects,
}

/// The statements that find names.
pub(crate) struct Texts {
    keys: &'static str,
    replaced_keys: &'static str,
    teams: &'static str,
    organizations: &'static str,
    projects: &'static str,
}

/// The statements that find names. Parameters: 1 to 100 what is asked for; then, of replaced keys, the moment.
pub(crate) static NAMES: LazyLock<Texts> = LazyLock::new(|| {
    let these = places(1, AT_ONCE);
    let now = AT_ONCE + 1;
    let columns = "k.key_alias, k.team_id, k.user_id, u.user_email";
    let user = "LEFT JOIN users AS u ON u.user_id = k.user_id";
    Texts {
        keys: format!(
            "SELECT k.token, {columns} FROM keys AS k {user} WHERE k.token IN ({these})"
        )
        .leak(),
        replaced_keys: format!(
            "SELECT r.token, {columns} FROM retired_keys AS r JOIN keys AS k ON k.token = r.active_token {user} \
             WHERE r.token IN ({these}) AND r.revoke_at > ${now}"
        )
        .leak(),
        teams: format!("SELECT team_id, team_alias FROM teams WHERE team_id IN ({these})").leak(),
        organizations: format!(
            "SELECT organization_id, organization_alias FROM organizations WHERE organization_id IN ({these})"
        )
        .leak(),
        projects: format!("SELECT project_id, project_alias FROM projects WHERE project_id IN ({these})")
            .leak(),
    }
});

impl Texts {
    pub(crate) fn all(&self) -> [&'static str; 5] {
        [
            self.keys,
            self.replaced_keys,
            self.teams,
            self.organizations,
            self.projects,
        ]
    }
}

impl Store {
    /// The keys with these hashes that there are, and of those that were replaced and still work, what replaced them.
    pub async fn key_names(&self, tokens: &[String], now: Moment) -> Result<Vec<KeyName>, Error> {
        let read = |row: &AnyRow| {
            Ok(KeyName {
                token: String::read(row, 0)?,
                key_alias: Column::read(row, 1)?,
                team_id: Column::read(row, 2)?,
                user_id: Column::read(row, 3)?,
                user_email: Column::read(row, 4)?,
            })
        };
        let mut names = self.each(NAMES.keys, tokens, None, read).await?;
        let known: std::collections::HashSet<&str> =
            names.iter().map(|name| name.token.as_str()).collect();
        let others = tokens
            .iter()
            .filter(|token| !known.contains(token.as_str()));
        let others: Vec<String> = others.cloned().collect();
        let replaced = self
            .each(NAMES.replaced_keys, &others, Some(now), read)
            .await?;
        names.extend(replaced);
        Ok(names)
    }

    /// The entities with these ids that there are, and what people call them.
    pub async fn entity_names(
        &self,
        kind: Named,
        ids: &[String],
    ) -> Result<Vec<(String, Option<String>)>, Error> {
        let statement = match kind {
            Named::Teams => NAMES.teams,
            Named::Organizations => NAMES.organizations,
            Named::Projects => NAMES.projects,
        };
        let read = |row: &AnyRow| Ok((String::read(row, 0)?, Column::read(row, 1)?));
        self.each(statement, ids, None, read).await
    }

    async fn each<T>(
        &self,
        statement: &'static str,
        wanted: &[String],
        last: Option<Moment>,
        read: impl Fn(&AnyRow) -> Result<T, String>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        for some in wanted.chunks(AT_ONCE) {
            // One text serves for any number: places that are left over ask for what there is not.
            let mut cells: Vec<Cell> = some.iter().cloned().map(Some).map(Cell::Text).collect();
            cells.resize(AT_ONCE, Cell::Text(None));
            cells.extend(last.map(|moment| moment.cell()));
            let rows = query(statement, cells)
                .fetch_all(&mut *self.reader().await?)
                .await?;
            for row in &rows {
                found.push(read(row).map_err(fault)?);
            }
        }
        Ok(found)
    }
}
