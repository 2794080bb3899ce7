//! What becomes of `router_settings`.

use llm_sdk::router_settings;

use super::Section;

/// `router_settings`.
pub(crate) const ROUTER: Section = Section {
    name: "router_settings",
    keys: router_settings::KEYS,
};
