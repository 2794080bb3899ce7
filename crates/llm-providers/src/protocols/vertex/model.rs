//! Which wire a model on Vertex speaks, by its name.

/// How a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// Google's own: generateContent under this resource.
    Gemini,
    /// A tuned Gemini behind an endpoint of one's own.
    GeminiEndpoint(&'a str),
    /// Claude: Anthropic's Messages by rawPredict.
    Claude(&'a str),
    /// OpenAI's chat by rawPredict: publisher and model.
    Raw(&'static str, &'a str),
    /// OpenAI's chat at the endpoint that serves all open models: publisher and model.
    Open(&'a str, &'a str),
    /// OpenAI's chat at an endpoint of one's own.
    OpenEndpoint(&'a str),
    /// OpenAI's chat inside predict, at an endpoint of one's own.
    Gemma(&'a str),
    /// BGE embeddings at an endpoint of one's own.
    Bge(&'a str),
}

/// Publishers of open models, as they stand before the model's name.
const OPEN: &[&str] = &[
    "meta",
    "deepseek-ai",
    "qwen",
    "openai",
    "minimaxai",
    "moonshotai",
    "zai-org",
];

/// Publishers of open models by how their models' names begin.
const OPEN_BY_NAME: &[(&str, &str)] = &[
    ("llama", "meta"),
    ("deepseek", "deepseek-ai"),
    ("qwen", "qwen"),
    ("gpt-oss", "openai"),
    ("minimax", "minimaxai"),
    ("kimi", "moonshotai"),
    ("glm", "zai-org"),
];

impl<'a> Wire<'a> {
    /// The wire of `model`, as the user names it after `vertex_ai/`.
    pub(super) fn of(model: &'a str) -> Self {
        let model = model
            .strip_prefix("publishers/")
            .map_or(model, |rest| without_models(rest).unwrap_or(model));
        let (first, rest) = model.split_once('/').unwrap_or(("", model));
        let is_number = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
        match first {
            "openai" if is_number => return Self::OpenEndpoint(rest),
            "gemma" => return Self::Gemma(rest),
            "bge" => return Self::Bge(rest),
            "gemini" | "" if is_number => return Self::GeminiEndpoint(rest),
            _ if OPEN.contains(&first) => return Self::Open(first, rest),
            _ => {}
        }
        let begins = |names: &[&str]| names.iter().any(|name| rest.starts_with(name));
        if begins(&["claude"]) {
            Self::Claude(rest)
        } else if begins(&["mistral", "codestral", "ministral"]) {
            Self::Raw("mistralai", rest)
        } else if begins(&["jamba"]) {
            Self::Raw("ai21", rest)
        } else if let Some((_, publisher)) = OPEN_BY_NAME.iter().find(|(name, _)| begins(&[name])) {
            Self::Open(publisher, rest)
        } else {
            Self::Gemini
        }
    }

    /// Whether requests are OpenAI's, passed on nearly as they come.
    pub(super) fn is_openai(self) -> bool {
        matches!(
            self,
            Self::Raw(..) | Self::Open(..) | Self::OpenEndpoint(_) | Self::Gemma(_)
        )
    }
}

/// `anthropic/models/claude` without its middle; for Google's own only the name remains.
fn without_models(path: &str) -> Option<&str> {
    path.split_once("/models/").map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_wire() {
        let cases = [
            ("gemini-2.5-pro", Wire::Gemini),
            ("text-embedding-005", Wire::Gemini),
            ("publishers/google/models/gemini-2.5-pro", Wire::Gemini),
            ("1234567890", Wire::GeminiEndpoint("1234567890")),
            ("gemini/1234567890", Wire::GeminiEndpoint("1234567890")),
            (
                "claude-sonnet-4-5@20250929",
                Wire::Claude("claude-sonnet-4-5@20250929"),
            ),
            ("anthropic/claude-opus-4", Wire::Claude("claude-opus-4")),
            (
                "mistral-large@2407",
                Wire::Raw("mistralai", "mistral-large@2407"),
            ),
            (
                "jamba-1.5-mini@001",
                Wire::Raw("ai21", "jamba-1.5-mini@001"),
            ),
            (
                "meta/llama-4-maverick-17b-128e-instruct-maas",
                Wire::Open("meta", "llama-4-maverick-17b-128e-instruct-maas"),
            ),
            (
                "openai/gpt-oss-120b-maas",
                Wire::Open("openai", "gpt-oss-120b-maas"),
            ),
            (
                "kimi-k2-thinking-maas",
                Wire::Open("moonshotai", "kimi-k2-thinking-maas"),
            ),
            ("openai/5464397272", Wire::OpenEndpoint("5464397272")),
            ("gemma/gemma-3-12b-it-1", Wire::Gemma("gemma-3-12b-it-1")),
            ("bge/77", Wire::Bge("77")),
        ];
        for (model, expected) in cases {
            assert_eq!(Wire::of(model), expected, "{model}");
        }
    }
}
