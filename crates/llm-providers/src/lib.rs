//! What every LLM vendor speaks, as pure functions: build a request, read a reply, read a stream.
//!
//! Without its `client` feature this crate knows no sockets, no async runtime, no clock and no environment;
//! it never knows prices, keys of users, or which deployment to choose.
//! Start reading at [`Protocol`] (a wire format), [`Provider`] (a vendor: a row of data) and [`Call`] (one attempt).
//!
//! ```
//! use llm_providers::{Call, CallOptions, Credential, Reply, Step, Target, lookup};
//! use llm_types::{JsonObject, Op};
//! use bytes::Bytes;
//!
//! let target = Target::new(lookup("anthropic").expect("a known provider"), "claude-sonnet-4-5", Credential::key("sk-ant-x"));
//! let body = JsonObject::parse(&Bytes::from_static(br#"{"model":"x","messages":[{"role":"user","content":"Hi"}]}"#))?;
//! let options = CallOptions::default();
//! let call = Call::prepare(Op::Chat, &target, body, &options)?;
//!
//! // Any HTTP client may send this ...
//! let request = call.encode()?;
//! assert_eq!(request.uri().path(), "/v1/messages");
//!
//! // ... and hand back what came.
//! let reply = Reply::ok(r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5",
//!     "content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","usage":{"input_tokens":8,"output_tokens":1}}"#);
//! let Step::Done(answer) = call.decode(reply)? else { unreachable!("chat is answered at once") };
//! let answer = answer.into_chat()?;
//! assert_eq!(answer.choices[0].message.content.as_ref().map(|c| c.text()).as_deref(), Some("Hello"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auth;
pub mod backends;
mod body;
pub mod bridges;
mod call;
mod content;
mod edit;
pub mod embedding;
mod error;
mod error_table;
mod extra;
mod form;
pub mod frame;
pub mod live;
mod meter;
mod native;
mod options;
mod params;
pub mod path;
mod protocol;
pub mod protocols;
mod provider;
pub mod resolve;
mod rewrite;
mod target;
mod unasked;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod download;
#[cfg(feature = "client")]
mod fetch;
#[cfg(feature = "client")]
mod stream;
#[cfg(feature = "client")]
pub mod transport;

pub use auth::{Credential, Secret};
pub use backends::lookup;
pub use body::{Body, Data, Outgoing, Stored, Upload};
pub use call::{Answer, Call, Fetched, Notice, Payload, Reply, Step};
#[cfg(feature = "client")]
pub use client::{Client, Limits, Outcome};
#[cfg(feature = "client")]
pub use download::Download;
pub use error::{Error, Kind};
pub use error_table::classify;
#[cfg(feature = "client")]
pub use fetch::FetchSettings;
pub use meter::Meter;
pub use native::{ELSEWHERE, Native, Shown, address, below, vendor_at};
pub use options::{CallOptions, JsonObjectEq};
pub use params::{Params, supported_params};
pub use protocol::{Chunk, Chunks, Decoder, Framing, Protocol};
pub use protocols::batch::{INPUT as BATCH_INPUT, plain_id as plain_batch_id};
pub use provider::{Auth, Edit, Exchange, Login, Outside, Prefill, Provider, Quirk, Setting};
pub use rewrite::Rewriter;
#[cfg(feature = "client")]
pub use stream::EventStream;
pub use target::{ModelFacts, Target};
pub use unasked::Unasked;
