//! The `anthropic-beta` names that a request needs.

use std::borrow::Cow;

use llm_types::messages::ToolParam;

use crate::Call;

/// The header, and on Bedrock (with `_`) the body's key.
pub(super) const HEADER: &str = "anthropic-beta";

/// Names without repetition, in the order they were needed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Betas(Vec<Cow<'static, str>>);

impl Betas {
    /// Adds one name.
    pub(crate) fn add(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        if !name.is_empty() && !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// Adds the names of a header's text.
    pub(crate) fn add_list(&mut self, list: &str) {
        for name in list.split(',') {
            self.add(name.trim().to_owned());
        }
    }

    /// Adds what the deployment and the caller ask for, where betas do not travel in a header.
    pub(super) fn add_headers(&mut self, call: &Call<'_>) {
        for (name, value) in call
            .target
            .headers
            .iter()
            .chain(&call.options.extra_headers)
        {
            if name.eq_ignore_ascii_case(HEADER) {
                self.add_list(value);
            }
        }
    }

    /// What a tool needs.
    pub(super) fn add_tool(&mut self, tool: &ToolParam) {
        let kind = tool.kind.as_deref().unwrap_or_default();
        let name = match kind {
            "computer_20241022" => "computer-use-2024-10-22",
            "computer_20250124" => "computer-use-2025-01-24",
            "computer_20251124" => "computer-use-2025-11-24",
            "text_editor_20241022" | "bash_20241022" => "computer-use-2024-10-22",
            "web_fetch_20250910" => "web-fetch-2025-09-10",
            "code_execution_20250522" => "code-execution-2025-05-22",
            "code_execution_20250825" => "code-execution-2025-08-25",
            "memory_20250818" => "context-management-2025-06-27",
            "advisor_20260301" => "advisor-tool-2026-03-01",
            "mcp_toolset" => "mcp-client-2025-11-20",
            _ if kind.starts_with("tool_search_tool_") => "advanced-tool-use-2025-11-20",
            _ => "",
        };
        self.add(name);
        let advanced = ["defer_loading", "allowed_callers", "input_examples"];
        if advanced.iter().any(|key| tool.extra.contains_key(*key)) {
            self.add("advanced-tool-use-2025-11-20");
        }
        if tool.strict == Some(true) {
            self.add("structured-outputs-2025-11-13");
        }
    }

    /// What the body's other keys need.
    pub(super) fn add_extra(&mut self, extra: &llm_types::Map) {
        if let Some(edits) = extra.get("context_management") {
            self.add("context-management-2025-06-27");
            if edits.to_string().contains("\"compact_20260112\"") {
                self.add("compact-2026-01-12");
            }
        }
        if extra.get("speed").is_some_and(|speed| speed == "fast") {
            self.add("fast-mode-2026-02-01");
        }
        if extra.contains_key("mcp_servers") {
            self.add("mcp-client-2025-04-04");
        }
        if extra
            .get("container")
            .is_some_and(|container| container.get("skills").is_some())
        {
            self.add("code-execution-2025-08-25");
            self.add("skills-2025-10-02");
        }
    }

    /// What a cache marker needs.
    pub(super) fn add_cache(&mut self, marker: &serde_json::Value) {
        if marker.get("ttl").is_some_and(|ttl| ttl == "1h") {
            self.add("extended-cache-ttl-2025-04-11");
        }
    }

    /// The header's text; `None` without names.
    pub(crate) fn header(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(","))
    }

    /// The names.
    pub(super) fn names(&self) -> &[Cow<'static, str>] {
        &self.0
    }
}
