//! Cuts texts whose words never end: the tokenizer's time grows with the square of a word's length.

/// The longest word that goes to the tokenizer in one piece, in bytes. No language and no code has longer ones; a
/// cut there changes the count by a token at most.
const LONGEST: usize = 4096;

/// The text in pieces without endless words; one piece where it has none.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(cut(rest).unwrap_or(rest.len()));
        rest = after;
        Some(piece)
    })
}

/// Where the first endless word is cut.
fn cut(text: &str) -> Option<usize> {
    if text.len() <= LONGEST {
        return None;
    }
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        if is_break(byte) {
            start = at + 1;
        } else if at - start >= LONGEST {
            return Some(text.floor_char_boundary(at));
        }
    }
    None
}

/// Bytes that end a word in every vocabulary.
fn is_break(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_endless_words_are_cut() {
        let prose = "words and words\n".repeat(4000);
        assert_eq!(pieces(&prose).count(), 1);
        let run = "語".repeat(10_000);
        assert!(pieces(&run).all(|piece| piece.len() <= LONGEST));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "([a-z語é ]{0,40}|語{1000,3000}){0,8}") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
