use crate::Provider;

/// The same server and the same endpoints as [`ollama_chat`](super::ollama_chat).
pub(super) const ROW: Provider = Provider {
    name: "ollama",
    hosts: &["localhost:11434", "127.0.0.1:11434", "ollama.com"],
    ..super::ollama_chat::ROW
};
