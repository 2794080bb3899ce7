//! Requests that ask for nothing but how many tokens they have.

use llm_providers::bridges::{Bridge, generate::Generate};
use llm_sdk::Request as Ask;
use llm_types::Op;

use crate::{
    error::Refusal,
    respond::{self, Reply},
    state::Live,
};

/// Whether tokens are counted by who will bill them. An unknown model goes there too: the engine refuses it.
pub(crate) fn by_vendor(live: &Live, model: &str) -> bool {
    let deployments = live.router.deployments(model);
    deployments
        .first()
        .is_none_or(|deployment| deployment.target.speaks(Op::CountTokens))
}

/// Whether Google's clients are told Google's own count.
pub(crate) fn by_google(live: &Live, model: &str) -> bool {
    let deployments = live.router.deployments(model);
    deployments.first().is_some_and(|deployment| {
        let target = &deployment.target;
        target.speaks(Op::CountTokens) && target.speaks(Op::GenerateContent)
    })
}

/// How many tokens an Anthropic request has, by our own count. A vocabulary is slow to load, and a text may be long.
pub(crate) async fn here(ask: Ask, call_id: &str) -> Result<Reply, Refusal> {
    let body = ask.body.to_map().map_err(Refusal::json)?;
    let counted =
        tokio::task::spawn_blocking(move || crate::catalog::count_tokens(&ask.model, &body));
    let tokens = match counted.await {
        Ok(counted) => counted.map_err(|message| Refusal::bad("messages", message))?,
        Err(_) => return Err(Refusal::internal()),
    };
    Ok(respond::json(
        &serde_json::json!({"input_tokens": tokens, "litellm_count_source": "local_estimate"}),
        call_id,
    ))
}

/// The same of a Google request.
pub(crate) async fn contents(ask: Ask, call_id: &str) -> Result<Reply, Refusal> {
    let chat = Generate.request(&ask.body, &ask.options);
    let chat = chat.map_err(|e| Refusal::bad(e.param.unwrap_or_default(), e.message))?;
    let body = chat.to_map().map_err(Refusal::json)?;
    let counted =
        tokio::task::spawn_blocking(move || crate::catalog::count_tokens(&ask.model, &body));
    match counted.await {
        Ok(Ok(tokens)) => Ok(respond::json(
            &serde_json::json!({"totalTokens": tokens}),
            call_id,
        )),
        Ok(Err(message)) => Err(Refusal::bad("contents", message)),
        Err(_) => Err(Refusal::internal()),
    }
}
