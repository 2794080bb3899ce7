//! Which OpenAI parameters a provider takes, and what happens to the others.

use crate::{Call, Error, Kind, edit};

/// The OpenAI parameters that one provider takes, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// Refused, of the standard list.
    pub refuses: &'static [&'static str],
    /// Taken beyond the standard list (`reasoning_effort`, `thinking`).
    pub accepts: &'static [&'static str],
    /// Whether `user` is sent on; elsewhere it is dropped.
    pub user: bool,
    /// Whether `stream_options` is sent on; elsewhere it is dropped.
    pub stream_options: bool,
}

impl Params {
    /// The standard list, `thinking` and `reasoning_effort` refused.
    pub const STANDARD: Params = Params {
        refuses: &[],
        accepts: &[],
        user: false,
        stream_options: true,
    };

    /// The same without these.
    pub const fn without(mut self, refuses: &'static [&'static str]) -> Self {
        self.refuses = refuses;
        self
    }

    /// The same with these beyond the standard list.
    pub const fn with(mut self, accepts: &'static [&'static str]) -> Self {
        self.accepts = accepts;
        self
    }
}

/// Settles a call's parameters: what is dropped, renamed, refused.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    let provider = call.target.provider;
    if let crate::Body::Json(body) = &mut call.body {
        call.stream = body.is_true("stream");
        let options = body.get::<llm_types::StreamOptions>("stream_options")?;
        call.include_usage = options.is_some_and(|options| options.include_usage);
        edit::apply(provider.edits, body);
    }
    if let Some(quirk) = provider.quirk {
        quirk(call)?;
    }
    let _ = Kind::UnsupportedParams;
    Ok(())
}
