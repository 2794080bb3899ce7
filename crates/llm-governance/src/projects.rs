//! Projects of teams: `/project/*`.

use llm_store::rows::{Budget, Key, OrganizationMember, Project, Team, TeamMember};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Answer, Call, Caller, Field, Governance, Refusal,
    budget::{
        BUDGET,
        linked::{given, with_budget},
    },
    form::Kind::{Counts, Flag, Json, Object, Text, Texts},
    routes::{Route, route},
};

const PROJECT: &[Field] = &[
    Field::apart("project_id", Text),
    Field::apart("budget_id", Text),
    Field::column("project_alias", Text),
    Field::column("description", Text),
    Field::column("team_id", Text),
    Field::column("models", Texts),
    Field::column("metadata", Object),
    Field::column("model_rpm_limit", Counts),
    Field::column("model_tpm_limit", Counts),
    Field::column("blocked", Flag),
    Field::column("object_permission", Json),
    Field::metadata("model_itpm_limit", Counts),
    Field::metadata("model_otpm_limit", Counts),
    Field::metadata("tags", Texts),
    Field::metadata("guardrails", Texts),
    Field::metadata("policies", Texts),
];

const EDIT: &[&[Field]] = &[PROJECT, BUDGET];

const MANY: &[&[Field]] = &[&[Field::apart("project_ids", Texts)]];

const WHICH: &[&[Field]] = &[&[Field::apart("project_id", Text)]];

const OF_TEAM: &[&[Field]] = &[&[Field::apart("team_id", Text)]];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/project/new", Managed, make, "Makes a project of a team.", body EDIT),
    route!(Post "/project/update", Managed, update, "Changes a project.", body EDIT),
    route!(Delete "/project/delete", Admin, delete, "Deletes projects without keys.", body MANY),
    route!(Get "/project/info", Managed, info, "Says what is known of a project.", query WHICH),
    route!(Get "/project/list", Managed, list, "Lists the projects of the caller's teams.", query OF_TEAM),
];

async fn make(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let team = team_for(&call, form.need("team_id")?).await?;
    let id = form.text("project_id");
    let id = id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let mut edit = governance.edit(&call.actor).await?;
    let blank = Project {
        project_id: id.clone(),
        created_at: edit.now(),
        created_by: call.actor.user_id.clone(),
        updated_at: edit.now(),
        updated_by: call.actor.user_id.clone(),
        ..Project::default()
    };
    let mut project = form.applied(&[PROJECT], &blank)?;
    within(&project, &team)?;
    let budget = given(&call, &mut edit, None).await?;
    project.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    let taken = Refusal::bad("project_id", format!("there is a project '{id}' already"));
    edit.insert(&project, taken).await?;
    edit.commit().await?;
    answer(&call, &project, budget.as_ref())
}

async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("project_id")?;
    let known = governance.store().get::<Project>(&[id]).await?;
    let known = known.ok_or_else(|| unknown(id))?;
    manageable(&call, &known).await?;
    let team = form.text("team_id").or(known.team_id.as_deref());
    let team = match team {
        Some(team) => Some(team_for(&call, team).await?),
        None => None,
    };
    let mut edit = governance.edit(&call.actor).await?;
    let before: Project = edit.get(&[id]).await?.ok_or_else(|| unknown(id))?;
    let mut after = form.applied(&[PROJECT], &before)?;
    if after.team_id.is_none() {
        return Err(Refusal::bad("team_id", "a project belongs to a team"));
    }
    if let Some(team) = &team {
        within(&after, team)?;
    }
    let budget = given(&call, &mut edit, before.budget_id.as_deref()).await?;
    after.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    edit.update(&before, &after, Refusal::internal()).await?;
    edit.commit().await?;
    if form.has("budget_duration") || form.has("budget_id") {
        governance.rewindow(&after, budget.as_ref()).await?;
    }
    answer(&call, &after, budget.as_ref())
}

async fn delete(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let ids = call.body.texts("project_ids");
    if ids.is_empty() {
        let missing = Refusal::invalid("body", "project_ids", "missing", "Field required");
        return Err(missing);
    }
    let mut edit = governance.edit(&call.actor).await?;
    let mut deleted: Vec<Project> = Vec::new();
    for id in &ids {
        let project: Project = edit.get(&[id]).await?.ok_or_else(|| unknown(id))?;
        let filter = [("project_id", id.as_str())];
        let keys = governance.store().list::<Key>(&filter, 0, 0).await?.total;
        if keys > 0 {
            let message = format!("the project '{id}' has {keys} keys: delete or move them first");
            return Err(Refusal::bad("project_ids", message));
        }
        edit.delete(&project).await?;
        deleted.push(project);
    }
    edit.commit().await?;
    let shown: Result<Vec<Value>, Refusal> = deleted.iter().map(crate::edit::shown).collect();
    Ok(Value::from(shown?).into())
}

async fn info(call: Call) -> Result<Answer, Refusal> {
    let id = call.query.text("project_id");
    let id =
        id.ok_or_else(|| Refusal::invalid("query", "project_id", "missing", "Field required"))?;
    let project = call.governance.store().get::<Project>(&[id]).await?;
    let project = project.ok_or_else(|| unknown(id))?;
    if !call.governance.sees(&call.caller, &project).await? {
        return Err(unknown(id));
    }
    let budget = call.governance.budget_of_row(&project).await?;
    answer(&call, &project, budget.as_ref())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let mut filters: Vec<(&str, &str)> = Vec::new();
    filters.extend(call.query.text("team_id").map(|team| ("team_id", team)));
    let page = governance
        .store()
        .list::<Project>(&filters, i64::MAX, 0)
        .await?;
    let mut all: Vec<Value> = Vec::new();
    for project in &page.rows {
        if governance.sees(&call.caller, project).await? {
            let budget = governance.budget_of_row(project).await?;
            all.push(with_budget(governance, project, budget.as_ref())?.into());
        }
    }
    Ok(Value::from(all).into())
}

/// The team that a project is to belong to, if the caller may say so.
async fn team_for(call: &Call, id: &str) -> Result<Team, Refusal> {
    let team = call.governance.store().get::<Team>(&[id]).await?;
    let unknown = || Refusal::bad("team_id", format!("there is no team '{id}'"));
    let Some(team) = team else {
        return Err(unknown());
    };
    let governance = &call.governance;
    if governance.administers(&call.caller, &team).await? {
        return Ok(team);
    }
    // Who is not in the team does not learn that there is one.
    match governance.is_member(&call.caller, id).await? {
        true => Err(only_admins(id)),
        false => Err(unknown()),
    }
}

async fn manageable(call: &Call, project: &Project) -> Result<(), Refusal> {
    let governance = &call.governance;
    if !governance.sees(&call.caller, project).await? {
        return Err(unknown(&project.project_id));
    }
    let Some(team) = &project.team_id else {
        return match call.caller.is_admin() {
            true => Ok(()),
            false => Err(unknown(&project.project_id)),
        };
    };
    let row = governance.store().get::<Team>(&[team]).await?;
    let may = match &row {
        Some(row) => governance.administers(&call.caller, row).await?,
        None => call.caller.is_admin(),
    };
    match may {
        true => Ok(()),
        false => Err(only_admins(team)),
    }
}

fn only_admins(team: &str) -> Refusal {
    let message = format!("only admins of the team '{team}' manage its projects");
    Refusal::forbidden(message).of("team_id")
}

/// A project asks for no more models than its team has.
fn within(project: &Project, team: &Team) -> Result<(), Refusal> {
    let everything = |name: &String| name == "*" || name == "all-proxy-models";
    if team.models.is_empty() || team.models.iter().any(everything) {
        return Ok(());
    }
    let beyond = project.models.iter().find(|name| {
        !team
            .models
            .iter()
            .any(|own| own == *name || own.contains('*'))
    });
    match beyond {
        Some(name) => Err(Refusal::bad(
            "models",
            format!("the team '{}' may not ask '{name}'", team.team_id),
        )),
        None => Ok(()),
    }
}

fn answer(call: &Call, project: &Project, budget: Option<&Budget>) -> Result<Answer, Refusal> {
    Ok(Value::from(with_budget(&call.governance, project, budget)?).into())
}

fn unknown(id: &str) -> Refusal {
    Refusal::missing("project_id", format!("there is no project '{id}'"))
}

impl Governance {
    /// Whether the caller manages this team: its own admins, those of its organization, and the gateway's.
    pub(crate) async fn administers(&self, caller: &Caller, team: &Team) -> Result<bool, Refusal> {
        if caller.is_admin_of(&team.team_id) {
            return Ok(true);
        }
        let Some(user) = caller.user_id() else {
            return Ok(false);
        };
        let member: Option<TeamMember> = self.store().get(&[&team.team_id, user]).await?;
        if member.is_some_and(|member| member.role == "admin") {
            return Ok(true);
        }
        let Some(organization) = &team.organization_id else {
            return Ok(false);
        };
        let member: Option<OrganizationMember> = self.store().get(&[organization, user]).await?;
        Ok(member.is_some_and(|member| member.user_role.as_deref() == Some("org_admin")))
    }

    async fn is_member(&self, caller: &Caller, team: &str) -> Result<bool, Refusal> {
        if caller.role.sees_all() || caller.team_id() == Some(team) {
            return Ok(true);
        }
        match caller.user_id() {
            Some(user) => {
                let member: Option<TeamMember> = self.store().get(&[team, user]).await?;
                Ok(member.is_some())
            }
            None => Ok(false),
        }
    }

    async fn sees(&self, caller: &Caller, project: &Project) -> Result<bool, Refusal> {
        if caller.role.sees_all() || caller.project_id() == Some(&project.project_id) {
            return Ok(true);
        }
        let Some(team) = &project.team_id else {
            return Ok(false);
        };
        if self.is_member(caller, team).await? {
            return Ok(true);
        }
        match self.store().get::<Team>(&[team]).await? {
            Some(row) => self.administers(caller, &row).await,
            None => Ok(false),
        }
    }
}
