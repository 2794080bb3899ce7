//! How hard the model is to think, in the words of each model family.

use llm_types::{ChatRequest, Map};
use serde_json::{Value, json};

use super::model::{Family, Model};
use crate::Call;

/// Anthropic accepts no smaller budget.
const SMALLEST_BUDGET: u64 = 1024;
/// What an answer gets beyond the thinking where the caller set no limit.
const ANSWER_ROOM: u64 = 4096;

/// What goes into `additionalModelRequestFields`, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    pub(super) fields: Map,
    /// Whether the model thinks: tools cannot be forced then.
    pub(super) on: bool,
    /// The limit that makes room for the budget; none where the caller set one, or none is needed.
    pub(super) max_tokens: Option<u64>,
}

impl Thinking {
    /// What `request` asks for.
    pub(super) fn of(call: &Call<'_>, model: &Model<'_>, request: &ChatRequest) -> Self {
        let mut thinking = Self::default();
        let effort = effort(request);
        match model.family {
            Family::Claude(..) => thinking.claude(call, model, request, effort),
            Family::Nova2 => thinking.nova(request, effort),
            _ => {
                let asked = request.reasoning_effort.as_ref();
                if let Some(effort) = effort.map(Value::from).or_else(|| asked.cloned()) {
                    thinking.fields.insert("reasoning_effort".into(), effort);
                }
                if let Some(asked) = &request.thinking {
                    thinking.fields.insert("thinking".into(), asked.clone());
                }
            }
        }
        thinking
    }

    fn claude(
        &mut self,
        call: &Call<'_>,
        model: &Model<'_>,
        request: &ChatRequest,
        effort: Option<&str>,
    ) {
        let adaptive = adaptive(call, model);
        let asked = request.thinking.as_ref().filter(|asked| asked.is_object());
        let kind = asked.and_then(|asked| asked.get("type")?.as_str());
        let budget = asked.and_then(|asked| asked.get("budget_tokens")?.as_u64());
        match (asked, kind, adaptive) {
            (Some(_), Some("enabled"), true) if !legacy(call, model) => {
                let level = level_of(budget.unwrap_or(0), call);
                self.adapt(effort.map_or(level, |effort| clamp(effort, call)));
            }
            (Some(_), Some("enabled"), _) => self.budget(budget.unwrap_or(2048), request),
            (Some(_), Some("adaptive"), false) => {
                let most = request
                    .output_limit()
                    .map_or(u64::MAX, |n| n.saturating_sub(1));
                self.budget(2048.min(most), request);
            }
            (Some(asked), _, _) => {
                self.on = kind != Some("disabled");
                self.fields.insert("thinking".into(), asked.clone());
                if let Some(effort) = effort.filter(|effort| *effort != "none" && adaptive) {
                    self.effort(clamp(effort, call));
                }
            }
            (None, ..) => match effort {
                None | Some("none") => {}
                Some(effort) if adaptive => self.adapt(clamp(effort, call)),
                Some(effort) => self.budget(budget_of(effort), request),
            },
        }
    }

    fn adapt(&mut self, level: &str) {
        self.on = true;
        self.fields.insert(
            "thinking".into(),
            json!({"type": "adaptive", "display": "summarized"}),
        );
        self.effort(level);
    }

    fn effort(&mut self, level: &str) {
        self.fields
            .insert("output_config".into(), json!({ "effort": level }));
    }

    fn budget(&mut self, budget: u64, request: &ChatRequest) {
        let budget = budget.max(SMALLEST_BUDGET);
        self.on = true;
        self.fields.insert(
            "thinking".into(),
            json!({"type": "enabled", "budget_tokens": budget}),
        );
        if request.output_limit().is_none() {
            self.max_tokens = Some(budget + ANSWER_ROOM);
        }
    }

    fn nova(&mut self, request: &ChatRequest, effort: Option<&str>) {
        let asked = request.thinking.as_ref();
        let kind = asked.and_then(|asked| asked.get("type")?.as_str());
        let budget = asked.and_then(|asked| asked.get("budget_tokens")?.as_u64());
        let level = match (effort, kind, budget) {
            (Some("none"), ..) | (None, Some("disabled"), _) => None,
            (Some("minimal" | "low"), ..) => Some("low"),
            (Some("high" | "xhigh" | "max"), ..) => Some("high"),
            (Some(_), ..) => Some("medium"),
            (None, Some(_), Some(budget)) if budget >= 4096 => Some("high"),
            (None, Some(_), Some(budget)) if budget < 2048 => Some("low"),
            (None, Some(_), _) => Some("medium"),
            (None, None, _) => return,
        };
        let config = match level {
            Some(level) => json!({"type": "enabled", "maxReasoningEffort": level}),
            None => json!({"type": "disabled"}),
        };
        self.on = level.is_some();
        self.fields.insert("reasoningConfig".into(), config);
    }
}

/// The level in `reasoning_effort`, in either of its spellings.
pub(super) fn effort(request: &ChatRequest) -> Option<&str> {
    let asked = request.reasoning_effort.as_ref()?;
    asked.as_str().or_else(|| asked.get("effort")?.as_str())
}

/// Whether the model decides by itself how long it thinks.
fn adaptive(call: &Call<'_>, model: &Model<'_>) -> bool {
    let known = call.target.facts.supports("adaptive_thinking");
    known.unwrap_or(model.claude_since(4, 6))
}

/// Whether a budget is understood though the model is adaptive.
fn legacy(call: &Call<'_>, model: &Model<'_>) -> bool {
    let known = call.target.facts.supports("legacy_thinking");
    known.unwrap_or(!model.claude_since(4, 7))
}

fn budget_of(effort: &str) -> u64 {
    match effort {
        "minimal" | "low" => 1024,
        "high" => 4096,
        "xhigh" => 8192,
        "max" => 16384,
        _ => 2048,
    }
}

fn level_of(budget: u64, call: &Call<'_>) -> &'static str {
    match budget {
        8192.. => clamp("xhigh", call),
        4096.. => "high",
        2048.. => "medium",
        _ => "low",
    }
}

/// The level as adaptive models name it, and none that this one refuses.
fn clamp(effort: &str, call: &Call<'_>) -> &'static str {
    let refused = |name: &str| call.target.facts.supports(name) == Some(false);
    match effort {
        "minimal" | "low" => "low",
        "high" => "high",
        "xhigh" if refused("xhigh_reasoning_effort") => "high",
        "xhigh" => "xhigh",
        "max" if refused("max_reasoning_effort") => "high",
        "max" => "max",
        _ => "medium",
    }
}
