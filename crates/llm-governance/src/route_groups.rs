//! The names that `allowed_routes` may have: groups of routes, paths, and prefixes with a star.

use crate::Access;

/// Whether a route of this kind is among `allowed`.
pub fn contain(allowed: &[String], access: Access, path: &str) -> bool {
    allowed.iter().any(|one| matches(one, access, path))
}

fn matches(allowed: &str, access: Access, path: &str) -> bool {
    let model = access == Access::Model;
    match allowed {
        "llm_api_routes" => model,
        "public_routes" => access == Access::Public,
        "openai_routes" => model && !is_anthropic(path) && !is_google(path) && !is_mcp(path),
        "anthropic_routes" => model && is_anthropic(path),
        "google_routes" => model && is_google(path),
        "mcp_routes" => is_mcp(path),
        "agent_routes" => path.contains("/a2a") || path.starts_with("/v1/agents"),
        "management_routes" => matches!(
            access,
            Access::Own | Access::Managed | Access::Admin | Access::Seen
        ),
        "info_routes" => access == Access::Info,
        "global_spend_tracking_routes" => path.starts_with("/global/"),
        "spend_tracking_routes" => path.starts_with("/spend") || path.starts_with("/global/"),
        pattern => match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == pattern || is_alias(pattern, path),
        },
    }
}

/// `/v1/models` is `/models`, and either is allowed by the name of the other.
fn is_alias(a: &str, b: &str) -> bool {
    let short = |path: &'_ str| path.strip_prefix("/v1").unwrap_or(path).to_owned();
    short(a) == short(b)
}

fn is_anthropic(path: &str) -> bool {
    path.contains("/messages") || path.starts_with("/anthropic/")
}

fn is_google(path: &str) -> bool {
    path.contains("enerateContent") || path.contains(":countTokens") || path.starts_with("/gemini/")
}

fn is_mcp(path: &str) -> bool {
    path == "/mcp" || path.starts_with("/mcp/") || path.ends_with("/mcp")
}
