//! Endpoints that an operator adds: a path here, a service there.

use std::time::Duration;

use http::{HeaderName, Method};
use llm_cost::Dollars;
use llm_router::Deployment;

/// What is passed through, and where to.
#[derive(Debug, Clone)]
pub struct PassThrough {
    /// The vendors whose credentials the environment has, one deployment each, grouped by the vendor's name.
    pub vendors: Vec<Deployment>,
    /// What the operator added.
    pub endpoints: Vec<Endpoint>,
    /// How long a vendor may be silent.
    pub timeout: Duration,
}

/// An endpoint that an operator added.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its path, with a slash at its start and none at its end.
    pub path: String,
    /// Whether what stands below the path belongs to it.
    pub subpaths: bool,
    /// The methods that it takes; empty: all.
    pub methods: Vec<Method>,
    /// Whether callers need a key.
    pub needs_key: bool,
    /// The header in which they send it, where not in the usual ones.
    pub key_header: Option<HeaderName>,
    /// Whether all headers of the client go on.
    pub forwards_headers: bool,
    /// The target's own query stays beside the client's.
    pub merges_query: bool,
    /// The target's own query.
    pub query: Option<String>,
    /// Parts of a query for requests that do not have them.
    pub default_query: Vec<(String, String)>,
    /// What a request costs; `None`: what its answer says.
    pub cost: Option<Dollars>,
    /// Where it goes. Its group is this endpoint's alone.
    pub deployment: Deployment,
}

impl Default for PassThrough {
    fn default() -> Self {
        Self {
            vendors: Vec::new(),
            endpoints: Vec::new(),
            timeout: Duration::from_secs(600),
        }
    }
}
