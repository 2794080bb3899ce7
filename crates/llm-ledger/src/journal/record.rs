//! A charge as the journal has it.

use std::io;

use llm_store::{Charged, rows::Object};

use super::frame;

/// A longer row is written without what clients sent along.
const LONGEST: usize = 1 << 20;

/// Adds a charge to `frames`; answers how long it is there. What clients sent along must not cost the row.
pub(super) fn add(frames: &mut Vec<u8>, charged: &mut Charged) -> io::Result<u64> {
    let begins = frames.len();
    let write = |frames: &mut Vec<u8>, charged: &Charged| {
        frames.truncate(begins);
        frame::add(frames, |frames| {
            serde_json::to_writer(frames, charged).map_err(io::Error::other)
        })?;
        Ok::<usize, io::Error>(frames.len() - begins)
    };
    let mut length = match write(frames, charged) {
        Ok(length) if length <= LONGEST => return Ok(length as u64),
        Ok(length) => length,
        // Longer than any record may be.
        Err(_) => LONGEST,
    };
    tracing::warn!(
        id = charged.row.id,
        bytes = length,
        "a row of spending was too long: metadata left out"
    );
    charged.row.metadata = Object::new();
    charged
        .row
        .metadata
        .insert("left_out".into(), length.into());
    charged.row.request_tags.clear();
    length = write(frames, charged)?;
    if length > LONGEST {
        charged.row.usage_value = None;
        length = write(frames, charged)?;
    }
    Ok(length as u64)
}
