//! Where a model on Vertex is: host by location, resource by project.

use crate::{Call, Credential, Error, Kind, Target, path};

/// The location where nobody says one.
pub(crate) const LOCATION: &str = "us-central1";

/// The address of `resource` (`publishers/google/models/x`) with `verb` (`generateContent`), in `version` of the API.
///
/// An address of the caller's own is taken as the host alone, as the way to the location, or as the whole resource,
/// whichever it is.
pub(super) fn of(
    call: &Call<'_>,
    version: &str,
    resource: &str,
    verb: &str,
) -> Result<String, Error> {
    let verb = if resource.is_empty() {
        verb.to_owned()
    } else {
        format!("{resource}:{verb}")
    };
    let base = call.base_url().trim_end_matches('/');
    if base == call.target.provider.base_url {
        let host = host(call)?;
        return Ok(format!("{host}/{version}/{}{verb}", place(call)?));
    }
    let host_end = base.find("://").map_or(0, |at| at + 3);
    let way = base[host_end..].split_once('/').map(|(_, way)| way);
    Ok(match way {
        None => format!("{base}/{version}/{}{verb}", place(call)?),
        Some("v1" | "v1beta1") => format!("{base}/{}{verb}", place(call)?),
        Some(way) if way.ends_with("/v1") || way.ends_with("/v1beta1") => {
            format!("{base}/{}{verb}", place(call)?)
        }
        Some(way) if is_location(way) => format!("{base}/{verb}"),
        // The whole resource: only what is done with it is missing.
        Some(_) => match verb.rsplit_once(':') {
            Some((_, verb)) => format!("{base}:{verb}"),
            None if base.ends_with("/chat/completions") => base.to_owned(),
            None => format!("{base}/chat/completions"),
        },
    })
}

/// The address of a service that names neither a project nor a model.
pub(super) fn of_service(call: &Call<'_>, service: &str) -> Result<String, Error> {
    let base = call.base_url().trim_end_matches('/');
    if base == call.target.provider.base_url {
        return Ok(path::join(&host(call)?, service));
    }
    let host_end = base.find("://").map_or(0, |at| at + 3);
    let host = base[host_end..]
        .split_once('/')
        .map_or(base.len(), |(host, _)| host_end + host.len());
    Ok(path::join(base.get(..host).unwrap_or(base), service))
}

/// The full name of `resource`.
pub(super) fn whole(call: &Call<'_>, resource: &str) -> Result<String, Error> {
    match resource.starts_with("projects/") {
        true => Ok(resource.to_owned()),
        false => Ok(format!("{}{resource}", place(call)?)),
    }
}

/// A path that ends in `/locations/{location}`.
fn is_location(way: &str) -> bool {
    let mut words = way.rsplit('/');
    words.next().is_some() && words.next() == Some("locations")
}

fn host(call: &Call<'_>) -> Result<String, Error> {
    if is_express(call) {
        return Ok("https://aiplatform.googleapis.com".to_owned());
    }
    Ok(host_in(location(call)?))
}

/// The host of a location whose name is known to be one.
fn host_in(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "eu" | "us" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        _ => format!("https://{location}-aiplatform.googleapis.com"),
    }
}

/// Where a path of Vertex's own goes: to the host of the location that it names.
pub(crate) fn outside(target: &Target, path: &str) -> Result<String, Error> {
    if target.base_url != target.provider.base_url {
        return Ok(target.base_url.clone());
    }
    let mut words = path.split('/');
    let named = words.find(|word| *word == "locations").and(words.next());
    let location = named.or(target.setting("vertex_location"));
    Ok(host_in(sound(location.unwrap_or(LOCATION))?))
}

/// `projects/{project}/locations/{location}/`; empty with a plain key, which belongs to a project by itself.
fn place(call: &Call<'_>) -> Result<String, Error> {
    if is_express(call) {
        return Ok(String::new());
    }
    let project = project(call)?;
    Ok(format!("projects/{project}/locations/{}/", location(call)?))
}

/// The project, as a segment of a path.
pub(super) fn project(call: &Call<'_>) -> Result<String, Error> {
    let project = call.target.setting("vertex_project").ok_or_else(|| {
        let mut error = Error::new(
            Kind::BadRequest,
            "no Google Cloud project: set vertex_project or VERTEXAI_PROJECT",
        );
        error.param = Some("vertex_project".into());
        error
    })?;
    path::segment(project)
        .map_err(|_| Error::bad_request("vertex_project", "this is no project's name"))
}

/// It becomes part of a host's name, so it must look like one.
fn location<'a>(call: &'a Call<'_>) -> Result<&'a str, Error> {
    sound(call.target.setting("vertex_location").unwrap_or(LOCATION))
}

fn sound(location: &str) -> Result<&str, Error> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if location.len() <= 40 && location.bytes().all(fits) {
        return Ok(location);
    }
    Err(Error::bad_request(
        "vertex_location",
        "this is no location of Google Cloud",
    ))
}

/// A plain key without a project is express mode.
fn is_express(call: &Call<'_>) -> bool {
    matches!(call.target.credential, Credential::Key(_))
        && call.target.setting("vertex_project").is_none()
}
