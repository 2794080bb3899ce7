//! AWS Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_request,
};
use http::Request;

use super::AwsKeys;
use crate::{Error, Kind, Outgoing};

/// Signs the final bytes of `request`.
pub fn sign(
    request: &mut Request<Outgoing>,
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
    let mut settings = SigningSettings::default();
    // S3 signs paths as they are, and wants to know what the body must be.
    if service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    // What is read from disk while it is sent cannot be in a signature that comes before it: TLS holds it together.
    if request.body().bytes().is_none() {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    // The path is signed as it is sent: model ids with `:` are escaped once by us and once more by the signature.
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(settings)
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
        match body.bytes() {
            Some(bytes) => SignableBody::Bytes(bytes),
            None => SignableBody::UnsignedPayload,
        },
    )
    .map_err(|e| failed(&e))?;
    let (instructions, _) = sign_request(signable, &params)
        .map_err(|e| failed(&e))?
        .into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Secret;

    /// The key of AWS's published test suite.
    fn keys(token: Option<&str>) -> AwsKeys {
        AwsKeys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: token.map(Secret::new),
        }
    }

    /// 20150830T123600Z, the moment of the test suite.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
    }

    fn authorization(mut request: Request<Outgoing>, service: &str, token: Option<&str>) -> String {
        sign(&mut request, &keys(token), "us-east-1", service, now()).expect("a signature");
        let value = request.headers()["authorization"].to_str().expect("text");
        value.to_owned()
    }

    #[test]
    fn the_published_example() {
        let request = Request::get("https://example.amazonaws.com/").body(Outgoing::default());
        assert_eq!(
            authorization(request.expect("a request"), "service", None),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    /// Calculated by hand after the documented steps: the path is escaped a second time.
    #[test]
    fn a_model_id_with_a_colon() {
        let request = Request::post(
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse",
        )
        .header("content-type", "application/json")
        .body(Outgoing::from("{}"));
        let got = authorization(request.expect("a request"), "bedrock", None);
        assert!(got.contains("SignedHeaders=content-type;host;x-amz-date, Signature=ecb4bbbf3db70b8fdf4c0a30977e164939dcf8e36be34019ea79ffe4f7454f78"), "{got}");
    }

    #[test]
    fn a_session_token_is_signed() {
        let request = Request::get("https://example.amazonaws.com/").body(Outgoing::default());
        let got = authorization(request.expect("a request"), "service", Some("token"));
        assert!(
            got.contains("host;x-amz-date;x-amz-security-token"),
            "{got}"
        );
    }
}
