//! Model strings, keys, addresses and settings: from what a user writes to a target.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_providers::{
    Credential, Kind, Target, auth, lookup,
    resolve::{Surroundings, provider, target, validate_environment},
};
use llm_types::JsonObject;

/// An environment and a price table for tests.
#[derive(Default)]
struct Around {
    vars: BTreeMap<&'static str, &'static str>,
    models: BTreeMap<&'static str, &'static str>,
}

impl Surroundings for Around {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, _: &str) -> Option<String> {
        None
    }

    fn provider_of(&self, model: &str) -> Option<String> {
        self.models.get(model).map(|name| (*name).to_owned())
    }
}

fn with(vars: &[(&'static str, &'static str)]) -> Around {
    Around {
        vars: vars.iter().copied().collect(),
        ..Around::default()
    }
}

fn params(text: &str) -> JsonObject {
    JsonObject::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("an object")
}

fn made(text: &str, around: &Around) -> (Target, JsonObject) {
    let mut params = params(text);
    let target = target(&mut params, around).expect("a target");
    (target, params)
}

fn key(target: &Target) -> &str {
    match &target.credential {
        Credential::Key(key) => key.expose(),
        other => panic!("no key: {other:?}"),
    }
}

#[test]
fn model_strings_split_at_the_first_slash() {
    let around = Around {
        models: [("mistral-huge", "mistral"), ("jamba", "ai21_chat")].into(),
        ..Around::default()
    };
    type Case = (
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
        &'static str,
        &'static str,
    );
    let cases: &[Case] = &[
        ("groq/llama-3.3-70b", None, None, "groq", "llama-3.3-70b"),
        (
            "groq/openai/gpt-oss-20b",
            None,
            None,
            "groq",
            "openai/gpt-oss-20b",
        ),
        ("openai/gpt-4o", None, None, "openai", "gpt-4o"),
        (
            "openrouter/auto",
            None,
            None,
            "openrouter",
            "openrouter/auto",
        ),
        (
            "openrouter/openai/gpt-4o",
            None,
            None,
            "openrouter",
            "openai/gpt-4o",
        ),
        (
            "openrouter/openrouter/auto",
            None,
            None,
            "openrouter",
            "openrouter/auto",
        ),
        ("venice/llama", None, None, "veniceai", "llama"),
        ("llama-3.3-70b", Some("groq"), None, "groq", "llama-3.3-70b"),
        (
            "openai/gpt-oss-20b",
            Some("groq"),
            None,
            "groq",
            "openai/gpt-oss-20b",
        ),
        ("groq/llama", Some("groq"), None, "groq", "llama"),
        (
            "any",
            None,
            Some("https://api.deepseek.com/v1"),
            "deepseek",
            "any",
        ),
        (
            "any",
            None,
            Some("https://api.together.xyz/v1"),
            "together_ai",
            "any",
        ),
        (
            "org/any",
            None,
            Some("https://api.x.ai/v1/"),
            "xai",
            "org/any",
        ),
        (
            "gpt-4o",
            None,
            Some("https://my.example/v1"),
            "openai",
            "gpt-4o",
        ),
        ("gpt-9-next", None, None, "openai", "gpt-9-next"),
        ("o3-mini", None, None, "openai", "o3-mini"),
        (
            "ft:gpt-4o:acme::id",
            None,
            None,
            "openai",
            "ft:gpt-4o:acme::id",
        ),
        ("mistral-huge", None, None, "mistral", "mistral-huge"),
        ("jamba", None, None, "ai21", "jamba"),
    ];
    for (model, custom, base, row, name) in cases {
        let (got, rest) = provider(model, *custom, *base, &around).expect(model);
        assert_eq!((got.name, rest.as_str()), (*row, *name), "{model}");
    }
}

#[test]
fn what_cannot_be_resolved_says_what_to_do() {
    let around = Around::default();
    for model in ["mystery", "mystery/thing", "", "/", "groq/"] {
        let error = provider(model, None, None, &around).expect_err(model);
        assert_eq!(error.kind, Kind::BadRequest);
        assert!(
            error.message.starts_with(
                "LLM Provider NOT provided. Pass in the LLM provider you are trying to call. You passed model="
            ),
            "{}",
            error.message
        );
    }
    let error = provider("grok/llama", None, None, &around).expect_err("a slip");
    assert!(error.message.contains("groq"), "{}", error.message);
    let error = provider("m", Some("opanai"), None, &around).expect_err("a slip");
    assert!(error.message.contains("openai"), "{}", error.message);
}

#[test]
fn another_gateway_can_take_everything() {
    let around = with(&[("USE_LITELLM_PROXY", "True")]);
    let (row, model) = provider("groq/llama", None, None, &around).expect("a row");
    assert_eq!((row.name, model.as_str()), ("litellm_proxy", "groq/llama"));
    let (_, model) = provider("litellm_proxy/x", None, None, &around).expect("a row");
    assert_eq!(model, "x");
}

#[test]
fn keys_and_addresses_have_an_order() {
    let around = with(&[
        ("TOGETHER_AI_API_KEY", "second"),
        ("TOGETHERAI_API_KEY", "third"),
        ("OPENAI_API_KEY", "sk-env"),
        ("OPENAI_API_BASE", "https://base.example/v1/"),
        ("MY_KEY", "mine"),
        ("MY_BASE", "https://mine.example"),
    ]);
    let (made_of_env, _) = made(r#"{"model":"together_ai/m"}"#, &around);
    assert_eq!(key(&made_of_env), "second");
    assert_eq!(made_of_env.base_url, "https://api.together.ai/v1");

    let (openai, _) = made(r#"{"model":"gpt-4o"}"#, &around);
    assert_eq!(
        (key(&openai), openai.base_url.as_str()),
        ("sk-env", "https://base.example/v1")
    );

    let (given, rest) = made(
        r#"{"model":"gpt-4o","api_key":"os.environ/MY_KEY","api_base":"os.environ/MY_BASE","user":"os.environ/MY_KEY"}"#,
        &around,
    );
    assert_eq!(
        (key(&given), given.base_url.as_str()),
        ("mine", "https://mine.example")
    );
    assert_eq!(
        rest.to_bytes(),
        r#"{"user":"os.environ/MY_KEY"}"#,
        "only the target's own keys are looked up"
    );

    let (both, _) = made(
        r#"{"model":"gpt-4o","api_base":"https://a.example","base_url":"https://b.example"}"#,
        &around,
    );
    assert_eq!(both.base_url, "https://b.example");
}

/// The header that proves who we are.
fn proof(target: &Target) -> (String, String) {
    let mut request = http::Request::new(llm_providers::Outgoing::default());
    let now = std::time::UNIX_EPOCH;
    llm_providers::auth::apply(target, &target.credential, &mut request, now).expect("a header");
    let headers = request.headers();
    let name = ["x-api-key", "authorization"].map(http::HeaderName::from_static);
    let name = name.iter().find(|name| headers.contains_key(*name));
    let name = name.expect("a header").clone();
    let value = headers[&name].to_str().expect("text").to_owned();
    (name.to_string(), value)
}

#[test]
fn anthropic_s_key_and_token_go_where_they_belong() {
    let claude = r#"{"model":"anthropic/claude-sonnet-4-5"}"#;
    let (key, token) = (("ANTHROPIC_API_KEY", "k"), ("ANTHROPIC_AUTH_TOKEN", "t"));
    let oauth = ("ANTHROPIC_API_KEY", "sk-ant-oat01-x");
    let cases = [
        (vec![key], "x-api-key", "k"),
        (vec![token], "authorization", "Bearer t"),
        (vec![key, token], "x-api-key", "k"),
        (vec![oauth], "authorization", "Bearer sk-ant-oat01-x"),
    ];
    for (vars, name, value) in cases {
        let (target, _) = made(claude, &with(&vars));
        assert_eq!(proof(&target), (name.to_owned(), value.to_owned()));
    }
    let (none, _) = made(claude, &Around::default());
    let Credential::Missing(what) = none.credential else {
        panic!("a key from nowhere");
    };
    assert!(
        what.contains("ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"),
        "{what}"
    );
}

#[test]
fn a_missing_key_is_said_at_the_first_call_and_a_missing_address_at_once() {
    let target_of = |text| target(&mut params(text), &Around::default());
    let groq = target_of(r#"{"model":"groq/x"}"#).expect("a target");
    let mut request = http::Request::new(llm_providers::Outgoing::default());
    let now = std::time::SystemTime::UNIX_EPOCH;
    let error = auth::apply(&groq, &groq.credential, &mut request, now).expect_err("no key");
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.message.contains("GROQ_API_KEY"));
    let error = target(
        &mut params(r#"{"model":"hosted_vllm/x"}"#),
        &Around::default(),
    )
    .expect_err("no base");
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (Kind::BadRequest, Some("api_base"))
    );
    assert!(error.message.contains("HOSTED_VLLM_API_BASE"));
}

#[test]
fn settings_leave_the_request_and_secrets_leave_no_trace() {
    let around = with(&[("OPENAI_API_KEY", "k"), ("OPENAI_ORGANIZATION", "org-env")]);
    let (target, rest) = made(
        r#"{"model":"gpt-4o","project":"p","aws_region_name":"eu-west-1","aws_secret_access_key":"s3cr3t",
            "vertex_ai_project":"v","azure_ad_token":"s3cr3t","messages":[],"top_k":4}"#,
        &around,
    );
    assert_eq!(target.setting("organization"), Some("org-env"));
    assert_eq!(target.setting("project"), Some("p"));
    assert_eq!(target.setting("aws_region_name"), Some("eu-west-1"));
    assert_eq!(target.setting("vertex_project"), Some("v"));
    assert!(!format!("{target:?}").contains("s3cr3t"));
    assert_eq!(
        rest.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        ["messages", "top_k"]
    );
}

#[test]
fn addresses_are_filled_in_from_settings() {
    let around = with(&[
        ("CLOUDFLARE_API_KEY", "k"),
        ("CLOUDFLARE_ACCOUNT_ID", "acme"),
    ]);
    let (target, _) = made(r#"{"model":"cloudflare/@cf/meta/llama"}"#, &around);
    assert_eq!(
        target.base_url,
        "https://api.cloudflare.com/client/v4/accounts/acme/ai/v1"
    );
    let (target, _) = made(r#"{"model":"cloudflare/m","account_id":"other"}"#, &around);
    assert!(target.base_url.contains("/accounts/other/"));
    let mut bare = params(r#"{"model":"cloudflare/m","api_key":"k"}"#);
    let error = refused(&mut bare);
    assert!(error.contains("CLOUDFLARE_ACCOUNT_ID"), "{error}");
    let (target, _) = made(
        r#"{"model":"mistral/m","api_key":"k","api_base":"https://m.example"}"#,
        &around,
    );
    assert_eq!(target.base_url, "https://m.example/v1");
}

fn refused(params: &mut JsonObject) -> String {
    target(params, &Around::default())
        .expect_err("an error")
        .message
}

#[test]
fn a_bare_gemini_goes_where_it_can_work() {
    let (Some(gemini), Some(vertex)) = (lookup("gemini"), lookup("vertex_ai")) else {
        return eprintln!("the Google rows are not there");
    };
    let at = |vars: &[(&'static str, &'static str)]| {
        provider("gemini-2.5-flash", None, None, &with(vars))
            .expect("a row")
            .0
    };
    assert_eq!(at(&[]), vertex);
    assert_eq!(at(&[("GEMINI_API_KEY", "k")]), gemini);
    assert_eq!(
        at(&[("GEMINI_API_KEY", "k"), ("VERTEXAI_PROJECT", "p")]),
        vertex
    );
}

#[test]
fn validate_environment_lists_what_is_missing() {
    let none = Around::default();
    let missing = |model: &str, around: &Around| {
        validate_environment(model, None, None, None, around)
            .expect("a provider")
            .missing_keys
    };
    assert_eq!(missing("gpt-4o", &none), ["OPENAI_API_KEY"]);
    assert_eq!(
        missing("gpt-4o", &with(&[("OPENAI_API_KEY", "k")])),
        [""; 0]
    );
    assert_eq!(
        missing("cloudflare/m", &none),
        ["CLOUDFLARE_API_KEY", "CLOUDFLARE_ACCOUNT_ID"]
    );
    assert_eq!(
        missing("together_ai/m", &with(&[("TOGETHER_API_KEY", "k")])),
        [""; 0]
    );
    assert_eq!(missing("hosted_vllm/m", &none), [""; 0]);
    assert_eq!(missing("claude-opus-4", &none), ["ANTHROPIC_API_KEY"]);
    assert_eq!(
        missing("claude-opus-4", &with(&[("ANTHROPIC_AUTH_TOKEN", "t")])),
        [""; 0]
    );
    let given = validate_environment("groq/m", Some("k"), None, None, &none).expect("a provider");
    assert!(given.keys_in_environment);
}
