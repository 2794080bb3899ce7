//! Microsoft Entra: from LiteLLM's parameters and the surroundings to a token.

#[cfg(feature = "client")]
mod source;
mod token;

use llm_types::JsonObject;

use super::{Secret, issuer::Text};
use crate::{Credential, Error, Kind, resolve::Surroundings};

/// What tokens are for, if nobody says.
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// Who hands tokens out, if nobody says.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// How to come by a token.
#[derive(Debug, Clone, PartialEq, Hash)]
enum Recipe {
    /// A secret, a password or another issuer's token, shown to a tenant.
    Tenant {
        authority: String,
        tenant: String,
        client: String,
        scope: String,
        proof: Proof,
    },
    /// The metadata service of a machine.
    Machine {
        resource: String,
        client: Option<String>,
        endpoint: String,
    },
    /// The agent of an App Service, a Function, a container app.
    Service {
        resource: String,
        client: Option<String>,
        endpoint: String,
        header: Secret,
    },
}

/// What proves to a tenant who we are.
#[derive(Debug, Clone, PartialEq, Hash)]
enum Proof {
    Secret(Secret),
    Password {
        user: String,
        password: Secret,
        secret: Option<Secret>,
    },
    Assertion(Text),
}

/// The login of Azure OpenAI.
pub(crate) fn login(
    params: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Credential>, Error> {
    find(params, around, &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"])
}

/// The login of Foundry.
pub(crate) fn login_to_foundry(
    params: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Credential>, Error> {
    find(
        params,
        around,
        &["AZURE_AI_API_KEY", "AZURE_DOCUMENT_INTELLIGENCE_API_KEY"],
    )
}

/// What is given wins; then a key in the environment; then what else the environment says.
fn find(
    params: &mut JsonObject,
    around: &dyn Surroundings,
    keys: &[&str],
) -> Result<Option<Credential>, Error> {
    let mut take = |key: &str| -> Result<Option<String>, Error> {
        let value: Option<String> = params.take(key)?;
        Ok(value.filter(|value| !value.is_empty()))
    };
    let given = Given {
        token: take("azure_ad_token")?,
        tenant: take("tenant_id")?,
        client: take("client_id")?,
        secret: take("client_secret")?,
        user: take("azure_username")?,
        password: take("azure_password")?,
    };
    let scope = take("azure_scope")?.or_else(|| around.var("AZURE_SCOPE"));
    let refreshing = params
        .remove("enable_azure_ad_token_refresh")
        .is_some_and(|raw| matches!(&raw[..], b"true" | b"\"true\"" | b"\"True\""));
    let maker = Maker {
        around,
        scope: scope.unwrap_or_else(|| SCOPE.to_owned()),
    };
    if let Some(credential) = maker.of_given(&given)? {
        return Ok(Some(credential));
    }
    if keys.iter().any(|name| around.var(name).is_some()) {
        return Ok(None);
    }
    maker.of_environment(given, refreshing)
}

/// What the caller says of its identity.
struct Given {
    token: Option<String>,
    tenant: Option<String>,
    client: Option<String>,
    secret: Option<String>,
    user: Option<String>,
    password: Option<String>,
}

struct Maker<'a> {
    around: &'a dyn Surroundings,
    scope: String,
}

impl Maker<'_> {
    fn of_given(&self, given: &Given) -> Result<Option<Credential>, Error> {
        if let Some(token) = &given.token {
            return self.token(token, given).map(Some);
        }
        if given.secret.is_none() && given.password.is_none() {
            return Ok(None);
        }
        self.of_tenant(given)
    }

    /// A token, or another issuer's that is exchanged for one (`oidc/...`).
    fn token(&self, text: &str, given: &Given) -> Result<Credential, Error> {
        let assertion = if let Some(path) = text.strip_prefix("oidc/file/") {
            Text::File(path.to_owned())
        } else if let Some(name) = text.strip_prefix("oidc/env_path/") {
            Text::File(self.needed(name)?)
        } else if let Some(name) = text.strip_prefix("oidc/env/") {
            Text::Value(Secret::new(self.needed(name)?))
        } else if text.starts_with("oidc/") {
            return Err(refused(
                "of the OIDC issuers, only oidc/file/, oidc/env/ and oidc/env_path/ are supported",
            ));
        } else {
            return Ok(Credential::Token(Secret::new(text)));
        };
        let tenant = self.or_var(&given.tenant, "AZURE_TENANT_ID");
        let client = self.or_var(&given.client, "AZURE_CLIENT_ID");
        let (Some(tenant), Some(client)) = (tenant, client) else {
            return Err(refused(
                "an OIDC token needs tenant_id and client_id beside it",
            ));
        };
        self.to_tenant(tenant, client, Proof::Assertion(assertion))
    }

    fn of_tenant(&self, given: &Given) -> Result<Option<Credential>, Error> {
        let tenant = self.or_var(&given.tenant, "AZURE_TENANT_ID");
        let client = self.or_var(&given.client, "AZURE_CLIENT_ID");
        let secret = self
            .or_var(&given.secret, "AZURE_CLIENT_SECRET")
            .map(Secret::new);
        let user = self.or_var(&given.user, "AZURE_USERNAME");
        let password = self
            .or_var(&given.password, "AZURE_PASSWORD")
            .map(Secret::new);
        let (Some(client), proof) = (client, proof(secret, user, password)) else {
            return Ok(None);
        };
        // A user may sign in without saying where it belongs.
        let tenant = match (&proof, tenant) {
            (_, Some(tenant)) => tenant,
            (Some(Proof::Password { .. }), None) => "organizations".to_owned(),
            _ => return Ok(None),
        };
        proof
            .map(|proof| self.to_tenant(tenant, client, proof))
            .transpose()
    }

    fn of_environment(&self, given: Given, refreshing: bool) -> Result<Option<Credential>, Error> {
        let var = |name: &str| self.around.var(name);
        if let Some(token) = var("AZURE_AD_TOKEN") {
            return self.token(&token, &given).map(Some);
        }
        if let Some(credential) = self.of_tenant(&given)? {
            return Ok(Some(credential));
        }
        let tenant = self.or_var(&given.tenant, "AZURE_TENANT_ID");
        let client = self.or_var(&given.client, "AZURE_CLIENT_ID");
        if let (Some(path), Some(tenant), Some(client)) =
            (var("AZURE_FEDERATED_TOKEN_FILE"), tenant, client.clone())
        {
            let proof = Proof::Assertion(Text::File(path));
            return self.to_tenant(tenant, client, proof).map(Some);
        }
        let resource = self.scope.trim_end_matches("/.default").to_owned();
        if let (Some(endpoint), Some(header)) = (var("IDENTITY_ENDPOINT"), var("IDENTITY_HEADER")) {
            let header = Secret::new(header);
            return credential(Recipe::Service {
                resource,
                client,
                endpoint,
                header,
            })
            .map(Some);
        }
        // Asking a machine that has no such service takes seconds: only on the user's word.
        if !refreshing {
            return Ok(None);
        }
        let endpoint = var("AZURE_POD_IDENTITY_AUTHORITY_HOST");
        credential(Recipe::Machine {
            resource,
            client,
            endpoint: endpoint.unwrap_or_else(|| token::MACHINE.to_owned()),
        })
        .map(Some)
    }

    fn to_tenant(&self, tenant: String, client: String, proof: Proof) -> Result<Credential, Error> {
        let authority = self.around.var("AZURE_AUTHORITY_HOST");
        credential(Recipe::Tenant {
            authority: authority.unwrap_or_else(|| AUTHORITY.to_owned()),
            tenant,
            client,
            scope: self.scope.clone(),
            proof,
        })
    }

    fn or_var(&self, given: &Option<String>, name: &str) -> Option<String> {
        given.clone().or_else(|| self.around.var(name))
    }

    fn needed(&self, name: &str) -> Result<String, Error> {
        let value = self.around.var(name);
        value.ok_or_else(|| refused(format!("{name} is not set: it should hold a token")))
    }
}

fn proof(secret: Option<Secret>, user: Option<String>, password: Option<Secret>) -> Option<Proof> {
    match (secret, user, password) {
        (secret, Some(user), Some(password)) => Some(Proof::Password {
            user,
            password,
            secret,
        }),
        (Some(secret), ..) => Some(Proof::Secret(secret)),
        _ => None,
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Auth, message)
}

#[cfg(feature = "client")]
fn credential(recipe: Recipe) -> Result<Credential, Error> {
    let source = source::AzureSource::new(recipe);
    Ok(Credential::Source(std::sync::Arc::new(source)))
}

#[cfg(not(feature = "client"))]
fn credential(_: Recipe) -> Result<Credential, Error> {
    Err(refused(
        "this token must be fetched, which needs the client feature",
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    struct Fake(BTreeMap<&'static str, &'static str>);

    impl Surroundings for Fake {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|text| (*text).to_owned())
        }
        fn file(&self, _: &str) -> Option<String> {
            None
        }
        fn provider_of(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn found(params: Value, around: &[(&'static str, &'static str)]) -> String {
        let mut params = JsonObject::from_serialize(&params).expect("an object");
        let around = Fake(around.iter().copied().collect());
        match login(&mut params, &around) {
            Ok(None) => format!("key {}", String::from_utf8_lossy(&params.to_bytes())),
            Ok(Some(credential)) => format!("{credential:?}"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn what_is_given_wins_over_a_key_in_the_environment() {
        let key = [("AZURE_API_KEY", "k"), ("AZURE_CLIENT_SECRET", "s")];
        assert_eq!(found(json!({"top_k": 1}), &key), r#"key {"top_k":1}"#);
        assert!(found(json!({"azure_ad_token": "t"}), &key).starts_with("Token(***)"));
        let tenant = json!({"tenant_id": "ten", "client_id": "cli", "client_secret": "hush"});
        let shown = found(tenant, &key);
        assert!(
            shown.contains("\"ten\"") && shown.contains("Secret(***)"),
            "{shown}"
        );
        assert!(!shown.contains("hush"));
    }

    #[test]
    fn the_environment_knows_many_ways() {
        let id = [("AZURE_TENANT_ID", "ten"), ("AZURE_CLIENT_ID", "cli")];
        let with =
            |more: &[(&'static str, &'static str)]| found(json!({}), &[&id[..], more].concat());
        assert!(with(&[("AZURE_CLIENT_SECRET", "s")]).contains("Secret(***)"));
        assert!(with(&[("AZURE_USERNAME", "u"), ("AZURE_PASSWORD", "p")]).contains("Password"));
        assert!(with(&[("AZURE_FEDERATED_TOKEN_FILE", "/t")]).contains("Assertion(File(\"/t\"))"));
        let service = [("IDENTITY_ENDPOINT", "http://x"), ("IDENTITY_HEADER", "h")];
        assert!(with(&service).contains("Service"));
        assert!(with(&[]).starts_with("key"));
        let asked = found(json!({"enable_azure_ad_token_refresh": true}), &[]);
        assert!(
            asked.contains("Machine") && asked.contains("169.254.169.254"),
            "{asked}"
        );
    }

    #[test]
    fn other_issuers_tokens_are_exchanged() {
        let given = json!({"azure_ad_token": "oidc/file/t", "tenant_id": "a", "client_id": "b"});
        assert!(found(given, &[]).contains("Assertion(File(\"t\"))"));
        assert!(found(json!({"azure_ad_token": "oidc/file/t"}), &[]).contains("needs tenant_id"));
        assert!(found(json!({"azure_ad_token": "oidc/google/x"}), &[]).contains("only oidc/file/"));
    }
}
