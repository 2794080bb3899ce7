//! Credentials from where the process runs: its container's agent, or its machine's metadata service.

use http::{Method, Request, Uri, header::AUTHORIZATION};
use serde::Deserialize;

use super::{AwsKeys, Recipe, Secret, Temporary, Text, refused, time};
use crate::{Error, Outgoing, Reply, path, resolve::Surroundings};

/// The agent of ECS.
const CONTAINER: &str = "http://169.254.170.2";
/// The metadata service of EC2.
const INSTANCE: &str = "http://169.254.169.254";
const TOKEN_TTL: &str = "21600";

/// The container's agent, if the environment names one.
pub(super) fn container(around: &dyn Surroundings) -> Result<Option<Recipe>, Error> {
    let relative = around
        .var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .map(|path| format!("{CONTAINER}{path}"));
    let Some(url) = relative.or_else(|| around.var("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
        return Ok(None);
    };
    if !is_trusted(&url) {
        return Err(refused(format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or this machine: {url}"
        )));
    }
    let file = around.var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let value = || around.var("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let token = file
        .map(Text::File)
        .or_else(|| value().map(|text| Text::Value(Secret::new(text))));
    Ok(Some(Recipe::Container { url, token }))
}

/// The machine's metadata service, unless it is switched off.
pub(super) fn instance(around: &dyn Surroundings) -> Result<Recipe, Error> {
    let off = around.var("AWS_EC2_METADATA_DISABLED");
    if off.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Err(refused(
            "Unable to locate credentials: set aws_access_key_id and aws_secret_access_key, a profile, a role or an API key",
        ));
    }
    let endpoint = around.var("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    Ok(Recipe::Instance {
        endpoint: endpoint.unwrap_or_else(|| INSTANCE.to_owned()),
    })
}

/// Asks the container's agent.
pub(super) fn container_request(
    url: &str,
    token: Option<&str>,
) -> Result<Request<Outgoing>, Error> {
    let mut request = Request::builder().method(Method::GET).uri(url);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token.trim());
    }
    built(request)
}

/// Asks for the token that the metadata service wants to see.
pub(super) fn token_request(endpoint: &str) -> Result<Request<Outgoing>, Error> {
    let uri = path::join(endpoint, "latest/api/token");
    built(
        Request::builder()
            .method(Method::PUT)
            .uri(uri)
            .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL),
    )
}

/// Asks for the machine's role, or with `role` for its keys.
pub(super) fn role_request(
    endpoint: &str,
    token: &str,
    role: Option<&str>,
) -> Result<Request<Outgoing>, Error> {
    let role = role.map(path::segment).transpose()?.unwrap_or_default();
    let uri = path::join(
        endpoint,
        &format!("latest/meta-data/iam/security-credentials/{role}"),
    );
    built(
        Request::builder()
            .method(Method::GET)
            .uri(uri)
            .header("x-aws-ec2-metadata-token", token),
    )
}

/// The text of an answer, if it is a good one.
pub(super) fn text(reply: &Reply) -> Result<String, Error> {
    if !reply.status.is_success() {
        return Err(refused(format!(
            "the metadata service answers {}: is there a role on this machine?",
            reply.status.as_u16()
        )));
    }
    Ok(String::from_utf8_lossy(&reply.body).trim().to_owned())
}

/// The keys in an answer of either service.
pub(super) fn keys(reply: &Reply) -> Result<Temporary, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wire {
        access_key_id: String,
        secret_access_key: String,
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        expiration: Option<String>,
    }
    let text = text(reply)?;
    let wire: Wire = serde_json::from_str(&text).map_err(|e| {
        refused(format!(
            "the metadata service's answer is not credentials: {e}"
        ))
    })?;
    Ok(Temporary {
        keys: AwsKeys {
            access_key_id: wire.access_key_id,
            secret_access_key: Secret::new(wire.secret_access_key),
            session_token: wire.token.map(Secret::new),
        },
        expires: wire.expiration.and_then(|text| time(&text)),
    })
}

fn built(request: http::request::Builder) -> Result<Request<Outgoing>, Error> {
    request
        .body(Outgoing::default())
        .map_err(|e| refused(format!("the metadata service cannot be asked: {e}")))
}

/// Credentials may come in clear from this machine alone: its loopback, and the agents of ECS and EKS.
fn is_trusted(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let agent = [
        "169.254.170.2",
        "169.254.170.23",
        "fd00:ec2::23",
        "localhost",
    ]
    .contains(&host);
    let loopback = host
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    uri.scheme_str() == Some("https") || agent || loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_cross_the_net_in_clear() {
        for good in [
            "https://x.example/a",
            "http://127.0.0.1:80/",
            "http://169.254.170.23/v1",
            "http://[::1]/",
        ] {
            assert!(is_trusted(good), "{good}");
        }
        for bad in [
            "http://x.example/",
            "http://10.0.0.1/",
            "ftp",
            "http://127.0.0.1.evil.example/",
        ] {
            assert!(!is_trusted(bad), "{bad}");
        }
    }
}
