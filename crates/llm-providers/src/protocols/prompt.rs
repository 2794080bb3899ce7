//! A conversation as one text, for vendors that take no messages: in the words that a family of models was trained on.

use llm_types::{Content, Message};

/// How a family of models marks who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Template {
    /// `[INST] <<SYS>>`.
    Llama2,
    /// `<|start_header_id|>`.
    Llama3,
    /// `[INST]`, no system turn.
    Mistral,
    /// `<|im_start|>`.
    ChatMl,
    /// `role: text`, one a line.
    Plain,
}

impl Template {
    /// The template of a model, by its name.
    pub(crate) fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let named = |names: &[&str]| names.iter().any(|name| model.contains(name));
        if named(&["llama-3", "llama3"]) {
            Self::Llama3
        } else if named(&["llama-2", "llama2"]) {
            Self::Llama2
        } else if named(&["mistral", "mixtral"]) {
            Self::Mistral
        } else if named(&["qwen", "hermes", "chatml", "yi-34b"]) {
            Self::ChatMl
        } else {
            Self::Plain
        }
    }

    /// The whole conversation, ready for the assistant's next turn.
    pub(crate) fn render(self, messages: &[Message]) -> String {
        match self {
            Self::Llama2 => instructions(messages, true),
            Self::Mistral => instructions(messages, false),
            Self::Llama3 => {
                let turn = |role: &str, text: &str| {
                    format!("<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>")
                };
                let open = "<|start_header_id|>assistant<|end_header_id|>\n\n";
                format!("<|begin_of_text|>{}{open}", turns(messages, turn))
            }
            Self::ChatMl => {
                let turn =
                    |role: &str, text: &str| format!("<|im_start|>{role}\n{text}<|im_end|>\n");
                format!("{}<|im_start|>assistant\n", turns(messages, turn))
            }
            Self::Plain => {
                let turn = |role: &str, text: &str| format!("{role}: {text}\n");
                format!("{}assistant:", turns(messages, turn))
            }
        }
    }
}

fn turns(messages: &[Message], turn: impl Fn(&str, &str) -> String) -> String {
    messages
        .iter()
        .map(|message| turn(role(message), &text(message)))
        .collect()
}

/// Llama 2 and Mistral: the user's turns in brackets, the system's text inside the first of them.
fn instructions(messages: &[Message], marked: bool) -> String {
    let (mut out, mut pending) = (String::from("<s>"), String::new());
    let mut inside = false;
    for message in messages {
        let text = text(message);
        match role(message) {
            "assistant" => {
                if inside {
                    out.push_str(" [/INST] ");
                    inside = false;
                }
                out.push_str(&text);
                out.push_str(" </s><s>");
            }
            "system" if marked => pending.push_str(&format!("<<SYS>>\n{text}\n<</SYS>>\n\n")),
            "system" => pending.push_str(&format!("{text}\n\n")),
            _ => {
                out.push_str(if inside { "\n" } else { "[INST] " });
                out.push_str(&std::mem::take(&mut pending));
                out.push_str(&text);
                inside = true;
            }
        }
    }
    if !pending.is_empty() {
        out.push_str(if inside { "\n" } else { "[INST] " });
        out.push_str(pending.trim_end());
        inside = true;
    }
    if inside {
        out.push_str(" [/INST]");
    }
    out
}

fn role(message: &Message) -> &str {
    match message.role.as_str() {
        "developer" => "system",
        role => role,
    }
}

fn text(message: &Message) -> String {
    message
        .content
        .as_ref()
        .map(Content::text)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_family_has_its_marks() {
        let messages: Vec<Message> = serde_json::from_value(json!([
            {"role": "system", "content": "S"}, {"role": "user", "content": "A"},
            {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"},
        ]))
        .expect("messages");
        let cases = [
            (
                "meta/llama-2-70b-chat",
                "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nA [/INST] B </s><s>[INST] C [/INST]",
            ),
            (
                "mistralai/mistral-7b",
                "<s>[INST] S\n\nA [/INST] B </s><s>[INST] C [/INST]",
            ),
            (
                "meta/meta-llama-3-8b",
                "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>\
                 <|start_header_id|>user<|end_header_id|>\n\nA<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\nB<|eot_id|>\
                 <|start_header_id|>user<|end_header_id|>\n\nC<|eot_id|>\
                 <|start_header_id|>assistant<|end_header_id|>\n\n",
            ),
            (
                "qwen/qwen-2",
                "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nA<|im_end|>\n\
                 <|im_start|>assistant\nB<|im_end|>\n<|im_start|>user\nC<|im_end|>\n<|im_start|>assistant\n",
            ),
            (
                "other",
                "system: S\nuser: A\nassistant: B\nuser: C\nassistant:",
            ),
        ];
        for (model, expected) in cases {
            assert_eq!(Template::of(model).render(&messages), expected, "{model}");
        }
    }
}
