//! What is asked for, how often at the same time, and what the answer must say.

use std::time::Duration;

use serde_json::json;

/// Sent before the vendor's name of a model: whoever stands between must replace it.
pub(crate) const PREFIX: &str = "bench/";
/// The key that clients send.
pub(crate) const KEY: &str = "sk-bench-master-key";
/// Chunks of text in a streamed answer.
pub(crate) const CHUNKS: usize = 50;
/// Between two chunks of a paced stream.
pub(crate) const PACE: Duration = Duration::from_millis(2);
/// The model whose streams are paced; every other's come in one burst.
pub(crate) const PACED: &str = "gpt-4o-mini";
/// In every generated text.
pub(crate) const WORD: &str = "lighthouse";

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// As `provider/model`.
    pub(crate) model: &'static str,
    pub(crate) stream: bool,
    /// Bytes of the question.
    pub(crate) question: usize,
    pub(crate) connections: usize,
    /// What every answer has.
    pub(crate) expect: &'static str,
}

const CHAT: Scenario = Scenario {
    name: "chat",
    path: "/v1/chat/completions",
    model: "openai/gpt-4o",
    stream: false,
    question: 60,
    connections: 16,
    expect: WORD,
};

/// Every scenario, in the order of the table.
pub(crate) const ALL: &[Scenario] = &[
    CHAT,
    Scenario {
        name: "chat-stream-paced",
        model: "openai/gpt-4o-mini",
        stream: true,
        connections: 64,
        ..CHAT
    },
    Scenario {
        name: "chat-stream-burst",
        stream: true,
        ..CHAT
    },
    Scenario {
        name: "chat-100kb",
        question: 100_000,
        ..CHAT
    },
    Scenario {
        name: "embeddings",
        path: "/v1/embeddings",
        model: "openai/text-embedding-3-small",
        expect: "\"embedding\"",
        ..CHAT
    },
    Scenario {
        name: "messages-to-anthropic",
        path: "/v1/messages",
        model: "anthropic/claude-sonnet-4-5",
        ..CHAT
    },
    Scenario {
        name: "chat-to-anthropic",
        model: "anthropic/claude-sonnet-4-5",
        ..CHAT
    },
];

impl Scenario {
    /// The scenario of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|scenario| scenario.name == name)
    }

    /// The whole request, as it goes onto the wire.
    pub(crate) fn request(&self, key: &str) -> Vec<u8> {
        let body = self.body();
        let mut all = format!(
            "POST {} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\
             anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.path,
            body.len()
        );
        all.push_str(&body);
        all.into_bytes()
    }

    fn body(&self) -> String {
        let model = self.model.split_once('/').map_or(self.model, |(_, m)| m);
        let model = format!("{PREFIX}{model}");
        let mut question = "Where does the ship go? ".repeat(self.question / 24 + 1);
        question.truncate(self.question);
        if self.path.ends_with("/embeddings") {
            return json!({"model": model, "input": question, "encoding_format": "float"})
                .to_string();
        }
        let mut body = json!({
            "model": model, "max_tokens": 100, "temperature": 0.5,
            "messages": [{"role": "user", "content": question}],
        });
        if self.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        body.to_string()
    }
}

/// A LiteLLM configuration for a gateway in front of `upstream`.
pub(crate) fn config(upstream: std::net::SocketAddr) -> String {
    let mut models: Vec<_> = ALL.iter().map(|scenario| scenario.model).collect();
    models.sort_unstable();
    models.dedup();
    let mut text = "model_list:\n".to_owned();
    for model in models {
        let (vendor, name) = model.split_once('/').unwrap_or(("openai", model));
        let version = if vendor == "anthropic" { "" } else { "/v1" };
        text.push_str(&format!(
            "  - model_name: {PREFIX}{name}\n    litellm_params: \
             {{model: {model}, api_base: \"http://{upstream}{version}\", api_key: sk-vendor}}\n"
        ));
    }
    text.push_str(&format!("general_settings:\n  master_key: {KEY}\n"));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn names_are_unique() {
        for scenario in ALL {
            assert_eq!(Scenario::named(scenario.name), Some(*scenario));
        }
        assert_eq!(Scenario::named("nothing"), None);
    }

    #[test]
    fn requests_are_as_long_as_they_say() {
        for scenario in ALL {
            let request = String::from_utf8(scenario.request(KEY)).unwrap();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("content-length: {}", body.len())));
            let body: Value = serde_json::from_str(body).unwrap();
            assert!(body["model"].as_str().unwrap().starts_with(PREFIX));
            assert_eq!(body["stream"] == true, scenario.stream);
        }
        let long = Scenario::named("chat-100kb").unwrap();
        assert!(long.request(KEY).len() > 100_000);
    }

    #[test]
    fn every_model_is_configured_once() {
        let text = config("127.0.0.1:1".parse().unwrap());
        assert_eq!(text.matches("model_name").count(), 4);
        assert!(
            text.contains("{model: anthropic/claude-sonnet-4-5, api_base: \"http://127.0.0.1:1\"")
        );
        assert!(text.contains("api_base: \"http://127.0.0.1:1/v1\""));
    }
}
