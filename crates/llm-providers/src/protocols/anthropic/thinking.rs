//! How much a model thinks: budgets on older models, effort on newer ones.

use llm_types::ChatRequest;
use serde_json::{Value, json};

use super::caps::Caps;
use crate::Error;

/// What a request says of thinking, in Anthropic's terms.
#[derive(Debug, Default)]
pub(super) struct Thinking {
    pub(super) thinking: Option<Value>,
    pub(super) effort: Option<&'static str>,
}

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;
const MEDIUM: u64 = 2048;

impl Thinking {
    pub(super) fn of(chat: &ChatRequest, caps: Caps) -> Result<Self, Error> {
        let level = level(chat.reasoning_effort.as_ref())?;
        let limit = chat.output_limit();
        match &chat.thinking {
            None | Some(Value::Null | Value::Bool(false)) => Ok(Self::by_level(level, limit, caps)),
            Some(Value::Bool(true)) => Ok(Self::given(
                json!({"type": "enabled", "budget_tokens": MEDIUM}),
                level,
                limit,
                caps,
            )),
            Some(given @ Value::Object(_)) => Ok(Self::given(given.clone(), level, limit, caps)),
            Some(_) => Err(Error::bad_request("thinking", "expected an object")),
        }
    }

    /// Whether the model will think: forced tools are out then.
    pub(super) fn is_on(&self) -> bool {
        self.kind().is_some_and(|kind| kind != "disabled")
    }

    /// The budget, where there is one.
    pub(super) fn budget(&self) -> Option<u64> {
        self.thinking.as_ref()?.get("budget_tokens")?.as_u64()
    }

    fn kind(&self) -> Option<&str> {
        self.thinking.as_ref()?.get("type")?.as_str()
    }

    fn by_level(level: Option<Level>, limit: Option<u64>, caps: Caps) -> Self {
        let Some(level) = level else {
            return Self::default();
        };
        if caps.adaptive {
            return Self {
                thinking: Some(json!({"type": "adaptive", "display": "summarized"})),
                effort: Some(level.effort(caps)),
            };
        }
        let budget = capped(level.budget(), limit);
        Self {
            thinking: budget.map(|budget| json!({"type": "enabled", "budget_tokens": budget})),
            effort: None,
        }
    }

    fn given(mut given: Value, level: Option<Level>, limit: Option<u64>, caps: Caps) -> Self {
        if let Some(map) = given.as_object_mut()
            && let Some(budget) = map.remove("budgetTokens")
        {
            map.entry("budget_tokens").or_insert(budget);
        }
        let budget = given.get("budget_tokens").and_then(Value::as_u64);
        let mut effort = level
            .filter(|_| caps.adaptive)
            .map(|level| level.effort(caps));
        match given.get("type").and_then(Value::as_str) {
            Some("enabled") if !caps.budgets => {
                effort = effort.or_else(|| budget.map(|budget| Level::of(budget).effort(caps)));
                if let Some(map) = given.as_object_mut() {
                    map.remove("budget_tokens");
                    map.insert("type".into(), "adaptive".into());
                }
            }
            Some("adaptive") if !caps.adaptive => {
                let level = level.map_or(MEDIUM, Level::budget);
                return Self {
                    thinking: capped(level, limit)
                        .map(|budget| json!({"type": "enabled", "budget_tokens": budget})),
                    effort: None,
                };
            }
            _ => {}
        }
        Self {
            thinking: Some(given),
            effort,
        }
    }
}

/// Anthropic wants the answer's limit above the budget; without room there is no thinking.
fn capped(budget: u64, limit: Option<u64>) -> Option<u64> {
    match limit {
        Some(limit) if limit <= LEAST => None,
        Some(limit) => Some(budget.min(limit - 1)),
        None => Some(budget),
    }
}

/// Whether a limit leaves no room for the thinking that is asked for.
pub(super) fn no_room(limit: u64) -> bool {
    limit <= LEAST
}

/// OpenAI's levels, as far as they make a difference.
#[derive(Debug, Clone, Copy)]
enum Level {
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

fn level(effort: Option<&Value>) -> Result<Option<Level>, Error> {
    let effort = effort.map(|effort| effort.get("effort").unwrap_or(effort));
    Ok(match effort {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => match text.as_str() {
            "none" | "disable" | "default" => None,
            "minimal" | "low" => Some(Level::Low),
            "medium" => Some(Level::Medium),
            "high" => Some(Level::High),
            "xhigh" => Some(Level::XHigh),
            "max" => Some(Level::Max),
            other => {
                return Err(Error::bad_request(
                    "reasoning_effort",
                    format!("'{other}' is not a level"),
                ));
            }
        },
        Some(_) => return Err(Error::bad_request("reasoning_effort", "expected a level")),
    })
}

impl Level {
    fn of(budget: u64) -> Self {
        match budget {
            8192.. => Self::XHigh,
            4096.. => Self::High,
            2048.. => Self::Medium,
            _ => Self::Low,
        }
    }

    fn budget(self) -> u64 {
        match self {
            Self::Low => LEAST,
            Self::Medium => MEDIUM,
            Self::High => 4096,
            Self::XHigh => 8192,
            Self::Max => 16384,
        }
    }

    fn effort(self, caps: Caps) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::XHigh if caps.xhigh => "xhigh",
            Self::High | Self::XHigh => "high",
            Self::Max => "max",
        }
    }
}
