//! What the documents say of who may do what, made of the tables that decide it.

use std::fmt::Write as _;

use http::Method;

use crate::{Access, Role, routes};

/// The table of access and roles, and every management route with its access, as Markdown.
pub fn authorization() -> String {
    let mut text = String::new();
    let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let _ = writeln!(text, "| access | {} |", roles.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(roles.len()));
    for access in Access::ALL {
        let marks = Role::ALL.map(|role| {
            let may = |method| access.allows(role, &method);
            match (may(Method::GET), may(Method::POST)) {
                (_, true) => "yes",
                (true, false) => "reads",
                (false, false) => "",
            }
        });
        let _ = writeln!(text, "| {} | {} |", access.name(), marks.join(" | "));
    }
    text.push_str("\n| method | path | access | what it does |\n|---|---|---|---|\n");
    for route in routes::all() {
        let _ = writeln!(
            text,
            "| {} | `{}` | {} | {} |",
            route.method.method(),
            route.path,
            route.access.name(),
            route.about
        );
    }
    text
}
