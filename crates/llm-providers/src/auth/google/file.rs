//! Reads credentials files.

use llm_types::Map;
use serde_json::Value;

use super::{Place, Recipe, Secret, Subject, refused};
use crate::Error;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const STS_URI: &str = "https://sts.googleapis.com/v1/token";

/// What a credentials file says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub(super) recipe: Recipe,
    pub(super) project: Option<String>,
}

impl File {
    /// Reads the JSON of a credentials file.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let json: Map = serde_json::from_str(text)
            .map_err(|e| refused("Google's credentials are not a JSON object").because(e))?;
        Self::read(&json)
    }

    pub(super) fn read(json: &Map) -> Result<Self, Error> {
        let project = json
            .get("project_id")
            .or_else(|| json.get("quota_project_id"))
            .and_then(Value::as_str);
        Ok(Self {
            recipe: recipe(json)?,
            project: project.map(str::to_owned),
        })
    }
}

fn recipe(json: &Map) -> Result<Recipe, Error> {
    let optional = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    let needed = |key: &str| {
        optional(key)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| refused(format!("Google's credentials have no '{key}'")))
    };
    let token_uri = || optional("token_uri").unwrap_or_else(|| TOKEN_URI.to_owned());
    match optional("type").as_deref() {
        Some("service_account") => Ok(Recipe::ServiceAccount {
            email: needed("client_email")?,
            // Keys that passed through an environment variable often have their line ends escaped.
            key: Secret::new(needed("private_key")?.replace("\\n", "\n")),
            key_id: optional("private_key_id"),
            token_uri: token_uri(),
        }),
        Some("authorized_user") => Ok(Recipe::User {
            client_id: needed("client_id")?,
            client_secret: Secret::new(needed("client_secret")?),
            refresh_token: Secret::new(needed("refresh_token")?),
            token_uri: token_uri(),
        }),
        Some("impersonated_service_account") => {
            let source = json.get("source_credentials").and_then(Value::as_object);
            let source = source
                .ok_or_else(|| refused("Google's credentials have no 'source_credentials'"))?;
            let delegates = json.get("delegates").and_then(Value::as_array);
            let delegates = delegates.into_iter().flatten().filter_map(Value::as_str);
            Ok(Recipe::Impersonate {
                base: Box::new(recipe(source)?),
                url: needed("service_account_impersonation_url")?,
                delegates: delegates.map(str::to_owned).collect(),
            })
        }
        Some("external_account") => {
            let base = Recipe::External {
                audience: needed("audience")?,
                token_type: needed("subject_token_type")?,
                token_url: optional("token_url").unwrap_or_else(|| STS_URI.to_owned()),
                subject: subject(json.get("credential_source"))?,
            };
            Ok(match optional("service_account_impersonation_url") {
                Some(url) => Recipe::Impersonate {
                    base: Box::new(base),
                    url,
                    delegates: Vec::new(),
                },
                None => base,
            })
        }
        other => Err(refused(format!(
            "Google's credentials are of the type '{}'; supported are service_account, authorized_user, \
             impersonated_service_account and external_account",
            other.unwrap_or_default()
        ))),
    }
}

fn subject(source: Option<&Value>) -> Result<Subject, Error> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let at = |key: &str| source.and_then(|source| source.get(key));
    let headers = at("headers").and_then(Value::as_object);
    let headers = headers.into_iter().flatten();
    let place = match (text(at("file")), text(at("url"))) {
        (Some(file), _) => Place::File(file),
        (None, Some(url)) if at("environment_id").is_none() => Place::Url {
            url,
            headers: headers
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        },
        _ => {
            return Err(refused(
                "this external account's 'credential_source' is not supported: only 'file' and 'url' are \
                 (AWS and executables are not)",
            ));
        }
    };
    let format = at("format");
    let is_json = format
        .and_then(|format| format.get("type"))
        .is_some_and(|kind| kind == "json");
    let field = text(format.and_then(|format| format.get("subject_token_field_name")));
    Ok(Subject {
        place,
        field: is_json.then(|| field.unwrap_or_else(|| "access_token".to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_is_read_or_named() {
        let service = json!({"type": "service_account", "project_id": "p", "client_email": "a@b", "private_key": "x\\ny"});
        let file = File::parse(&service.to_string()).expect("credentials");
        assert_eq!(file.project.as_deref(), Some("p"));
        assert_eq!(
            file.recipe,
            Recipe::ServiceAccount {
                email: "a@b".into(),
                key: Secret::new("x\ny"),
                key_id: None,
                token_uri: TOKEN_URI.into(),
            }
        );
        let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r", "quota_project_id": "q"});
        assert_eq!(
            File::parse(&user.to_string())
                .expect("credentials")
                .project
                .as_deref(),
            Some("q")
        );
        let external = json!({
            "type": "external_account", "audience": "a", "subject_token_type": "t",
            "service_account_impersonation_url": "https://x/y:generateAccessToken",
            "credential_source": {"file": "/f", "format": {"type": "json", "subject_token_field_name": "tok"}}
        });
        let recipe = File::parse(&external.to_string())
            .expect("credentials")
            .recipe;
        assert!(
            matches!(recipe, Recipe::Impersonate { base, .. } if matches!(&*base, Recipe::External { subject, .. } if subject.field.as_deref() == Some("tok")))
        );
        for (broken, word) in [
            (
                json!({"type": "gdch_service_account"}),
                "gdch_service_account",
            ),
            (json!({"type": "service_account"}), "client_email"),
            (
                json!({"type": "external_account", "audience": "a", "subject_token_type": "t", "credential_source": {"environment_id": "aws1", "url": "u"}}),
                "credential_source",
            ),
            (json!([]), "JSON object"),
        ] {
            let error = File::parse(&broken.to_string()).expect_err("refused");
            assert!(error.message.contains(word), "{error}");
        }
    }
}
