//! Every key of LiteLLM's configuration, and what becomes of it here. The reference table is made from this.

mod general;
mod jwt;
mod ldap;
mod litellm;
mod params;
mod router;

pub(crate) use general::GENERAL;
pub(crate) use jwt::{ISSUER, JWT};
pub(crate) use ldap::LDAP;
pub(crate) use litellm::LITELLM;
pub use params::{PARAMS, PARAMS_LATER};
pub(crate) use router::ROUTER;

pub use llm_sdk::router_settings::State;

/// One section of the file.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The section's key; empty for the file itself.
    pub name: &'static str,
    /// Its keys by what becomes of them.
    pub keys: &'static [(State, &'static [&'static str])],
}

use State::{Built, Inert, Later};

impl Section {
    /// What becomes of `key`; `None` if nobody knows it.
    pub(crate) fn state(&self, key: &str) -> Option<State> {
        self.keys
            .iter()
            .find(|(_, keys)| keys.contains(&key))
            .map(|(state, _)| *state)
    }

    /// All keys, in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().flat_map(|(_, keys)| keys.iter().copied())
    }
}

/// The sections, in the order of the reference.
pub const SECTIONS: &[Section] = &[
    ROOT, MODEL, TOOL, ROUTER, LITELLM, GENERAL, JWT, ISSUER, LDAP, ENDPOINT,
];

/// The file itself.
pub(crate) const ROOT: Section = Section {
    name: "",
    keys: &[
        (
            Built,
            &[
                "model_list",
                "litellm_settings",
                "general_settings",
                "router_settings",
                "environment_variables",
                "include",
                "credential_list",
                "search_tools",
                "files_settings",
                "finetune_settings",
            ],
        ),
        (
            Later("guardrails"),
            &["guardrails", "policies", "policy_attachments"],
        ),
        (Later("prompt management"), &["prompts"]),
        (Later("MCP"), &["mcp_servers", "mcp_tools"]),
        (Later("agents"), &["agents", "agent_list"]),
        (Later("vector stores"), &["vector_store_registry"]),
        (Later("code execution"), &["sandbox_tools"]),
        (Later("assistants"), &["assistant_settings"]),
        (Later("pass-through"), &["default_vertex_config"]),
        (Later("logging callbacks"), &["callback_settings"]),
        (Later("control planes"), &["worker_registry"]),
    ],
};

/// An entry of `model_list`.
pub(crate) const MODEL: Section = Section {
    name: "model_list[]",
    keys: &[(Built, &["model_name", "litellm_params", "model_info"])],
};

/// An entry of `search_tools`.
pub(crate) const TOOL: Section = Section {
    name: "search_tools[]",
    keys: &[
        (
            Built,
            &["search_tool_name", "litellm_params", "search_tool_info"],
        ),
        (Inert("a tool is known by its name"), &["search_tool_id"]),
    ],
};

/// An entry of `pass_through_endpoints`.
pub(crate) const ENDPOINT: Section = Section {
    name: "pass_through_endpoints[]",
    keys: &[
        (
            Built,
            &[
                "path",
                "target",
                "headers",
                "auth",
                "forward_headers",
                "merge_query_params",
                "default_query_params",
                "include_subpath",
                "cost_per_request",
                "methods",
                "timeout",
            ],
        ),
        (Later("guardrails"), &["guardrails"]),
        (
            Inert("a key is read from Basic credentials wherever an endpoint names its header"),
            &["custom_auth_parser"],
        ),
        (Inert("an endpoint is known by its path"), &["id"]),
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_there_once() {
        for section in SECTIONS {
            let all: Vec<_> = section.names().collect();
            let unique: BTreeSet<_> = all.iter().collect();
            assert_eq!(all.len(), unique.len(), "{}", section.name);
        }
    }
}
