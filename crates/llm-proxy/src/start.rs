//! From the command line to a running gateway.

use std::{
    ffi::OsString,
    io::{self, ErrorKind, Write},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use llm_providers::resolve::Surroundings;
use llm_sdk::surroundings::Process;
use tokio::net::TcpListener;

use crate::{
    banner, books,
    cli::{Args, Command, Spend},
    config, importing,
    logs::{self, Lines},
    probe,
    reload::{self, Loader, Watch},
    repricing,
    routes::pages,
    server::{self, Running},
    settings::{Place, Quick, Settings, Tls, flag},
};

/// Runs the gateway as a command line (the program's name first) and the environment say, until it is told to stop.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    if std::env::var("LITELLM_MODE").as_deref() != Ok("PRODUCTION") {
        // No file is no mistake.
        let _ = dotenvy::dotenv();
    }
    let args = Args::parse_from(arguments);
    match command(args) {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("llm-proxy: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn command(args: Args) -> Result<ExitCode> {
    if args.version {
        say(&format!(
            "\nInterlingua: Current Version = {}\n",
            env!("CARGO_PKG_VERSION")
        ));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Command::Check { config, strict }) = &args.command {
        return Ok(checked(read(config), *strict));
    }
    if args.validate_config {
        return Ok(checked(load(&args), false));
    }
    if args.health {
        let host = args.host.as_deref().unwrap_or("127.0.0.1");
        say(&probe::health(host, args.port, &Process)?);
        return Ok(ExitCode::SUCCESS);
    }
    let settings = match load(&args) {
        Ok(settings) => settings,
        Err(problems) => return Ok(report(&problems)),
    };
    if let Some(Command::Spend(Spend::Reprice { from, to, dry_run })) = &args.command {
        let days = (from.as_deref(), to.as_deref());
        say(&repricing::run(settings, days, *dry_run)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Command::Import(import)) = &args.command {
        let (report, code) = importing::run(import, &settings)?;
        say(report.trim_end());
        return Ok(code);
    }
    if args.skip_server_startup {
        say("Interlingua: Setup complete. Skipping server startup as requested.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = args.num_workers.filter(|workers| *workers > 1) {
        runtime.worker_threads(workers);
    }
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(serve(Arc::new(args), settings))
}

/// Serves until a signal says to stop.
async fn serve(args: Arc<Args>, settings: Settings) -> Result<ExitCode> {
    // From when they were read: starting may take a while.
    let watch = Watch::over(&settings.files);
    let address = address(&settings)?;
    let listener = listen(address).await?;
    // Before a word is said: who reads that we are there may tell us to stop at once.
    let signals = Signals::new()?;
    let lines = Lines::to(io::stderr());
    logs::install(&settings.logs, &lines);
    let introduction = banner::text(&settings, listener.local_addr()?, &args);
    let running = server::serve_logging(listener, settings, lines).await?;
    if let Some(port) = args.prometheus_metrics_port {
        metrics_on(SocketAddr::new(address.ip(), port), &running).await?;
    }
    say(&introduction);
    let again = Arc::clone(&args);
    let load: Loader = Arc::new(move || load(&again));
    let in_time = until_told(running, signals, &load, watch).await;
    Ok(if in_time {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the command line, the environment and the configuration come to.
fn load(args: &Args) -> Result<Settings, Vec<String>> {
    let around = &Process;
    let mut settings = match (&args.config, &args.model) {
        (Some(path), _) => read(path)?,
        (None, Some(model)) => Settings::quick(&quick(args, model), around)
            .map_err(|e| vec![format!("--model {model}: {e}")])?,
        (None, None) => Settings::embedded(around),
    };
    apply(args, around, &mut settings);
    Ok(settings)
}

/// Reads a configuration.
fn read(path: &Path) -> Result<Settings, Vec<String>> {
    config::load(path, &Process)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn quick(args: &Args, model: &str) -> Quick {
    Quick {
        model: model.to_owned(),
        alias: args.alias.clone(),
        api_base: args.api_base.clone(),
        api_version: args.api_version.clone(),
        headers: args.headers.clone().unwrap_or_default(),
        temperature: args.temperature,
        max_tokens: args.max_tokens,
        request_timeout: args.request_timeout,
        drop_params: args.drop_params,
    }
}

/// Lays the command line over the rest.
fn apply(args: &Args, around: &dyn Surroundings, settings: &mut Settings) {
    settings.listen.port = args.port;
    if let Some(host) = &args.host {
        settings.listen.host = Some(host.clone());
    }
    if let (Some(certificate), Some(key)) = (&args.ssl_certfile_path, &args.ssl_keyfile_path) {
        settings.listen.tls = Some(Tls {
            certificate: certificate.clone(),
            key: key.clone(),
        });
    }
    place_books(args, settings);
    if let Some(seconds) = args.keepalive_timeout {
        settings.limits.head_timeout = Duration::from_secs(seconds.max(1));
    }
    if args.limit_concurrency.is_some() {
        settings.limits.requests = args.limit_concurrency;
    }
    if args.detailed_debug || flag(around, "DETAILED_DEBUG") == Some(true) {
        settings.logs.filter = "debug".to_owned();
    } else if args.debug || flag(around, "DEBUG") == Some(true) {
        settings.logs.filter = "info".to_owned();
    }
    for name in args.ignored.given() {
        settings.notices.push(format!("{name} has no effect here"));
    }
}

/// Where keys, budgets and spend are kept: where somebody says, or beside the process if there is a master key, without
/// which nobody could make a key.
fn place_books(args: &Args, settings: &mut Settings) {
    let place = &mut settings.database.place;
    if *place != Place::Nowhere {
        return;
    }
    if let Some(named) = &args.db {
        *place = match named.as_str() {
            "none" => Place::Nowhere,
            named => Place::Named(named.to_owned()),
        };
    } else if settings.master_key.is_some() {
        let folder = settings.data_folder.clone().unwrap_or_default();
        *place = Place::Beside(folder.join(books::FILE));
    }
}

/// Where to listen. Without a real master key only this machine is served, unless the user insists.
fn address(settings: &Settings) -> Result<SocketAddr> {
    let weak = settings.master_key_is_weak();
    let host = match &settings.listen.host {
        Some(host) => host.trim_matches(['[', ']']),
        None if weak => "127.0.0.1",
        None => "0.0.0.0",
    };
    let ip: IpAddr = match host.parse() {
        Ok(ip) => ip,
        Err(_) => (host, 0)
            .to_socket_addrs()
            .ok()
            .and_then(|mut all| all.next())
            .with_context(|| format!("--host {host}: no such address"))?
            .ip(),
    };
    if weak && !ip.is_loopback() && !settings.permit_weak_master_key {
        let what = match settings.master_key {
            None => "no master key is set",
            Some(_) => "the master key is the one that every tutorial prints",
        };
        bail!(
            "refusing to serve {host}: {what}, so anyone who reaches this port could spend your money.\n\
             \n  Set one:         export LITELLM_MASTER_KEY=sk-$(openssl rand -hex 24)\
             \n  Or stay local:   --host 127.0.0.1\
             \n  Or, knowing it:  export LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true"
        );
    }
    Ok(SocketAddr::new(ip, settings.listen.port))
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let port = address.port();
        match error.kind() {
            ErrorKind::AddrInUse => anyhow::anyhow!(
                "port {port} is taken by another program: stop that one, or choose another with --port (or PORT)"
            ),
            ErrorKind::PermissionDenied => anyhow::anyhow!(
                "port {port} needs more rights than this process has: choose one above 1023 with --port"
            ),
            _ => anyhow::Error::new(error).context(format!("{address} cannot be listened on")),
        }
    })
}

/// Metrics without a key, on a port of their own.
async fn metrics_on(address: SocketAddr, running: &Running) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("--prometheus_metrics_port {}", address.port()))?;
    let router = pages::metrics_alone(Arc::clone(running.gateway()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}

/// Waits for signals and changes of the files; ends with whether every request could end.
async fn until_told(
    running: Running,
    mut signals: Signals,
    load: &Loader,
    mut watch: Option<Watch>,
) -> bool {
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop => break,
                Told::Reload => reload::reload(&running, load),
            },
            () = changed(&mut watch) => reload::reload(&running, load),
        }
    }
    tracing::info!(
        under_way = running.under_way(),
        "stopping: requests under way may end"
    );
    tokio::select! {
        in_time = running.stop() => in_time,
        () = signals.interrupted() => false,
    }
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// What a signal asks for.
enum Told {
    Stop,
    Reload,
}

/// The signals that mean something here.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    /// Someone at a terminal will not wait.
    async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}

/// The signals that mean something here.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Told {
        let _ = tokio::signal::ctrl_c().await;
        Told::Stop
    }

    async fn interrupted(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

fn checked(result: Result<Settings, Vec<String>>, strict: bool) -> ExitCode {
    match result {
        Ok(settings) => {
            let models = settings.deployments.len();
            for notice in &settings.notices {
                say(notice);
            }
            // Scripts look for the first words; people should see that something was said above.
            let warned = match settings.notices.len() {
                0 => String::new(),
                1 => ", 1 warning".to_owned(),
                n => format!(", {n} warnings"),
            };
            if strict && !settings.notices.is_empty() {
                complain("Interlingua: config validation failed: warnings count with --strict");
                return ExitCode::FAILURE;
            }
            say(&format!("Interlingua: config OK ({models} models){warned}"));
            ExitCode::SUCCESS
        }
        Err(problems) => report(&problems),
    }
}

fn report(problems: &[String]) -> ExitCode {
    for problem in problems {
        complain(problem);
    }
    let s = if problems.len() == 1 { "" } else { "s" };
    complain(&format!(
        "Interlingua: config validation failed: {} mistake{s}",
        problems.len()
    ));
    ExitCode::FAILURE
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
