//! Vectors as text: OpenAI's base64 form is little-endian 32-bit floats.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A vector as base64.
pub fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn floats_are_little_endian() {
        assert_eq!(super::base64(&[1.0, -2.5]), "AACAPwAAIMA=");
    }
}
