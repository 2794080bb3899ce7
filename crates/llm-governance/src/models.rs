//! Models that are kept in the database: what they are called with is sealed, every change is written down, and every
//! instance is told. Whether an entry makes a model at all is the gateway's to say.

use llm_store::rows::{Model, Object, Team};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Actor, Caller, Edit, Governance, Refusal, secrets};

const COLUMN: &str = "litellm_params";

/// Where a model of a team keeps the name that the team asks for.
const PUBLIC_NAME: &str = "team_public_model_name";

/// Parameters that say where a provider is and who asks it.
const CREDENTIALS: &[&str] = &[
    "api_",
    "aws_",
    "azure_",
    "vertex_",
    "watsonx_",
    "region_name",
];

/// A model of the database, opened.
#[derive(Debug, Clone)]
pub struct StoredModel {
    /// Its row.
    pub row: Model,
    /// How it is called, keys included.
    pub params: Object,
}

/// What a request says of a model. A null takes a value away, what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ModelEntry {
    /// The name that clients ask for; empty where it stays.
    pub model_name: String,
    /// How it is called.
    pub litellm_params: Object,
    /// What may be known of it; `id` and `team_id` are its id and the team it belongs to.
    pub model_info: Object,
}

impl StoredModel {
    /// The parameters as they may be shown.
    pub fn masked_params(&self) -> Object {
        secrets::masked(&self.params)
    }

    /// The name that clients know it by: that of a team's model is its team's own.
    pub fn public_name(&self) -> &str {
        let own = self.row.model_info.get(PUBLIC_NAME);
        own.and_then(Value::as_str).unwrap_or(&self.row.model_name)
    }

    fn with(&self, change: ModelEntry) -> Self {
        let mut next = self.clone();
        if !change.model_name.is_empty() {
            match next.row.team_id {
                Some(_) => put(
                    &mut next.row.model_info,
                    PUBLIC_NAME,
                    change.model_name.into(),
                ),
                None => next.row.model_name = change.model_name,
            }
        }
        for (name, value) in change.litellm_params {
            put(&mut next.params, &name, value);
        }
        let fixed = ["id", "team_id", PUBLIC_NAME];
        for (name, value) in change.model_info {
            if !fixed.contains(&name.as_str()) {
                put(&mut next.row.model_info, &name, value);
            }
        }
        next
    }
}

impl Governance {
    /// Every model of the database. One whose salt key is gone is left out, and the log says so.
    pub async fn stored_models(&self) -> Result<Vec<StoredModel>, Refusal> {
        let page = self.store().list::<Model>(&[], i64::MAX, 0).await?;
        let mut all = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            match self.opened_model(row) {
                Ok(model) => all.push(model),
                Err(error) => tracing::error!(%error, "a model is left out"),
            }
        }
        Ok(all)
    }

    /// The model with this id.
    pub async fn stored_model(&self, id: &str) -> Result<Option<StoredModel>, Refusal> {
        match self.store().get::<Model>(&[id]).await? {
            Some(row) => Ok(Some(self.opened_model(row)?)),
            None => Ok(None),
        }
    }

    /// Refuses who may not manage models: everybody but admins, and for a team's own models that team's.
    pub async fn may_manage_model(
        &self,
        caller: &Caller,
        team: Option<&str>,
    ) -> Result<(), Refusal> {
        if caller.is_admin() {
            return Ok(());
        }
        if let Some(id) = team
            && let Some(team) = self.store().get::<Team>(&[id]).await?
            && self.administers(caller, &team).await?
        {
            return Ok(());
        }
        let message =
            "only admins manage models; those of a team its own admins, too ('model_info.team_id')";
        Err(Refusal::forbidden(message))
    }

    /// Adds a model, unless `check` refuses what it would be.
    pub async fn add_model(
        &self,
        actor: &Actor,
        entry: ModelEntry,
        check: impl FnOnce(&StoredModel) -> Result<(), Refusal> + Send,
    ) -> Result<StoredModel, Refusal> {
        let id = text(&entry.model_info, "id")?;
        let id = id.unwrap_or_else(|| Uuid::now_v7().to_string());
        let team = text(&entry.model_info, "team_id")?;
        if entry.model_name.is_empty() {
            return Err(Refusal::bad("model_name", "the model has no 'model_name'"));
        }
        let mut edit = self.edit(actor).await?;
        let mut row = Model {
            model_id: id.clone(),
            created_at: edit.now(),
            created_by: actor.user_id.clone(),
            updated_at: edit.now(),
            updated_by: actor.user_id.clone(),
            team_id: team.clone(),
            ..Model::default()
        };
        row.model_name = match &team {
            Some(team) => {
                put(&mut row.model_info, PUBLIC_NAME, json!(entry.model_name));
                join(&mut edit, team, &entry.model_name).await?
            }
            None => entry.model_name.clone(),
        };
        put(&mut row.model_info, "id", json!(id));
        put(&mut row.model_info, "team_id", json!(team));
        let blank = StoredModel {
            row,
            params: Object::new(),
        };
        let mut model = blank.with(ModelEntry {
            model_name: String::new(),
            ..entry
        });
        check(&model)?;
        self.seal_model(&mut model)?;
        let message = format!("another deployment has the id '{id}'");
        edit.insert(&model.row, Refusal::bad("model_info.id", message))
            .await?;
        edit.commit().await?;
        Ok(model)
    }

    /// Changes a model, unless `check` refuses what it would be.
    pub async fn change_model(
        &self,
        actor: &Actor,
        id: &str,
        change: ModelEntry,
        check: impl FnOnce(&StoredModel) -> Result<(), Refusal> + Send,
    ) -> Result<StoredModel, Refusal> {
        let mut edit = self.edit(actor).await?;
        let before = self.locked(&mut edit, id).await?;
        let mut after = before.with(change);
        if let Some(team) = after.row.team_id.clone()
            && before.public_name() != after.public_name()
        {
            let name = join(&mut edit, &team, after.public_name()).await?;
            after.row.model_name = name;
            self.leave(&mut edit, &before).await?;
        }
        check(&after)?;
        self.seal_model(&mut after)?;
        after.row.updated_at = edit.now();
        after.row.updated_by.clone_from(&actor.user_id);
        let shown = |model: &StoredModel| {
            Object::from_iter([(COLUMN.to_owned(), model.masked_params().into())])
        };
        let secret = (shown(&before), shown(&after));
        edit.update_secret(&before.row, &after.row, secret, Refusal::internal())
            .await?;
        edit.commit().await?;
        Ok(after)
    }

    /// Lets a model answer no more, or again.
    pub async fn block_model(
        &self,
        actor: &Actor,
        id: &str,
        blocked: bool,
    ) -> Result<StoredModel, Refusal> {
        let mut edit = self.edit(actor).await?;
        let before = self.locked(&mut edit, id).await?;
        let mut after = before.clone();
        after.row.blocked = blocked;
        after.row.updated_at = edit.now();
        after.row.updated_by.clone_from(&actor.user_id);
        edit.update(&before.row, &after.row, Refusal::internal())
            .await?;
        edit.commit().await?;
        Ok(after)
    }

    /// Removes a model.
    pub async fn delete_model(&self, actor: &Actor, id: &str) -> Result<Model, Refusal> {
        let mut edit = self.edit(actor).await?;
        // Also one that cannot be opened any more.
        let row = edit.get::<Model>(&[id]).await?;
        let row = row.ok_or_else(|| unknown(id))?;
        let model = StoredModel {
            row,
            params: Object::new(),
        };
        edit.delete(&model.row).await?;
        self.leave(&mut edit, &model).await?;
        edit.commit().await?;
        Ok(model.row)
    }

    /// Those parameters of a model that are its credentials.
    pub(crate) async fn credentials_of_model(&self, id: &str) -> Result<Object, Refusal> {
        let model = self.stored_model(id).await?.ok_or_else(|| unknown(id))?;
        let mut params = model.params;
        params.retain(|name, _| CREDENTIALS.iter().any(|start| name.starts_with(start)));
        Ok(params)
    }

    async fn locked(&self, edit: &mut Edit<'_>, id: &str) -> Result<StoredModel, Refusal> {
        let row = edit.get::<Model>(&[id]).await?;
        Ok(self.opened_model(row.ok_or_else(|| unknown(id))?)?)
    }

    fn opened_model(&self, row: Model) -> Result<StoredModel, llm_store::Error> {
        let (ring, id) = (self.keyring(), &row.model_id);
        let params = secrets::open::<Model>(ring, COLUMN, id, &row.litellm_params)?;
        Ok(StoredModel { row, params })
    }

    fn seal_model(&self, model: &mut StoredModel) -> Result<(), Refusal> {
        let (ring, id) = (self.keyring(), &model.row.model_id);
        model.row.litellm_params = secrets::seal::<Model>(ring, COLUMN, id, &model.params)?;
        Ok(())
    }

    /// The team forgets the name of its last deployment.
    async fn leave(&self, edit: &mut Edit<'_>, model: &StoredModel) -> Result<(), Refusal> {
        let Some(id) = &model.row.team_id else {
            return Ok(());
        };
        let filter = [("model_name", model.row.model_name.as_str())];
        let others = self.store().list::<Model>(&filter, 2, 0).await?.rows;
        if others.iter().any(|one| one.model_id != model.row.model_id) {
            return Ok(());
        }
        let Some(before) = edit.get::<Team>(&[id]).await? else {
            return Ok(());
        };
        let mut after = before.clone();
        after.model_aliases.remove(model.public_name());
        let names = [model.public_name(), &model.row.model_name];
        after.models.retain(|name| !names.contains(&name.as_str()));
        if after.models.is_empty() && !before.models.is_empty() {
            // An empty list would allow every model.
            after.models = before.models.clone();
        }
        edit.update(&before, &after, Refusal::internal()).await
    }
}

/// The name within the gateway of a team's model: only the team's own name for it leads there. Deployments of one name
/// share it.
async fn join(edit: &mut Edit<'_>, team: &str, public: &str) -> Result<String, Refusal> {
    let unknown = || Refusal::bad("model_info.team_id", format!("there is no team '{team}'"));
    let before = edit.get::<Team>(&[team]).await?.ok_or_else(unknown)?;
    let start = format!("model_name_{team}_");
    let known = before.model_aliases.get(public).and_then(Value::as_str);
    if let Some(known) = known.filter(|name| name.starts_with(&start)) {
        return Ok(known.to_owned());
    }
    let name = format!("{start}{}", Uuid::now_v7());
    let mut after = before.clone();
    after.model_aliases.insert(public.to_owned(), json!(name));
    if !after.models.is_empty() {
        for name in [public, &name] {
            if !after.models.iter().any(|known| known == name) {
                after.models.push(name.to_owned());
            }
        }
    }
    edit.update(&before, &after, Refusal::internal()).await?;
    Ok(name)
}

fn put(object: &mut Object, name: &str, value: Value) {
    match value {
        Value::Null => drop(object.remove(name)),
        value => drop(object.insert(name.to_owned(), value)),
    }
}

fn text(info: &Object, name: &str) -> Result<Option<String>, Refusal> {
    match info.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => {
            let name = format!("model_info.{name}");
            let message = format!("'{name}' must be a text");
            Err(Refusal::bad(name, message))
        }
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::bad("id", format!("no stored model has the id '{id}'"))
}
