use http::Method;

use crate::Access;

/// What somebody asks for whose token is read.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who may call the route.
    pub access: Access,
    /// The method.
    pub method: &'a Method,
    /// The path.
    pub path: &'a str,
    /// The team that the request says it is for (`x-litellm-team-id`): an id or an alias.
    pub team: Option<&'a str>,
}
