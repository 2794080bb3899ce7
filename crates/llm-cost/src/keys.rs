//! Under which names a price list may know a model.

/// The names to look for, most exact first.
pub(crate) fn candidates(provider: &str, model: &str) -> Vec<String> {
    let family = family(provider);
    let mut names = Names {
        prefixes: prefixes(provider, family),
        found: Vec::new(),
    };
    names.add(model);
    let bare = bare(provider, family, model);
    names.add(bare);
    for shorter in shortened(family, bare) {
        names.add(&shorter);
    }
    names.found
}

/// Whether an entry of `listed` speaks for a model of `provider`.
pub(crate) fn same_vendor(listed: &str, provider: &str) -> bool {
    let asked = family(provider);
    let listed = family(listed);
    asked.is_empty()
        || asked == "litellm_proxy"
        || listed == asked
        || (asked, listed) == ("azure_ai", "azure")
}

/// The vendor behind the several names that one vendor's interfaces have.
pub(crate) fn family(provider: &str) -> &str {
    match provider {
        "text-completion-openai" => "openai",
        "anthropic_text" => "anthropic",
        "cohere_chat" => "cohere",
        "azure_text" => "azure",
        "bedrock_converse" => "bedrock",
        "ai21_chat" => "ai21",
        "ollama_chat" => "ollama",
        "vertex_ai_beta" => "vertex_ai",
        "sagemaker_chat" | "sagemaker_nova" => "sagemaker",
        "watsonx_text" => "watsonx",
        "text-completion-codestral" => "codestral",
        "text-completion-inception" => "inception",
        _ => ["vertex_ai", "fireworks_ai"]
            .into_iter()
            .find(|family| {
                provider
                    .strip_prefix(family)
                    .is_some_and(|rest| rest.starts_with('-'))
            })
            .unwrap_or(provider),
    }
}

/// The class of model size that a vendor prices, for models that its list does not name: the list's own key.
pub(crate) fn size_class(provider: &str, model: &str) -> Option<&'static str> {
    let (experts, billions) = billions(model)?;
    let total = billions * f64::from(experts);
    Some(match provider {
        "together_ai" => match total {
            b if b <= 4.0 => "together-ai-up-to-4b",
            b if b <= 8.0 => "together-ai-4.1b-8b",
            b if b <= 21.0 => "together-ai-8.1b-21b",
            b if b <= 41.0 => "together-ai-21.1b-41b",
            b if b <= 80.0 => "together-ai-41.1b-80b",
            b if b <= 110.0 => "together-ai-81.1b-110b",
            _ => return None,
        },
        "fireworks_ai" => match total {
            b if experts > 1 && b <= 56.0 => "fireworks-ai-moe-up-to-56b",
            b if experts > 1 && b <= 176.0 => "fireworks-ai-56b-to-176b",
            _ if experts > 1 => return None,
            b if b <= 4.0 => "fireworks-ai-up-to-4b",
            b if b <= 16.0 => "fireworks-ai-4.1b-to-16b",
            _ => "fireworks-ai-above-16b",
        },
        _ => return None,
    })
}

/// The names of an image model whose prices are split by quality and size, most exact first.
pub(crate) fn image_names(
    provider: &str,
    model: &str,
    quality: Option<&str>,
    size: Option<&str>,
) -> Vec<String> {
    let Some(size) = size else {
        return Vec::new();
    };
    let model = bare(provider, family(provider), model);
    let middle = match quality {
        Some(quality) => vec![
            format!("{quality}/{size}/{model}"),
            format!("{size}/{model}"),
        ],
        // Without a quality the vendor chooses, and bills no more than for its best one.
        None => vec![
            format!("{size}/{model}"),
            format!("standard/{size}/{model}"),
            format!("high/{size}/{model}"),
            format!("hd/{size}/{model}"),
        ],
    };
    // The vendor's own first. OpenAI's are listed without its name; whoever has a price for all pictures does not mean them.
    let own = middle.iter().map(|name| format!("{provider}/{name}"));
    let all = [format!("{provider}/{model}")];
    let all = all.into_iter().filter(|_| provider != "openai");
    let others = middle.iter().cloned();
    own.chain(all).chain(others).collect()
}

struct Names {
    prefixes: Vec<String>,
    found: Vec<String>,
}

impl Names {
    /// `name` behind each prefix, then alone.
    fn add(&mut self, name: &str) {
        if name.is_empty() {
            return;
        }
        for prefix in &self.prefixes {
            let full = format!("{prefix}{name}");
            if !self.found.contains(&full) {
                self.found.push(full);
            }
        }
        if !self.found.iter().any(|found| found == name) {
            self.found.push(name.to_owned());
        }
    }
}

fn prefixes(provider: &str, family: &str) -> Vec<String> {
    let mut prefixes = Vec::new();
    if !provider.is_empty() {
        prefixes.push(format!("{provider}/"));
    }
    if family != provider {
        prefixes.push(format!("{family}/"));
    }
    match family {
        "fireworks_ai" => prefixes.push("fireworks_ai/accounts/fireworks/models/".into()),
        // The same models at the same prices under the cloud's two names.
        "azure_ai" => prefixes.push("azure/".into()),
        _ => {}
    }
    prefixes
}

/// The name without its provider in front; without a provider, the name behind the first slash.
fn bare<'a>(provider: &str, family: &str, model: &'a str) -> &'a str {
    let without = |prefix: &str| model.strip_prefix(prefix)?.strip_prefix('/');
    if provider.is_empty() {
        return model.split_once('/').map_or(model, |(_, rest)| rest);
    }
    without(provider)
        .or_else(|| without(family))
        .unwrap_or(model)
}

/// Shorter and shorter forms of a name.
fn shortened(family: &str, bare: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let mut name = bare;
    for prefix in [
        "models/",
        "publishers/google/models/",
        "publishers/anthropic/models/",
    ] {
        name = name.strip_prefix(prefix).unwrap_or(name);
    }
    if family == "bedrock" {
        name = without_region(name);
    }
    if let Some(tuned) = name.strip_prefix("ft:") {
        let base = tuned.split(':').next().unwrap_or(tuned);
        forms.push(format!("ft:{base}"));
        forms.push(format!("ft:{}", without_date(base)));
        name = base;
    }
    let mut push = |name: &str| forms.push(name.to_owned());
    push(name);
    name = name.split_once('@').map_or(name, |(name, _)| name);
    push(name);
    push(without_revision(name));
    push(without_date(without_revision(name)));
    forms
}

/// Bedrock names carry routes, regions and inference profiles in front.
fn without_region(name: &str) -> &str {
    const ROUTES: [&str; 6] = [
        "converse/",
        "invoke/",
        "converse_like/",
        "mantle/",
        "responses/",
        "openai/",
    ];
    const PROFILES: [&str; 9] = [
        "us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca.", "sa.",
    ];
    let mut name = name;
    for route in ROUTES {
        name = name.strip_prefix(route).unwrap_or(name);
    }
    if let Some((region, rest)) = name.split_once('/')
        && region.matches('-').count() >= 2
        && region.ends_with(|c: char| c.is_ascii_digit())
    {
        name = rest;
    }
    PROFILES
        .iter()
        .find_map(|profile| name.strip_prefix(profile))
        .unwrap_or(name)
}

/// Without `-001`.
fn without_revision(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((front, end)) if end.len() == 3 && end.starts_with('0') && digits(end) => front,
        _ => name,
    }
}

/// Without `-20250929` or `-2025-09-29`.
fn without_date(name: &str) -> &str {
    let Some((front, end)) = name.rsplit_once('-') else {
        return name;
    };
    if end.len() == 8 && end.starts_with("20") && digits(end) {
        return front;
    }
    let mut parts = name.rsplitn(4, '-');
    let (day, month, year) = (parts.next(), parts.next(), parts.next());
    let dated = [(day, 2), (month, 2), (year, 4)]
        .iter()
        .all(|(part, length)| part.is_some_and(|part| part.len() == *length && digits(part)));
    match parts.next() {
        Some(front) if dated => front,
        _ => name,
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `8x7b` is eight experts of seven thousand million parameters, `70b` is one of seventy.
fn billions(model: &str) -> Option<(u32, f64)> {
    let lower = model.to_ascii_lowercase();
    lower
        .split(['-', '_', '/', ':'])
        .find_map(|word| {
            let number = word.strip_suffix('b')?;
            match number.split_once('x') {
                Some((experts, each)) => Some((experts.parse().ok()?, each.parse().ok()?)),
                None => Some((1, number.parse().ok()?)),
            }
        })
        .filter(|(experts, size): &(u32, f64)| *experts > 0 && size.is_finite() && *size > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_from_exact_to_loose() {
        assert_eq!(
            candidates("openai", "openai/gpt-4o-2024-08-06")[..3],
            [
                "openai/openai/gpt-4o-2024-08-06",
                "openai/gpt-4o-2024-08-06",
                "gpt-4o-2024-08-06"
            ]
        );
        assert_eq!(
            candidates("openai", "gpt-4o-2024-08-06").last().unwrap(),
            "gpt-4o"
        );
        let has = |provider, model, name: &str| {
            assert!(
                candidates(provider, model)
                    .iter()
                    .any(|found| found == name),
                "{model} -> {name}: {:?}",
                candidates(provider, model)
            );
        };
        has(
            "vertex_ai",
            "claude-sonnet-4@20250514",
            "vertex_ai/claude-sonnet-4",
        );
        has("vertex_ai", "gemini-2.0-flash-001", "gemini-2.0-flash");
        has(
            "anthropic",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5",
        );
        has(
            "bedrock",
            "us-west-2/us.anthropic.claude-x-v1:0",
            "anthropic.claude-x-v1:0",
        );
        has(
            "bedrock_converse",
            "converse/eu.amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
        );
        has(
            "openai",
            "ft:gpt-4o-mini-2024-07-18:org::id",
            "ft:gpt-4o-mini-2024-07-18",
        );
        has("", "groq/llama-x", "llama-x");
    }

    #[test]
    fn sizes_are_read_from_names() {
        let class = |provider, model| size_class(provider, model).unwrap_or("none");
        assert_eq!(
            class("together_ai", "meta-llama/Llama-3-8b-chat"),
            "together-ai-4.1b-8b"
        );
        assert_eq!(class("together_ai", "Qwen/x-72B"), "together-ai-41.1b-80b");
        assert_eq!(
            class("fireworks_ai", "mixtral-8x7b-instruct"),
            "fireworks-ai-moe-up-to-56b"
        );
        assert_eq!(class("fireworks_ai", "llama-70b"), "fireworks-ai-above-16b");
        assert_eq!(class("fireworks_ai", "some-model"), "none");
        assert_eq!(class("together_ai", "nanb-0b-infb"), "none");
        assert_eq!(class("openai", "x-8b"), "none");
    }
}
