use base64::{Engine as _, engine::general_purpose::STANDARD};
use llm_types::{JsonObject, Op};

use crate::{Auth, Credential, Error, Params, Provider, protocols::search, resolve::Surroundings};

/// DataForSEO, Google's results: <https://docs.dataforseo.com/v3/serp/google/organic/live/advanced/>
pub(super) const ROW: Provider = Provider {
    name: "dataforseo",
    base_url: "https://api.dataforseo.com",
    base_env: &["DATAFORSEO_API_BASE"],
    auth: Auth::Header("authorization"),
    login: Some(login),
    exchange: Some(|key, _, _| basic(&key)),
    ops: &[Op::Search],
    params: Params::STANDARD.with(&["country"]),
    quirk: Some(|call| search::at_most(call, 200)),
    protocol: &search::DATAFORSEO,
    docs: "https://docs.dataforseo.com/v3/serp/google/organic/live/advanced/",
    ..Provider::OPENAI_LIKE
};

/// A name and a password; a plain key is both, with a colon between them.
fn login(own: &mut JsonObject, around: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    let either = |given: Option<String>, name| given.or_else(|| around.var(name));
    let login = either(own.take("dataforseo_login")?, "DATAFORSEO_LOGIN");
    let password = either(own.take("dataforseo_password")?, "DATAFORSEO_PASSWORD");
    Ok(login
        .zip(password)
        .map(|(login, password)| basic(&format!("{login}:{password}"))))
}

fn basic(pair: &str) -> Credential {
    match pair.contains(':') {
        true => Credential::key(format!("Basic {}", STANDARD.encode(pair))),
        false => Credential::key(format!("Basic {pair}")),
    }
}
