use llm_types::{JsonObject, Op};
use serde_json::Value;

use crate::{Credential, Error, Params, Provider, Target, resolve::Surroundings};

/// GitHub Copilot: <https://docs.github.com/en/copilot>
pub(super) const ROW: Provider = Provider {
    name: "github_copilot",
    base_url: "https://api.githubcopilot.com",
    base_env: &["GITHUB_COPILOT_API_BASE"],
    key_env: &["GITHUB_COPILOT_API_KEY"],
    login: Some(login),
    headers: &[
        ("copilot-integration-id", "vscode-chat"),
        ("editor-version", "vscode/1.99.0"),
        ("openai-intent", "conversation-panel"),
    ],
    ops: &[Op::Chat, Op::Embedding, Op::Responses],
    model_speaks: Some(speaks),
    params: Params::THINKING.with_user(),
    keeps: &["cache_control"],
    docs: "https://docs.github.com/en/copilot",
    ..Provider::OPENAI_LIKE
};

/// Its newer models of OpenAI's answer responses, some of them nothing else.
fn speaks(target: &Target, op: Op) -> bool {
    let model = &target.model;
    match op {
        Op::Responses => model.contains("codex") || model.starts_with("gpt-5"),
        _ => true,
    }
}

/// The editor's sign-in leaves a short-lived key in a file; this reads it, and does not sign in by itself.
fn login(_: &mut JsonObject, around: &dyn Surroundings) -> Result<Option<Credential>, Error> {
    let folder = around.var("GITHUB_COPILOT_TOKEN_DIR").or_else(|| {
        around
            .var("HOME")
            .map(|home| format!("{home}/.config/litellm/github_copilot"))
    });
    let key = folder
        .and_then(|folder| around.file(&format!("{folder}/api-key.json")))
        .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        .and_then(|json| json.get("token")?.as_str().map(str::to_owned));
    Ok(key.map(Credential::key))
}
