//! AWS: which region, and where its credentials come from.

mod login;
mod metadata;
mod profile;
#[cfg(feature = "client")]
mod source;
#[cfg(feature = "client")]
mod sts;

use super::{AwsKeys, Secret, issuer::Text};
use crate::{
    Error, Kind, Setting, Target,
    protocols::bedrock::{arn_region, is_region},
};

pub(crate) use login::{login, login_to_mantle, login_with_keys};

/// Where LiteLLM asks if nobody says.
const DEFAULT_REGION: &str = "us-west-2";

/// The environment variables that name the region.
const REGION_ENV: &[&str] = &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];

/// The same for Mantle, which has a variable of its own.
const MANTLE_REGION_ENV: &[&str] = &[
    "BEDROCK_MANTLE_REGION",
    "AWS_REGION_NAME",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

/// The setting that rows of AWS's services have.
pub(crate) const REGION: Setting = Setting::new("aws_region_name", REGION_ENV).or(DEFAULT_REGION);

/// The same for Mantle.
pub(crate) const MANTLE_REGION: Setting =
    Setting::new("aws_region_name", MANTLE_REGION_ENV).or(DEFAULT_REGION);

/// How to come by AWS keys.
#[derive(Debug, Clone, PartialEq, Hash)]
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
#[derive(Debug, Clone, PartialEq, Hash, Default)]
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

/// Temporary keys, as every one of AWS's services hands them out.
#[derive(Debug, Clone, PartialEq)]
struct Temporary {
    keys: AwsKeys,
    expires: Option<std::time::SystemTime>,
}

/// The region of `target`: the model's own (in its ARN, or before its name), else the deployment's.
pub(crate) fn region(target: &Target) -> &str {
    let ids = [target.setting("model_id"), Some(target.model.as_str())];
    let in_model = ids
        .into_iter()
        .flatten()
        .flat_map(|id| id.split('/'))
        .find_map(|part| arn_region(part).or_else(|| is_region(part).then_some(part)));
    in_model
        .or_else(|| target.setting("aws_region_name"))
        .unwrap_or(DEFAULT_REGION)
}

/// `target`'s base URL, in its model's region where it is AWS's own address.
pub(crate) fn in_region(target: &Target) -> Result<String, Error> {
    const PLACE: &str = "{aws_region_name}";
    let template = target.provider.base_url;
    let configured = target.setting("aws_region_name").unwrap_or(DEFAULT_REGION);
    let is_own =
        target.base_url != template && target.base_url != template.replace(PLACE, configured);
    if is_own {
        return Ok(target.base_url.clone());
    }
    let region = region(target);
    if !is_region(region) {
        // It becomes part of a host name.
        return Err(Error::bad_request(
            "aws_region_name",
            format!("'{region}' is no AWS region"),
        ));
    }
    let base = template.replace(PLACE, region);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Credential, lookup};

    fn at(model: &str) -> Target {
        Target::new(lookup("bedrock").expect("a row"), model, Credential::None)
    }

    #[test]
    fn the_model_s_region_wins() {
        let cases = [
            (
                at("amazon.nova"),
                "https://bedrock-runtime.us-west-2.amazonaws.com",
            ),
            (
                at("amazon.nova").with("aws_region_name", "eu-west-1"),
                "https://bedrock-runtime.eu-west-1.amazonaws.com",
            ),
            (
                at("us-gov-west-1/amazon.nova").with("aws_region_name", "eu-west-1"),
                "https://bedrock-runtime.us-gov-west-1.amazonaws.com",
            ),
            (
                at("amazon.nova").with(
                    "model_id",
                    "arn:aws-cn:bedrock:cn-north-1:1:inference-profile/x",
                ),
                "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
            ),
            (
                at("us-east-1/m").at("https://vpce.example"),
                "https://vpce.example",
            ),
            (
                at("us-east-1/m").at("https://bedrock-runtime.us-west-2.amazonaws.com"),
                "https://bedrock-runtime.us-east-1.amazonaws.com",
            ),
        ];
        for (target, expected) in cases {
            assert_eq!(in_region(&target).expect("an address"), expected);
        }
        for hostile in ["x.evil.example/", "us-east-1.evil", "US-EAST-1", "a"] {
            assert!(
                in_region(&at("m").with("aws_region_name", hostile)).is_err(),
                "{hostile}"
            );
        }
    }
}
