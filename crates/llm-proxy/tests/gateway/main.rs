//! A gateway in this process, a vendor on the loopback interface, and clients that ask, misbehave and hang up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod again;
mod agents;
mod alerts;
mod answer_ids;
mod answers;

mod authorization;
mod bad_input;
mod batches;
mod beforehand;
mod beside;
mod bounds;
mod checks;
mod estimates;
mod failures;
mod fault_matrix;
mod fault_server;
mod films;
mod governed;
mod hostile;
mod issuing;
mod keys;
mod levels;
mod life;
mod limits;
mod notes;
mod operations;
mod own_labels;
mod owners;
mod passing;
mod people;
mod prompts;
mod realtime;
mod routing;
mod scopes;
mod session_ends;
mod session_money;
mod sessions;
mod shown_again;
mod stored;
mod support;
mod surface;
mod tokens;
mod told;
mod transcribing;
mod vouched;
mod wishes;
mod wishes_everywhere;
