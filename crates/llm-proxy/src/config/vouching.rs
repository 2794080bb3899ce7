//! The keys that say which services and proxies vouch for callers, where requests may come from, and where they may go.

use std::time::Duration;

use http::HeaderName;
use llm_providers::{Secret, resolve::Surroundings};
use serde_json::Value;

use super::{
    file::Values,
    node::{At, Node},
    problem::Problems,
    sections::seconds,
};
use crate::settings::{Hook, Introspection, Networks, Proxied, Settings};

/// How LiteLLM's configurations name groups of routes.
const GROUP: &str = "LiteLLMRoutes.";

pub(super) fn read(
    values: &mut Values,
    around: &dyn Surroundings,
    settings: &mut Settings,
    problems: &mut Problems,
) {
    settings.allowed_ips = networks("allowed_ips", values, problems);
    let proxies = networks("trusted_proxy_ranges", values, problems).unwrap_or_default();
    if let Some(node) = values.take_node("use_x_forwarded_for") {
        settings.routes.forwarded = node.to_json() == Value::Bool(true);
        if settings.routes.forwarded && proxies.is_empty() {
            // Anybody can write this header.
            problems.warn(
                node.at,
                "'use_x_forwarded_for' has no effect without 'trusted_proxy_ranges': say whose word counts",
            );
        }
    }
    settings.routes.proxies = proxies;
    routes(values, settings, problems);
    settings.identity.hook = hook(values, problems);
    settings.identity.introspection = introspection(values, around, problems);
    settings.identity.proxied = proxied(values, settings, problems);
    let identity = &settings.identity;
    let vouches =
        identity.hook.is_some() || identity.introspection.is_some() || identity.proxied.is_some();
    if vouches && settings.master_key.is_none() {
        problems.error(
            At::default(),
            "custom and OAuth 2 authentication need a master key: without one nobody is asked who they are",
        );
    }
}

fn routes(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let mut names = |key: &str| {
        let list: Option<Vec<String>> = values.take(key, problems);
        let plain = |name: String| match name.strip_prefix(GROUP) {
            Some(name) => name.to_owned(),
            None => name,
        };
        list.map(|list| list.into_iter().map(plain).collect::<Vec<_>>())
    };
    settings.routes.allowed = names("allowed_routes");
    settings.routes.public = names("public_routes").unwrap_or_default();
    settings.routes.admin_only = names("admin_only_routes").unwrap_or_default();
}

fn networks(key: &str, values: &mut Values, problems: &mut Problems) -> Option<Networks> {
    let node = values.take_node(key)?;
    match Networks::parse(node.items().iter().filter_map(Node::text)) {
        Ok(networks) => Some(networks),
        Err(message) => {
            problems.error(node.at, format!("'{key}': {message}"));
            None
        }
    }
}

/// `custom_auth` and what belongs to it.
fn hook(values: &mut Values, problems: &mut Problems) -> Option<Hook> {
    let node = values.take_node("custom_auth");
    let checks = values.take("custom_auth_run_common_checks", problems);
    let more = values.take_node("custom_auth_settings");
    let secret: Option<String> = values.take("custom_auth_secret", problems);
    let headers: Option<Vec<String>> = values.take("custom_auth_headers", problems);
    let patience = seconds("custom_auth_timeout", values, problems);
    let node = node?;
    let url = node.text().unwrap_or_default();
    if !url.starts_with("http://") && !url.starts_with("https://") {
        problems.error(
            node.at,
            format!(
                "'custom_auth' must be the address of a service that is asked who it is, such as \
                 https://auth.example/check: a function in Python ({url:?}) cannot be called"
            ),
        );
        return None;
    }
    let mode = more.as_ref().and_then(|more| more.get("mode"));
    let falls_back = match mode.map(|mode| (mode, mode.text())) {
        None => false,
        Some((_, Some("auto"))) => true,
        Some((_, Some("on"))) => false,
        Some((mode, _)) => {
            problems.error(mode.at, "'mode' must be 'on' or 'auto'");
            false
        }
    };
    let lower = |name: String| name.to_ascii_lowercase();
    Some(Hook {
        url: url.to_owned(),
        secret: secret.map(Secret::new),
        headers: headers.unwrap_or_default().into_iter().map(lower).collect(),
        patience: patience.unwrap_or(Duration::from_secs(5)),
        falls_back,
        checks: checks.unwrap_or(true),
    })
}

fn introspection(
    values: &mut Values,
    around: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<Introspection> {
    let node = values.take_node("enable_oauth2_auth")?;
    if node.to_json() != Value::Bool(true) {
        return None;
    }
    let Some(url) = around.var("OAUTH_TOKEN_INFO_ENDPOINT") else {
        problems.error(
            node.at,
            "'enable_oauth2_auth' needs OAUTH_TOKEN_INFO_ENDPOINT",
        );
        return None;
    };
    let field = |name: &str, usual: &str| around.var(name).unwrap_or_else(|| usual.to_owned());
    let secret = around.var("OAUTH_CLIENT_SECRET").map(Secret::new);
    Some(Introspection {
        url,
        client: around.var("OAUTH_CLIENT_ID").zip(secret),
        user: field("OAUTH_USER_ID_FIELD_NAME", "sub"),
        role: field("OAUTH_USER_ROLE_FIELD_NAME", "role"),
        team: field("OAUTH_USER_TEAM_ID_FIELD_NAME", "team_id"),
    })
}

fn proxied(values: &mut Values, settings: &Settings, problems: &mut Problems) -> Option<Proxied> {
    let enabled = values.take_node("enable_oauth2_proxy_auth");
    let mappings = values.take_node("oauth2_config_mappings");
    let enabled = enabled.filter(|node| node.to_json() == Value::Bool(true))?;
    let Some(mappings) = mappings else {
        let message =
            "'enable_oauth2_proxy_auth' needs 'oauth2_config_mappings': which header holds what";
        problems.error(enabled.at, message);
        return None;
    };
    if settings.routes.proxies.is_empty() {
        let message =
            "'enable_oauth2_proxy_auth' needs 'trusted_proxy_ranges': anybody can write a header";
        problems.error(enabled.at, message);
        return None;
    }
    let mut headers = Vec::new();
    for (key, node) in mappings.entries() {
        match node.text().map(str::parse::<HeaderName>) {
            Some(Ok(header)) => headers.push((key.name.clone(), header)),
            _ => problems.error(node.at, "a header's name is expected here"),
        }
    }
    Some(Proxied {
        headers,
        from: settings.routes.proxies.clone(),
    })
}

#[cfg(test)]
mod tests {
    use llm_providers::resolve::Surroundings;

    use crate::{config::load, settings::Settings};

    struct Variables(&'static [(&'static str, &'static str)]);

    impl Surroundings for Variables {
        fn var(&self, name: &str) -> Option<String> {
            let found = self.0.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        }
        fn file(&self, _: &str) -> Option<String> {
            None
        }
        fn provider_of(&self, _: &str) -> Option<String> {
            None
        }
    }

    const KEYS: &[(&str, &str)] = &[
        (
            "JWT_PUBLIC_KEY_URL",
            "https://a.example/keys, https://b.example/keys",
        ),
        ("JWT_AUDIENCE", "gateway"),
        ("JWT_ISSUER", "https://a.example"),
    ];

    fn loaded(
        general: &str,
        variables: &'static [(&'static str, &'static str)],
    ) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("general_settings:\n{general}")).unwrap();
        load(file.path(), &Variables(variables)).map_err(|problems| {
            let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
            shown.join("\n")
        })
    }

    #[test]
    fn tokens_are_read_as_the_file_and_the_environment_say() {
        let text = "  master_key: sk-x
  enable_jwt_auth: true
  enforce_rbac: true
  role_permissions: [{role: team, models: [m]}]
  litellm_jwtauth:
    user_id_jwt_field: sub
    user_allowed_roles: dev
    user_roles_jwt_field: roles
    leeway: 5
    oidc_userinfo_enabled: true
    oidc_userinfo_endpoint: https://c.example/userinfo
    oidc_userinfo_cache_ttl: 7
    agent_id_jwt_field: agent
    admin_scope: x
    issuers:
      - {issuer: 'https://c.example/', audience: [one, two], team_id_jwt_field: sub, user_id_jwt_field: null}
";
        let settings = loaded(text, KEYS).unwrap();
        let tokens = settings.identity.tokens.unwrap();
        assert_eq!(tokens.leeway.as_secs(), 5);
        let userinfo = tokens.userinfo.unwrap();
        assert_eq!(userinfo.url, "https://c.example/userinfo");
        assert_eq!(userinfo.lasts.as_secs(), 7);
        assert_eq!(userinfo.rules.user_id_jwt_field.as_deref(), Some("sub"));
        let [named, common] = tokens.issuers.as_slice() else {
            panic!("{:?}", tokens.issuers);
        };
        assert_eq!(
            named.urls,
            ["https://c.example/.well-known/openid-configuration"]
        );
        assert_eq!(named.audiences, ["one", "two"]);
        assert_eq!(named.rules.team_id_jwt_field.as_deref(), Some("sub"));
        assert_eq!(named.rules.user_id_jwt_field, None);
        assert_eq!(common.rules.user_id_jwt_field.as_deref(), Some("sub"));
        assert_eq!(common.urls.len(), 2);
        assert!(common.rules.enforce_rbac && common.rules.role_permissions.len() == 1);
        let notices = settings.notices.join("\n");
        assert!(
            notices.contains("'agent_id_jwt_field' has no effect yet"),
            "{notices}"
        );
        assert!(notices.contains("unknown key 'admin_scope'"), "{notices}");
    }

    #[test]
    fn what_would_let_in_others_than_meant_is_a_mistake() {
        for (text, variables, word) in [
            ("  enable_jwt_auth: true\n", KEYS, "needs a master key"),
            (
                "  master_key: sk-x\n  enable_jwt_auth: true\n",
                &[],
                "JWT_PUBLIC_KEY_URL",
            ),
            (
                "  master_key: sk-x\n  enable_jwt_auth: true\n  litellm_jwtauth: {custom_validate: a.b}\n",
                KEYS,
                "custom_validate",
            ),
            (
                "  master_key: sk-x\n  enable_jwt_auth: true\n  litellm_jwtauth: {user_allowed_roles: [a]}\n",
                KEYS,
                "user_roles_jwt_field",
            ),
            (
                "  master_key: sk-x\n  enable_jwt_auth: true\n  litellm_jwtauth: {team_id_upsert: maybe}\n",
                KEYS,
                "team_id_upsert",
            ),
            (
                "  master_key: sk-x\n  enable_jwt_auth: true\n  litellm_jwtauth: {issuers: [{issuer: 'https://i'}]}\n",
                KEYS,
                "audience",
            ),
            (
                "  master_key: sk-x\n  enable_jwt_auth: true\n  litellm_jwtauth: {oidc_userinfo_enabled: true, oidc_userinfo_endpoint: 'http://localhost.far.example/'}\n",
                &[],
                "https://",
            ),
            (
                "  master_key: sk-x\n  custom_auth: my_auth.check\n",
                &[],
                "cannot be called",
            ),
            (
                "  custom_auth: https://auth.example\n",
                &[],
                "need a master key",
            ),
            (
                "  master_key: sk-x\n  enable_oauth2_auth: true\n",
                &[],
                "OAUTH_TOKEN_INFO_ENDPOINT",
            ),
            (
                "  master_key: sk-x\n  enable_oauth2_proxy_auth: true\n  oauth2_config_mappings: {user_id: x-user}\n",
                &[],
                "trusted_proxy_ranges",
            ),
            (
                "  master_key: sk-x\n  allowed_ips: [10.0.0.300]\n",
                &[],
                "allowed_ips",
            ),
            (
                "  master_key: sk-x\n  ldap: {url: 'ldap://far.example', base_dn: dc=x}\n",
                &[],
                "readable on the way",
            ),
            (
                "  master_key: sk-x\n  ldap: {url: 'ldap://localhost.far.example', base_dn: dc=x}\n",
                &[],
                "readable on the way",
            ),
            (
                "  master_key: sk-x\n  ldap: {url: 'ldaps://d.example', user_dn_template: uid=ann}\n",
                &[],
                "{username}",
            ),
        ] {
            let refused = loaded(text, variables).unwrap_err();
            assert!(refused.contains(word), "{text}: {refused}");
        }
        let words = loaded("  master_key: sk-x\n  use_x_forwarded_for: true\n", &[]);
        assert!(words.unwrap().notices[0].contains("trusted_proxy_ranges"));
    }

    #[test]
    fn a_directory_and_a_service_are_read() {
        let settings = loaded(
            "  master_key: sk-x
  custom_auth: https://auth.example/check
  custom_auth_settings: {mode: auto}
  custom_auth_headers: [X-Tenant]
  allowed_routes: [LiteLLMRoutes.openai_routes, /health]
  ldap: {url: 'ldap://127.0.0.1:389', base_dn: dc=x, group_roles: {'cn=a,dc=x': proxy_admin}}
",
            &[("UI_PASSWORD", "p")],
        )
        .unwrap();
        assert!(settings.notices.is_empty(), "{:?}", settings.notices);
        let hook = settings.identity.hook.unwrap();
        assert!(hook.falls_back && hook.checks && hook.headers == ["x-tenant"]);
        let routes = settings.routes.allowed.unwrap();
        assert_eq!(routes, ["openai_routes", "/health"]);
        let sign_in = &settings.governance.sign_in;
        assert!(sign_in.people.is_some() && sign_in.admin.is_some());
    }
}
