//! A JSON document that was cut, and the whole one that another attempt brings.

/// The new document is not the one that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Differs;

/// Lets through what a new document has beyond the part that was sent.
///
/// Both are compared as JSON: white space between tokens does not count. A fence around the new document, and whatever
/// comes after its end, are left out.
#[derive(Debug)]
pub struct DocumentSeam {
    sent: String,
    /// How much of `sent` the new document has repeated.
    at: usize,
    state: Scan,
    fence: Fence,
}

/// The new document may stand in a markdown fence, though nobody asked for one.
#[derive(Debug, PartialEq, Eq)]
enum Fence {
    /// Nothing but ticks and white space so far.
    Ahead(u8),
    /// In the rest of the fence's line.
    Line,
    Past,
}

/// Where in a document a reader is.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    closed: bool,
}

impl DocumentSeam {
    /// The seam after `sent`.
    pub fn after(sent: &str) -> Self {
        Self {
            sent: sent.to_owned(),
            at: 0,
            state: Scan::default(),
            fence: Fence::Ahead(0),
        }
    }

    /// Takes more of the new document; gives what is new in it.
    pub fn push(&mut self, text: &str) -> Result<String, Differs> {
        let mut new = String::new();
        for c in text.chars() {
            if self.state.closed || self.is_fence(c) {
                continue;
            }
            if self.repeats(c)? {
                continue;
            }
            self.state.read(c);
            new.push(c);
        }
        Ok(new)
    }

    /// The new document is over: an error if it ended within what was sent.
    pub fn finish(&mut self) -> Result<(), Differs> {
        self.skip_space();
        if self.at == self.sent.len() {
            Ok(())
        } else {
            Err(Differs)
        }
    }

    /// Whether `c` stands where something was sent already.
    fn repeats(&mut self, c: char) -> Result<bool, Differs> {
        if !self.state.in_string {
            self.skip_space();
        }
        let Some(expected) = self.sent[self.at..].chars().next() else {
            return Ok(false);
        };
        if c == expected {
            self.state.read(c);
            self.at += c.len_utf8();
            return Ok(true);
        }
        if !self.state.in_string && c.is_ascii_whitespace() {
            return Ok(true);
        }
        Err(Differs)
    }

    fn skip_space(&mut self) {
        if !self.state.in_string {
            let rest = &self.sent[self.at..];
            self.at += rest.len() - rest.trim_ascii_start().len();
        }
    }

    fn is_fence(&mut self, c: char) -> bool {
        match self.fence {
            Fence::Past => false,
            Fence::Ahead(0) if c.is_ascii_whitespace() => false,
            Fence::Ahead(ticks) if c == '`' && !self.sent.starts_with('`') => {
                self.fence = if ticks == 2 {
                    Fence::Line
                } else {
                    Fence::Ahead(ticks + 1)
                };
                true
            }
            Fence::Line => {
                if c == '\n' {
                    self.fence = Fence::Past;
                }
                true
            }
            Fence::Ahead(_) => {
                self.fence = Fence::Past;
                false
            }
        }
    }
}

impl Scan {
    fn read(&mut self, c: char) {
        match c {
            _ if self.escaped => self.escaped = false,
            '\\' if self.in_string => self.escaped = true,
            '"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.closed = self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(sent: &str, new: &[&str]) -> Result<String, Differs> {
        let mut seam = DocumentSeam::after(sent);
        let mut whole = sent.to_owned();
        for piece in new {
            whole.push_str(&seam.push(piece)?);
        }
        seam.finish()?;
        Ok(whole)
    }

    #[test]
    fn white_space_between_tokens_does_not_count() {
        let whole = joined("{\"city\": \"Par", &["{\"city\"", ":\"Paris, ", "FR\"}"]);
        assert_eq!(whole.as_deref(), Ok("{\"city\": \"Paris, FR\"}"));
        assert_eq!(
            joined("{\"a\" :", &["{\"a\": 1}"]).as_deref(),
            Ok("{\"a\" : 1}")
        );
        // Within a text it does.
        assert_eq!(joined("{\"a\":\"x y", &["{\"a\":\"xy z\"}"]), Err(Differs));
    }

    #[test]
    fn another_document_is_refused() {
        assert_eq!(
            joined("{\"city\":\"Par", &["{\"city\":\"Rome\"}"]),
            Err(Differs)
        );
        assert_eq!(joined("{\"a\":1,\"b\"", &["{\"a\":1}"]), Err(Differs));
        assert_eq!(joined("{\"a\":1", &["{\"a\""]), Err(Differs));
    }

    #[test]
    fn fences_and_afterwords_are_left_out() {
        let fenced = ["``", "`json\n{\"a\":", "12}\n```", " I hope this helps!"];
        assert_eq!(joined("{\"a\":1", &fenced).as_deref(), Ok("{\"a\":12}"));
    }

    #[test]
    fn a_document_that_was_whole_needs_nothing_more() {
        assert_eq!(
            joined("{\"a\":1}", &["{ \"a\": 1 }"]).as_deref(),
            Ok("{\"a\":1}")
        );
    }

    proptest! {
        #[test]
        fn any_cut_and_any_pieces_give_the_document(
            text in "[a-z\"\\\\{}é \\n]{0,12}", number in any::<i32>(),
            cut in 0.0..1.0f64, piece in 1usize..7, pretty in any::<bool>(),
        ) {
            let value = serde_json::json!({"text": text, "list": [number, {"deep": text}], "yes": true});
            let ideal = value.to_string();
            let mut at = (ideal.len() as f64 * cut) as usize;
            while !ideal.is_char_boundary(at) {
                at -= 1;
            }
            let new = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { ideal.clone() };
            let chars: Vec<char> = new.chars().collect();
            let pieces: Vec<String> = chars.chunks(piece).map(|c| c.iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let whole = joined(&ideal[..at], &pieces).unwrap();
            let read: serde_json::Value = serde_json::from_str(&whole).unwrap();
            prop_assert_eq!(read, value);
        }
    }
}
