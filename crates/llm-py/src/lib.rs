//! The native half of the wheel: bytes in, text out, with the interpreter released.
//!
//! This crate knows no wire formats, no prices and no routing: those belong to the crates below, and the friendly
//! objects belong to Python.
//! Start reading at `client`: how a call leaves Python and comes back.

use pyo3::prelude::*;

mod asked;
mod client;
mod errors;
mod gateway;
mod meta;
mod models;
mod notifier;
mod pipe;
mod router;
mod runtime;
mod stream;
mod tokens;

/// The native half of the wheel.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::client::{Call, Client};
    #[pymodule_export]
    use crate::gateway::serve;
    #[pymodule_export]
    use crate::meta::Meta;
    #[pymodule_export]
    use crate::models::{
        connection, cost, model_info, new_id, price_entry, price_names, provider, providers,
        register_models, speaks, supported_params, supports, validate_environment,
    };
    #[pymodule_export]
    use crate::notifier::Notifier;
    #[pymodule_export]
    use crate::router::Router;
    #[pymodule_export]
    use crate::stream::Stream;
    #[pymodule_export]
    use crate::tokens::{count_messages, count_text, decode, encode, knows_vocabulary};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
