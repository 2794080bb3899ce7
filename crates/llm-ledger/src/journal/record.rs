//! A charge as the journal has it.

use std::{io, sync::Arc};

use llm_store::{Charged, rows::Object};

use super::frame;
use crate::Error;

/// A longer row is written without what clients sent along.
const LONGEST: usize = 1 << 20;

/// Adds a charge to `frames`; answers how long it is there. What clients sent along must not cost the row.
pub(super) fn add(frames: &mut Vec<u8>, charged: &mut Arc<Charged>) -> io::Result<u64> {
    let begins = frames.len();
    let write = |frames: &mut Vec<u8>, charged: &Charged| {
        frames.truncate(begins);
        frame::add(frames, |frames| {
            rmp_serde::encode::write_named(frames, charged).map_err(io::Error::other)
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

/// The charge that a record says.
pub(crate) fn read(record: &[u8]) -> Result<Charged, Error> {
    // So began those of earlier versions; the others are no text.
    let read = match record.first() {
        Some(b'{') => serde_json::from_slice(record).map_err(io::Error::other),
        _ => rmp_serde::from_slice(record).map_err(io::Error::other),
    };
    Ok(read?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_cost::NanoDollars;
    use llm_store::{Account, Charge, Charged, Json, Moment, Scope, rows::SpendRow};
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::frame, add, read};

    fn charged(text: &str, number: i64) -> Charged {
        let some = (number % 2 == 0).then(|| text.to_owned());
        let account = Account::of(Scope::Team, text);
        let charge = |until| Charge {
            account: account.clone().metered(some.clone().unwrap_or_default()),
            until,
        };
        let metadata = json!({"a": text, "b": [number, 0.1, null, true, {"c": {}}]});
        Charged {
            row: SpendRow {
                id: text.to_owned(),
                request_id: some.clone(),
                request_tags: vec![text.to_owned()],
                spend: NanoDollars(number),
                usage_value: some.is_some().then(|| Json::of(&metadata).unwrap()),
                start_time: Moment(number),
                completion_start_time: some.is_some().then_some(Moment(number)),
                cache_hit: some.is_some(),
                metadata: metadata.as_object().cloned().unwrap_or_default(),
                accounts: vec![account.clone()],
                ..SpendRow::default()
            },
            at: Moment(number),
            under_way: some.is_none(),
            renews: some.is_none(),
            is_alone: some.is_some(),
            hold: some.clone(),
            charges: vec![charge(None), charge(Some(number))],
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in ".{0,40}", number: i64) {
            let mut written = Arc::new(charged(&text, number));
            let mut frames = Vec::new();
            let length = add(&mut frames, &mut written).unwrap();
            let (record, whole) = frame::first(&frames).unwrap();
            prop_assert_eq!(length, whole as u64);
            prop_assert_eq!(read(record).unwrap(), Charged::clone(&written));
        }

        #[test]
        fn records_of_earlier_versions_are_read(text in ".{0,40}", number in 0i64..1_000_000_000_000) {
            let written = charged(&text, number);
            let record = serde_json::to_vec(&written).unwrap();
            prop_assert_eq!(read(&record).unwrap(), written);
        }

        #[test]
        fn usage_of_earlier_versions_is_read(text in ".{0,40}", number: i64) {
            let usage = json!({"text": text, "details": {"count": number}});
            let earlier = rmp_serde::to_vec_named(&usage).unwrap();
            let read: Json = rmp_serde::from_slice(&earlier).unwrap();
            prop_assert_eq!(read.read(), Some(usage));
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
