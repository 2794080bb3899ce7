//! Numbers in one text, which a script splits: an argument of its own for each would cost both sides more than the counting.

use std::fmt::Write;

/// Numbers with blanks between them.
#[derive(Debug, Default)]
pub(super) struct Numbers(String);

impl Numbers {
    pub(super) fn add(&mut self, number: i64) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        match u8::try_from(number) {
            // As nearly all are.
            Ok(digit @ 0..=9) => self.0.push(char::from(b'0' + digit)),
            // A text takes all that is written.
            _ => drop(write!(self.0, "{number}")),
        }
        self
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_apart() {
        let mut numbers = Numbers::default();
        for number in [0, 9, 10, -1, i64::MAX, 7] {
            numbers.add(number);
        }
        assert_eq!(numbers.text(), "0 9 10 -1 9223372036854775807 7");
    }
}
