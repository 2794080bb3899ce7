//! A hash that is the same everywhere and for ever, so that instances agree without talking.

/// Mixes bytes into 64 bits. Not for secrets: whoever wants collisions can make them.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut hash = mix(bytes.len() as u64);
    for chunk in chunks {
        hash = mix(hash ^ u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash ^ u64::from_le_bytes(last))
}

/// Two hashes as one; the order matters.
pub(crate) fn both(a: u64, b: u64) -> u64 {
    mix(mix(a) ^ b)
}

/// A number above 0 and below 1.
pub(crate) fn unit(hash: u64) -> f64 {
    // A float holds 53 bits; the last one is the half that keeps it off both ends.
    ((hash >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// The finalizer of SplitMix64, with its increment.
fn mix(hash: u64) -> u64 {
    let mut z = hash.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_equal_inputs_are_far_apart() {
        let mut seen = std::collections::HashSet::new();
        for n in 0..10_000 {
            assert!(seen.insert(of(format!("user-{n}").as_bytes())));
        }
        assert_ne!(of(b""), of(b"\0"));
        assert_ne!(of(b"12345678"), of(b"12345678\0"));
        let mean = seen.iter().map(|hash| unit(*hash)).sum::<f64>() / 10_000.0;
        assert!((0.49..0.51).contains(&mean), "{mean}");
        assert!(unit(0) > 0.0 && unit(u64::MAX) < 1.0);
    }
}
