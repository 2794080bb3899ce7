//! The gateway under test.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result};

use crate::children::{Children, Core, Server};

/// Starts a gateway that keeps its books in `place`, or keeps none.
pub(crate) fn start(
    children: &Children,
    program: &Path,
    folder: &Path,
    configuration: &str,
    place: &str,
) -> Result<Server> {
    let config = folder.join("config.yaml");
    std::fs::write(&config, configuration)?;
    let canonical = program.canonicalize();
    let program = canonical.with_context(|| program.display().to_string())?;
    let mut command = children.command(Core::Tested, &program);
    command
        .args(["--host", "127.0.0.1", "--port", "0", "--db", place])
        .arg("--config")
        .arg(&config)
        // No settings of whoever measures.
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .current_dir(folder)
        .stderr(Stdio::null());
    children.serve(command)
}
