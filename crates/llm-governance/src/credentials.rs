//! Named credentials of providers: `/credentials`.

use llm_store::rows::{Credential, Object};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Answer, Call, Edit, Field, Governance, Refusal,
    form::Kind::{Object as Dictionary, Text},
    routes::{Route, route},
    secrets,
};

const COLUMN: &str = "credential_values";

const NEW: &[Field] = &[
    Field::apart("credential_name", Text),
    Field::apart("credential_values", Dictionary),
    Field::apart("model_id", Text),
    Field::column("credential_info", Dictionary),
    Field::column("display_name", Text),
];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/credentials", Admin, make, "Keeps credentials of a provider under a name.", body &[NEW]),
    route!(Get "/credentials", Admin, list, "Lists credentials; their values are masked."),
    route!(Get "/credentials/by_name/{*credential_name}", Admin, by_name, "Shows credentials; their values are masked."),
    route!(Get "/credentials/by_model/{model_id}", Admin, by_model, "Shows the credentials of a stored model; their values are masked."),
    route!(Patch "/credentials/{*credential_name}", Admin, update, "Changes credentials: values that are not named stay.", body &[NEW]),
    route!(Delete "/credentials/{*credential_name}", Admin, delete, "Deletes credentials."),
];

async fn make(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let name = form.need("credential_name")?;
    let values = match (form.object(COLUMN), form.text("model_id")) {
        (Some(_), Some(_)) => {
            let message = "give 'credential_values' or 'model_id', not both";
            return Err(Refusal::bad("model_id", message));
        }
        (Some(values), None) => values.clone(),
        (None, Some(model)) => governance.credentials_of_model(model).await?,
        (None, None) => {
            let missing = Refusal::invalid("body", COLUMN, "missing", "Field required");
            return Err(missing);
        }
    };
    let mut edit = governance.edit(&call.actor).await?;
    let id = Uuid::now_v7().to_string();
    let blank = Credential {
        credential_values: secrets::seal::<Credential>(governance.keyring(), COLUMN, &id, &values)?,
        credential_id: id,
        credential_name: name.to_owned(),
        created_at: edit.now(),
        created_by: call.actor.user_id.clone(),
        updated_at: edit.now(),
        updated_by: call.actor.user_id.clone(),
        ..Credential::default()
    };
    let credential = form.applied(&[NEW], &blank)?;
    edit.insert(&credential, taken(name)).await?;
    edit.commit().await?;
    Ok(json!({"success": true, "message": "Credential created successfully"}).into())
}

async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let mut edit = governance.edit(&call.actor).await?;
    let before = named(&mut edit, &call, call.part("credential_name")).await?;
    let mut after = form.applied(&[NEW], &before)?;
    if let Some(name) = form.text("credential_name") {
        after.credential_name = name.to_owned();
    }
    let (old, mut values) = {
        let old = governance.opened(&before)?;
        (secrets::masked_all(&old), old)
    };
    for (name, value) in form.object(COLUMN).into_iter().flatten() {
        match value {
            Value::Null => drop(values.remove(name)),
            value => drop(values.insert(name.clone(), value.clone())),
        }
    }
    let id = &before.credential_id;
    after.credential_values =
        secrets::seal::<Credential>(governance.keyring(), COLUMN, id, &values)?;
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    let hidden = |values: Object| Object::from_iter([(COLUMN.to_owned(), values.into())]);
    let secret = (hidden(old), hidden(secrets::masked_all(&values)));
    edit.update_secret(&before, &after, secret, taken(&after.credential_name))
        .await?;
    edit.commit().await?;
    Ok(json!({"success": true, "message": "Credential updated successfully"}).into())
}

async fn delete(call: Call) -> Result<Answer, Refusal> {
    let mut edit = call.governance.edit(&call.actor).await?;
    let credential = named(&mut edit, &call, call.part("credential_name")).await?;
    edit.delete(&credential).await?;
    edit.commit().await?;
    Ok(json!({"success": true, "message": "Credential deleted successfully"}).into())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let page = call
        .governance
        .store()
        .list::<Credential>(&[], i64::MAX, 0)
        .await?;
    let all: Vec<Value> = page
        .rows
        .iter()
        .map(|credential| described(&call.governance, credential))
        .collect();
    Ok(json!({"success": true, "credentials": all}).into())
}

async fn by_name(call: Call) -> Result<Answer, Refusal> {
    let name = call.part("credential_name");
    let credential = call.governance.credential(name).await?;
    let credential = credential.ok_or_else(|| unknown(name))?;
    Ok(described(&call.governance, &credential).into())
}

async fn by_model(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("model_id");
    let values = call.governance.credentials_of_model(id).await?;
    Ok(json!({
        "credential_name": format!("{id}-credential"),
        "credential_values": secrets::masked_all(&values),
        "credential_info": {},
    })
    .into())
}

/// The row of this name, locked.
async fn named(edit: &mut Edit<'_>, call: &Call, name: &str) -> Result<Credential, Refusal> {
    let found = call.governance.credential(name).await?;
    let found = found.ok_or_else(|| unknown(name))?;
    let row = edit.get::<Credential>(&[&found.credential_id]).await?;
    row.ok_or_else(|| unknown(name))
}

/// One whose salt key is gone is listed all the same, so that it can be replaced.
fn described(governance: &Governance, credential: &Credential) -> Value {
    let values = match governance.opened(credential) {
        Ok(values) => Some(secrets::masked_all(&values)),
        Err(error) => {
            tracing::warn!(%error, credential = credential.credential_name, "it cannot be opened");
            None
        }
    };
    json!({
        "credential_id": credential.credential_id,
        "credential_name": credential.credential_name,
        "display_name": credential.display_name,
        "credential_info": credential.credential_info.clone().unwrap_or_else(|| json!({})),
        "credential_values": values,
    })
}

fn unknown(name: &str) -> Refusal {
    let message = format!("Credential not found. Got credential name: {name}");
    Refusal::missing("credential_name", message)
}

fn taken(name: &str) -> Refusal {
    let message = format!("there are credentials with the name '{name}'");
    Refusal::bad("credential_name", message)
}

impl Governance {
    /// The values of the credentials of this name: what a model's `litellm_credential_name` stands for.
    pub async fn credential_values(&self, name: &str) -> Result<Option<Object>, Refusal> {
        match self.credential(name).await? {
            Some(credential) => Ok(Some(self.opened(&credential)?)),
            None => Ok(None),
        }
    }

    async fn credential(&self, name: &str) -> Result<Option<Credential>, Refusal> {
        let filter = [("credential_name", name)];
        let page = self.store().list::<Credential>(&filter, 1, 0).await?;
        Ok(page.rows.into_iter().next())
    }

    fn opened(&self, credential: &Credential) -> Result<Object, llm_store::Error> {
        let (id, values) = (&credential.credential_id, &credential.credential_values);
        secrets::open::<Credential>(self.keyring(), COLUMN, id, values)
    }
}
