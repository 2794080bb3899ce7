//! `cargo xtask release`: the gateway as it is released, optimized by a profile of its own work.
//!
//! A request passes more code than a processor's first cache holds, most of it once. A compiler that knows which branches are
//! taken puts that code together and leaves the rest away from it: a third to a half less time, by no line of ours.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    run::{cargo, run, target},
    test::apt,
};

/// How long each kind of request is profiled, unless it is said otherwise.
pub(crate) const SECONDS: f64 = 3.0;

/// How to build.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For which target; that of the compiler, if none is given. It must run on this machine.
    #[arg(long)]
    target: Option<String>,
    /// How long each kind of request is profiled, in seconds.
    #[arg(long, default_value_t = SECONDS)]
    seconds: f64,
}

/// Builds it, and says where the executable is.
pub(crate) fn main(args: &Args) -> Result<()> {
    println(&guided(args.target.as_deref(), args.seconds)?)
}

/// Builds twice, to be profiled and by the profile; answers where the executable is.
pub(crate) fn guided(triple: Option<&str>, seconds: f64) -> Result<PathBuf> {
    let host = host()?;
    let triple = triple.unwrap_or(&host);
    let folder = target().join("guided");
    let raw = folder.join("raw");
    if raw.exists() {
        std::fs::remove_dir_all(&raw).context("removing an older profile")?;
    }
    std::fs::create_dir_all(&raw)?;
    let merger = merger(&host)?;
    run(Command::new(cargo())
        .args(["build", "--release", "--locked", "--package"])
        .arg("gateway-bench"))?;
    let profiled = folder.join("profiled");
    // Not a setting of the profile differs: names of functions are made of them, and counts are found by names.
    build(triple, &profiled, &flag("-Cprofile-generate=", &raw)?)?;
    run(Command::new(target().join("release/gateway-bench"))
        .arg("train")
        .arg(executable(&profiled, triple))
        .args(["--seconds", &seconds.to_string()]))?;
    let profile = folder.join("gateway.profdata");
    // With what was never called, too: that is made small.
    run(Command::new(merger)
        .args(["merge", "-o"])
        .arg(&profile)
        .arg(&raw))?;
    // Crates that did not change since keep what an earlier profile said of them: their code is what it was.
    let released = folder.join("released");
    build(triple, &released, &flag("-Cprofile-use=", &profile)?)?;
    Ok(executable(&released, triple))
}

fn build(triple: &str, folder: &Path, flag: &str) -> Result<()> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    run(Command::new(cargo())
        .args(["build", "--release", "--locked", "--package", "llm-proxy"])
        // Named, or what only runs while building would be profiled, too.
        .args(["--target", triple])
        .arg("--target-dir")
        .arg(folder)
        .env("RUSTFLAGS", format!("{flags} {flag}").trim()))
}

fn executable(folder: &Path, triple: &str) -> PathBuf {
    let name = format!("llm-proxy{}", std::env::consts::EXE_SUFFIX);
    folder.join(triple).join("release").join(name)
}

/// A compiler's flag with a path, which `RUSTFLAGS` can only carry without blanks.
fn flag(name: &str, path: &Path) -> Result<String> {
    let path = path.to_str().filter(|path| !path.contains(' '));
    let path = path.context("the repository's path has blanks, or is no text")?;
    Ok(format!("{name}{path}"))
}

fn host() -> Result<String> {
    let said = output(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

/// Finds `llvm-profdata`, or installs it: the compiler's own, or one that is not much older.
fn merger(host: &str) -> Result<PathBuf> {
    const OLDEST: u32 = 19;
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim()).join(format!("lib/rustlib/{host}/bin/llvm-profdata"));
    let systems = || {
        let names = (OLDEST..OLDEST + 9)
            .rev()
            .map(|version| format!("llvm-profdata-{version}"));
        names.map(PathBuf::from).find(|name| runs(name))
    };
    let there = || Some(own.clone()).filter(|own| runs(own)).or_else(systems);
    if let Some(there) = there() {
        return Ok(there);
    }
    let installed = run(Command::new("rustup").args(["component", "add", "llvm-tools"]));
    if installed.is_err() {
        apt(&[&format!("llvm-{OLDEST}")])?;
    }
    match there() {
        Some(there) => Ok(there),
        None => bail!("llvm-profdata is missing: `rustup component add llvm-tools` installs it"),
    }
}

fn runs(program: &Path) -> bool {
    let output = Command::new(program).args(["merge", "--help"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("starting rustc")?;
    Ok(String::from_utf8(output.stdout)?)
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn println(path: &Path) -> Result<()> {
    let bytes = std::fs::metadata(path)?.len();
    println!("{} ({:.1} MB)", path.display(), bytes as f64 / 1e6);
    Ok(())
}
