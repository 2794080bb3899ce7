//! The gateway, from the wheel's console script.

use std::{ffi::OsString, process::ExitCode};

use pyo3::prelude::*;

/// Runs the gateway as a command line says (the program's name first); its exit code.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    let code = py.detach(|| llm_proxy::run(arguments));
    u8::from(code != ExitCode::SUCCESS)
}
