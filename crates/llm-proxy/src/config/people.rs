//! The keys and variables that say how people sign in.

use std::{sync::Arc, time::Duration};

use llm_cost::Dollars;
use llm_governance::{Hidden, Role};
use llm_providers::Secret;
use llm_sdk::RouteOptions;
use serde_json::Value;

use super::{
    file::{Values, known},
    keys::LDAP,
    node::Node,
    problem::Problems,
    sections::seconds,
};
use crate::{
    ldap::{Directory, Finding, PLACE},
    settings::Settings,
};

/// Those of `general_settings`.
pub(super) fn general(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let rules = &mut settings.governance.sign_in;
    if let Some(node) = values.take_node("ui_access_mode") {
        match node.text() {
            Some("all") => {}
            Some("admin_only") => rules.admins_only = true,
            _ => problems.error(node.at, "'ui_access_mode' must be 'all' or 'admin_only'"),
        }
    }
    if let Some(hides) = values.take("hide_default_credentials_hint", problems) {
        rules.hides_hint = hides;
    }
    if values.take("disable_env_credential_login", problems) == Some(true) {
        settings.env_login = false;
    }
    if let Some(most) = values.take("max_failed_login_attempts_per_source", problems) {
        rules.tries.most = most;
    }
    if let Some(window) = seconds("failed_login_window_seconds", values, problems) {
        rules.tries.window = window;
    }
    if let Some(pause) = seconds("failed_login_block_seconds", values, problems) {
        rules.tries.pause = pause;
    }
    if let Some(node) = values.take_node("ldap")
        && let Some(directory) = directory(&node, problems)
    {
        rules.people = Some(Arc::new(directory));
    }
}

/// That of `litellm_settings`.
pub(super) fn litellm(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let Some(node) = values.take_node("max_ui_session_budget") else {
        return;
    };
    let amount = node.number().filter(|amount| *amount >= 0.0);
    match amount.and_then(|amount| Dollars::parse_nearest(&amount.to_string())) {
        Some(most) => settings.governance.sign_in.budget = Some(most.to_nano()),
        None => problems.error(
            node.at,
            "'max_ui_session_budget' must be an amount of dollars",
        ),
    }
}

/// The rules of governance with what they need of all settings, once these are known.
pub(crate) fn settle(settings: &Settings) -> llm_governance::Settings {
    let mut governance = settings.governance.clone();
    let rules = &mut governance.sign_in;
    let master = settings.master_key.as_ref();
    rules.signing = master.map(|key| Hidden::new(key.expose()));
    rules.root_path.clone_from(&settings.root_path);
    rules.key_header.clone_from(&settings.key_header);
    if rules.admin.is_none() {
        // Without a password of its own the master key is one.
        let name = settings.ui_username.as_deref().unwrap_or("admin");
        rules.admin = master.map(|key| (name.to_owned(), Hidden::new(key.expose())));
    }
    if !settings.env_login {
        rules.admin = None;
    }
    governance.check_routing = |said| {
        let read = RouteOptions::check(said);
        read.map_err(|error| (error.field, error.message))
    };
    governance
}

fn directory(node: &Node, problems: &mut Problems) -> Option<Directory> {
    known(node, &LDAP, problems);
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    let starttls = node.get("starttls").map(Node::to_json) == Some(Value::Bool(true));
    let url = text("url").unwrap_or_default();
    if let Err(message) = reached(&url, starttls) {
        problems.error(node.at, message);
        return None;
    }
    let finding = match finding(node) {
        Ok(finding) => finding,
        Err(message) => {
            problems.error(node.at, message);
            return None;
        }
    };
    let groups = node.get("group_roles");
    let groups = groups.map(Node::entries).unwrap_or_default();
    let mut roles = Vec::new();
    for (group, role) in groups {
        match role.text().and_then(Role::of_user) {
            Some(role) => roles.push((group.name.clone(), role)),
            None => problems.error(
                role.at,
                "a role of users is expected here, such as internal_user",
            ),
        }
    }
    let usual = text("default_role");
    if let Some(name) = usual.as_ref().filter(|name| Role::of_user(name).is_none()) {
        problems.error(node.at, format!("'default_role': no user can be '{name}'"));
    }
    let patience = node.get("timeout").and_then(Node::number);
    let patience = patience.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some(Directory {
        url,
        starttls,
        finding,
        id: text("id_attribute").unwrap_or_else(|| "uid".to_owned()),
        email: text("email_attribute").unwrap_or_else(|| "mail".to_owned()),
        groups: text("group_attribute").unwrap_or_else(|| "memberOf".to_owned()),
        roles,
        usual: usual.as_deref().and_then(Role::of_user),
        patience: patience.unwrap_or(Duration::from_secs(5)),
    })
}

/// Passwords go over TLS, or stay on this machine.
fn reached(url: &str, starttls: bool) -> Result<(), String> {
    if url.starts_with("ldaps://") || (url.starts_with("ldap://") && starttls) {
        return Ok(());
    }
    let Some(host) = url.strip_prefix("ldap://") else {
        return Err("'ldap' needs a 'url' such as ldaps://directory.example".to_owned());
    };
    let host = host.split('/').next().unwrap_or_default();
    let local = ["127.0.0.1", "localhost", "[::1]"];
    let is_local = local.iter().any(|name| {
        let rest = host.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    });
    match is_local {
        true => Ok(()),
        false => Err(
            "'ldap': passwords would be readable on the way: use ldaps://, or 'starttls: true'"
                .to_owned(),
        ),
    }
}

fn finding(node: &Node) -> Result<Finding, String> {
    let text = |name: &str| node.get(name).and_then(Node::text).map(str::to_owned);
    if let Some(template) = text("user_dn_template") {
        if !template.contains(PLACE) {
            return Err(format!("'user_dn_template' needs {PLACE}"));
        }
        return Ok(Finding::Template(template));
    }
    let base = text("base_dn");
    let base = base.ok_or("'ldap' needs a 'user_dn_template', or a 'base_dn' to search below")?;
    let filter = text("user_filter").unwrap_or_else(|| format!("(uid={PLACE})"));
    if !filter.contains(PLACE) {
        return Err(format!("'user_filter' needs {PLACE}"));
    }
    let password = text("bind_password").map(Secret::new);
    Ok(Finding::Search {
        login: text("bind_dn").zip(password),
        base,
        filter,
    })
}
