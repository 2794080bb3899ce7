//! Which provider a model string means. First match wins:
//!
//! 1. an explicit provider, as if it were the prefix;
//! 2. a prefix that is a provider's name or alias;
//! 3. an address that is a provider's;
//! 4. a bare name: the price table, then the families that vendors name alike.
//!
//! Three of LiteLLM's answers are changed on purpose. An address that is known always gives its provider (some gave
//! none). A bare `gemini-...` goes to AI Studio where a key for it is set and no Vertex project is, because that is the
//! only place it can work. A prefix stays a prefix even where `prefix/name` is a model's name at another provider.

use crate::{Error, Provider, backends, lookup};

use super::{Surroundings, first};

/// Splits a model string into its provider and the vendor's own name of the model.
pub fn provider(
    model: &str,
    custom_llm_provider: Option<&str>,
    api_base: Option<&str>,
    around: &dyn Surroundings,
) -> Result<(&'static Provider, String), Error> {
    if through_proxy(around)
        && let Some(row) = lookup("litellm_proxy")
    {
        let model = model.strip_prefix("litellm_proxy/").unwrap_or(model);
        return Ok((row, model.to_owned()));
    }
    if let Some(name) = custom_llm_provider.filter(|name| !name.is_empty()) {
        let row = lookup(name).ok_or_else(|| unknown_provider(name))?;
        return Ok((row, own_name(row, model)));
    }
    if let Some((prefix, rest)) = model.split_once('/')
        && let Some(row) = lookup(prefix)
        && !rest.is_empty()
    {
        return Ok((special(row, rest), own_name(row, model)));
    }
    if let Some(row) = api_base.and_then(by_address) {
        return Ok((row, model.to_owned()));
    }
    match bare(model, around) {
        Some(row) => Ok((row, model.to_owned())),
        None => Err(unresolved(model)),
    }
}

/// `USE_LITELLM_PROXY` sends everything to another gateway.
fn through_proxy(around: &dyn Surroundings) -> bool {
    around
        .var("USE_LITELLM_PROXY")
        .is_some_and(|on| on.eq_ignore_ascii_case("true") || on == "1")
}

/// The model without its provider's prefix.
fn own_name(row: &Provider, model: &str) -> String {
    match model.split_once('/') {
        Some((prefix, rest)) if prefix == row.name || row.aliases.contains(&prefix) => {
            // `openrouter/auto` is the vendor's own name for its own router.
            if row.name == "openrouter" && !rest.contains('/') {
                return model.to_owned();
            }
            rest.to_owned()
        }
        _ => model.to_owned(),
    }
}

/// Claude 2 and Claude Instant speak a wire of their own.
fn special(row: &'static Provider, model: &str) -> &'static Provider {
    let text = row.name == "anthropic"
        && (model.starts_with("claude-2") || model.starts_with("claude-instant"));
    match lookup("anthropic_text") {
        Some(of_text) if text => of_text,
        _ => row,
    }
}

/// The provider that answers at `address`: the same host, and the same path or one below it.
fn by_address(address: &str) -> Option<&'static Provider> {
    let (host, port, path) = parts(address)?;
    let is_at = |known: &str| {
        parts(known).is_some_and(|(their_host, their_port, their_path)| {
            let their_path = their_path.trim_end_matches('/');
            their_host == host
                && (their_port.is_none() || their_port == port)
                && path
                    .strip_prefix(their_path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let fixed = |row: &Provider| {
        let base = row.base_url;
        !base.is_empty() && !base.contains('{') && !base.starts_with("http://")
    };
    // Some vendors have more than one row at an address; the one that does most there is meant.
    backends::ALL
        .iter()
        .copied()
        .filter(|row| {
            (fixed(row) && is_at(row.base_url)) || row.hosts.iter().any(|host| is_at(host))
        })
        .min_by_key(|row| (usize::MAX - row.ops.len(), row.name.len()))
}

/// The host in small letters, the port if there is one, and the path.
fn parts(address: &str) -> Option<(String, Option<&str>, &str)> {
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .unwrap_or(address);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let path = path.split(['?', '#']).next()?;
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port, path))
}

/// A name without a provider.
fn bare(model: &str, around: &dyn Surroundings) -> Option<&'static Provider> {
    let named = around
        .provider_of(model)
        .and_then(|name| by_table_name(&name));
    let row = named.or_else(|| by_family(model).and_then(lookup))?;
    let vertex_gemini = row.name == "vertex_ai" && model.starts_with("gemini");
    if vertex_gemini && has_studio_key(around) {
        return lookup("gemini").or(Some(row));
    }
    Some(special(row, model))
}

fn has_studio_key(around: &dyn Surroundings) -> bool {
    let project = ["VERTEXAI_PROJECT", "VERTEX_PROJECT", "VERTEX_AI_PROJECT"];
    first(&["GEMINI_API_KEY", "GOOGLE_API_KEY"], around).is_some()
        && first(&project, around).is_none()
}

/// Price tables split some providers (`vertex_ai-language-models`, `bedrock_converse`).
fn by_table_name(name: &str) -> Option<&'static Provider> {
    lookup(name)
        .or_else(|| lookup(name.split_once('-')?.0))
        .or_else(|| lookup(name.strip_suffix("_converse")?))
}

/// Names that tell their maker, for models that the price table does not have yet.
fn by_family(model: &str) -> Option<&'static str> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| model.starts_with(prefix));
    let bedrock = model
        .strip_prefix("anthropic.")
        .or_else(|| Some(model.split_once(".anthropic.")?.1));
    if bedrock.is_some_and(|name| name.starts_with("claude-")) {
        return Some("bedrock");
    }
    // `owner/name:version`, the version being a SHA-256.
    if model.rsplit_once(':').is_some_and(|(_, id)| id.len() == 64) {
        return Some("replicate");
    }
    if model.contains('/') {
        return None;
    }
    if starts(&[
        "gpt-",
        "chatgpt-",
        "o1",
        "o3",
        "o4",
        "ft:gpt-",
        "text-embedding-3",
        "text-embedding-ada",
    ]) || model == "*"
    {
        return Some("openai");
    }
    if starts(&["claude-"]) {
        return Some("anthropic");
    }
    if starts(&["gemini-"]) {
        return Some("vertex_ai");
    }
    if starts(&["amazon_nova"]) {
        return Some("amazon_nova");
    }
    None
}

fn unknown_provider(name: &str) -> Error {
    let near = near(name);
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!(" Did you mean {}?", near.join(" or "))
    };
    Error::bad_request(
        "custom_llm_provider",
        format!("There is no provider '{name}'.{hint}"),
    )
}

fn unresolved(model: &str) -> Error {
    let prefix = model.split('/').next().unwrap_or(model);
    let near = near(prefix);
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!(" Did you mean the provider {}?", near.join(" or "))
    };
    Error::bad_request(
        "model",
        format!(
            "LLM Provider NOT provided. Pass in the LLM provider you are trying to call. You passed model={model}\n \
             Pass model as e.g. `huggingface/starcoder` or `openai/{model}`, provider first.{hint}"
        ),
    )
}

/// Providers whose names are a slip or two away.
fn near(name: &str) -> Vec<&'static str> {
    if name.len() > 40 {
        return Vec::new();
    }
    let mut found: Vec<_> = backends::ALL
        .iter()
        .flat_map(|row| row.aliases.iter().chain([&row.name]))
        .map(|known| (distance(name, known), *known))
        .filter(|(slips, known)| *slips <= 2 && *slips < known.len() / 2)
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, known)| known).collect()
}

/// How many letters must change.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(&y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("gorq", "groq"), 2);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn addresses_match_at_boundaries() {
        let name = |address| by_address(address).map(|row| row.name);
        assert_eq!(name("https://API.groq.com/openai/v1/"), Some("groq"));
        assert_eq!(name("https://api.openai.com/v1"), Some("openai"));
        assert_eq!(name("https://codestral.mistral.ai/v1"), Some("codestral"));
        assert_eq!(name("https://api.groq.com/openai/v12"), None);
        assert_eq!(name("https://api.groq.com.evil.example/openai/v1"), None);
        assert_eq!(name("https://evil.example/api.groq.com/openai/v1"), None);
        assert_eq!(name("https://api.groq.com@evil.example/openai/v1"), None);
        assert_eq!(name("http://localhost:8080/v1"), None);
    }
}
