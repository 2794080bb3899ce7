//! AWS: which region, and where its credentials come from.

mod login;
mod metadata;
mod profile;
#[cfg(feature = "client")]
mod source;
mod sts;

use std::fmt;

use super::{AwsKeys, Secret};
use crate::{
    Error, Kind, Target,
    protocols::bedrock::{arn_region, is_region},
};

pub(crate) use login::{login, login_with_keys};

/// Where LiteLLM asks if nobody says.
const DEFAULT_REGION: &str = "us-west-2";

/// The environment variables that name the region.
pub(crate) const REGION_ENV: &[&str] = &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// How to come by AWS keys.
#[derive(Debug, Clone, PartialEq)]
enum Recipe {
    /// They are there.
    Keys(AwsKeys),
    /// Another identity may take on a role.
    AssumeRole { base: Box<Recipe>, role: Role },
    /// A token of another issuer stands for a role.
    WebIdentity { token: Text, role: Role },
    /// The container's agent hands them out.
    Container { url: String, token: Option<Text> },
    /// The machine's metadata service hands them out.
    Instance { endpoint: String },
}

/// A role to take on.
#[derive(Debug, Clone, PartialEq, Default)]
struct Role {
    arn: String,
    session: String,
    external_id: Option<String>,
    tags: Vec<(String, String)>,
    seconds: Option<u64>,
    /// The token service's address.
    sts: String,
    /// The region in which requests to it are signed.
    region: String,
}

/// A secret text, or the file that holds it now: projected tokens change under our feet.
#[derive(Clone, PartialEq)]
enum Text {
    Value(Secret),
    File(String),
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("***"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// Temporary keys, as every one of AWS's services hands them out.
#[derive(Debug, Clone, PartialEq)]
struct Temporary {
    keys: AwsKeys,
    expires: Option<std::time::SystemTime>,
}

/// The region of `target`: the model's own (in its ARN, or before its name), else the deployment's.
pub(crate) fn region(target: &Target) -> &str {
    let in_model = target
        .model
        .split('/')
        .find_map(|part| arn_region(part).or_else(|| is_region(part).then_some(part)));
    in_model
        .or_else(|| target.setting("aws_region_name"))
        .unwrap_or(DEFAULT_REGION)
}

/// `target`'s base URL with its region filled in.
pub(crate) fn in_region(target: &Target) -> Result<String, Error> {
    let region = region(target);
    if !target.base_url.contains("{region}") {
        return Ok(target.base_url.clone());
    }
    if !is_region(region) {
        // It becomes part of a host name.
        return Err(Error::bad_request(
            "aws_region_name",
            format!("'{region}' is no AWS region"),
        ));
    }
    let base = target.base_url.replace("{region}", region);
    if region.starts_with("cn-") {
        // China's regions have a domain of their own.
        return Ok(base.replacen(".amazonaws.com", ".amazonaws.com.cn", 1));
    }
    Ok(base)
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Auth, message)
}

/// `2026-01-02T03:04:05Z`.
fn time(text: &str) -> Option<std::time::SystemTime> {
    use aws_smithy_types::date_time::{DateTime, Format};
    let time = DateTime::from_str(text, Format::DateTime).ok()?;
    let seconds = u64::try_from(time.secs()).ok()?;
    std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds))
}
