use std::sync::Arc;

use llm_store::rows::{Organization, Team, TeamMember};

use crate::{Caller, Entry, Governance, Refusal, model_access};

/// What a token or a hook says that its bearer may do, beyond what rows say.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// Lists of models, each of which must name the one that is asked.
    pub models: Vec<Vec<String>>,
    /// Whom every request is for.
    pub customer: Option<String>,
    /// The organization that it is bound to, whatever its team is in.
    pub(crate) organization: Option<Arc<Entry<Organization>>>,
    /// The teams that may be spent for, where there are several: the first that may ask the model is.
    pub(crate) teams: Vec<Arc<Entry<Team>>>,
}

impl Governance {
    /// The caller, with the team that a request for this model is for. `configured` says which access groups the
    /// configuration puts a model into.
    pub async fn decided(
        &self,
        caller: &Arc<Caller>,
        model: &str,
        configured: &(dyn Fn(&str) -> Vec<String> + Sync),
    ) -> Result<Arc<Caller>, Refusal> {
        let teams = match &caller.grant {
            Some(grant) if grant.teams.len() > 1 && !model.is_empty() => &grant.teams,
            _ => return Ok(Arc::clone(caller)),
        };
        for team in teams {
            let alias = team.row.model_aliases.get(model);
            let asked = alias
                .and_then(serde_json::Value::as_str)
                .unwrap_or(model)
                .to_owned();
            let groups = self.groups_of(&asked, &configured(&asked)).await?;
            if model_access::team_may_ask(&team.row, &asked, &groups) {
                return Ok(Arc::new(self.in_team(caller, Arc::clone(team)).await?));
            }
        }
        let ids: Vec<&str> = teams.iter().map(|team| team.row.team_id.as_str()).collect();
        let shown: String = model.chars().take(200).collect();
        Err(Refusal {
            kind: "team_model_access_denied",
            ..Refusal::forbidden(format!(
                "No team has access to the requested model: {shown:?}. Checked teams={}. \
                 Check `/models` to see all available models.",
                ids.join(",")
            ))
            .of("model")
        })
    }

    /// The caller as one that spends for this team.
    pub(crate) async fn in_team(
        &self,
        caller: &Caller,
        team: Arc<Entry<Team>>,
    ) -> Result<Caller, Refusal> {
        let directory = self.directory();
        let member = match caller.user_id() {
            Some(user) => {
                let key = [team.row.team_id.as_str(), user];
                directory.get::<TeamMember>(&key).await?
            }
            None => None,
        };
        let bound = caller.grant.as_ref();
        let bound = bound.and_then(|grant| grant.organization.clone());
        let organization = match (bound, &team.row.organization_id) {
            (Some(bound), _) => Some(bound),
            (None, Some(id)) => directory.get::<Organization>(&[id]).await?,
            (None, None) => None,
        };
        Ok(Caller {
            team: Some(team),
            member,
            organization,
            ..caller.clone()
        })
    }
}
