//! What a Gemini model's name says of it.

/// A model's name, read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model<'a>(&'a str);

impl<'a> Model<'a> {
    /// Reads `gemini-2.5-flash`, `models/gemini-2.5-flash`, `publishers/google/models/...`.
    pub(crate) fn new(name: &'a str) -> Self {
        Self(name.rsplit('/').next().unwrap_or(name))
    }

    /// `(2, 5)` of `gemini-2.5-flash`; `None` of names without a number (`gemini-flash-latest`, tuned models).
    pub(crate) fn version(self) -> Option<(u32, u32)> {
        let rest = self.0.strip_prefix("gemini-")?;
        let number = rest.split('-').next()?;
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Gemini 3 and later: thinking by level, signatures that must come back, media resolution by part.
    pub(crate) fn is_3(self) -> bool {
        self.version().is_some_and(|version| version >= (3, 0))
    }

    /// Before Gemini 2.0: OpenAPI schemas only.
    pub(crate) fn is_1(self) -> bool {
        self.version().is_some_and(|version| version < (2, 0))
    }

    /// Whether it thinks, as far as the name tells; `None` where it does not tell.
    pub(crate) fn thinks(self) -> Option<bool> {
        let (major, minor) = self.version()?;
        Some((major, minor) >= (2, 5) || self.0.contains("thinking"))
    }

    /// Gemma up to its third generation has no place for a system prompt.
    pub(crate) fn has_system_prompt(self) -> bool {
        !["gemma-2", "gemma-3", "gemma2", "gemma3"]
            .iter()
            .any(|old| self.0.starts_with(old))
    }

    /// The smallest thinking budget that means "hardly".
    pub(crate) fn minimal_budget(self) -> u64 {
        if self.0.contains("flash-lite") {
            512
        } else if self.0.contains("flash") {
            1
        } else {
            128
        }
    }

    /// The thinking level that comes nearest to none.
    pub(crate) fn minimal_level(self) -> &'static str {
        if self.0.contains("flash") {
            "minimal"
        } else {
            "low"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        let version = |name| Model::new(name).version();
        assert_eq!(version("gemini-2.5-flash-lite"), Some((2, 5)));
        assert_eq!(version("models/gemini-3-pro-preview"), Some((3, 0)));
        assert_eq!(version("gemini-flash-latest"), None);
        assert_eq!(version("gemini-exp-1206"), None);
        assert_eq!(version("1234567890"), None);
        assert!(Model::new("gemini-3.1-pro").is_3() && !Model::new("gemini-2.0-flash").is_3());
        assert_eq!(Model::new("gemini-2.0-flash").thinks(), Some(false));
    }
}
