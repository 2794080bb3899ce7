//! How records lie in a journal file: length, checksum, bytes. What does not check is the end.

use std::io;

/// Length and checksum, four bytes each, little-endian.
const HEAD: usize = 8;

/// No record is longer: a length beyond is not one.
const LONGEST: usize = 16 << 20;

/// Adds a record to `frames`, as `write` writes it. One that fails or is too long is not added.
pub(crate) fn add(
    frames: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let begins = frames.len();
    frames.extend_from_slice(&[0; HEAD]);
    let added = write(frames).and_then(|()| seal(frames.get_mut(begins..).unwrap_or_default()));
    if added.is_err() {
        frames.truncate(begins);
    }
    added
}

/// Fills in the head of a frame.
fn seal(frame: &mut [u8]) -> io::Result<()> {
    let whole = frame.split_first_chunk_mut::<HEAD>();
    let fits = whole.filter(|(_, record)| !record.is_empty() && record.len() <= LONGEST);
    let Some((head, record)) = fits else {
        return Err(io::Error::other("the record is empty or too long"));
    };
    let length = u32::try_from(record.len()).map_err(io::Error::other)?;
    let checksum = crc32fast::hash(record);
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// The first record of `bytes` and the length of its frame. `None` if it is cut, or is none.
pub(crate) fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    // A file system may leave zeros behind a crash: an empty record would check.
    if length == 0 || length > LONGEST {
        return None;
    }
    let record = rest.get(..length)?;
    let checks = crc32fast::hash(record) == u32::from_le_bytes(*checksum);
    checks.then_some((record, HEAD + length))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::{LONGEST, add, first};

    fn frame(record: &[u8]) -> Option<Vec<u8>> {
        let mut frames = Vec::new();
        add(&mut frames, |frames| frames.write_all(record)).ok()?;
        Some(frames)
    }

    fn read(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        while let Some((record, length)) = first(bytes) {
            records.push(record.to_vec());
            bytes = &bytes[length..];
        }
        records
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(first(&[0; 64]), None);
    }

    #[test]
    fn what_cannot_be_a_record_leaves_no_trace() {
        let mut frames = frame(b"one").unwrap();
        let one = frames.clone();
        for bad in [0, LONGEST + 1] {
            let record = vec![1; bad];
            add(&mut frames, |frames| frames.write_all(&record)).unwrap_err();
            assert_eq!(frames, one);
        }
    }

    proptest! {
        #[test]
        fn cut_anywhere_the_whole_records_remain(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cut in 0usize..400,
        ) {
            let frames: Vec<Vec<u8>> = records.iter().map(|record| frame(record).unwrap()).collect();
            let bytes = frames.concat();
            let cut = cut.min(bytes.len());
            let mut end = 0;
            let whole = frames.iter().take_while(|frame| { end += frame.len(); end <= cut }).count();
            prop_assert_eq!(&read(&bytes[..cut])[..], &records[..whole]);
        }

        #[test]
        fn a_changed_byte_is_never_read(record in prop::collection::vec(any::<u8>(), 1..40), at in 0usize..48, flip in 1u8..) {
            let mut bytes = frame(&record).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_ne!(read(&bytes), vec![record]);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }
    }
}
