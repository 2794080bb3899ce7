//! Google Cloud: credentials files, and the tokens they are good for.

mod file;
mod login;
#[cfg(feature = "client")]
mod source;
#[cfg(feature = "client")]
mod token;

use super::Secret;
use crate::{Error, Kind};

pub(crate) use login::login;

/// The environment variables that name the project.
pub(crate) const PROJECT_ENV: &[&str] =
    &["VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT"];

/// How to come by an access token.
#[derive(Debug, Clone, PartialEq, Hash)]
enum Recipe {
    /// A service account signs for itself.
    ServiceAccount {
        email: String,
        key: Secret,
        key_id: Option<String>,
        token_uri: String,
    },
    /// A person who once logged in.
    User {
        client_id: String,
        client_secret: Secret,
        refresh_token: Secret,
        token_uri: String,
    },
    /// Another issuer's token is exchanged.
    External {
        audience: String,
        token_type: String,
        token_url: String,
        subject: Subject,
    },
    /// Another identity may act as a service account.
    Impersonate {
        base: Box<Recipe>,
        url: String,
        delegates: Vec<String>,
    },
    /// The machine's metadata service hands tokens out.
    Machine { host: String },
}

/// Where another issuer's token is found.
#[derive(Debug, Clone, PartialEq, Hash)]
struct Subject {
    place: Place,
    /// The field that holds it, where the place holds JSON.
    field: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Hash)]
enum Place {
    File(String),
    Url {
        url: String,
        headers: Vec<(String, String)>,
    },
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Auth, message)
}
