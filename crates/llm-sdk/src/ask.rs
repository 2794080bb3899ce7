//! A request as routing sees it.

use std::borrow::Cow;

use llm_cost::count_text;
use llm_providers::CallOptions;
use llm_router::{Ask, Router};
use llm_types::{JsonObject, Op};
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::request::RouteOptions;

/// Where prompts are, in all dialects.
const PROMPTS: &[&str] = &[
    "messages",
    "system",
    "instructions",
    "input",
    "prompt",
    "contents",
    "systemInstruction",
    "tools",
    "functions",
];
/// What is counted token by token; the rest of a longer prompt is taken to be like it.
const COUNTED: usize = 32 << 10;
/// What a picture counts, whatever its size.
const PICTURE: u64 = 250;
/// What a message counts besides its text.
const MESSAGE: u64 = 4;
/// A prompt of fewer bytes has no 1024 tokens, and vendors do not keep it.
const CACHEABLE: usize = 4096;

/// What a request asks of a router.
pub(crate) struct Asking<'a> {
    pub(crate) op: Op,
    /// The name to route by.
    pub(crate) model: &'a str,
    pub(crate) body: &'a JsonObject,
    pub(crate) options: &'a CallOptions,
    pub(crate) route: &'a RouteOptions,
}

impl Asking<'_> {
    /// The question. What costs time to find out is found out only where `router` looks at it.
    pub(crate) fn of(&self, router: &Router) -> Ask {
        let Self { body, route, .. } = *self;
        let mut ask = Ask {
            stream: body.is_true("stream"),
            num_retries: route.num_retries,
            retry_policy: route.retry_policy,
            fallbacks: route.fallbacks.clone(),
            context_window_fallbacks: route.window_fallbacks.clone(),
            content_policy_fallbacks: route.policy_fallbacks.clone(),
            disable_fallbacks: route.disable_fallbacks,
            deadline: route.deadline,
            priority: route.priority,
            rehearse: route.rehearse,
            explain: route.explain,
            timeouts: route.timeouts,
            service_tier: body.str("service_tier").map(Cow::into_owned),
            max_tokens: ["max_completion_tokens", "max_tokens", "max_output_tokens"]
                .iter()
                .find_map(|key| body.get(key).ok()?),
            tags: route.tags.clone(),
            inherited_tags: route.inherited_tags.clone(),
            tag_filtering: route.tag_filtering,
            user: body.str("user").map(Cow::into_owned),
            caller: route.caller.clone(),
            team: route.team.clone(),
            weights: route.weights.clone(),
            session: route.session.clone(),
            drop_params: self.options.drop_params,
            strategy: route.strategy.clone(),
            region: route.region.clone(),
            user_agent: route.user_agent.clone(),
            ..Ask::new(self.model)
        };
        if body.contains("response_format") {
            ask.params.push("response_format".into());
        }
        if router.wants_tokens(&ask) {
            let first = router.deployments(self.model).first();
            let model = first.map_or(self.model, |deployment| deployment.target.model.as_str());
            ask.prompt_tokens = tokens(model, body);
        }
        if router.wants_prefix(&ask) {
            ask.prefix = prefix(self.op, body);
        }
        ask
    }
}

/// How many tokens the prompt has, about.
pub(crate) fn tokens(model: &str, body: &JsonObject) -> u64 {
    let mut tally = Tally::default();
    for key in PROMPTS {
        if let Ok(Some(value)) = body.get::<Value>(key) {
            tally.look(model, &value);
        }
    }
    tally.total()
}

/// What was counted of a prompt, and how much was not.
#[derive(Default)]
struct Tally {
    tokens: u64,
    counted: usize,
    bytes: usize,
    more: u64,
}

impl Tally {
    fn look(&mut self, model: &str, value: &Value) {
        match value {
            Value::String(text) => self.text(model, text),
            Value::Array(items) => items.iter().for_each(|item| self.look(model, item)),
            Value::Object(fields) => {
                if fields.contains_key("role") {
                    self.more += MESSAGE;
                }
                for (key, value) in fields {
                    match key.as_str() {
                        "image_url" | "source" | "inline_data" | "inlineData" | "input_audio"
                        | "file" => self.more += PICTURE,
                        // Not read by the model, or in no proportion to what it reads.
                        "id" | "call_id" | "tool_call_id" | "tool_use_id" | "signature"
                        | "encrypted_content" | "cache_control" => {}
                        _ => self.look(model, value),
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, model: &str, text: &str) {
        self.bytes += text.len();
        let room = COUNTED.saturating_sub(self.counted);
        let some = &text[..text.floor_char_boundary(room)];
        if !some.is_empty() {
            self.tokens += count_text(model, some).tokens;
            self.counted += some.len();
        }
    }

    fn total(&self) -> u64 {
        let each = self.tokens as f64 / self.counted.max(1) as f64;
        let text = match self.bytes > self.counted {
            true => (each * self.bytes as f64).ceil() as u64,
            false => self.tokens,
        };
        text + self.more
    }
}

/// What a conversation is known by for as long as it goes on: its beginning, up to the first thing the user says, or
/// up to the last part of that which the client marks for caching. `None` if it is too short to be kept by a vendor.
fn prefix(op: Op, body: &JsonObject) -> Option<u64> {
    #[derive(Deserialize)]
    struct Turn<'a> {
        #[serde(default, borrow)]
        role: Cow<'a, str>,
    }
    let turns = match op {
        Op::Responses => "input",
        Op::GenerateContent => "contents",
        _ => "messages",
    };
    let turns = body.raw(turns)?;
    let fixed = [
        "model",
        "tools",
        "system",
        "instructions",
        "systemInstruction",
    ];
    let fixed: Vec<&[u8]> = fixed
        .iter()
        .filter_map(|key| Some(&body.raw(key)?[..]))
        .collect();
    if fixed.iter().map(|raw| raw.len()).sum::<usize>() + turns.len() < CACHEABLE {
        return None;
    }
    let mut beginning = fixed;
    if let Ok(all) = serde_json::from_slice::<Vec<&RawValue>>(turns) {
        for turn in all {
            beginning.push(turn.get().as_bytes());
            let said = serde_json::from_str::<Turn<'_>>(turn.get()).ok()?;
            if said.role == "user" {
                break;
            }
        }
    } else {
        beginning.push(turns);
    }
    let marked = |part: &&[u8]| memmem::find(part, b"\"cache_control\"").is_some();
    let end = beginning.iter().rposition(marked);
    let kept = end.map_or(beginning.len(), |end| end + 1);
    Some(Ask::prefix_of(&beginning[..kept]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: Value) -> JsonObject {
        JsonObject::from_serialize(&value).expect("an object")
    }

    #[test]
    fn prompts_are_counted_in_every_dialect() {
        use serde_json::json;
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
        let all = [
            json!({"messages": [{"role": "user", "content": text}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}),
            json!({"input": text}),
            json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
            json!({"prompt": text}),
        ];
        for value in all {
            let tokens = tokens("gpt-4o", &body(value.clone()));
            assert!((95..=115).contains(&tokens), "{tokens} of {value}");
        }
        let long = text.repeat(1000);
        let guessed = tokens("gpt-4o", &body(json!({"input": long})));
        assert!((99_000..=103_000).contains(&guessed), "{guessed}");
        let picture = "A".repeat(100_000);
        let image = json!({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{picture}")}},
        ]}]});
        assert!(tokens("gpt-4o", &body(image)) < 300);
        // A text is cut between letters.
        let wide = json!({"input": "é".repeat(20_000)});
        assert!(tokens("gpt-4o", &body(wide)) > 1000);
    }

    #[test]
    fn a_conversation_is_known_by_its_beginning() {
        use serde_json::json;
        let system = json!({"role": "system", "content": "x".repeat(5000)});
        let user = |text: &str| json!({"role": "user", "content": text});
        let answer = json!({"role": "assistant", "content": "hm"});
        let of =
            |messages: Value| prefix(Op::Chat, &body(json!({"model": "m", "messages": messages})));
        let first = of(json!([system, user("a")]));
        assert!(first.is_some());
        assert_eq!(first, of(json!([system, user("a"), answer, user("b")])));
        assert_ne!(first, of(json!([system, user("b")])));
        assert_eq!(of(json!([user("a")])), None);
        let marked = json!({"role": "system", "content": [
            {"type": "text", "text": "x".repeat(5000), "cache_control": {"type": "ephemeral"}},
        ]});
        let shared = of(json!([marked, user("a")]));
        assert_eq!(shared, of(json!([marked, user("b")])));
        let anthropic = |system: &str| {
            let value = json!({"system": system.repeat(5000), "messages": [user("a")]});
            prefix(Op::Messages, &body(value))
        };
        assert_ne!(anthropic("x"), anthropic("y"));
        let responses = json!({"input": "x".repeat(5000)});
        assert!(prefix(Op::Responses, &body(responses)).is_some());
    }
}
