//! Which vendor a bare model name belongs to.

use crate::{PriceTable, keys};

/// Entries of LiteLLM's list that are not models.
pub(crate) fn is_special_entry(name: &str) -> bool {
    matches!(name, "sample_spec" | "fallback_generalizations")
}

/// The provider of a name that the list knows without a provider in front, or whose form one vendor alone uses.
pub(crate) fn of_bare_name(table: &PriceTable, model: &str) -> Option<&'static str> {
    if ["ft:gpt-3.5-turbo", "ft:gpt-4"]
        .iter()
        .any(|tuned| model.contains(tuned))
    {
        return Some("openai");
    }
    if let Some(row) = table.entry(model)
        && let Some(provider) = routed(row.provider(), row.mode(), model)
    {
        return Some(provider);
    }
    let on_vertex = table.entry(&format!("vertex_ai/{model}"));
    if on_vertex.is_some_and(|row| row.provider().starts_with("vertex_ai-")) {
        return Some("vertex_ai");
    }
    by_form(model)
}

/// The vendors whose models may be called by their bare names, from the name the list has for the vendor.
fn routed(listed: &str, mode: Option<&str>, model: &str) -> Option<&'static str> {
    Some(match keys::family(listed) {
        "openai" if listed == "text-completion-openai" => "text-completion-openai",
        "openai" => "openai",
        "anthropic" if mode == Some("completion") || is_early_claude(model) => "anthropic_text",
        "anthropic" => "anthropic",
        "cohere" if listed == "cohere_chat" => "cohere_chat",
        "cohere" => "cohere",
        "replicate" => "replicate",
        "openrouter" => "openrouter",
        "maritalk" => "maritalk",
        "vertex_ai" => "vertex_ai",
        "ai21" => "ai21_chat",
        "aleph_alpha" => "aleph_alpha",
        "baseten" => "baseten",
        "nlp_cloud" => "nlp_cloud",
        "petals" => "petals",
        "bedrock" => "bedrock",
        "watsonx" => "watsonx",
        "empower" => "empower",
        "gradient_ai" => "gradient_ai",
        _ => return None,
    })
}

fn is_early_claude(model: &str) -> bool {
    model.starts_with("claude-2") || model.starts_with("claude-instant")
}

fn by_form(model: &str) -> Option<&'static str> {
    const PREFIXES: [(&str, &str); 10] = [
        ("bytez/", "bytez"),
        ("gdc/", "gdc"),
        ("lemonade/", "lemonade"),
        ("heroku/", "heroku"),
        ("cometapi/", "cometapi"),
        ("oci/", "oci"),
        ("compactifai/", "compactifai"),
        ("ovhcloud/", "ovhcloud"),
        ("clarifai/", "clarifai"),
        ("sap/", "sap"),
    ];
    // A Replicate version is a SHA-256 behind the model's name.
    let replicate = model
        .split_once(':')
        .is_some_and(|(_, version)| version.len() == 64);
    match model {
        "*" => Some("openai"),
        _ if model.starts_with("gpt-image") || model.starts_with("dall-e-") => Some("openai"),
        _ if replicate => Some("replicate"),
        _ if model.starts_with("amazon_nova") => Some("amazon_nova"),
        _ => PREFIXES
            .iter()
            .find(|(prefix, _)| model.starts_with(prefix))
            .map(|(_, provider)| *provider),
    }
}
