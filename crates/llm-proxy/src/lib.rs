//! The gateway: OpenAI's and Anthropic's APIs over HTTP, in front of every vendor that the engine knows.
//!
//! It knows HTTP, keys and configuration files; it knows no vendor's wire and decides no route: that is the engine's.
//! Start reading at [`settings`] (what a gateway goes by) and `gateway.rs` (the whole life of a request).

mod alerting;
mod auth;
mod banner;
mod batch_input;
mod body;
mod books;
mod catalog;
mod check;
mod checks;
mod cli;
pub mod config;
mod controls;
mod cors;
mod counted;
mod counting;
mod discover;
mod disk;
mod door;
mod error;
mod form;
mod gateway;
mod guided;
mod holding;
mod identity;
mod importing;
mod kept;
mod labels;
mod ldap;
mod lines;
mod logs;
mod metrics;
mod openapi;
mod overlay;
mod own_key;
mod pairs;
mod passing;
mod probe;
pub mod probing;
mod realtime;
mod record;
mod reload;
mod repricing;
mod required;
mod respond;
mod route_record;
mod routes;
mod server;
pub mod settings;
mod spend_row;
mod sse;
mod start;
mod state;
mod stored;
mod tab;
mod till;
mod tls;

pub use metrics::Described as Metric;
pub use routes::pages::Page;
pub use server::{Running, serve};
pub use start::run;

/// Every metric of the gateway that has labels, for the reference.
pub fn metrics() -> &'static [Metric] {
    metrics::Metrics::all()
}

/// Every page that is the gateway's own, and who may see it. The management routes are [governance's](llm_governance::routes).
pub fn pages() -> Vec<Page> {
    routes::pages::all()
}
