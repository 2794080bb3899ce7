use crate::Provider;

/// Heroku Managed Inference: <https://devcenter.heroku.com/articles/heroku-inference-api-v1-chat-completions>
pub(super) const ROW: Provider = Provider {
    name: "heroku",
    base_path: "/v1",
    base_env: &["HEROKU_API_BASE"],
    key_env: &["HEROKU_API_KEY"],
    docs: "https://devcenter.heroku.com/articles/heroku-inference-api-v1-chat-completions",
    ..Provider::OPENAI_LIKE
};
