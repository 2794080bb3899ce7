use crate::{Edit, Provider};

/// DataRobot's LLM gateway: <https://docs.datarobot.com/en/docs/gen-ai/>
pub(super) const ROW: Provider = Provider {
    name: "datarobot",
    base_url: "https://app.datarobot.com/api/v2/genai/llmgw",
    base_env: &["DATAROBOT_ENDPOINT"],
    key_env: &["DATAROBOT_API_TOKEN"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.datarobot.com/en/docs/gen-ai/",
    ..Provider::OPENAI_LIKE
};
