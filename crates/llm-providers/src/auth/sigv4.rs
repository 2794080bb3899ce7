//! AWS Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningSettings, sign as sign_request,
};
use bytes::Bytes;
use http::Request;

use super::Secret;
use crate::{Error, Kind};

/// AWS keys, temporary ones with their session token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// Not secret.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: Secret,
    /// With temporary keys.
    pub session_token: Option<Secret>,
}

/// Signs the final bytes of `request`.
pub fn sign(
    request: &mut Request<Bytes>,
    keys: &AwsKeys,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<(), Error> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(Kind::Auth, format!("the request cannot be signed: {e}"))
    };
    let token = keys
        .session_token
        .as_ref()
        .map(|token| token.expose().to_owned());
    let identity = Credentials::new(
        &keys.access_key_id,
        keys.secret_access_key.expose(),
        token,
        None,
        "interlingua",
    )
    .into();
    // The path is signed as it is sent: model ids with `:` are escaped once by us and once more by the signature.
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| failed(&e))?
        .into();
    let (parts, body) = (request.uri().to_string(), request.body().clone());
    let headers = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(
        request.method().as_str(),
        parts,
        headers,
        SignableBody::Bytes(&body),
    )
    .map_err(|e| failed(&e))?;
    let (instructions, _) = sign_request(signable, &params)
        .map_err(|e| failed(&e))?
        .into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
