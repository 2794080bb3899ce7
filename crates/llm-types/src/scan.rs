//! One pass over an object's text that finds its fields and checks everything in it, building nothing.

use std::ops::Range;

/// What one pass can find wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not one JSON object: a parser can say more.
    Unclear,
    /// Nesting that recursive readers cannot follow.
    Deep,
    /// An escape of half a character.
    Half,
}

/// Where one field's key, without its quotes, and its value are.
pub(crate) type Field = (Range<usize>, Range<usize>);

/// Levels of nesting that `serde_json`, and most readers behind us, can follow.
const DEEPEST: usize = 127;

/// The fields of the object that `text` is. `strict`: also refuses what readers behind us could not take.
pub(crate) fn fields(text: &str, strict: bool) -> Result<Vec<Field>, Fault> {
    let mut scan = Scan {
        text: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        strict,
    };
    let fields = scan.object()?;
    match scan.byte() {
        None => Ok(fields),
        Some(_) => Err(Fault::Unclear),
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// The brackets that are open below the object itself.
    open: Vec<u8>,
    strict: bool,
}

impl Scan<'_> {
    fn object(&mut self) -> Result<Vec<Field>, Fault> {
        let mut fields = Vec::with_capacity(12);
        self.expect(b'{')?;
        if self.byte() == Some(b'}') {
            self.at += 1;
            return Ok(fields);
        }
        loop {
            let key = self.key()?;
            self.byte();
            let start = self.at;
            self.value()?;
            fields.push((key, start..self.at));
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(Fault::Unclear),
            }
        }
        self.at += 1;
        Ok(fields)
    }

    /// Goes past one value, without recursion.
    fn value(&mut self) -> Result<(), Fault> {
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    self.string()?;
                }
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    if self.enter(bracket)? {
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(Fault::Unclear),
            }
            if self.leave()? {
                return Ok(());
            }
        }
    }

    /// After an opening bracket: whether a value comes next, or the bracket was closed at once.
    fn enter(&mut self, bracket: u8) -> Result<bool, Fault> {
        // One more for the object itself.
        if self.strict && self.open.len() + 2 > DEEPEST {
            return Err(Fault::Deep);
        }
        let object = bracket == b'{';
        if self.byte() == Some(if object { b'}' } else { b']' }) {
            self.at += 1;
            return Ok(false);
        }
        self.open.push(bracket);
        if object {
            self.key()?;
        }
        Ok(true)
    }

    /// After a value: closes what ends here. Whether the outermost value is over, else another one comes next.
    fn leave(&mut self) -> Result<bool, Fault> {
        while let Some(bracket) = self.open.last().copied() {
            let byte = self.byte();
            self.at += 1;
            match (bracket, byte) {
                (b'{', Some(b',')) => {
                    self.key()?;
                    return Ok(false);
                }
                (b'[', Some(b',')) => return Ok(false),
                (b'{', Some(b'}')) | (b'[', Some(b']')) => {
                    self.open.pop();
                }
                _ => return Err(Fault::Unclear),
            }
        }
        Ok(true)
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<Range<usize>, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        self.string()?;
        let end = self.at - 1;
        self.expect(b':')?;
        Ok(start..end)
    }

    /// The rest of a string, with its closing quote.
    fn string(&mut self) -> Result<(), Fault> {
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::Unclear),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let first = self.unit().ok_or(Fault::Unclear)?;
                self.at += 6;
                match first {
                    0xD800..=0xDBFF if self.strict => {
                        if !matches!(self.unit(), Some(0xDC00..=0xDFFF)) {
                            return Err(Fault::Half);
                        }
                        self.at += 6;
                    }
                    0xDC00..=0xDFFF if self.strict => return Err(Fault::Half),
                    _ => {}
                }
            }
            _ => return Err(Fault::Unclear),
        }
        Ok(())
    }

    /// The UTF-16 unit of the `\uXXXX` escape that stands here.
    fn unit(&self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(digit).ok()?)
        })
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        // A zero stands alone before the point.
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.text.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(Fault::Unclear)
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Fault::Unclear);
        }
        self.at += word.len();
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.byte() != Some(byte) {
            return Err(Fault::Unclear);
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space, which is not gone past.
    fn byte(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }
}

/// How many bytes from the start mean only themselves inside a string.
fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let found = specials(*word);
        if found != 0 {
            return i * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    let rest_from = text.len() - rest.len();
    rest_from + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Eight bytes at once: the lowest bit set is the top bit of the first byte that does not mean only itself. A subtraction
/// may borrow from the bytes above one that it finds, never from those below, so bits above the lowest say nothing.
fn specials(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(word);
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(text: &str) -> Result<usize, Fault> {
        fields(text, true).map(|fields| fields.len())
    }

    #[test]
    fn ordinary_bodies_pass() {
        for (json, keys) in [
            (
                r#"{"a":"\ud83d\ude00 \\ud800 \" {{{{","b":[1,{"c":"\n"}]}"#,
                2,
            ),
            ("{}", 0),
            (" { \"a\" : [ ] , \"b\" : -0.5e+7 } \n", 2),
            (r#"{"a":{"b":{},"c":[true,false,null]},"a2":"\u00e9"}"#, 2),
        ] {
            assert_eq!(strict(json), Ok(keys), "{json}");
        }
    }

    #[test]
    fn depth_and_halves_of_characters_are_faults() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert_eq!(strict(&nested(DEEPEST - 1)), Ok(1));
        assert_eq!(strict(&nested(DEEPEST)), Err(Fault::Deep));
        assert_eq!(fields(&nested(5000), false).map(|f| f.len()), Ok(1));
        for text in [
            r"\ud800",
            r"\udc00",
            r"\uD800\uD800",
            r"\ud800x\udc00",
            r"\\\ud800",
        ] {
            let body = format!("{{\"a\":\"{text}\"}}");
            assert_eq!(strict(&body), Err(Fault::Half), "{text}");
            assert_eq!(fields(&body, false).map(|f| f.len()), Ok(1), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_unclear() {
        for value in [
            "",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "nulll",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"b\"}",
            "{\"b\":1,}",
            "[}",
            "{]",
            "[",
            "1}{",
        ] {
            let body = format!("{{\"a\":{value}}}");
            assert_eq!(strict(&body), Err(Fault::Unclear), "{body}");
        }
        for body in ["", "[]", "1", "{} x", "{\"a\" 1}", "{a:1}", "{,}"] {
            assert_eq!(strict(body), Err(Fault::Unclear), "{body}");
        }
    }

    proptest::proptest! {
        /// Eight bytes at once say what each says by itself.
        #[test]
        fn what_is_plain_is_plain_byte_by_byte(text in "[ -~\\x00-\\x1f\"\\\\é]{0,40}") {
            let text = text.as_bytes();
            let special = text.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\'));
            proptest::prop_assert_eq!(plain(text), special.unwrap_or(text.len()));
        }

        /// `serde_json` takes what we take. Built of pieces of JSON, as any bytes are seldom any.
        #[test]
        fn it_agrees_with_the_parser(pieces in proptest::collection::vec(0usize..22, 0..24)) {
            const PIECES: [&str; 22] = [
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\", "\\u00e9", "1", "-", ".", "e", "0", "true", "null",
                " ", "\n", "é", "\"b\":", "{\"a\":",
            ];
            let text: String = pieces.into_iter().map(|i| PIECES[i]).collect();
            let ours = fields(&text, false);
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            let object = text.trim_start().starts_with('{');
            match ours {
                Ok(_) => proptest::prop_assert!(theirs.is_ok() && object, "{}", text),
                Err(_) => proptest::prop_assert!(theirs.is_err() || !object, "{}", text),
            }
        }
    }
}
