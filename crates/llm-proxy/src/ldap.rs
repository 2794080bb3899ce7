//! People of an LDAP directory, who sign in with the passwords they have there.

use std::{fmt, io, path::PathBuf, time::Duration};

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, dn_escape, ldap_escape,
};
use llm_governance::{Looked, People, Recognized, Refusal, Role};
use llm_providers::Secret;

use crate::tls;

/// A directory of people (`general_settings.ldap`).
#[derive(Clone, PartialEq)]
pub struct Directory {
    /// Where it is: `ldaps://`, or `ldap://` with `starttls`.
    pub url: String,
    /// Whether the connection turns to TLS before anything is said.
    pub starttls: bool,
    /// The file with the authorities that its certificate may come from; `None`: the system's.
    pub authorities: Option<PathBuf>,
    /// How people are found.
    pub finding: Finding,
    /// The attribute with somebody's id here.
    pub id: String,
    /// The attribute with the address.
    pub email: String,
    /// The attribute with the groups.
    pub groups: String,
    /// The roles of groups, the first that matches first; empty: whatever role somebody has here.
    pub roles: Vec<(String, Role)>,
    /// The role of somebody in none of these groups; `None`: they are not let in.
    pub usual: Option<Role>,
    /// How long the directory may take.
    pub patience: Duration,
}

/// How people are found.
#[derive(Clone, PartialEq)]
pub enum Finding {
    /// By a name that says where they are: `{username}` stands in it.
    Template(String),
    /// By a search.
    Search {
        /// Who searches.
        login: Option<(String, Secret)>,
        /// Below what.
        base: String,
        /// For what: `{username}` stands in it.
        filter: String,
    },
}

/// What stands for the name that somebody gives.
pub(crate) const PLACE: &str = "{username}";

/// The longest name that is asked for.
const LONGEST: usize = 256;

/// LDAP's code for a wrong name or password.
const INVALID: u32 = 49;

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl People for Directory {
    fn look<'a>(&'a self, name: &'a str, password: &'a str) -> Looked<'a> {
        Box::pin(async move {
            if name.len() > LONGEST || name.chars().any(char::is_control) {
                return Ok(None);
            }
            let found = tokio::time::timeout(self.patience, self.find(name, password)).await;
            let entry = match found {
                Ok(Ok(entry)) => entry,
                Ok(Err(error)) => return Err(away(&error.to_string())),
                Err(_) => return Err(away("it took too long")),
            };
            Ok(entry.and_then(|entry| self.recognized(name, &entry)))
        })
    }
}

impl Directory {
    /// The entry of whoever has this name and password.
    async fn find(&self, name: &str, password: &str) -> Result<Option<SearchEntry>, LdapError> {
        let mut ldap = self.connect().await?;
        let found = match &self.finding {
            Finding::Template(template) => {
                let own = placed(template, name);
                match binds(&mut ldap, &own, password).await? {
                    true => self.entry_of(&mut ldap, &own).await?,
                    false => None,
                }
            }
            Finding::Search {
                login,
                base,
                filter,
            } => {
                if let Some((who, secret)) = login {
                    ldap.simple_bind(who, secret.expose()).await?.success()?;
                }
                let filter = filter.replace(PLACE, &ldap_escape(name));
                let mut found = self
                    .search(&mut ldap, base, Scope::Subtree, &filter)
                    .await?;
                match (found.pop(), found.is_empty()) {
                    // Of two with one name nobody knows which one is meant.
                    (Some(entry), true) => {
                        let known = binds(&mut ldap, &entry.dn, password).await?;
                        known.then_some(entry)
                    }
                    _ => None,
                }
            }
        };
        let _ = ldap.unbind().await;
        Ok(found)
    }

    async fn connect(&self) -> Result<Ldap, LdapError> {
        let mut settings = LdapConnSettings::new()
            .set_conn_timeout(self.patience)
            .set_starttls(self.starttls);
        if let Some(file) = &self.authorities {
            // Read anew, so that an authority can be replaced while the gateway runs.
            let config = tls::trusting(file).map_err(io::Error::other)?;
            settings = settings.set_config(config);
        }
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &self.url).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "the connection to the directory of people ended");
            }
        });
        Ok(ldap)
    }

    /// What people say of themselves. A directory that shows it to nobody is no reason to keep them out.
    async fn entry_of(&self, ldap: &mut Ldap, own: &str) -> Result<Option<SearchEntry>, LdapError> {
        let empty = SearchEntry {
            dn: own.to_owned(),
            attrs: Default::default(),
            bin_attrs: Default::default(),
        };
        let found = self.search(ldap, own, Scope::Base, "(objectClass=*)").await;
        match found {
            Ok(mut found) => Ok(found.pop().or(Some(empty))),
            Err(LdapError::LdapResult { .. }) => Ok(Some(empty)),
            Err(error) => Err(error),
        }
    }

    async fn search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
    ) -> Result<Vec<SearchEntry>, LdapError> {
        let wanted = vec![&self.id, &self.email, &self.groups];
        let (entries, _) = ldap.search(base, scope, filter, wanted).await?.success()?;
        let entries = entries.into_iter();
        // Others say where else to look, and nobody goes there.
        let own = entries.filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(own.take(2).map(SearchEntry::construct).collect())
    }

    fn recognized(&self, name: &str, entry: &SearchEntry) -> Option<Recognized> {
        let first = |attribute: &str| values(entry, attribute).next().cloned();
        let role = match self.roles.is_empty() {
            true => None,
            false => Some(self.role(entry).or(self.usual)?),
        };
        Some(Recognized {
            // Directories make no difference between `Ann` and `ann`.
            id: first(&self.id).unwrap_or_else(|| name.trim().to_lowercase()),
            email: first(&self.email),
            role,
        })
    }

    fn role(&self, entry: &SearchEntry) -> Option<Role> {
        let is_in =
            |group: &str| values(entry, &self.groups).any(|one| one.eq_ignore_ascii_case(group));
        let found = self.roles.iter().find(|(group, _)| is_in(group));
        found.map(|(_, role)| *role)
    }
}

/// The values of an attribute, however its name is written.
fn values<'a>(entry: &'a SearchEntry, attribute: &'a str) -> impl Iterator<Item = &'a String> {
    let of = entry.attrs.iter();
    of.filter(|(name, _)| name.eq_ignore_ascii_case(attribute))
        .flat_map(|(_, values)| values)
}

/// The name with which somebody introduces himself: a distinguished one, or one such as `ann@corp.example`.
fn placed(template: &str, name: &str) -> String {
    match template.contains('=') {
        true => template.replace(PLACE, &dn_escape(name)),
        false => template.replace(PLACE, name),
    }
}

/// Whether this name and password are right.
async fn binds(ldap: &mut Ldap, who: &str, password: &str) -> Result<bool, LdapError> {
    let answer = ldap.simple_bind(who, password).await?;
    match answer.rc {
        0 => Ok(true),
        INVALID => Ok(false),
        _ => answer.success().map(|_| true),
    }
}

fn away(why: &str) -> Refusal {
    tracing::error!(%why, "the directory of people (ldap) cannot be asked");
    Refusal {
        retry_after: Some(2),
        ..Refusal::new(
            http::StatusCode::SERVICE_UNAVAILABLE,
            "auth_provider_unavailable",
            "the directory of people cannot be reached: try again",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_name() {
        let template = "uid={username},ou=people,dc=example";
        assert_eq!(placed(template, "ann"), "uid=ann,ou=people,dc=example");
        let forged = placed(template, "ann,ou=admins");
        assert_eq!(
            forged.matches(",ou=").count() - forged.matches("\\,ou").count(),
            1
        );
        assert_eq!(placed("{username}@corp.example", "ann"), "ann@corp.example");
    }
}
