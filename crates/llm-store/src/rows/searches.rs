//! How keys, users, teams and organizations are searched.

use std::sync::LazyLock;

use super::{Key, Organization, Team, User};
use crate::find::{Finder, Searched};

/// A table's searches: conditions, and what they are ordered by.
macro_rules! searched {
    ($row:ident, where { $($condition:ident: $sql:literal,)* } texts { $($text:ident: $text_sql:literal,)* }
     numbers { $($number:ident: $number_sql:literal,)* }) => {
        impl Searched for $row {
            const CONDITIONS: &'static [(&'static str, &'static str)] = &[$((stringify!($condition), $sql)),*];
            const TEXTS: &'static [(&'static str, &'static str)] = &[$((stringify!($text), $text_sql)),*];
            const NUMBERS: &'static [(&'static str, &'static str)] = &[$((stringify!($number), $number_sql)),*];

            fn finder() -> &'static Finder {
                static FINDER: LazyLock<Finder> = LazyLock::new(Finder::of::<$row>);
                &FINDER
            }
        }
    };
}

// `viewer` is a user who sees what is its own, what belongs to teams that it is an admin of or that let their members list
// keys, and what belongs to organizations that it is an admin of.
searched!(Key, where {
    token: "t.token = #",
    itself: "t.token = #",
    key_alias: "t.key_alias = #",
    alias_like: "LOWER(t.key_alias) LIKE # ESCAPE '\\'",
    aliased: "t.key_alias IS NOT NULL AND # = '1'",
    search: "LOWER(t.key_alias) LIKE # ESCAPE '\\' OR LOWER(t.token) LIKE # ESCAPE '\\' \
             OR LOWER(t.key_name) LIKE # ESCAPE '\\' OR LOWER(t.user_id) LIKE # ESCAPE '\\' \
             OR LOWER(t.team_id) LIKE # ESCAPE '\\'",
    owner: "t.user_id = #",
    owner_or_teams: "t.user_id = # OR t.team_id IN \
        (SELECT m.team_id FROM team_members AS m WHERE m.user_id = # AND m.role = 'admin')",
    owner_or_creator: "t.user_id = # OR t.created_by = #",
    owner_or_both: "t.user_id = # OR t.created_by = # OR t.team_id IN \
        (SELECT m.team_id FROM team_members AS m WHERE m.user_id = # AND m.role = 'admin')",
    team_id: "t.team_id = #",
    organization_id: "t.organization_id = #",
    project_id: "t.project_id = #",
    agent_id: "t.agent_id = #",
    access_group_id: "LOWER(t.access_group_ids) LIKE # ESCAPE '\\'",
    metadata_like: "LOWER(t.metadata) LIKE # ESCAPE '\\'",
    blocked: "COALESCE(t.blocked, 0) = CAST(# AS BIGINT)",
    expired_at: "t.expires <= CAST(# AS BIGINT)",
    in_force_at: "t.expires IS NULL OR t.expires > CAST(# AS BIGINT)",
    rotates_by: "t.auto_rotate = 1 AND COALESCE(t.blocked, 0) = 0 AND t.key_rotation_at <= CAST(# AS BIGINT)",
    viewer: "t.user_id = # OR t.team_id IN \
        (SELECT m.team_id FROM team_members AS m JOIN teams AS w ON w.team_id = m.team_id WHERE m.user_id = # \
         AND (m.role = 'admin' OR w.team_member_permissions LIKE '%\"/key/list\"%')) \
        OR t.organization_id IN (SELECT o.organization_id FROM organization_members AS o \
         WHERE o.user_id = # AND o.user_role = 'org_admin')",
} texts {
    key_alias: "t.key_alias",
    key_name: "t.key_name",
    token: "t.token",
    user_id: "t.user_id",
    team_id: "t.team_id",
} numbers {
    spend: "COALESCE(b.spent, 0)",
    max_budget: "t.max_budget",
    tpm_limit: "t.tpm_limit",
    rpm_limit: "t.rpm_limit",
    expires: "t.expires",
    last_active: "t.last_active",
    created_at: "t.created_at",
    updated_at: "t.updated_at",
});

searched!(User, where {
    role: "t.user_role = #",
    ids: "REPLACE(#, '\u{1f}' || t.user_id || '\u{1f}', '') <> #",
    sso_ids: "REPLACE(#, '\u{1f}' || t.sso_user_id || '\u{1f}', '') <> #",
    email: "LOWER(t.user_email) = #",
    email_like: "LOWER(t.user_email) LIKE # ESCAPE '\\'",
    search: "LOWER(t.user_id) LIKE # ESCAPE '\\' OR LOWER(t.user_email) LIKE # ESCAPE '\\' \
             OR LOWER(t.user_alias) LIKE # ESCAPE '\\'",
    team: "t.user_id IN (SELECT m.user_id FROM team_members AS m WHERE m.team_id = #)",
    organizations: "t.user_id IN (SELECT o.user_id FROM organization_members AS o \
        WHERE REPLACE(#, '\u{1f}' || o.organization_id || '\u{1f}', '') <> #)",
    viewer: "t.user_id IN (SELECT o.user_id FROM organization_members AS o WHERE o.organization_id IN \
        (SELECT a.organization_id FROM organization_members AS a WHERE a.user_id = # AND a.user_role = 'org_admin'))",
} texts {
    user_id: "t.user_id",
    user_email: "t.user_email",
    user_alias: "t.user_alias",
    user_role: "t.user_role",
} numbers {
    spend: "COALESCE(b.spent, 0)",
    max_budget: "t.max_budget",
    created_at: "t.created_at",
    updated_at: "t.updated_at",
});

searched!(Team, where {
    ids: "REPLACE(#, '\u{1f}' || t.team_id || '\u{1f}', '') <> #",
    team_id: "t.team_id = #",
    itself: "t.team_id = #",
    alias: "t.team_alias = #",
    alias_like: "LOWER(t.team_alias) LIKE # ESCAPE '\\'",
    search: "LOWER(t.team_alias) LIKE # ESCAPE '\\' OR LOWER(t.team_id) LIKE # ESCAPE '\\'",
    organization_id: "t.organization_id = #",
    metadata_like: "LOWER(t.metadata) LIKE # ESCAPE '\\'",
    member: "t.team_id IN (SELECT m.team_id FROM team_members AS m WHERE m.user_id = #)",
    viewer: "t.team_id IN (SELECT m.team_id FROM team_members AS m WHERE m.user_id = #) \
        OR t.organization_id IN (SELECT o.organization_id FROM organization_members AS o \
         WHERE o.user_id = # AND o.user_role = 'org_admin')",
} texts {
    team_id: "t.team_id",
    team_alias: "t.team_alias",
} numbers {
    spend: "COALESCE(b.spent, 0)",
    max_budget: "t.max_budget",
    created_at: "t.created_at",
    updated_at: "t.updated_at",
});

searched!(Organization, where {
    organization_id: "t.organization_id = #",
    alias_like: "LOWER(t.organization_alias) LIKE # ESCAPE '\\'",
    viewer: "t.organization_id IN (SELECT o.organization_id FROM organization_members AS o WHERE o.user_id = #)",
} texts {
    organization_alias: "t.organization_alias",
} numbers {
    created_at: "t.created_at",
});
