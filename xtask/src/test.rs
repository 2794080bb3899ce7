//! `cargo xtask test`: every test there is, on a bare machine.
//!
//! Finds what the tests need (Python 3.10 or newer, the packages of the clients) and installs what is missing into
//! `target/`, or with the system's package manager where that is the only way.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    postgres::{self, Server},
    run::{cargo, root, run},
};

/// Which tests to run; without a flag, all.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the Rust tests.
    #[arg(long)]
    rust: bool,
    /// Only the wheel's tests.
    #[arg(long)]
    wheel: bool,
    /// Only the tests that drive the gateway with vendors' own clients.
    #[arg(long)]
    clients: bool,
}

/// Runs the tests.
pub(crate) fn main(args: &Args) -> Result<()> {
    let all = !(args.rust || args.wheel || args.clients);
    if all || args.rust {
        rust()?;
    }
    if all || args.wheel || args.clients {
        let python = environment()?;
        if all || args.wheel {
            wheel(&python)?;
        }
        if all || args.clients {
            clients(&python)?;
        }
    }
    Ok(())
}

/// Unit, golden, law, property and replay tests, and the examples in the documentation.
fn rust() -> Result<()> {
    redis()?;
    let postgres = Server::start()?;
    run(Command::new(cargo())
        .args([
            "test",
            "--workspace",
            "--exclude",
            "llm-py",
            "--features",
            "llm-router/redis",
            "--locked",
            "--no-fail-fast",
        ])
        .env(postgres::ADDRESS, postgres.address()))
}

/// The server that tests of shared state start for themselves.
pub(crate) fn redis() -> Result<()> {
    let there = Command::new("redis-server").arg("--version").output();
    match there {
        Ok(output) if output.status.success() => Ok(()),
        _ => apt(&["redis-server"]),
    }
}

/// The wheel, built as users get it, and its own tests.
fn wheel(python: &Path) -> Result<()> {
    redis()?;
    install_wheel(python, "dev")?;
    run(&mut pytest(python, &root().join("crates/llm-py/tests")))
}

/// Builds the wheel and puts it into the environment of `python`.
pub(crate) fn install_wheel(python: &Path, profile: &str) -> Result<()> {
    let wheels = root().join("target/wheels-under-test");
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels).context("removing old wheels")?;
    }
    let manifest = root().join("crates/llm-py/Cargo.toml");
    run(Command::new(python)
        .args([
            "-m",
            "maturin",
            "build",
            "--profile",
            profile,
            "--locked",
            "--manifest-path",
        ])
        .arg(manifest)
        .arg("--out")
        .arg(&wheels)
        .env("CARGO_TARGET_DIR", root().join("target")))?;
    let wheel = std::fs::read_dir(&wheels)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"))
        .context("maturin built no wheel")?;
    run(Command::new(python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--force-reinstall",
            "--no-deps",
        ])
        .arg(wheel))
}

/// The gateway, driven by the `openai` and `anthropic` packages.
fn clients(python: &Path) -> Result<()> {
    redis()?;
    let postgres = postgres::installed()?;
    run(Command::new(cargo()).args(["build", "--package", "llm-proxy", "--locked"]))?;
    let tests = root().join("crates/llm-proxy/tests/clients");
    run(pytest(python, &tests).env(postgres::PROGRAMS, postgres))
}

fn pytest(python: &Path, folder: &Path) -> Command {
    let mut tests = Command::new(python);
    tests
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("INTERLINGUA_GATEWAY", root().join("target/debug/llm-proxy"));
    tests
}

/// A virtual environment under `target/` with what the tests import.
pub(crate) fn environment() -> Result<PathBuf> {
    let folder = root().join("target/python");
    let python = folder.join("bin/python");
    let requirements = root().join("xtask/requirements.txt");
    let wanted =
        std::fs::read_to_string(&requirements).context("reading xtask/requirements.txt")?;
    let stamp = folder.join("requirements.installed");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted)
    {
        return Ok(python);
    }
    let system = system_python()?;
    if run(Command::new(&system)
        .args(["-m", "venv", "--clear"])
        .arg(&folder))
    .is_err()
    {
        // Debian ships `venv` apart from Python.
        apt(&["python3-venv", "python3-dev"])?;
        run(Command::new(&system)
            .args(["-m", "venv", "--clear"])
            .arg(&folder))?;
    }
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(requirements))?;
    std::fs::write(stamp, wanted).context("noting what was installed")?;
    Ok(python)
}

fn system_python() -> Result<PathBuf> {
    let check = "import sys; sys.exit(sys.version_info < (3, 10))";
    let good = |name: &&str| {
        Command::new(name)
            .args(["-c", check])
            .status()
            .is_ok_and(|status| status.success())
    };
    let names = [
        "python3",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
    ];
    if let Some(name) = names.iter().find(|name| good(name)) {
        return Ok(PathBuf::from(name));
    }
    apt(&["python3", "python3-venv", "python3-dev"])?;
    match names.iter().find(|name| good(name)) {
        Some(name) => Ok(PathBuf::from(name)),
        None => bail!("Python 3.10 or newer is needed, and it could not be installed"),
    }
}

/// Installs packages of the system.
pub(crate) fn apt(packages: &[&str]) -> Result<()> {
    let what = packages.join(" ");
    run(Command::new("apt-get").args(["update", "-qq"]))
        .with_context(|| format!("please install {what}"))?;
    run(Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(packages))
    .with_context(|| format!("please install {what}"))
}
