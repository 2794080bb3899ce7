//! From LiteLLM's `vertex_*` parameters and the surroundings to credentials.

use llm_types::JsonObject;

use super::{PROJECT_ENV, Recipe, file::File, refused};
use crate::{Credential, Error, resolve::Surroundings};

/// The login of Vertex: `vertex_credentials`, else what Google's own tools would find, else the machine's own identity.
/// Sets `vertex_project` where only the credentials say it.
pub(crate) fn login(
    params: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Credential>, Error> {
    let given = params.remove("vertex_credentials");
    let given = given.filter(|raw| !matches!(&raw[..], b"null" | b"\"\""));
    let file = match given {
        Some(raw) if raw.starts_with(b"{") => Some(File::parse(&String::from_utf8_lossy(&raw))?),
        Some(raw) => {
            let text: String = serde_json::from_slice(&raw).map_err(|_| {
                refused("vertex_credentials must be a path, JSON text or an object")
            })?;
            Some(read(&text, around)?)
        }
        None => found(around)?,
    };
    let Some(file) = file else {
        return credential(Recipe::Machine {
            host: around
                .var("GCE_METADATA_HOST")
                .unwrap_or_else(|| "metadata.google.internal".to_owned()),
        })
        .map(Some);
    };
    let said = params.raw("vertex_project").is_some()
        || PROJECT_ENV.iter().any(|name| around.var(name).is_some());
    if let Some(project) = file.project.filter(|_| !said) {
        params.set_str("vertex_project", &project);
    }
    credential(file.recipe).map(Some)
}

/// What the environment or gcloud left behind.
fn found(around: &dyn Surroundings) -> Result<Option<File>, Error> {
    for name in ["VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"] {
        if let Some(text) = around.var(name) {
            return read(&text, around).map(Some);
        }
    }
    let folder = around
        .var("CLOUDSDK_CONFIG")
        .or_else(|| Some(format!("{}/.config/gcloud", around.var("HOME")?)))
        .or_else(|| Some(format!("{}/gcloud", around.var("APPDATA")?)));
    let path = folder.map(|folder| format!("{folder}/application_default_credentials.json"));
    match path.and_then(|path| around.file(&path)) {
        Some(text) => File::parse(&text).map(Some),
        None => Ok(None),
    }
}

/// A path, or the JSON itself.
fn read(text: &str, around: &dyn Surroundings) -> Result<File, Error> {
    if text.trim_start().starts_with('{') {
        return File::parse(text);
    }
    let content = around
        .file(text)
        .ok_or_else(|| refused(format!("Google's credentials file '{text}' cannot be read")))?;
    File::parse(&content)
}

#[cfg(feature = "client")]
fn credential(recipe: Recipe) -> Result<Credential, Error> {
    Ok(Credential::Source(super::source::source(recipe)))
}

#[cfg(not(feature = "client"))]
fn credential(_: Recipe) -> Result<Credential, Error> {
    Err(refused(
        "Google's credentials must be exchanged for a token: give one as Credential::Token, or build with the 'client' feature",
    ))
}
