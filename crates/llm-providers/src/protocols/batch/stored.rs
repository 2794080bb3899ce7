//! Inputs and answers in a bucket of one's own: what they are called, and how they look as OpenAI's files.

use llm_types::Verb;
use serde_json::{Value, json};

use crate::{Answer, Call, Error, Step};

/// Where everything stands that is kept for batches and training.
const FOLDER: &str = "interlingua-files";

/// The name of a file for `model`, which nobody can guess.
pub(crate) fn name(call: &Call<'_>, model: &str) -> String {
    // Names of models have slashes; here they are one folder.
    format!(
        "{FOLDER}/{}/{}.jsonl",
        model.replace('/', "~"),
        call.boundary
    )
}

/// The model that a file, or the answers to it, is for.
pub(crate) fn model_of(name: &str) -> Option<String> {
    let (model, _) = name
        .strip_prefix(FOLDER)?
        .strip_prefix('/')?
        .split_once('/')?;
    Some(model.replace('~', "/"))
}

/// The folder for answers of `model`.
pub(crate) fn folder(model: &str) -> String {
    format!("{FOLDER}/{}", model.replace('/', "~"))
}

/// The bucket's name and the object's in an address such as `gs://bucket/name`. Buckets that were not configured are
/// nobody's business.
pub(crate) fn place<'a>(
    call: &Call<'_>,
    address: &'a str,
    scheme: &str,
    settings: [&str; 2],
) -> Result<(&'a str, &'a str), Error> {
    let wrong = || Error::bad_request("id", format!("{address:?} is no file of this provider"));
    let rest = address.strip_prefix(scheme).ok_or_else(wrong)?;
    let (bucket, name) = rest.split_once('/').ok_or_else(wrong)?;
    let is_ours = settings
        .iter()
        .any(|setting| call.target.setting(setting) == Some(bucket));
    (is_ours && !name.is_empty())
        .then_some((bucket, name))
        .ok_or_else(wrong)
}

/// The bucket that is configured.
pub(crate) fn bucket<'a>(call: &'a Call<'_>, setting: &'static str) -> Result<&'a str, Error> {
    let missing = || Error::bad_request(setting, format!("no bucket: set {setting}"));
    let bucket = call.target.setting(setting).ok_or_else(missing)?;
    let fits =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    let is_sound =
        (3..=63).contains(&bucket.len()) && bucket.bytes().all(fits) && !bucket.starts_with('.');
    let wrong = || Error::bad_request(setting, format!("'{bucket}' is no bucket's name"));
    is_sound.then_some(bucket).ok_or_else(wrong)
}

/// A file as OpenAI shows it.
pub(crate) fn shown(id: &str, bytes: Option<u64>, created_at: Option<i64>, purpose: &str) -> Value {
    let filename = id.rsplit('/').next().unwrap_or_default();
    json!({
        "id": id,
        "object": "file",
        "bytes": bytes,
        "created_at": created_at,
        "filename": filename,
        "purpose": purpose,
        "status": "processed",
    })
}

/// A file that is no more.
pub(crate) fn deleted(call: &Call<'_>) -> Step {
    let shown = json!({"id": call.id, "object": "file", "deleted": true});
    Answer::raw(shown.to_string().into(), None).into()
}

/// What a file is for.
pub(crate) fn purpose(call: &Call<'_>) -> String {
    let said = call.fields().str("purpose");
    match call.verb {
        Verb::Create => said.unwrap_or_default().into_owned(),
        _ => "batch".to_owned(),
    }
}
