//! From LiteLLM's `aws_*` parameters and the surroundings to credentials.

use llm_types::{JsonObject, Map};
use serde_json::Value;

use super::{
    AwsKeys, DEFAULT_REGION, MANTLE_REGION_ENV, REGION_ENV, Recipe, Role, Secret, Text, metadata,
    profile::Profiles, refused,
};
use crate::{Credential, Error, resolve::Surroundings};

const SESSION: &str = "interlingua";

/// The login of Bedrock: `aws_*` parameters, else an API key, else what AWS's own tools would find.
pub(crate) fn login(
    params: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Credential>, Error> {
    or_key(params, around, &["AWS_BEARER_TOKEN_BEDROCK"], REGION_ENV)
}

/// The login of Bedrock's OpenAI-compatible endpoint.
pub(crate) fn login_to_mantle(
    params: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Credential>, Error> {
    let keys = ["AWS_BEARER_TOKEN_BEDROCK", "BEDROCK_MANTLE_API_KEY"];
    or_key(params, around, &keys, MANTLE_REGION_ENV)
}

/// The login of AWS's services that know no API keys.
pub(crate) fn login_with_keys(
    params: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Credential>, Error> {
    or_key(params, around, &[], REGION_ENV)
}

fn or_key(
    params: &mut JsonObject,
    around: &dyn Surroundings,
    keys: &[&str],
    region: &[&str],
) -> Result<Option<Credential>, Error> {
    let given = Given::take(params)?;
    if !given.says_anything() && keys.iter().any(|name| around.var(name).is_some()) {
        return Ok(None);
    }
    given.into_credential(params, around, region).map(Some)
}

/// What the caller says of its identity.
#[derive(Default)]
struct Given {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    profile: Option<String>,
    role: Option<String>,
    session: Option<String>,
    external_id: Option<String>,
    tags: Vec<(String, String)>,
    web_identity: Option<String>,
    sts: Option<String>,
}

impl Given {
    fn take(params: &mut JsonObject) -> Result<Self, Error> {
        let mut text = |key: &str| -> Result<Option<String>, Error> {
            let value: Option<String> = params.take(key)?;
            Ok(value.filter(|value| !value.is_empty()))
        };
        Ok(Self {
            access_key_id: text("aws_access_key_id")?,
            secret_access_key: text("aws_secret_access_key")?,
            session_token: text("aws_session_token")?,
            profile: text("aws_profile_name")?,
            role: text("aws_role_name")?,
            session: text("aws_session_name")?,
            external_id: text("aws_external_id")?,
            web_identity: text("aws_web_identity_token")?,
            sts: text("aws_sts_endpoint")?,
            tags: tags(params.take("aws_session_tags")?)?,
        })
    }

    fn says_anything(&self) -> bool {
        self.access_key_id.is_some()
            || self.profile.is_some()
            || self.role.is_some()
            || self.web_identity.is_some()
    }

    fn into_credential(
        self,
        params: &mut JsonObject,
        around: &dyn Surroundings,
        region_env: &[&str],
    ) -> Result<Credential, Error> {
        let profiles = Profiles::read(around);
        let profile = self.profile.clone().or_else(|| around.var("AWS_PROFILE"));
        settle_region(params, around, region_env, &profiles, profile.as_deref());
        let region = params
            .str("aws_region_name")
            .map(|region| region.into_owned());
        let maker = Maker {
            around,
            profiles,
            profile,
            region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            sts: self.sts.clone(),
        };
        credential(maker.recipe(self)?)
    }
}

/// The region may stand in the profile alone; the address and the signature both need it.
fn settle_region(
    params: &mut JsonObject,
    around: &dyn Surroundings,
    region_env: &[&str],
    profiles: &Profiles,
    profile: Option<&str>,
) {
    if params.raw("aws_region_name").is_some() {
        return;
    }
    let in_env = region_env.iter().find_map(|name| around.var(name));
    let in_profile = || {
        let profile = profiles.get(profile.unwrap_or("default"))?;
        profile.get("region").cloned()
    };
    if let Some(region) = in_env.or_else(in_profile) {
        params.set_str("aws_region_name", &region);
    }
}

struct Maker<'a> {
    around: &'a dyn Surroundings,
    profiles: Profiles,
    profile: Option<String>,
    region: String,
    sts: Option<String>,
}

impl Maker<'_> {
    fn recipe(&self, given: Given) -> Result<Recipe, Error> {
        let keys = match (given.access_key_id, given.secret_access_key) {
            (Some(id), Some(secret)) => Some(keys(id, secret, given.session_token)),
            (None, None) => None,
            _ => {
                return Err(refused(
                    "aws_access_key_id and aws_secret_access_key go together: one of them is missing",
                ));
            }
        };
        let role = given.role.map(|arn| Role {
            arn,
            session: given.session.unwrap_or_else(|| SESSION.to_owned()),
            external_id: given.external_id,
            tags: given.tags,
            ..self.role()
        });
        if let Some(token) = given.web_identity {
            let role = role.or_else(|| {
                Some(Role {
                    arn: self.around.var("AWS_ROLE_ARN")?,
                    session: SESSION.to_owned(),
                    ..self.role()
                })
            });
            let role = role
                .ok_or_else(|| refused("aws_web_identity_token needs aws_role_name beside it"))?;
            let token = self.token(&token)?;
            return Ok(Recipe::WebIdentity { token, role });
        }
        let base = match (keys, &given.profile) {
            (Some(keys), _) => Recipe::Keys(keys),
            (None, Some(profile)) => self.of_profile(profile, 0)?,
            (None, None) => self.ambient()?,
        };
        Ok(match role {
            Some(role) => Recipe::AssumeRole {
                base: Box::new(base),
                role,
            },
            None => base,
        })
    }

    /// What AWS's own tools would find, in their order.
    fn ambient(&self) -> Result<Recipe, Error> {
        let var = |name: &str| self.around.var(name);
        if let (Some(id), Some(secret)) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) {
            return Ok(Recipe::Keys(keys(id, secret, var("AWS_SESSION_TOKEN"))));
        }
        if let (Some(path), Some(arn)) = (var("AWS_WEB_IDENTITY_TOKEN_FILE"), var("AWS_ROLE_ARN")) {
            let role = Role {
                arn,
                session: var("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION.to_owned()),
                ..self.role()
            };
            let token = Text::File(path);
            return Ok(Recipe::WebIdentity { token, role });
        }
        let profile = self.profile.as_deref();
        let name = profile.unwrap_or("default");
        if profile.is_some() || self.profiles.has_credentials(name) {
            return self.of_profile(name, 0);
        }
        if let Some(recipe) = metadata::container(self.around)? {
            return Ok(recipe);
        }
        metadata::instance(self.around)
    }

    fn of_profile(&self, name: &str, depth: usize) -> Result<Recipe, Error> {
        let profile = self
            .profiles
            .get(name)
            .ok_or_else(|| refused(format!("there is no AWS profile '{name}'")))?;
        let get = |key: &str| profile.get(key).cloned();
        if depth > 8 {
            return Err(refused(format!(
                "the AWS profile '{name}' refers to itself"
            )));
        }
        for (key, what) in [
            ("credential_process", "runs a program for its credentials"),
            ("sso_session", "logs in over IAM Identity Center"),
            ("sso_start_url", "logs in over IAM Identity Center"),
            ("mfa_serial", "asks for a second factor"),
        ] {
            if profile.contains_key(key) {
                return Err(refused(format!(
                    "the AWS profile '{name}' {what}, which is not supported: set keys, a role or a web identity"
                )));
            }
        }
        let Some(arn) = get("role_arn") else {
            let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key"))
            else {
                return Err(refused(format!(
                    "the AWS profile '{name}' has no credentials"
                )));
            };
            return Ok(Recipe::Keys(keys(id, secret, get("aws_session_token"))));
        };
        let role = Role {
            arn,
            session: get("role_session_name").unwrap_or_else(|| SESSION.to_owned()),
            external_id: get("external_id"),
            seconds: get("duration_seconds").and_then(|text| text.parse().ok()),
            ..self.role()
        };
        if let Some(path) = get("web_identity_token_file") {
            let token = Text::File(path);
            return Ok(Recipe::WebIdentity { token, role });
        }
        let base = match (get("source_profile"), get("credential_source").as_deref()) {
            // A profile may be its own source: the role over the keys beside it.
            (Some(source), _) if source == name => {
                match (get("aws_access_key_id"), get("aws_secret_access_key")) {
                    (Some(id), Some(secret)) => {
                        Recipe::Keys(keys(id, secret, get("aws_session_token")))
                    }
                    _ => {
                        return Err(refused(format!(
                            "the AWS profile '{name}' refers to itself"
                        )));
                    }
                }
            }
            (Some(source), _) => self.of_profile(&source, depth + 1)?,
            (None, Some("Ec2InstanceMetadata")) => metadata::instance(self.around)?,
            (None, Some("EcsContainer")) => metadata::container(self.around)?
                .ok_or_else(|| refused("there is no container to ask for AWS credentials"))?,
            (None, Some("Environment")) => {
                let var = |name: &str| self.around.var(name);
                match (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY")) {
                    (Some(id), Some(secret)) => {
                        Recipe::Keys(keys(id, secret, var("AWS_SESSION_TOKEN")))
                    }
                    _ => return Err(refused("there are no AWS keys in the environment")),
                }
            }
            (None, _) => {
                return Err(refused(format!(
                    "the AWS profile '{name}' has a role_arn but no source_profile"
                )));
            }
        };
        Ok(Recipe::AssumeRole {
            base: Box::new(base),
            role,
        })
    }

    /// A token, a file that holds it, or LiteLLM's `oidc/...` spellings of the two.
    fn token(&self, text: &str) -> Result<Text, Error> {
        if let Some(path) = text.strip_prefix("oidc/file/") {
            return Ok(Text::File(path.to_owned()));
        }
        let var = |name: &str| {
            let value = self.around.var(name);
            value.ok_or_else(|| refused(format!("{name} is not set: it should hold a token")))
        };
        if let Some(name) = text.strip_prefix("oidc/env_path/") {
            return Ok(Text::File(var(name)?));
        }
        if let Some(name) = text.strip_prefix("oidc/env/") {
            return Ok(Text::Value(Secret::new(var(name)?)));
        }
        if text.starts_with("oidc/") {
            return Err(refused(
                "of the OIDC issuers, only oidc/file/, oidc/env/ and oidc/env_path/ are supported",
            ));
        }
        if text.starts_with('/') || self.around.file(text).is_some() {
            return Ok(Text::File(text.to_owned()));
        }
        Ok(Text::Value(Secret::new(text)))
    }

    fn role(&self) -> Role {
        let suffix = if self.region.starts_with("cn-") {
            ".cn"
        } else {
            ""
        };
        let sts = self
            .sts
            .clone()
            .or_else(|| self.around.var("AWS_ENDPOINT_URL_STS"))
            .unwrap_or_else(|| format!("https://sts.{}.amazonaws.com{suffix}", self.region));
        Role {
            sts,
            region: self.region.clone(),
            ..Role::default()
        }
    }
}

fn keys(id: String, secret: String, token: Option<String>) -> AwsKeys {
    AwsKeys {
        access_key_id: id,
        secret_access_key: Secret::new(secret),
        session_token: token.map(Secret::new),
    }
}

/// `[{Key, Value}]` as AWS writes them, or an object.
fn tags(value: Option<Value>) -> Result<Vec<(String, String)>, Error> {
    let wrong = || {
        Error::bad_request(
            "aws_session_tags",
            "expected a list of {Key, Value} or an object of strings",
        )
    };
    let pair = |tag: &Value| {
        let text = |key: &str| tag.get(key)?.as_str().map(str::to_owned);
        Some((text("Key")?, text("Value")?))
    };
    let of_map = |map: &Map| -> Option<Vec<(String, String)>> {
        map.iter()
            .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    };
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(tags)) => tags
            .iter()
            .map(pair)
            .collect::<Option<_>>()
            .ok_or_else(wrong),
        Some(Value::Object(tags)) => of_map(&tags).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

#[cfg(feature = "client")]
fn credential(recipe: Recipe) -> Result<Credential, Error> {
    Ok(match recipe {
        Recipe::Keys(keys) => Credential::Aws(keys),
        recipe => Credential::Source(std::sync::Arc::new(super::source::AwsSource::new(recipe))),
    })
}

#[cfg(not(feature = "client"))]
fn credential(recipe: Recipe) -> Result<Credential, Error> {
    match recipe {
        Recipe::Keys(keys) => Ok(Credential::Aws(keys)),
        _ => Err(refused(
            "these AWS credentials must be fetched, which needs the client feature",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Variables, and files by path.
    struct Fake(BTreeMap<&'static str, &'static str>);

    impl Surroundings for Fake {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|text| (*text).to_owned())
        }
        fn file(&self, path: &str) -> Option<String> {
            self.0.get(path).map(|text| (*text).to_owned())
        }
        fn provider_of(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn found(params: Value, around: &[(&'static str, &'static str)]) -> (String, JsonObject) {
        let mut params = JsonObject::from_serialize(&params).expect("an object");
        let around = Fake(around.iter().copied().collect());
        let shown = match Given::take(&mut params) {
            Err(e) => e.to_string(),
            Ok(given) => {
                let profiles = Profiles::read(&around);
                let profile = given.profile.clone().or_else(|| around.var("AWS_PROFILE"));
                settle_region(
                    &mut params,
                    &around,
                    REGION_ENV,
                    &profiles,
                    profile.as_deref(),
                );
                let region = params.str("aws_region_name").map(|r| r.into_owned());
                let maker = Maker {
                    around: &around,
                    profiles,
                    profile,
                    region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
                    sts: given.sts.clone(),
                };
                match maker.recipe(given) {
                    Ok(recipe) => format!("{recipe:?}"),
                    Err(e) => e.to_string(),
                }
            }
        };
        (shown, params)
    }

    const FILES: &[(&str, &str)] = &[
        ("HOME", "/home/u"),
        (
            "/home/u/.aws/credentials",
            "[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key=s\n[other]\naws_access_key_id=AKOTHER\naws_secret_access_key=s\n",
        ),
        (
            "/home/u/.aws/config",
            "[default]\nregion = eu-west-1\n[profile deep]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = other\nexternal_id = x\nregion=eu-north-1\n[profile run]\ncredential_process = /bin/x\n[profile a]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\nsource_profile=a\n",
        ),
    ];

    #[test]
    fn keys_that_are_given_win() {
        let (shown, params) = found(
            serde_json::json!({"aws_access_key_id": "AKGIVEN", "aws_secret_access_key": "s", "top_k": 1}),
            FILES,
        );
        assert!(
            shown.starts_with("Keys") && shown.contains("AKGIVEN"),
            "{shown}"
        );
        assert!(!shown.contains("\"s\""), "{shown}");
        assert_eq!(
            params.to_bytes(),
            r#"{"top_k":1,"aws_region_name":"eu-west-1"}"#
        );
    }

    #[test]
    fn half_a_pair_of_keys_is_refused() {
        let (shown, _) = found(serde_json::json!({"aws_access_key_id": "AK"}), &[]);
        assert!(shown.contains("go together"), "{shown}");
    }

    #[test]
    fn a_profile_may_take_on_a_role_over_another() {
        let (shown, params) = found(serde_json::json!({"aws_profile_name": "deep"}), FILES);
        assert!(
            shown.starts_with("AssumeRole") && shown.contains("AKOTHER"),
            "{shown}"
        );
        assert!(
            shown.contains("https://sts.eu-north-1.amazonaws.com"),
            "{shown}"
        );
        assert_eq!(params.str("aws_region_name").as_deref(), Some("eu-north-1"));
    }

    #[test]
    fn what_cannot_be_done_says_so() {
        for (profile, word) in [
            ("run", "runs a program"),
            ("a", "refers to itself"),
            ("none", "no AWS profile"),
        ] {
            let (shown, _) = found(serde_json::json!({"aws_profile_name": profile}), FILES);
            assert!(shown.contains(word), "{profile}: {shown}");
        }
    }

    #[test]
    fn the_environment_is_asked_in_the_order_of_aws() {
        let all = [
            ("AWS_ACCESS_KEY_ID", "AKENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/w"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c"),
        ];
        let none = || serde_json::json!({});
        assert!(found(none(), &all).0.contains("AKENV"));
        assert!(found(none(), &all[2..]).0.starts_with("WebIdentity"));
        assert!(
            found(none(), &all[4..])
                .0
                .contains("http://169.254.170.2/c")
        );
        assert!(found(none(), &[]).0.starts_with("Instance"));
        let off = [("AWS_EC2_METADATA_DISABLED", "true")];
        assert!(
            found(none(), &off)
                .0
                .contains("Unable to locate credentials")
        );
    }

    #[test]
    fn a_role_is_taken_on_over_whatever_there_is() {
        let (shown, _) = found(
            serde_json::json!({"aws_role_name": "arn:aws:iam::1:role/x", "aws_session_name": "me",
                "aws_external_id": "e", "aws_session_tags": {"team": "t"}, "aws_sts_endpoint": "http://sts"}),
            FILES,
        );
        for part in [
            "AssumeRole",
            "AKDEFAULT",
            "\"me\"",
            "\"e\"",
            "\"team\"",
            "http://sts",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}
