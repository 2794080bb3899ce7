//! A vendor's seal on a thought, as one text: clients of other dialects have one field for it, and send it back.

/// A vendor's seal on a thought.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seal {
    /// Of a thought in clear.
    Signature(String),
    /// A thought that only the vendor can read.
    Redacted(String),
}

const SIGNATURE: &str = "signature:";
const REDACTED: &str = "redacted:";

impl Seal {
    /// The seal that a text is; `None` for what another vendor sealed.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(signature) = text.strip_prefix(SIGNATURE) {
            return Some(Self::Signature(signature.to_owned()));
        }
        let data = text.strip_prefix(REDACTED)?;
        Some(Self::Redacted(data.to_owned()))
    }

    /// The seal as a text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Signature(signature) => format!("{SIGNATURE}{signature}"),
            Self::Redacted(data) => format!("{REDACTED}{data}"),
        }
    }
}
