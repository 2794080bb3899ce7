//! What the caller and the deployment lay over a finished request: body, query, headers.

use http::{HeaderMap, HeaderName, HeaderValue, Request, header::CONTENT_TYPE};
use llm_types::{JsonObject, Map};
use serde_json::Value;

use crate::{Call, Error, Kind, Outgoing, Target, path};

/// Lays `extra_body` over the body. On a wire that passes the client's body on, a key replaces its namesake; on a
/// translated wire, objects are merged, for their content (`generationConfig`, `inferenceConfig`) is partly ours.
pub(crate) fn body(call: &Call<'_>, request: &mut Request<Outgoing>) -> Result<(), Error> {
    let extra = &call.options.extra_body.0;
    if extra.is_empty() {
        return Ok(());
    }
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let sent = request
        .body()
        .bytes()
        .filter(|sent| is_json && sent.starts_with(b"{"));
    let Some(sent) = sent else {
        return Err(Error::bad_request(
            "extra_body",
            "'extra_body' needs a request whose body is a JSON object",
        ));
    };
    let mut body = JsonObject::parse(sent)?;
    let replace = call.wire().forwards_chat();
    for (key, raw) in extra.iter() {
        let ours = body.raw(key).filter(|ours| ours.starts_with(b"{"));
        if replace || ours.is_none() || !raw.starts_with(b"{") {
            body.set_raw(key.to_owned(), raw.clone());
            continue;
        }
        let mut merged: Map = body.get(key)?.unwrap_or_default();
        merge(&mut merged, extra.get(key)?.unwrap_or_default());
        body.set(key.to_owned(), &merged);
    }
    *request.body_mut() = body.to_bytes().into();
    Ok(())
}

fn merge(into: &mut Map, from: Map) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => merge(ours, theirs),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Adds `extra_query` to the address.
pub(crate) fn query(call: &Call<'_>, request: &mut Request<Outgoing>) -> Result<(), Error> {
    if call.options.extra_query.is_empty() {
        return Ok(());
    }
    let mut uri = request.uri().to_string();
    let mut mark = if request.uri().query().is_some() {
        '&'
    } else {
        '?'
    };
    for (name, value) in &call.options.extra_query {
        uri.push(mark);
        uri.push_str(&path::query(name));
        uri.push('=');
        uri.push_str(&path::query(value));
        mark = '&';
    }
    *request.uri_mut() = uri
        .parse()
        .map_err(|_| Error::bad_request("extra_query", "'extra_query' makes no valid address"))?;
    Ok(())
}

/// Adds headers: the row's, the deployment's, the caller's; the later wins.
pub(crate) fn headers(call: &Call<'_>, request: &mut Request<Outgoing>) -> Result<(), Error> {
    for (name, template) in call.target.provider.headers {
        if let Some(value) = fill(template, call.target, str::to_owned) {
            header(request, name, &value)?;
        }
    }
    let over = [&call.target.headers, &call.options.extra_headers];
    for (name, value) in over.into_iter().flatten() {
        header(request, name, value)?;
    }
    Ok(())
}

fn header(request: &mut Request<Outgoing>, name: &str, value: &str) -> Result<(), Error> {
    let wrong = || {
        Error::new(
            Kind::BadRequest,
            format!("'{}' is not a valid header", name.escape_debug()),
        )
    };
    let value = HeaderValue::from_str(value).map_err(|_| wrong())?;
    let name = HeaderName::try_from(name).map_err(|_| wrong())?;
    put_header(request.headers_mut(), name, value);
    Ok(())
}

/// The last one wins; but betas add up: those a translation needs must stay beside the caller's.
fn put_header(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let merged = headers
        .get(&name)
        .filter(|_| name == "anthropic-beta")
        .and_then(|there| Some((there.to_str().ok()?, value.to_str().ok()?)))
        .map(|(there, more)| {
            let mut names: Vec<_> = there.split(',').map(str::trim).collect();
            for one in more.split(',').map(str::trim) {
                if !names.contains(&one) {
                    names.push(one);
                }
            }
            names.join(",")
        });
    let merged = merged.and_then(|text| HeaderValue::from_str(&text).ok());
    headers.insert(name, merged.unwrap_or(value));
}

/// Fills `{name}` in from the target's settings; `None` if one of them is absent. `escape` fits a value to the place.
pub(crate) fn fill(
    template: &str,
    target: &Target,
    escape: impl Fn(&str) -> String,
) -> Option<String> {
    let (mut out, mut rest) = (String::with_capacity(template.len()), template);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(&escape(target.setting(name)?));
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use crate::{Credential, Target, lookup};

    use super::*;

    #[test]
    fn a_template_needs_all_its_settings() {
        let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None)
            .with("account", "acme");
        assert_eq!(
            fill("https://{account}.x/{account}", &target, path::query).as_deref(),
            Some("https://acme.x/acme")
        );
        assert_eq!(
            fill("plain", &target, path::query).as_deref(),
            Some("plain")
        );
        assert_eq!(fill("{other}", &target, path::query), None);
        assert_eq!(fill("{account", &target, path::query), None);
    }

    #[test]
    fn objects_merge_deeply() {
        let map = |text| serde_json::from_str::<Map>(text).expect("a map");
        let mut into = map(r#"{"a":{"b":1,"c":2},"d":3}"#);
        merge(&mut into, map(r#"{"a":{"b":9,"e":[1]},"d":{"f":1}}"#));
        assert_eq!(into, map(r#"{"a":{"b":9,"c":2,"e":[1]},"d":{"f":1}}"#));
    }
}
