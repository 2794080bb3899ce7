//! The command line.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Parser, Subcommand};

/// One API for every model: a gateway with OpenAI's and Anthropic's interfaces.
///
/// Without any option it serves the demo model and every vendor whose key is in the environment.
#[derive(Debug, Parser)]
#[command(
    name = "llm-proxy",
    disable_version_flag = true,
    rename_all = "snake_case"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The address to answer on [default: every one with a master key, 127.0.0.1 without].
    #[arg(long, env = "HOST")]
    pub(crate) host: Option<String>,
    /// The port to answer on.
    #[arg(long, env = "PORT", default_value_t = 4000)]
    pub(crate) port: u16,
    /// A LiteLLM configuration, config.yaml.
    #[arg(long, short, env = "CONFIG_FILE_PATH")]
    pub(crate) config: Option<PathBuf>,
    /// Where keys, budgets and spend are kept: an SQLite file, a PostgreSQL server as postgres://…, or `none`
    /// [default: llm-proxy.db, where there is a master key].
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) db: Option<String>,
    /// Serve this one model, as provider/model.
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// A friendlier name for --model.
    #[arg(long, requires = "model")]
    pub(crate) alias: Option<String>,
    /// Where --model answers.
    #[arg(long, requires = "model")]
    pub(crate) api_base: Option<String>,
    /// The Azure API version of --model.
    #[arg(long)]
    pub(crate) api_version: Option<String>,
    /// Headers on every call of --model, as a JSON object.
    #[arg(long, requires = "model", value_parser = headers)]
    pub(crate) headers: Option<BTreeMap<String, String>>,
    /// A temperature for requests to --model that have none.
    #[arg(long, requires = "model")]
    pub(crate) temperature: Option<f64>,
    /// A max_tokens for requests to --model that have none.
    #[arg(long, requires = "model")]
    pub(crate) max_tokens: Option<u64>,
    /// Seconds that a request may take.
    #[arg(long)]
    pub(crate) request_timeout: Option<f64>,
    /// Drop parameters that a model cannot take, instead of refusing the request.
    #[arg(long)]
    pub(crate) drop_params: bool,
    /// Log more (also DEBUG=true).
    #[arg(long)]
    pub(crate) debug: bool,
    /// Log everything but bodies and keys (also DETAILED_DEBUG=true).
    #[arg(long)]
    pub(crate) detailed_debug: bool,
    /// Threads that serve [default: one for each processor].
    #[arg(long, env = "NUM_WORKERS")]
    pub(crate) num_workers: Option<usize>,
    /// The private key of the gateway's own certificate, PEM.
    #[arg(long, env = "SSL_KEYFILE_PATH", requires = "ssl_certfile_path")]
    pub(crate) ssl_keyfile_path: Option<PathBuf>,
    /// The gateway's own certificate, PEM.
    #[arg(long, env = "SSL_CERTFILE_PATH", requires = "ssl_keyfile_path")]
    pub(crate) ssl_certfile_path: Option<PathBuf>,
    /// Seconds that a connection may stay silent between two requests.
    #[arg(long, env = "KEEPALIVE_TIMEOUT")]
    pub(crate) keepalive_timeout: Option<u64>,
    /// Requests at the same time; more are answered with 503.
    #[arg(long, env = "LIMIT_CONCURRENCY")]
    pub(crate) limit_concurrency: Option<u64>,
    /// Serve metrics on this port too, without a key.
    #[arg(long, env = "PROMETHEUS_METRICS_PORT")]
    pub(crate) prometheus_metrics_port: Option<u16>,
    /// Check the configuration and say what is wrong with it.
    #[arg(long, requires = "config")]
    pub(crate) validate_config: bool,
    /// Ask a running gateway whether its deployments answer.
    #[arg(long)]
    pub(crate) health: bool,
    /// Do everything but serve.
    #[arg(long)]
    pub(crate) skip_server_startup: bool,
    /// Print the version.
    #[arg(long, short = 'v')]
    pub(crate) version: bool,
    #[command(flatten)]
    pub(crate) ignored: Ignored,
}

/// What else can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks a configuration and says everything that is wrong with it.
    ///
    /// Every problem is printed with its file, line and column. The exit code is 0 where the gateway would start with
    /// this configuration, and 1 where it would not.
    Check {
        /// The file.
        config: PathBuf,
        /// Exit with 1 on warnings too.
        #[arg(long)]
        strict: bool,
    },
}

/// LiteLLM's flags that have nothing to steer here: accepted, with a word about it.
#[derive(Debug, clap::Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Ignored {
    #[arg(long, hide = true)]
    add_key: Option<String>,
    #[arg(long, hide = true)]
    save: bool,
    #[arg(long, hide = true)]
    use_queue: bool,
    #[arg(long, hide = true)]
    add_function_to_prompt: bool,
    #[arg(long, hide = true)]
    max_budget: Option<f64>,
    #[arg(long, hide = true)]
    log_config: Option<String>,
    #[arg(long, hide = true)]
    run_gunicorn: bool,
    #[arg(long, hide = true)]
    run_hypercorn: bool,
    #[arg(long, hide = true)]
    run_granian: bool,
    #[arg(long, hide = true, env = "GRANIAN_RUNTIME_THREADS")]
    granian_threads: Option<u32>,
    #[arg(long, hide = true)]
    ciphers: Option<String>,
    #[arg(long, hide = true)]
    use_prisma_db_push: bool,
    #[arg(long, hide = true)]
    local: bool,
    #[arg(long, hide = true)]
    iam_token_db_auth: bool,
    #[arg(long, hide = true)]
    azure_postgresql_auth: bool,
    #[arg(long, hide = true, env = "TIMEOUT_WORKER_HEALTHCHECK")]
    timeout_worker_healthcheck: Option<u64>,
    #[arg(long, hide = true, env = "MAX_REQUESTS_BEFORE_RESTART")]
    max_requests_before_restart: Option<u64>,
    #[arg(long, hide = true, env = "MAX_REQUESTS_BEFORE_RESTART_JITTER")]
    max_requests_before_restart_jitter: Option<u64>,
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "true")]
    telemetry: Option<String>,
    #[arg(long, hide = true)]
    enforce_prisma_migration_check: bool,
    #[arg(long, hide = true)]
    use_v2_migration_resolver: bool,
    #[arg(long, hide = true)]
    use_legacy_migration_resolver: bool,
    #[arg(long, hide = true)]
    reload: bool,
}

impl Ignored {
    /// The flags that were given and steer nothing.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--add_key", self.add_key.is_some()),
            ("--save", self.save),
            ("--use_queue", self.use_queue),
            ("--add_function_to_prompt", self.add_function_to_prompt),
            ("--max_budget", self.max_budget.is_some()),
            ("--log_config", self.log_config.is_some()),
            ("--run_gunicorn", self.run_gunicorn),
            ("--run_hypercorn", self.run_hypercorn),
            ("--run_granian", self.run_granian),
            ("--granian_threads", self.granian_threads.is_some()),
            ("--ciphers", self.ciphers.is_some()),
            ("--use_prisma_db_push", self.use_prisma_db_push),
            ("--local", self.local),
            ("--iam_token_db_auth", self.iam_token_db_auth),
            ("--azure_postgresql_auth", self.azure_postgresql_auth),
            (
                "--timeout_worker_healthcheck",
                self.timeout_worker_healthcheck.is_some(),
            ),
            (
                "--max_requests_before_restart",
                self.max_requests_before_restart.is_some(),
            ),
            (
                "--max_requests_before_restart_jitter",
                self.max_requests_before_restart_jitter.is_some(),
            ),
            ("--telemetry", self.telemetry.is_some()),
            (
                "--enforce_prisma_migration_check",
                self.enforce_prisma_migration_check,
            ),
            (
                "--use_v2_migration_resolver",
                self.use_v2_migration_resolver,
            ),
            (
                "--use_legacy_migration_resolver",
                self.use_legacy_migration_resolver,
            ),
            ("--reload", self.reload),
        ];
        all.into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| name)
            .collect()
    }
}

fn headers(text: &str) -> Result<BTreeMap<String, String>, String> {
    serde_json::from_str(text).map_err(|e| format!("expected a JSON object of strings: {e}"))
}
