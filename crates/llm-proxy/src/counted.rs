//! Requests that ask for nothing but how many tokens they have, of models whose vendors do not say it.

use llm_providers::bridges::{Bridge, generate::Generate};
use llm_sdk::Request as Ask;
use llm_types::Op;
use serde_json::json;

use crate::{
    error::Refusal,
    respond::{self, Reply},
    routes::inference::Action,
    state::Live,
};

/// Our own count, in the words of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Anthropic,
    Google,
}

/// Whether we count ourselves. Whoever will bill the tokens counts them if it can, and an unknown model goes there too:
/// the engine refuses it. Google's clients are told Google's own count or ours.
pub(crate) fn by_us(live: &Live, op: Op, action: Option<Action>, model: &str) -> Option<Count> {
    let deployments = live.router.deployments(model);
    let target = deployments.first().map(|deployment| &deployment.target);
    let can = |op| target.map(|target| target.speaks(op));
    if action == Some(Action::Count) {
        let google = can(Op::CountTokens) == Some(true) && can(Op::GenerateContent) == Some(true);
        return (!google).then_some(Count::Google);
    }
    let vendor = can(Op::CountTokens).unwrap_or(true);
    (op == Op::CountTokens && !vendor).then_some(Count::Anthropic)
}

impl Count {
    /// How many tokens a request has. A vocabulary is slow to load, and a text may be long.
    pub(crate) async fn of(self, ask: Ask, call_id: &str) -> Result<Reply, Refusal> {
        let (body, field) = match self {
            Self::Anthropic => (ask.body, "messages"),
            Self::Google => {
                let chat = Generate.request(&ask.body, &ask.options);
                let chat =
                    chat.map_err(|e| Refusal::bad(e.param.unwrap_or_default(), e.message))?;
                (chat, "contents")
            }
        };
        let body = body.to_map().map_err(Refusal::json)?;
        let model = ask.model;
        let counted =
            tokio::task::spawn_blocking(move || crate::catalog::count_tokens(&model, &body));
        let tokens = match counted.await {
            Ok(counted) => counted.map_err(|message| Refusal::bad(field, message))?,
            Err(_) => return Err(Refusal::internal()),
        };
        let said = match self {
            Self::Anthropic => {
                json!({"input_tokens": tokens, "litellm_count_source": "local_estimate"})
            }
            Self::Google => json!({"totalTokens": tokens}),
        };
        Ok(respond::json(&said, call_id))
    }
}
