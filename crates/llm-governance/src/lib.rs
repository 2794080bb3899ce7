//! Governance: who is asking, what it may do, and what it may spend.
//!
//! Keys, users, teams and what bounds them; the management routes as data; letting requests in and charging them. It does
//! not know sockets, models or providers: the gateway does. Start reading at [`Governance`]; routes are in [`routes`].

mod access;
mod access_groups;
mod admit;
pub mod alerts;
mod audit;
mod authenticate;
mod behind;
mod budget;
mod budgets;
mod caller;
mod changes;
mod credentials;
mod customers;
mod directory;
mod edit;
mod entry;
pub mod form;
mod governance;
pub mod identity;
pub mod import;
mod joining;
mod keys;
pub mod limits;
mod model_access;
mod models;
mod organizations;
mod own_budget;
mod paging;
mod projects;
pub mod reference;
mod refusal;
mod remembered;
mod reprice;
mod retention;
mod role;
pub mod route_groups;
pub mod routes;
mod secrets;
mod settings;
mod spend;
mod standing;
mod tags;
mod teams;
mod terms;
mod users;

pub use access::Access;
pub use admit::{Admission, Work};
pub use caller::{Caller, MASTER, MASTER_USER};
pub use edit::{Actor, Edit};
pub use entry::{Entry, Governed};
pub use form::{Field, Form};
pub use governance::{Changed, Governance};
pub use models::{ModelEntry, StoredModel};
pub use refusal::Refusal;
pub use remembered::Remembered;
pub use reprice::{Bill, Pricer, Repricing, RepricingSummary, reprice};
pub use retention::Retention;
pub use role::Role;
pub use routes::{Answer, Call, Raw, Route};
pub use settings::Settings;
pub use standing::Standing;
pub use terms::{Limits, ModelLimits, Own, Terms};
pub use users::{Hidden, Looked, People, Recognized, SignIn, Tries};
