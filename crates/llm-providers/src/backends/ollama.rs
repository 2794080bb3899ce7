use crate::Provider;

/// The same server and the same endpoints as [`ollama_chat`](super::ollama_chat).
pub(super) const ROW: Provider = Provider {
    name: "ollama",
    hosts: &["ollama.com"],
    ..super::ollama_chat::ROW
};
