//! A charge as the journal has it.

use std::{io, sync::Arc};

use llm_store::{Charged, rows::Object};

use super::frame;

/// A longer row is written without what clients sent along.
const LONGEST: usize = 1 << 20;

/// Adds a charge to `frames`; answers how long it is there. What clients sent along must not cost the row.
pub(super) fn add(frames: &mut Vec<u8>, charged: &mut Arc<Charged>) -> io::Result<u64> {
    let begins = frames.len();
    let write = |frames: &mut Vec<u8>, charged: &Charged| {
        frames.truncate(begins);
        frame::add(frames, |frames| {
            charged.pack(frames);
            Ok(())
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
    let row = &mut Arc::make_mut(charged).row;
    row.metadata = Object::new();
    row.metadata.insert("left_out".into(), length.into());
    row.request_tags.clear();
    length = write(frames, charged)?;
    if length > LONGEST {
        Arc::make_mut(charged).row.usage_value = None;
        length = write(frames, charged)?;
    }
    Ok(length as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_store::{Charged, Json, rows::SpendRow};
    use serde_json::json;

    use super::{super::frame, LONGEST, add};

    #[test]
    fn what_clients_sent_does_not_cost_the_row() {
        let long = "a".repeat(LONGEST + 1);
        let mut row = SpendRow {
            id: "1".to_owned(),
            ..SpendRow::default()
        };
        let note = json!({"note": long}).as_object().cloned();
        row.metadata = note.unwrap_or_default();
        row.request_tags = vec![long.clone()];
        row.usage_value = Json::of(&long);
        let mut charged = Arc::new(Charged {
            row,
            ..Charged::default()
        });
        let mut frames = b"before".to_vec();
        let length = add(&mut frames, &mut charged).unwrap();
        let (record, whole) = frame::first(&frames["before".len()..]).unwrap();
        assert_eq!(length, whole as u64);
        let read = Charged::unpack(record).unwrap();
        assert_eq!(read, *charged);
        assert_eq!(read.row.id, "1");
        assert!(read.row.metadata.contains_key("left_out"));
    }
}
