//! Azure: OpenAI's wire at other addresses, and Claude's at one more.

use http::{HeaderValue, Request, Uri};
use llm_types::{Op, Usage, Verb};

use super::{
    anthropic::{self, Flavor},
    openai::{self, OpenAi},
};
use crate::{
    Answer, Call, Decoder, Error, Framing, Outgoing, Protocol, Reply, Step, Target,
    live::{OpenAiSession, Session},
    path,
};

/// Azure OpenAI: the deployment is in the path, the version in the query.
#[derive(Debug)]
pub struct Azure;

impl Protocol for Azure {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if call.op == Op::Realtime {
            return opening(call);
        }
        if is_kept(call.op) || call.verb != Verb::Create {
            return openai::kept(call, address(call)?);
        }
        let mut body = openai::body(call)?;
        body.set_str("model", deployment(call));
        openai::create(call, &address(call)?, &body)
    }

    fn streams_files(&self, call: &Call<'_>) -> bool {
        OpenAi.streams_files(call)
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        OpenAi.framing(call)
    }

    fn spent(&self, call: &Call<'_>) -> Option<Usage> {
        OpenAi.spent(call)
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        OpenAi.decode(call, reply)
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        OpenAi.decoder(call)
    }

    fn session(&self, call: &Call<'_>, named: &str) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(OpenAiSession::new(call, deployment(call), named)))
    }
}

/// What opens a two-way session: dated versions name the deployment, the v1 API the model.
fn opening(call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
    let (base, query) = split_query(call.base_url());
    let version = call.target.setting("api_version");
    let dated = version.filter(|version| !["v1", "latest", "preview"].contains(version));
    let (way, name) = match dated {
        Some(_) if !is_v1(&format!("{base}/realtime")) => ("openai/realtime", "deployment"),
        _ => ("openai/v1/realtime", "model"),
    };
    let version = dated.filter(|_| name == "deployment");
    let address = with_query(&path::join(root(base), way), query, version);
    openai::opening(address, name, deployment(call), call)
}

/// Azure AI Foundry: many vendors' models, each deployment at one of three kinds of address.
#[derive(Debug)]
pub struct AzureAi;

impl Protocol for AzureAi {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        if !is_claude(&call.target.model) {
            return openai::create(call, &foundry(call)?, &openai::body(call)?);
        }
        let (encoded, tail) = match call.op {
            Op::Chat => (anthropic::chat_request(call, &Flavor::API)?, "messages"),
            Op::Messages => (anthropic::messages_request(call, &Flavor::API)?, "messages"),
            Op::CountTokens => (
                anthropic::messages_request(call, &Flavor::API)?,
                "messages/count_tokens",
            ),
            _ => return Err(call.unsupported()),
        };
        let uri = path::join(&claude_base(call.base_url()), tail);
        let mut request = openai::request(&uri, encoded.body)?;
        let version = HeaderValue::from_static("2023-06-01");
        request.headers_mut().insert("anthropic-version", version);
        anthropic::add_betas(request.headers_mut(), &encoded.betas)?;
        Ok(request)
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        if !is_claude(&call.target.model) {
            return OpenAi.decode(call, reply);
        }
        match call.op {
            Op::Chat => {
                let reading = anthropic::Reading::of(call, &Flavor::API)?;
                Ok(Answer::chat(anthropic::chat_response(&reading, &reply)?).into())
            }
            Op::CountTokens => Ok(Answer::raw(reply.body, None).into()),
            _ => Ok(anthropic::messages_response(call.target.provider.name, reply)?.into()),
        }
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        if is_claude(&call.target.model) {
            return anthropic::decoder(call, &Flavor::API);
        }
        OpenAi.decoder(call)
    }
}

/// Whether what `op` makes belongs to the resource, and to none of its deployments.
fn is_kept(op: Op) -> bool {
    matches!(op, Op::File | Op::Batch | Op::Video | Op::FineTuning)
}

/// Whether Foundry serves `model` in Anthropic's format.
pub(crate) fn is_claude(model: &str) -> bool {
    model.to_ascii_lowercase().contains("claude")
}

/// Whether `target` at Foundry speaks `op` itself: Claude's formats are Claude's alone, and it has no other.
pub(crate) fn foundry_speaks(target: &Target, op: Op) -> bool {
    match op {
        Op::Chat => true,
        Op::Messages | Op::CountTokens => is_claude(&target.model),
        // Serverless models have a host of their own each, which chats.
        Op::Responses => {
            !is_claude(&target.model) && !host(&target.base_url).ends_with(".models.ai.azure.com")
        }
        _ => !is_claude(&target.model),
    }
}

/// The deployment's name: users mark series of models in front of it.
pub(crate) fn deployment<'a>(call: &'a Call<'_>) -> &'a str {
    let model = call.model();
    ["o_series/", "gpt5_series/"]
        .iter()
        .find_map(|series| model.strip_prefix(series))
        .unwrap_or(model)
}

/// Whether `path` is of the v1 API, which names the model in the body and takes keys as bearers.
pub(crate) fn is_v1(path: &str) -> bool {
    let Some((_, rest)) = path.rsplit_once("/v1/") else {
        return false;
    };
    let elsewhere = ["/anthropic/", "/deployments/"];
    !elsewhere.iter().any(|part| path.contains(part)) && rest.split('/').count() <= 2
}

/// The address of an Azure OpenAI call.
fn address(call: &Call<'_>) -> Result<String, Error> {
    let op = call.op.path();
    let version = call
        .target
        .setting("api_version")
        .unwrap_or(DEFAULT_VERSION);
    let (base, query) = split_query(call.base_url());
    let place = if base.ends_with(op) {
        // The whole address was given.
        base.to_owned()
    } else if base.contains("/deployments/") || has_own_path(base) {
        path::join(base, op)
    } else if is_v1(&format!("{base}{op}")) {
        return Ok(with_query(&path::join(base, op), query, None));
    } else if ["v1", "latest", "preview"].contains(&version) {
        let place = path::join(root(base), &format!("openai/v1{op}"));
        let preview = (version == "preview").then_some(version);
        return Ok(with_query(&place, query, preview));
    } else if call.op == Op::Video {
        // There is no other path to Sora than the v1 API's.
        return Ok(with_query(
            &path::join(root(base), "openai/v1/videos"),
            query,
            None,
        ));
    } else if is_kept(call.op) || matches!(call.op, Op::Responses | Op::Moderation) {
        // These belong to the resource; the deployment is named in the body.
        path::join(root(base), &format!("openai{op}"))
    } else {
        let deployment = path::segment(deployment(call))?;
        path::join(root(base), &format!("openai/deployments/{deployment}{op}"))
    };
    let version = (!is_v1(&place)).then_some(version);
    Ok(with_query(&place, query, version))
}

/// The address of a call to Foundry's other models.
fn foundry(call: &Call<'_>) -> Result<String, Error> {
    let op = call.op.path();
    let version = call.target.setting("api_version");
    let (base, query) = split_query(call.base_url());
    let host = host(base);
    let is = |suffix: &str| host.ends_with(suffix);
    if base.ends_with(op) {
        return Ok(with_query(base, query, version));
    }
    if base.ends_with("/v1") {
        return Ok(with_query(&path::join(base, op), query, None));
    }
    if call.op == Op::Responses {
        let root = root(base.strip_suffix("/models").unwrap_or(base));
        return Ok(with_query(
            &path::join(root, &format!("openai/v1{op}")),
            query,
            None,
        ));
    }
    if base.contains("/deployments/") {
        let version = version.unwrap_or(DEFAULT_VERSION);
        return Ok(with_query(&path::join(base, op), query, Some(version)));
    }
    // Models that draw have no route of their own, only that of deployments.
    let draws =
        matches!(call.op, Op::ImageGeneration | Op::ImageEdit) && is(".services.ai.azure.com");
    if draws || is(".openai.azure.com") || is(".cognitiveservices.azure.com") {
        let model = path::segment(call.model())?;
        let place = path::join(root(base), &format!("openai/deployments/{model}{op}"));
        return Ok(with_query(
            &place,
            query,
            Some(version.unwrap_or(DEFAULT_VERSION)),
        ));
    }
    if is(".services.ai.azure.com") || base.ends_with("/models") {
        let base = base.strip_suffix("/models").unwrap_or(base);
        let version = version.unwrap_or(FOUNDRY_VERSION);
        let place = path::join(base, &format!("models{op}"));
        return Ok(with_query(&place, query, Some(version)));
    }
    Ok(with_query(
        &path::join(base, &format!("v1{op}")),
        query,
        version,
    ))
}

/// Where Cohere's rerankers are: at a deployment of their own, or at a resource that serves many.
pub(crate) fn rerank_address(call: &Call<'_>) -> String {
    vendor_address(call, "rerank", "providers/cohere/v2/rerank", "v1/rerank")
}

/// Where Mistral's text recognition is, likewise.
pub(crate) fn ocr_address(call: &Call<'_>) -> String {
    vendor_address(call, "ocr", "providers/mistral/azure/ocr", "v1/ocr")
}

/// `path` says what the whole address ends with, `shared` where it is at a resource, `own` where at a deployment.
fn vendor_address(call: &Call<'_>, path: &str, shared: &str, own: &str) -> String {
    let (base, query) = split_query(call.base_url());
    let host = host(base);
    let place = if base.ends_with(&format!("/{path}")) {
        base.to_owned()
    } else if host.ends_with(".models.ai.azure.com") || host.ends_with(".inference.ml.azure.com") {
        path::join(root(base), own)
    } else if base.contains("/providers/") || host.ends_with(".azure.com") {
        let root = base.split("/providers/").next().unwrap_or(base);
        path::join(root.strip_suffix("/models").unwrap_or(root), shared)
    } else {
        return with_query(&path::join(root(base), own), query, None);
    };
    with_query(&place, query, None)
}

/// Where Azure's own services for content are, whatever of another route the base URL has.
pub(crate) fn service_address(call: &Call<'_>, path: &str, version: &str) -> String {
    let (base, query) = split_query(call.base_url());
    let base = base.split("/providers/").next().unwrap_or(base);
    let root = root(base.strip_suffix("/models").unwrap_or(base));
    with_query(&path::join(root, path), query, Some(version))
}

/// The version for deployments if nobody says one: LiteLLM's.
const DEFAULT_VERSION: &str = "2025-02-01-preview";
/// The version of Foundry's `models` route.
const FOUNDRY_VERSION: &str = "2024-05-01-preview";

/// `.../anthropic/v1`, whatever part of it the base URL has already, and whatever of another route.
fn claude_base(base: &str) -> String {
    let (base, _) = split_query(base);
    let root = match base.split_once("/anthropic") {
        Some((root, _)) => root,
        None => root(base.strip_suffix("/models").unwrap_or(base)),
    };
    path::join(root, "anthropic/v1")
}

/// The base URL without what it may have of the path already.
fn root(base: &str) -> &str {
    let base = base.strip_suffix("/v1").unwrap_or(base);
    base.strip_suffix("/openai").unwrap_or(base)
}

/// Gateways before Azure name the deployment in a path of their own.
fn has_own_path(base: &str) -> bool {
    host(base) == "gateway.ai.cloudflare.com"
}

fn host(base: &str) -> String {
    let uri: Option<Uri> = base.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    host.to_ascii_lowercase()
}

fn split_query(base: &str) -> (&str, Option<&str>) {
    match base.split_once('?') {
        Some((base, query)) => (base.trim_end_matches('/'), Some(query)),
        None => (base, None),
    }
}

/// The address with the query it was given, and the version unless that has one.
fn with_query(place: &str, query: Option<&str>, version: Option<&str>) -> String {
    let given = query.filter(|query| !query.is_empty());
    let has_version = given.is_some_and(|query| query.contains("api-version="));
    let version = version
        .filter(|_| !has_version)
        .map(|version| format!("api-version={}", path::query(version)));
    match (given, version) {
        (Some(query), Some(version)) => format!("{place}?{query}&{version}"),
        (Some(query), None) => format!("{place}?{query}"),
        (None, Some(version)) => format!("{place}?{version}"),
        (None, None) => place.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use llm_types::JsonObject;

    use crate::{Body, Call, CallOptions, Credential, Target, lookup};

    use super::*;

    fn sent(provider: &str, model: &str, base: &str, version: &str, op: Op) -> String {
        let row = lookup(provider).expect("a row");
        let target = Target::new(row, model, Credential::None).at(base);
        let target = target.with("api_version", version);
        let mut body = JsonObject::new();
        body.set_raw("messages", r#"[{"role":"user","content":"x"}]"#);
        body.set_str("input", "x");
        let options = CallOptions::default();
        let call = Call::prepare(op, &target, Body::from(body), &options).expect("a call");
        call.encode().expect("a request").uri().to_string()
    }

    #[test]
    fn azure_s_addresses() {
        let base = "https://r.openai.azure.com";
        let cases = [
            (
                base,
                "",
                "/openai/deployments/d%2F1/chat/completions?api-version=2025-02-01-preview",
            ),
            (
                base,
                "2024-10-21",
                "/openai/deployments/d%2F1/chat/completions?api-version=2024-10-21",
            ),
            (base, "v1", "/openai/v1/chat/completions"),
            (base, "latest", "/openai/v1/chat/completions"),
            (
                base,
                "preview",
                "/openai/v1/chat/completions?api-version=preview",
            ),
            (
                "https://r.openai.azure.com/openai/v1",
                "2024-10-21",
                "/openai/v1/chat/completions",
            ),
            (
                "https://r.openai.azure.com/openai",
                "v1",
                "/openai/v1/chat/completions",
            ),
            (
                "https://r.openai.azure.com/openai/deployments/own",
                "x",
                "/openai/deployments/own/chat/completions?api-version=x",
            ),
            (
                "https://r.openai.azure.com/openai/deployments/own/chat/completions?api-version=2023-05-15",
                "2024-10-21",
                "/openai/deployments/own/chat/completions?api-version=2023-05-15",
            ),
        ];
        for (given, version, expected) in cases {
            let got = sent("azure", "d/1", given, version, Op::Chat);
            assert_eq!(got.strip_prefix(base), Some(expected), "{given} {version}");
        }
        let series = sent("azure", "o_series/mine", base, "", Op::Embedding);
        assert!(series.contains("/deployments/mine/embeddings?"), "{series}");
    }

    #[test]
    fn foundry_s_addresses() {
        let cases = [
            (
                "grok",
                "https://r.services.ai.azure.com",
                "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            ),
            (
                "grok",
                "https://r.services.ai.azure.com/models",
                "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
            ),
            (
                "grok",
                "https://r.services.ai.azure.com/openai/v1",
                "https://r.services.ai.azure.com/openai/v1/chat/completions",
            ),
            (
                "x",
                "https://x.eastus2.models.ai.azure.com",
                "https://x.eastus2.models.ai.azure.com/v1/chat/completions",
            ),
            (
                "x",
                "https://x.eastus2.models.ai.azure.com/v1",
                "https://x.eastus2.models.ai.azure.com/v1/chat/completions",
            ),
            (
                "gpt",
                "https://r.openai.azure.com",
                "https://r.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2025-02-01-preview",
            ),
            (
                "claude-x",
                "https://r.services.ai.azure.com",
                "https://r.services.ai.azure.com/anthropic/v1/messages",
            ),
            (
                "claude-x",
                "https://r.services.ai.azure.com/anthropic",
                "https://r.services.ai.azure.com/anthropic/v1/messages",
            ),
            (
                "claude-x",
                "https://r.services.ai.azure.com/anthropic/v1/messages",
                "https://r.services.ai.azure.com/anthropic/v1/messages",
            ),
            (
                "claude-x",
                "https://r.services.ai.azure.com/models",
                "https://r.services.ai.azure.com/anthropic/v1/messages",
            ),
        ];
        for (model, base, expected) in cases {
            assert_eq!(
                sent("azure_ai", model, base, "", Op::Chat),
                expected,
                "{model} {base}"
            );
        }
    }

    #[test]
    fn v1_is_told_from_gateways_with_a_v1_of_their_own() {
        assert!(is_v1("/openai/v1/chat/completions"));
        assert!(is_v1("/v1/embeddings"));
        assert!(!is_v1(
            "/v1/account/gateway/azure-openai/r/d/chat/completions"
        ));
        assert!(!is_v1("/anthropic/v1/messages"));
        assert!(!is_v1("/openai/deployments/v1/chat/completions"));
    }
}
