//! One quick look at a body's text for what a JSON parser that skips values lets through: nesting that recursive readers
//! behind us cannot follow, and escapes that are no text.

/// Levels of nesting that serde_json, and most readers behind us, can follow.
const DEEPEST: usize = 127;

/// What is wrong with a JSON text, if anything is. Says nothing of what a parser sees anyway.
pub(crate) fn fault(json: &[u8]) -> Option<&'static str> {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => match string_end(json, at) {
                Ok(end) => at = end,
                Err(fault) => return Some(fault),
            },
            b'{' | b'[' => {
                depth += 1;
                if depth > DEEPEST {
                    return Some("the body is nested too deeply");
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Where the string that begins at `at` ends.
fn string_end(json: &[u8], mut at: usize) -> Result<usize, &'static str> {
    loop {
        let rest = json.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
            return Ok(json.len());
        };
        at += found;
        if json.get(at) == Some(&b'"') {
            return Ok(at + 1);
        }
        // Nearly every escape is a line break or a quote.
        if json.get(at + 1) != Some(&b'u') {
            at += 2;
            continue;
        }
        at += match (unit(json, at), unit(json, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                return Err("half a character: a \\u escape of a surrogate without its other half");
            }
            _ => 2,
        };
    }
}

/// The UTF-16 unit of a `\uXXXX` escape at `at`.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_bodies_pass() {
        for json in [
            r#"{"a":"\ud83d\ude00 \\ud800 \" {{{{","b":[1,{"c":"\n"}]}"#,
            "",
            "{\"a",
            "{\"a\\",
            r#"{"a":"\u00e9"#,
        ] {
            assert_eq!(fault(json.as_bytes()), None, "{json}");
        }
        let wide = format!("[{}]", "[],".repeat(1000));
        assert_eq!(fault(wide.as_bytes()), None);
    }

    #[test]
    fn depth_and_halves_of_characters_are_faults() {
        let deep = format!("{{\"a\":{}", "[".repeat(200));
        assert!(fault(deep.as_bytes()).is_some());
        for text in [
            r"\ud800",
            r"\udc00",
            r"\uD800\uD800",
            r"\ud800x\udc00",
            r"\\\ud800",
        ] {
            assert!(
                fault(format!("{{\"a\":\"{text}\"}}").as_bytes()).is_some(),
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_through(bytes: Vec<u8>) {
            let _ = fault(&bytes);
        }
    }
}
