//! What a Claude model can do: from the target's facts, else from its name.

use crate::Target;

/// What matters to translation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Thinks as much as it likes, steered by `output_config.effort`.
    pub(super) adaptive: bool,
    /// Takes `thinking.budget_tokens`.
    pub(super) budgets: bool,
    /// Knows the effort level `xhigh`.
    pub(super) xhigh: bool,
    /// Answers in a JSON schema without a detour over a tool.
    pub(super) native_schema: bool,
    /// Takes `temperature`, `top_p` and `top_k`.
    pub(super) sampling: bool,
    /// Can be forced to call a tool.
    pub(super) forced_tool: bool,
    /// Takes system messages between the turns.
    pub(super) later_system: bool,
}

impl Caps {
    pub(super) fn of(target: &Target) -> Self {
        let known = |what: &str, by_name: bool| target.facts.supports(what).unwrap_or(by_name);
        let version = version(&target.model).unwrap_or((0, 0));
        let opus = target.model.contains("opus");
        let adaptive = known("adaptive_thinking", version >= (4, 6));
        Self {
            adaptive,
            budgets: !adaptive || known("legacy_thinking", version <= (4, 6)),
            xhigh: known("xhigh_reasoning_effort", version >= (4, 7)),
            native_schema: known(
                "native_structured_output",
                version >= (4, 5) || (opus && version == (4, 1)),
            ),
            sampling: known("sampling_params", version < (4, 7)),
            forced_tool: known("forced_tool_use", version < (5, 1)),
            later_system: known("mid_conversation_system", version >= (4, 8)),
        }
    }
}

/// `(4, 5)` of `claude-sonnet-4-5-20250929` and its spellings at other vendors.
fn version(model: &str) -> Option<(u32, u32)> {
    let (_, name) = model.rsplit_once("claude")?;
    let mut parts = name.split(['-', '.', '@', ':', '_', '/']);
    // Longer numbers are dates.
    let number = |part: &str| part.parse().ok().filter(|_| part.len() <= 2);
    let major = parts.by_ref().find_map(number)?;
    Some((major, parts.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_every_spelling() {
        let cases = [
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-sonnet-4-20250514", Some((4, 0))),
            ("claude-3-5-haiku-latest", Some((3, 5))),
            ("claude-3-opus-20240229", Some((3, 0))),
            ("claude-opus-4-1@20250805", Some((4, 1))),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Some((4, 5))),
            ("anthropic/claude-haiku-4.5", Some((4, 5))),
            ("claude-2.1", Some((2, 1))),
            ("claude-opus-5", Some((5, 0))),
            ("my-deployment", None),
        ];
        for (model, expected) in cases {
            assert_eq!(version(model), expected, "{model}");
        }
    }
}
