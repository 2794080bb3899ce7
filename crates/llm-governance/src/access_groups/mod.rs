//! Access groups: named sets of models, servers and agents. `/access_group/*` speaks of their models and the budget they
//! share, `/v1/access_group` of all that is in them and of who has them.

mod named;
mod sets;
mod shared;

use llm_store::rows::AccessGroup;

use crate::{
    Field, Governance, Refusal,
    form::Kind::{Text, Texts},
    model_access::names,
    routes::{Route, route},
};

const NAMED: &[&[Field]] = &[&[
    Field::apart("access_group", Text),
    Field::apart("model_names", Texts),
    Field::apart("model_ids", Texts),
]];

const SET: &[Field] = &[
    Field::column("access_group_name", Text),
    Field::column("description", Text),
    Field::column("access_model_names", Texts),
    Field::column("access_mcp_server_ids", Texts),
    Field::column("access_agent_ids", Texts),
    Field::column("assigned_team_ids", Texts),
    Field::column("assigned_key_ids", Texts),
];

const BUDGET: &[&[Field]] = &[crate::budget::BUDGET, &[Field::apart("budget_id", Text)]];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/access_group/new", Admin, named::make, "Makes a group of models.", body NAMED),
    route!(Get "/access_group/list", Admin, named::list, "Lists the groups of models."),
    route!(Get "/access_group/{access_group}/info", Admin, named::info, "Says which models are in a group."),
    route!(Put "/access_group/{access_group}/update", Admin, named::update, "Replaces the models of a group.", body NAMED),
    route!(Delete "/access_group/{access_group}/delete", Admin, named::delete, "Deletes a group of models."),
    route!(Get "/access_group/{access_group}/budget", Admin, shared::info, "Says what a group of models may spend."),
    route!(Put "/access_group/{access_group}/budget", Admin, shared::set, "Bounds what a group of models may spend.", body BUDGET),
    route!(Delete "/access_group/{access_group}/budget", Admin, shared::clear, "Lets a group of models spend without a bound."),
    route!(Post "/v1/access_group", Admin, sets::make, "Makes an access group.", body &[SET]),
    route!(Get "/v1/access_group", Admin, sets::list, "Lists access groups."),
    route!(Get "/v1/access_group/{access_group_id}", Admin, sets::info, "Says what is in an access group."),
    route!(Put "/v1/access_group/{access_group_id}", Admin, sets::update, "Changes an access group.", body &[SET]),
    route!(Delete "/v1/access_group/{access_group_id}", Admin, sets::delete, "Deletes an access group."),
    route!(Post "/v1/unified_access_group", Admin, sets::make, "Makes an access group.", body &[SET]),
    route!(Get "/v1/unified_access_group", Admin, sets::list, "Lists access groups."),
    route!(Get "/v1/unified_access_group/{access_group_id}", Admin, sets::info, "Says what is in an access group."),
    route!(Put "/v1/unified_access_group/{access_group_id}", Admin, sets::update, "Changes an access group.", body &[SET]),
    route!(Delete "/v1/unified_access_group/{access_group_id}", Admin, sets::delete, "Deletes an access group."),
];

impl Governance {
    /// The access groups that a model is in: those that its configuration names, and the stored ones that hold it, by
    /// their names and their ids.
    pub async fn groups_of(
        &self,
        model: &str,
        configured: &[String],
    ) -> Result<Vec<String>, Refusal> {
        let mut groups = configured.to_vec();
        for group in self.directory().access_groups().await?.iter() {
            let row = &group.row;
            if names(&row.access_model_names, model) {
                for name in [&row.access_group_name, &row.access_group_id] {
                    if !groups.contains(name) {
                        groups.push(name.clone());
                    }
                }
            }
        }
        Ok(groups)
    }
}

fn unknown(name: &str) -> Refusal {
    let message = format!("Access group '{name}' not found");
    Refusal::missing("access_group", message)
}

fn taken(group: &AccessGroup) -> Refusal {
    let name = &group.access_group_name;
    Refusal::taken(
        "access_group",
        format!("Access group '{name}' already exists"),
    )
}
