//! The table: codes, words of each group of vendors, words of all, statuses.

use http::StatusCode;

use super::{by_status, said::Said};
use crate::Kind;

/// Words that tell a kind. All are in small letters; any one of them is enough.
struct Rule {
    words: &'static [&'static str],
    kind: Kind,
}

const fn rule(kind: Kind, words: &'static [&'static str]) -> Rule {
    Rule { words, kind }
}

/// Vendors whose errors read alike.
struct Group {
    /// Names of rows; a `*` at the end stands for any ending.
    providers: &'static [&'static str],
    rules: &'static [Rule],
    /// Statuses that mean something else here than everywhere.
    statuses: &'static [(u16, Kind)],
}

const GROUPS: &[Group] = &[
    Group {
        providers: &["anthropic*"],
        rules: &[
            rule(
                Kind::ContextWindow,
                &["prompt is too long", "prompt: length"],
            ),
            rule(Kind::Overloaded, &["overloaded"]),
            rule(Kind::Auth, &["invalid api key", "invalid x-api-key"]),
            rule(Kind::ContentPolicy, &["content filtering policy"]),
            rule(Kind::PaymentRequired, &["credit balance is too low"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &["bedrock*", "sagemaker*"],
        rules: &[
            rule(
                Kind::ContextWindow,
                &[
                    "too many tokens",
                    "expected maxlength:",
                    "input is too long",
                    "prompt is too long",
                    "prompt: length: 1",
                    "too many input tokens",
                    "input tokens exceeded",
                    "exceed model maximum",
                    "`inputs` tokens + `max_new_tokens` must be",
                ],
            ),
            rule(
                Kind::Auth,
                &[
                    "unable to locate credentials",
                    "security token included in the request is invalid",
                    "security token included in the request is expired",
                ],
            ),
            rule(
                Kind::Timeout,
                &["connect timeout on endpoint url", "timed out"],
            ),
        ],
        statuses: &[(500, Kind::Overloaded), (424, Kind::BadRequest)],
    },
    Group {
        providers: &["vertex_ai*", "gemini"],
        rules: &[
            rule(
                Kind::ContextWindow,
                &[
                    "request payload size exceeds",
                    "exceeds the maximum number of tokens",
                ],
            ),
            rule(
                Kind::Upstream,
                &["none unknown error.", "content has no parts."],
            ),
            rule(Kind::Auth, &["api key not valid", "api_key_invalid"]),
            rule(
                Kind::ContentPolicy,
                &[
                    "the response was blocked.",
                    "output blocked by content filtering policy",
                ],
            ),
            rule(
                Kind::RateLimit,
                &[
                    "quota exceeded for",
                    "resource exhausted",
                    "resource_exhausted",
                ],
            ),
            rule(Kind::Overloaded, &["the model is overloaded"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &["azure*"],
        rules: &[
            rule(Kind::NotFound, &["deploymentnotfound"]),
            rule(Kind::Upstream, &["internal server error"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &["cohere*"],
        rules: &[
            rule(Kind::Auth, &["invalid api token", "no api key provided"]),
            rule(Kind::BadRequest, &["invalid type: parameter"]),
            rule(Kind::ContextWindow, &["too many tokens"]),
            rule(Kind::Upstream, &["internal server error"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &["huggingface*"],
        rules: &[
            rule(Kind::ContextWindow, &["length limit exceeded"]),
            rule(Kind::Auth, &["a valid user token is required"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &["together_ai"],
        rules: &[rule(Kind::Auth, &["invalid private key"])],
        statuses: &[],
    },
    Group {
        providers: &["replicate"],
        rules: &[
            rule(Kind::Auth, &["incorrect authentication token"]),
            rule(Kind::ContextWindow, &["input is too long"]),
            rule(Kind::RateLimit, &["request was throttled"]),
            rule(Kind::BadRequest, &["modelerror"]),
        ],
        statuses: &[(500, Kind::Overloaded)],
    },
    Group {
        providers: &["databricks", "predibase", "lemonade", "watsonx*"],
        rules: &[
            rule(Kind::Auth, &["authorization denied for"]),
            rule(Kind::RateLimit, &["token_quota_reached"]),
            rule(Kind::BadRequest, &["model_no_support_for_function"]),
        ],
        statuses: &[(424, Kind::BadRequest)],
    },
    Group {
        providers: &["ollama*"],
        rules: &[
            rule(
                Kind::ContextWindow,
                &[
                    "exceeds maximum context length",
                    "input length exceeds the context length",
                ],
            ),
            rule(
                Kind::BadRequest,
                &[
                    "no such file or directory",
                    "invalid response object from api",
                ],
            ),
            rule(Kind::Overloaded, &["failed to establish a new connection"]),
            rule(Kind::Timeout, &["read timed out"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &[
            "cloudflare",
            "ai21*",
            "nlp_cloud",
            "aleph_alpha",
            "vllm",
            "hosted_vllm",
        ],
        rules: &[
            rule(Kind::Auth, &["authentication error"]),
            rule(Kind::ContextWindow, &["too many tokens", "token limit"]),
        ],
        statuses: &[],
    },
    Group {
        providers: &["openrouter"],
        rules: &[rule(Kind::NotFound, &["is not a valid model id"])],
        statuses: &[],
    },
];

/// Words of all vendors.
const COMMON: &[Rule] = &[
    rule(
        Kind::ContextWindow,
        &[
            "exceed context limit",
            "maximum context length is",
            "string too long. expected a string with maximum length",
            "model's maximum context limit",
            "is longer than the model's context length",
            "input tokens exceed the configured limit",
            "`inputs` tokens + `max_new_tokens` must be",
            "exceeds the available context size",
            "exceeds the maximum number of tokens allowed",
            "exceeds the context window",
            "is too large to process. increase the physical batch size",
            "context_length_exceeded",
        ],
    ),
    rule(
        Kind::ContentPolicy,
        &[
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "the response was filtered due to the prompt triggering",
            "your task failed as a result of our safety system",
            "the model produced invalid content",
            "content_filter_policy",
            "request was rejected as a result of our safety system",
            "request was rejected as a result of the safety system",
            "violating our usage policy",
        ],
    ),
    rule(
        Kind::Auth,
        &["incorrect api key provided", "invalid api key provided"],
    ),
    rule(
        Kind::Timeout,
        &[
            "request timeout error",
            "request timed out",
            "timed out generating response",
            "the read operation timed out",
            "a timeout occurred",
        ],
    ),
    rule(
        Kind::Upstream,
        &[
            "web server is returning an unknown error",
            "the server had an error processing your request",
        ],
    ),
    rule(
        Kind::RateLimit,
        &[
            "rate limit",
            "rate_limit",
            "rate-limit",
            "ratelimit",
            "service tier capacity exceeded",
            "request too large",
        ],
    ),
];

/// Words that look like a full context and are not: one field is too long.
const NOT_CONTEXT: [&str; 2] = ["string_above_max_length", "invalid 'user'"];

/// Codes, types and exception names of all vendors.
const CODES: &[(&[&str], Kind)] = &[
    (
        &[
            "authentication_error",
            "invalid_api_key",
            "unauthenticated",
            "api_key_invalid",
            "expiredtokenexception",
            "unrecognizedclientexception",
            "invalidsignatureexception",
            "unauthorized",
            "incompletesignature",
        ],
        Kind::Auth,
    ),
    (
        &[
            "permission_error",
            "permission_denied",
            "accessdeniedexception",
            "access_denied",
        ],
        Kind::Denied,
    ),
    (
        &[
            "not_found_error",
            "not_found",
            "model_not_found",
            "invalid_model",
            "deploymentnotfound",
            "resourcenotfoundexception",
            "model_not_available",
        ],
        Kind::NotFound,
    ),
    (
        &["billing_error", "payment_required", "insufficient_balance"],
        Kind::PaymentRequired,
    ),
    (
        &[
            "rate_limit_error",
            "rate_limit_exceeded",
            "insufficient_quota",
            "resource_exhausted",
            "throttlingexception",
            "servicequotaexceededexception",
            "too_many_requests",
            "tokens_exceeded",
        ],
        Kind::RateLimit,
    ),
    (
        &["context_length_exceeded", "exceed_context_size_error"],
        Kind::ContextWindow,
    ),
    (
        &[
            "content_policy_violation",
            "content_filter",
            "responsibleaipolicyviolation",
            "moderation_blocked",
        ],
        Kind::ContentPolicy,
    ),
    (
        &[
            "deadline_exceeded",
            "modeltimeoutexception",
            "timeout_error",
            "timeout",
        ],
        Kind::Timeout,
    ),
    (
        &[
            "overloaded_error",
            "unavailable",
            "serviceunavailableexception",
            "modelnotreadyexception",
            "engine_overloaded",
            "service_unavailable",
        ],
        Kind::Overloaded,
    ),
    (
        &[
            "internalserverexception",
            "modelerrorexception",
            "modelstreamerrorexception",
            "server_error",
            "api_error",
            "internal_error",
            "internal",
        ],
        Kind::Upstream,
    ),
    // MiniMax's own numbers.
    (&["1004", "2049"], Kind::Auth),
    (&["1002", "1039", "1041"], Kind::RateLimit),
    (&["1008"], Kind::PaymentRequired),
    (&["1026", "1027"], Kind::ContentPolicy),
];

/// The kind of a refusal.
pub(super) fn kind(provider: &str, status: Option<StatusCode>, said: &Said) -> Kind {
    let by_status = status.map(by_status);
    if let Some(kind) = by_status
        && says_it_all(kind)
    {
        return kind;
    }
    // Google's gateways wrap a 429 in a 5xx.
    if said.status == Some(StatusCode::TOO_MANY_REQUESTS) {
        return Kind::RateLimit;
    }
    let group = GROUPS.iter().find(|group| group.has(provider));
    let in_words = |rules: &[Rule]| {
        rules
            .iter()
            .find(|rule| rule.fits(said))
            .map(|rule| rule.kind)
    };
    group
        .and_then(|group| in_words(group.rules))
        .or_else(|| in_words(COMMON))
        .or_else(|| by_code(said, by_status))
        .or_else(|| {
            let own = group?.statuses;
            let status = status?.as_u16();
            own.iter()
                .find(|(of, _)| *of == status)
                .map(|(_, kind)| *kind)
        })
        .or(by_status)
        .unwrap_or(Kind::BadRequest)
}

/// Statuses that need no words. A 404 is one: words about limits in it speak of other things.
fn says_it_all(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Auth | Kind::Denied | Kind::NotFound | Kind::PaymentRequired | Kind::RateLimit
    )
}

/// A status of the vendor's own failing is not made the request's fault by a code, nor the other way round.
fn by_code(said: &Said, status: Option<Kind>) -> Option<Kind> {
    let kind = CODES
        .iter()
        .find(|(codes, _)| said.codes.iter().any(|code| codes.contains(&code.as_str())))
        .map(|(_, kind)| *kind)?;
    match (status, kind) {
        (Some(Kind::Overloaded | Kind::BadGateway | Kind::Timeout), Kind::Upstream) => None,
        _ => Some(kind),
    }
}

impl Group {
    fn has(&self, provider: &str) -> bool {
        self.providers
            .iter()
            .any(|name| match name.strip_suffix('*') {
                Some(start) => provider.starts_with(start),
                None => *name == provider,
            })
    }
}

impl Rule {
    fn fits(&self, said: &Said) -> bool {
        let found = self.words.iter().any(|words| said.text.contains(words));
        let is_field = || NOT_CONTEXT.iter().any(|words| said.text.contains(words));
        found && !(self.kind == Kind::ContextWindow && is_field())
    }
}
