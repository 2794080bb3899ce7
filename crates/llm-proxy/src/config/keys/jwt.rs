//! What becomes of `general_settings.litellm_jwtauth`.

use super::{
    Section,
    State::{Built, Inert, Later, Own},
};

/// `general_settings.litellm_jwtauth`.
pub(crate) const JWT: Section = Section {
    name: "litellm_jwtauth",
    keys: &[
        (
            Built,
            &[
                "admin_jwt_scope",
                "admin_allowed_routes",
                "team_id_jwt_field",
                "team_ids_jwt_field",
                "team_alias_jwt_field",
                "team_id_default",
                "team_allowed_routes",
                "team_id_upsert",
                "team_claim_fallback",
                "fallback_to_db_teams",
                "enforce_team_based_model_access",
                "org_id_jwt_field",
                "org_alias_jwt_field",
                "user_id_jwt_field",
                "user_email_jwt_field",
                "user_allowed_email_domain",
                "user_roles_jwt_field",
                "user_allowed_roles",
                "user_id_upsert",
                "upsert_sso_user_to_team",
                "sync_user_role_and_teams",
                "end_user_id_jwt_field",
                "roles_jwt_field",
                "role_mappings",
                "object_id_jwt_field",
                "jwt_litellm_role_map",
                "enforce_rbac",
                "scope_mappings",
                "enforce_scope_based_access",
                "virtual_key_claim_field",
                "unregistered_jwt_client_behavior",
                "public_key_ttl",
                "issuers",
                "oidc_userinfo_endpoint",
                "oidc_userinfo_enabled",
                "oidc_userinfo_cache_ttl",
            ],
        ),
        (
            Own("how many seconds clocks may be apart (30)"),
            &["leeway"],
        ),
        (
            Own("how many seconds keys that cannot be fetched again are still used (3600)"),
            &["public_key_stale_ttl"],
        ),
        (
            Own(
                "a key that nobody knows makes the keys be fetched again, at most this often in seconds (10)",
            ),
            &["public_key_refresh_interval"],
        ),
        (
            Inert("the mapping of a claim to a key is remembered as every row is"),
            &["virtual_key_mapping_cache_ttl"],
        ),
        (Later("agents"), &["agent_id_jwt_field"]),
        (
            Later("choosing a reader by several claims at once"),
            &["routing_overrides"],
        ),
        (
            Inert(
                "a function in Python is refused: 'custom_auth' with the address of a service takes its place",
            ),
            &["custom_validate"],
        ),
    ],
};

/// What an entry of `issuers` has besides.
pub(crate) const ISSUER: Section = Section {
    name: "litellm_jwtauth.issuers[]",
    keys: &[(
        Built,
        &[
            "issuer",
            "audience",
            "disable_audience_validation",
            "jwks_url",
        ],
    )],
};
