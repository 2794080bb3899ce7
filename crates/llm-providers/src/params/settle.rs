//! The pipeline: tidy, drop what is to be dropped, refuse what the target cannot take, rename, quirks.

use llm_types::{Op, StreamOptions};

use super::{drop_path, thoughts, tidy};
use crate::{Call, Error, Kind, Params, edit};

/// Settles a call's parameters: what is dropped, renamed, refused.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    let provider = call.target.provider;
    let body = &mut call.body.fields;
    call.stream = body.is_true("stream");
    call.include_usage = body
        .get::<StreamOptions>("stream_options")?
        .is_some_and(|options| options.include_usage);
    let is_settled_here = matches!(
        call.op,
        Op::Chat
            | Op::Completion
            | Op::Embedding
            | Op::ImageGeneration
            | Op::ImageEdit
            | Op::Rerank
            | Op::Moderation
            | Op::Search
            | Op::Ocr
            | Op::Video
    );
    if !is_settled_here {
        edit::apply(provider.edits, body);
        drop_named(call)?;
        return quirk(call);
    }
    body.retain(|_, raw| &raw[..] != b"null");
    drop_named(call)?;
    tidy::tidy(call)?;
    thoughts::settle(call)?;
    refuse_untaken(call)?;
    call.stream = call.fields().is_true("stream");
    edit::apply(provider.edits, call.fields_mut());
    quirk(call)
}

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    match call.target.provider.quirk {
        Some(quirk) => quirk(call),
        None => Ok(()),
    }
}

/// `additional_drop_params`: whole keys and paths inside them.
fn drop_named(call: &mut Call<'_>) -> Result<(), Error> {
    let options = call.options;
    for path in &options.additional_drop_params {
        if drop_path::remove(call.fields_mut(), path)? {
            call.notice(path, "dropped as additional_drop_params asks");
        }
    }
    Ok(())
}

/// What the target's parameters do not contain is dropped or refused, all in one error.
fn refuse_untaken(call: &mut Call<'_>) -> Result<(), Error> {
    let target = call.target;
    let params = target.provider.params_of(&target.model, &target.facts);
    let op = call.op;
    let body = call.fields();
    let (mut untaken, mut idle) = (Vec::new(), Vec::new());
    for (key, raw) in body.iter() {
        if params.takes(op, key, &target.facts) || is_said(call, key) || is_done_here(op, key) {
            continue;
        }
        let list = match is_nothing(&params, op, key, raw) {
            true => &mut idle,
            false => &mut untaken,
        };
        list.push(key.to_owned());
    }
    for key in idle {
        call.fields_mut().remove(&key);
    }
    if !params.user && !is_said(call, "user") && call.fields_mut().remove("user").is_some() {
        call.notice("user", "not sent: this provider does not take it");
    }
    if !params.stream_options && call.fields_mut().remove("stream_options").is_some() {
        call.notice(
            "stream_options",
            "not sent: this provider does not take it; usage is collected in any case",
        );
    }
    refuse_all(call, &untaken)
}

/// Whether the caller insists on sending it.
fn is_said(call: &Call<'_>, key: &str) -> bool {
    call.options
        .allowed_openai_params
        .iter()
        .any(|allowed| allowed == key)
}

/// Vectors are written in another way here, where the vendor knows only one.
fn is_done_here(op: Op, key: &str) -> bool {
    op == Op::Embedding && key == "encoding_format"
}

/// Whether it asks for what happens anyway: one answer, no stream, images in the one form in which they come.
fn is_nothing(params: &Params, op: Op, key: &str, raw: &[u8]) -> bool {
    let draws = matches!(op, Op::ImageGeneration | Op::ImageEdit);
    match key {
        "n" if raw == b"1" => true,
        "n" if draws => raw == b"\"1\"",
        "stream" if draws => matches!(raw, b"false" | b"\"false\""),
        "response_format" if draws => {
            let form = raw
                .strip_prefix(b"\"")
                .and_then(|raw| raw.strip_suffix(b"\""));
            params
                .image
                .iter()
                .any(|always| Some(always.as_bytes()) == form)
        }
        _ => false,
    }
}

/// For quirks: refuses (or drops) those of `names` that the body has and the caller does not insist on.
pub(crate) fn refuse(call: &mut Call<'_>, names: &[&str]) -> Result<(), Error> {
    let body = call.fields();
    let found: Vec<String> = names
        .iter()
        .filter(|name| body.contains(name) && !is_said(call, name))
        .map(|name| (*name).to_owned())
        .collect();
    refuse_all(call, &found)
}

fn refuse_all(call: &mut Call<'_>, names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let (provider, model) = (call.target.provider.name, call.target.model.clone());
    if call.options.drop_params {
        for name in names {
            call.fields_mut().remove(name);
            call.notice(
                name,
                format!("dropped: {provider} does not take it for {model}"),
            );
        }
        return Ok(());
    }
    let list = format!("['{}']", names.join("', '"));
    let mut error = Error::new(
        Kind::UnsupportedParams,
        format!(
            "{provider} does not support parameters: {list}, for model={model}. Set `drop_params=True` to drop them, \
             or `allowed_openai_params={list}` to send them all the same."
        ),
    );
    error.param = names.first().cloned();
    Err(error)
}
