//! The keys of `general_settings.ldap`.

use super::{Section, State::Own};

/// `general_settings.ldap`.
pub(crate) const LDAP: Section = Section {
    name: "ldap",
    keys: &[
        (
            Own("where the directory is: `ldaps://`, or `ldap://` with `starttls`"),
            &["url"],
        ),
        (
            Own("whether the connection turns to TLS before anything is said"),
            &["starttls"],
        ),
        (
            Own(
                "the file with the authorities that the directory's certificate may come from, as PEM; without it the system's",
            ),
            &["ca_file"],
        ),
        (
            Own("the distinguished name of whoever is `{username}`: passwords are tried with it"),
            &["user_dn_template"],
        ),
        (
            Own("who searches where there is no template"),
            &["bind_dn", "bind_password"],
        ),
        (Own("below what is searched"), &["base_dn"]),
        (Own("for what: `(uid={username})`"), &["user_filter"]),
        (
            Own(
                "the attributes with the id (`uid`), the address (`mail`) and the groups (`memberOf`)",
            ),
            &["id_attribute", "email_attribute", "group_attribute"],
        ),
        (
            Own("the role of each group, the first that somebody is in counts"),
            &["group_roles"],
        ),
        (
            Own("the role of people in none of these groups; without it they are not let in"),
            &["default_role"],
        ),
        (
            Own("how many seconds the directory may take (5)"),
            &["timeout"],
        ),
    ],
};
