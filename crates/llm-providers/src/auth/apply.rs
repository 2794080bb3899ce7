//! Puts a settled credential on a finished request.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, Request, header::AUTHORIZATION};

use llm_types::JsonObject;

use super::{Credential, Secret};
use crate::{Auth, Error, Kind, Outgoing, Target, protocols::azure::is_v1};

/// The service that a request is signed for, where it is not its provider's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedFor(
    #[cfg_attr(
        not(feature = "client"),
        expect(dead_code, reason = "signatures are the client's")
    )]
    pub(crate) &'static str,
);

/// Puts `credential` on `request` as `target`'s row says. Comes last: signatures cover the final bytes.
pub fn apply(
    target: &Target,
    credential: &Credential,
    request: &mut Request<Outgoing>,
    now: SystemTime,
) -> Result<(), Error> {
    match (target.provider.auth, credential) {
        (_, Credential::Missing(what)) => Err(Error::new(Kind::Auth, what)),
        (Auth::None, _) | (_, Credential::None) => Ok(()),
        #[cfg(feature = "sigv4")]
        (Auth::SigV4 { service }, Credential::Aws(keys)) => {
            // Some requests of a service go to another one: to its files, say.
            let other = request.extensions().get::<SignedFor>();
            let service = other.map_or(service, |other| other.0);
            super::sign(request, keys, super::aws::region(target), service, now)
        }
        #[cfg(not(feature = "sigv4"))]
        (Auth::SigV4 { .. }, Credential::Aws(_)) => {
            let _ = now;
            Err(Error::new(
                Kind::Auth,
                "signing with AWS keys needs the feature 'sigv4'",
            ))
        }
        (Auth::Anthropic, Credential::Token(key) | Credential::Key(key)) if is_oauth(key) => {
            oauth(request, key)
        }
        (_, Credential::Token(token)) => bearer(request, token),
        (Auth::Scheme(scheme), Credential::Key(key)) => header(
            request,
            AUTHORIZATION,
            &[scheme, " ", key.expose()].concat(),
        ),
        (Auth::Field(name), Credential::Key(key)) => field(request, name, key),
        (Auth::Header(name), Credential::Key(key)) => {
            header(request, HeaderName::from_static(name), key.expose())
        }
        (Auth::Anthropic, Credential::Key(key)) => {
            header(request, HeaderName::from_static("x-api-key"), key.expose())
        }
        (Auth::Azure, Credential::Key(key)) => azure(request, key),
        (Auth::Google, Credential::Key(key)) => header(
            request,
            HeaderName::from_static("x-goog-api-key"),
            key.expose(),
        ),
        (Auth::SigV4 { .. }, Credential::Key(_))
            if request.extensions().get::<SignedFor>().is_some() =>
        {
            let message = "files in S3 need AWS keys: a key of Bedrock's own does not open them";
            Err(Error::new(Kind::Auth, message))
        }
        (Auth::Bearer | Auth::SigV4 { .. }, Credential::Key(key)) => bearer(request, key),
        (_, Credential::Aws(_)) => Err(Error::new(Kind::Auth, "AWS keys do not fit this provider")),
        #[cfg(feature = "client")]
        (_, Credential::Source(_)) => Err(Error::new(
            Kind::Auth,
            "the credential was not fetched before it was used",
        )),
    }
}

/// Each of Azure's APIs wants its key elsewhere.
fn azure(request: &mut Request<Outgoing>, key: &Secret) -> Result<(), Error> {
    let path = request.uri().path();
    if path.contains("/anthropic/") {
        return header(request, HeaderName::from_static("x-api-key"), key.expose());
    }
    if path.contains("/documentintelligence/") || path.contains("/contentsafety/") {
        let name = HeaderName::from_static("ocp-apim-subscription-key");
        return header(request, name, key.expose());
    }
    if path.ends_with("/realtime") {
        return header(request, HeaderName::from_static("api-key"), key.expose());
    }
    if is_v1(path) {
        return bearer(request, key);
    }
    header(request, HeaderName::from_static("api-key"), key.expose())
}

/// Whether a key is a token from Anthropic's OAuth flow.
fn is_oauth(key: &Secret) -> bool {
    key.expose().starts_with("sk-ant-oat")
}

/// Tokens from the OAuth flow go as bearers, with the beta header that allows them.
fn oauth(request: &mut Request<Outgoing>, key: &Secret) -> Result<(), Error> {
    let beta = HeaderName::from_static("anthropic-beta");
    let merged = match request
        .headers()
        .get(&beta)
        .and_then(|value| value.to_str().ok())
    {
        Some(others) if others.contains("oauth-2025-04-20") => others.to_owned(),
        Some(others) => format!("{others},oauth-2025-04-20"),
        None => "oauth-2025-04-20".to_owned(),
    };
    header(request, beta, &merged)?;
    header(
        request,
        HeaderName::from_static("anthropic-dangerous-direct-browser-access"),
        "true",
    )?;
    bearer(request, key)
}

/// A body of another kind stays as it is: the vendor will say that the key is missing.
fn field(request: &mut Request<Outgoing>, name: &'static str, key: &Secret) -> Result<(), Error> {
    let sent = request.body().bytes().map(JsonObject::parse);
    if let Some(Ok(mut body)) = sent {
        body.set_str(name, key.expose());
        *request.body_mut() = body.to_bytes().into();
    }
    Ok(())
}

fn bearer(request: &mut Request<Outgoing>, key: &Secret) -> Result<(), Error> {
    header(request, AUTHORIZATION, &["Bearer ", key.expose()].concat())
}

fn header(request: &mut Request<Outgoing>, name: HeaderName, text: &str) -> Result<(), Error> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::new(
            Kind::Auth,
            "the key has characters that no HTTP header can hold",
        )
    })?;
    value.set_sensitive(name != "anthropic-beta");
    request.headers_mut().insert(name, value);
    Ok(())
}
