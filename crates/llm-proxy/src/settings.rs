//! The one resolved, immutable value that a running gateway uses. Nothing reads the environment or a file after this.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use llm_governance::{Hidden, SignIn, limits::LimitRules};
use llm_providers::{
    Error, FetchSettings, Secret, resolve::Surroundings, transport::TransportSettings,
};
use llm_router::Deployment;
use serde_json::Value;

pub use crate::{
    alerting::{Alerting, Mail},
    books::{Database, Place},
    identity::{
        Hook, IdentitySettings, Introspection, Issuer, Networks, Proxied, Tokens, UserInfo,
    },
    kept::KeptLimits,
    labels::Role,
    ldap::{Directory, Finding},
    metrics::{Options as Metrics, OwnLabel},
    passing::{Endpoint, PassThrough},
};
use crate::{discover, passing, probing::HealthChecks};

/// Everything a running gateway goes by.
///
/// A configuration file, the command line and the environment all end here; [`Settings::base`] is where each starts.
#[derive(Debug)]
pub struct Settings {
    /// Where it answers.
    pub listen: Listen,
    /// The key of whoever runs the gateway. `None`: any key is taken, and only this machine is served.
    pub master_key: Option<Secret>,
    /// What secrets are made of that must be the same on every instance and outlive a change of the master key.
    pub salt_key: Option<Secret>,
    /// The user's explicit word that a missing or well-known master key is fine.
    pub permit_weak_master_key: bool,
    /// Whether `/metrics` asks for the key, where there is one.
    pub metrics_need_key: bool,
    /// Which metrics there are.
    pub metrics: Metrics,
    /// Who answers for which model.
    pub deployments: Vec<Deployment>,
    /// How requests are routed among them.
    pub router: llm_router::Settings,
    /// Whether well-known names without a vendor lead to that vendor's `vendor/*` group.
    pub bare_names: bool,
    /// The model of requests that name none.
    pub default_model: Option<String>,
    /// How vendors are reached.
    pub transport: TransportSettings,
    /// How much a client may ask for at once.
    pub limits: Limits,
    /// Which web pages may call.
    pub cors: Cors,
    /// What is logged, and how.
    pub logs: Logs,
    /// What keeps quiet streams open.
    pub pings: Pings,
    /// Whether clients may ask for canned answers (`mock_response`).
    pub allow_client_mock_response: bool,
    /// Whether files of batches are read for limits of tokens a day.
    pub read_batches: bool,
    /// Whether clients may bring keys and addresses of their own (`allow_client_side_credentials`).
    pub allow_client_credentials: bool,
    /// Whether errors say which fallbacks were tried.
    pub explain_fallbacks: bool,
    /// How long requests under way may take to end after a signal to stop.
    pub shutdown_grace: Duration,
    /// A path before every route, without a slash at its end; empty for none.
    pub root_path: String,
    /// Aliases that lists of models leave out.
    pub hidden: BTreeSet<String>,
    /// LiteLLM's `cost_discount_config`.
    pub discounts: Option<Value>,
    /// LiteLLM's `cost_margin_config`.
    pub margins: Option<Value>,
    /// The file these came from.
    pub file: Option<PathBuf>,
    /// That file and all that it includes: a change of any is a new configuration.
    pub files: Vec<PathBuf>,
    /// The one header that clients send their key in; `None`: any of those that clients of the vendors use.
    pub key_header: Option<String>,
    /// Headers in which clients say whom a request is for.
    pub user_headers: Vec<(http::HeaderName, Role)>,
    /// Who may call at all; `None`: anyone with a key.
    pub allowed_ips: Option<Networks>,
    /// Which routes are for whom, and who is believed about where requests come from.
    pub routes: RouteRules,
    /// Whether every stream ends with its usage, whatever the client asked for.
    pub always_stream_usage: bool,
    /// Which files of clients' requests are fetched for vendors that fetch none.
    pub fetch: FetchSettings,
    /// Where the gateway keeps what no vendor keeps; `None`: in its database, or else in memory.
    pub data_folder: Option<PathBuf>,
    /// How much of that it keeps.
    pub kept: KeptLimits,
    /// How deployments are checked.
    pub health: HealthChecks,
    /// What is passed through to vendors in their own formats.
    pub passing: PassThrough,
    /// Parameters that every deployment starts from, also one that is added while running.
    pub default_params: llm_types::Map,
    /// Where keys, budgets and spend are kept.
    pub database: Database,
    /// How keys, budgets and spend are governed.
    pub governance: llm_governance::Settings,
    /// Who vouches for callers besides the gateway's own keys.
    pub identity: IdentitySettings,
    /// The name of whoever runs the gateway, where they sign in (`UI_USERNAME`).
    pub ui_username: Option<String>,
    /// Whether whoever runs the gateway may sign in with what the environment says.
    pub env_login: bool,
    /// Which alerts go where.
    pub alerting: Alerting,
    /// What the user should know though nothing is wrong.
    pub notices: Vec<String>,
}

/// Which routes are for whom, and who is believed about where requests come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteRules {
    /// The only routes that may be called (`allowed_routes`); `None`: all.
    pub allowed: Option<Vec<String>>,
    /// Routes that need no key (`public_routes`).
    pub public: Vec<String>,
    /// Routes that only admins may call (`admin_only_routes`).
    pub admin_only: Vec<String>,
    /// Whether proxies say whom they speak for (`use_x_forwarded_for`).
    pub forwarded: bool,
    /// The proxies that are believed (`trusted_proxy_ranges`).
    pub proxies: Networks,
}

/// Where a gateway answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name or address; `None`: every interface with a master key, this machine alone without.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
    /// A certificate and its key, both PEM files.
    pub tls: Option<Tls>,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// How much a client may ask for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest request body, in bytes.
    pub body: usize,
    /// The longest form with its files, in bytes.
    pub upload: u64,
    /// The longest request head, in bytes.
    pub head: usize,
    /// Requests under way, over all connections; `None` for no limit.
    pub requests: Option<u64>,
    /// How long a connection may take to bring a request's head, or stay silent between two requests.
    pub head_timeout: Duration,
    /// How long a client may pause within a request's body.
    pub body_stall: Duration,
}

/// Which web pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins; `*` for any.
    pub origins: Vec<String>,
    /// Whether pages may send cookies along.
    pub credentials: bool,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list of `target=level`.
    pub filter: String,
    /// One JSON object a line.
    pub json: bool,
    /// One line for each request.
    pub requests: bool,
}

/// What keeps quiet streams open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    /// Between `ping` events on Anthropic streams.
    pub anthropic: Option<Duration>,
    /// Between comments on OpenAI streams.
    pub openai: Option<Duration>,
}

/// One model from the command line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quick {
    /// `provider/model`.
    pub model: String,
    /// A friendlier name for it.
    pub alias: Option<String>,
    /// Where it answers, where not at the provider's own address.
    pub api_base: Option<String>,
    /// Azure's API version.
    pub api_version: Option<String>,
    /// Headers on every call.
    pub headers: BTreeMap<String, String>,
    /// A temperature for every request that has none.
    pub temperature: Option<f64>,
    /// A length for every request that has none.
    pub max_tokens: Option<u64>,
    /// Seconds a request may take.
    pub request_timeout: Option<f64>,
    /// Drops parameters that the model cannot take.
    pub drop_params: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // More than Anthropic takes (32 MB); files go by uploads.
            body: 40 << 20,
            upload: 1 << 30,
            head: 64 << 10,
            requests: None,
            head_timeout: Duration::from_secs(75),
            body_stall: Duration::from_secs(60),
        }
    }
}

impl Settings {
    /// Settings without any model, with what the environment says.
    pub fn base(around: &dyn Surroundings) -> Self {
        let seconds = |name: &str, default: u64| {
            let given = around
                .var(name)
                .and_then(|text| text.trim().parse::<f64>().ok());
            given
                .and_then(|s| Duration::try_from_secs_f64(s).ok())
                .unwrap_or(Duration::from_secs(default))
        };
        let origins = list(around.var("LITELLM_CORS_ORIGINS").as_deref());
        let any = origins.is_empty() || origins.iter().any(|origin| origin == "*");
        Self {
            listen: Listen {
                host: None,
                port: 4000,
                tls: None,
            },
            master_key: ["INTERLINGUA_MASTER_KEY", "LITELLM_MASTER_KEY"]
                .iter()
                .find_map(|name| around.var(name))
                .map(Secret::new),
            salt_key: ["INTERLINGUA_SALT_KEY", "LITELLM_SALT_KEY"]
                .iter()
                .find_map(|name| around.var(name))
                .map(Secret::new),
            permit_weak_master_key: flag(
                around,
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY",
            )
            .unwrap_or(false),
            metrics_need_key: true,
            metrics: Metrics::default(),
            deployments: Vec::new(),
            router: llm_router::Settings::default(),
            bare_names: false,
            default_model: None,
            transport: TransportSettings::from_env(around),
            limits: Limits::default(),
            cors: Cors {
                credentials: flag(around, "LITELLM_CORS_ALLOW_CREDENTIALS").unwrap_or(!any),
                origins: if any { vec!["*".to_owned()] } else { origins },
            },
            logs: Logs {
                filter: around
                    .var("LITELLM_LOG")
                    .map_or_else(|| "info".to_owned(), |level| level.to_lowercase()),
                json: flag(around, "JSON_LOGS").unwrap_or(false),
                requests: true,
            },
            pings: Pings {
                anthropic: Some(Duration::from_secs(15)),
                openai: None,
            },
            allow_client_mock_response: false,
            read_batches: true,
            allow_client_credentials: false,
            explain_fallbacks: true,
            shutdown_grace: seconds("GRACEFUL_SHUTDOWN_TIMEOUT", 30),
            root_path: around
                .var("SERVER_ROOT_PATH")
                .map(|path| path.trim_end_matches('/').to_owned())
                .unwrap_or_default(),
            hidden: BTreeSet::new(),
            discounts: None,
            margins: None,
            file: None,
            files: Vec::new(),
            key_header: None,
            user_headers: Vec::new(),
            allowed_ips: None,
            routes: RouteRules::default(),
            always_stream_usage: false,
            fetch: FetchSettings::default(),
            data_folder: None,
            kept: KeptLimits::default(),
            health: HealthChecks::default(),
            passing: PassThrough {
                vendors: passing::vendors(around),
                ..PassThrough::default()
            },
            default_params: llm_types::Map::new(),
            database: Database::default(),
            identity: IdentitySettings::default(),
            ui_username: around.var("UI_USERNAME"),
            env_login: true,
            alerting: Alerting::default(),
            governance: rules(
                around,
                seconds("LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS", 86_400),
            ),
            notices: Vec::new(),
        }
    }

    /// Settings without any configuration: the demo model, and every vendor whose key is in the environment.
    pub fn embedded(around: &dyn Surroundings) -> Self {
        let mut settings = Self::base(around);
        let found = discover::vendors(around);
        settings.deployments = found.deployments;
        settings.router.aliases = found.aliases;
        settings.bare_names = true;
        settings
    }

    /// Settings for one model from the command line; every other name leads to it too.
    pub fn quick(quick: &Quick, around: &dyn Surroundings) -> Result<Self, Error> {
        let mut settings = Self::base(around);
        let name = quick.alias.as_ref().unwrap_or(&quick.model);
        for group in [name.as_str(), "*"] {
            let mut deployment = discover::quick(group, quick, around)?;
            if group == "*" {
                deployment.id.push_str("-any");
            }
            settings.deployments.push(deployment);
        }
        settings.default_model = Some(name.clone());
        Ok(settings)
    }

    /// What ids are sealed with: the salt key, or else the master key. Without either whoever reaches the gateway may do
    /// everything, and nothing is sealed.
    pub fn secret(&self) -> Option<&Secret> {
        self.salt_key.as_ref().or(self.master_key.as_ref())
    }

    /// What secrets in the database are sealed with: what ids are, first, and the master key where old rows may be.
    pub(crate) fn salts(&self) -> Vec<String> {
        let all = self.salt_key.iter().chain(&self.master_key);
        all.map(|secret| secret.expose().to_owned()).collect()
    }

    /// Whether the master key is missing, or one that every tutorial prints.
    pub fn master_key_is_weak(&self) -> bool {
        self.master_key
            .as_ref()
            .is_none_or(|key| matches!(key.expose(), "" | "sk-1234"))
    }
}

/// How keys are governed where no configuration says so: what the environment says of replacing them.
fn rules(around: &dyn Surroundings, every: Duration) -> llm_governance::Settings {
    let usual = llm_governance::Settings::default();
    let on = flag(around, "LITELLM_KEY_ROTATION_ENABLED").unwrap_or(false);
    let grace = around.var("LITELLM_KEY_ROTATION_GRACE_PERIOD");
    // A grace that nobody understands is no reason to have none.
    let grace = grace.filter(|text| text.parse::<llm_ledger::Period>().is_ok());
    let password = around.var("UI_PASSWORD").filter(|text| !text.is_empty());
    let name = around
        .var("UI_USERNAME")
        .unwrap_or_else(|| "admin".to_owned());
    let sign_in = SignIn {
        admin: password.map(|password| (name, Hidden::new(password))),
        base_url: around.var("PROXY_BASE_URL").unwrap_or_default(),
        ..SignIn::default()
    };
    let seconds = around.var("LITELLM_RATE_LIMIT_WINDOW_SIZE");
    let seconds = seconds.and_then(|text| text.trim().parse::<u64>().ok());
    let usual_limits = usual.limits.clone();
    let limits = LimitRules {
        window: seconds
            .filter(|seconds| *seconds > 0)
            .map_or(usual_limits.window, Duration::from_secs),
        reserve_tokens: flag(around, "LITELLM_TPM_TOKEN_RESERVATION_ENABLED").unwrap_or(true),
        ..usual_limits
    };
    llm_governance::Settings {
        limits,
        sign_in,
        rotate_every: on.then(|| every.max(Duration::from_secs(1))),
        rotation_grace: grace.or_else(|| usual.rotation_grace.clone()),
        ..usual
    }
}

/// A yes or no from the environment.
pub(crate) fn flag(around: &dyn Surroundings, name: &str) -> Option<bool> {
    let text = around.var(name)?.trim().to_ascii_lowercase();
    match text.as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn list(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}
