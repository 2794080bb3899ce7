//! One pass over the text of `messages`, to learn whether anything in it must be changed. Nearly always nothing must,
//! and then the text is forwarded as it came.

use memchr::memchr2;

/// What a history has that a vendor may not take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// A message without a role.
    pub(super) role_missing: bool,
    /// A key of a message, other than `content`, that is `null`.
    pub(super) null: bool,
    /// A message of the `developer`.
    pub(super) developer: bool,
    /// A message of the `system`.
    pub(super) system: bool,
    /// A tool call whose arguments are an object, not its text.
    pub(super) object_arguments: bool,
    /// A key that only other vendors know.
    pub(super) foreign: bool,
}

impl Findings {
    /// Reads `messages`, which must be valid JSON: what is not an array of objects has no findings.
    pub(super) fn of(messages: &[u8], foreign: &[&str]) -> Self {
        let mut scan = Scan {
            text: messages,
            foreign,
            depth: 0,
            has_role: false,
            found: Self::default(),
        };
        scan.run();
        scan.found
    }
}

struct Scan<'a> {
    text: &'a [u8],
    foreign: &'a [&'a str],
    depth: usize,
    has_role: bool,
    found: Findings,
}

/// Depths inside the array of messages: a message's own keys, and those of a tool call's function.
const MESSAGE: usize = 2;
const FUNCTION: usize = 5;

impl Scan<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(&byte) = self.text.get(at) {
            match byte {
                b'{' | b'[' => {
                    self.depth += 1;
                    if byte == b'{' && self.depth == MESSAGE {
                        self.has_role = false;
                    }
                }
                b'}' | b']' => {
                    if byte == b'}' && self.depth == MESSAGE && !self.has_role {
                        self.found.role_missing = true;
                    }
                    self.depth = self.depth.saturating_sub(1);
                }
                b'"' => {
                    let end = self.string_end(at + 1);
                    let after = self.skip_space(end + 1);
                    if self.text.get(after) == Some(&b':') {
                        let value = self.skip_space(after + 1);
                        self.key(&self.text[at + 1..end], value);
                        at = value;
                        continue;
                    }
                    at = after;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Where the string that starts at `at` ends: the place of its closing quote, or the end of the text.
    fn string_end(&self, mut at: usize) -> usize {
        while let Some(found) = self.text.get(at..).and_then(|t| memchr2(b'"', b'\\', t)) {
            if self.text[at + found] == b'"' {
                return at + found;
            }
            at += found + 2;
        }
        self.text.len()
    }

    fn skip_space(&self, mut at: usize) -> usize {
        while self.text.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    }

    fn key(&mut self, key: &[u8], value: usize) {
        let starts = |with: &[u8]| self.text[value.min(self.text.len())..].starts_with(with);
        if self.depth == MESSAGE {
            if key == b"role" {
                self.has_role = !starts(b"null");
                self.found.developer |= starts(b"\"developer\"");
                self.found.system |= starts(b"\"system\"");
            } else if key != b"content" && starts(b"null") {
                self.found.null = true;
            }
        } else if self.depth == FUNCTION && key == b"arguments" && starts(b"{") {
            self.found.object_arguments = true;
        }
        // The usual keys of a message are none of them.
        if self.depth <= FUNCTION
            && !matches!(key, b"role" | b"content")
            && self.foreign.iter().any(|name| name.as_bytes() == key)
        {
            self.found.foreign = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Findings {
        Findings::of(text.as_bytes(), &["cache_control"])
    }

    #[test]
    fn a_plain_history_has_no_findings() {
        let text = r#"[{"role":"user","content":"a \"role\": null, {\"cache_control\": [\\"}, {"content":null,"role" : "assistant",
            "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"developer\":{}}"}}]}]"#;
        assert_eq!(found(text), Findings::default());
    }

    #[test]
    fn each_finding_is_found() {
        assert!(found(r#"[{"role":"user"},{"content":{"role":"x"}}]"#).role_missing);
        assert!(found(r#"[{"role":null,"content":"x"}]"#).role_missing);
        assert!(found(r#"[{"role":"user","name": null}]"#).null);
        assert!(found(r#"[{"role": "developer"}]"#).developer);
        assert!(found(r#"[{"role":"system"}]"#).system);
        let call = r#"[{"role":"assistant","tool_calls":[{"function":{"arguments": {"a":1}}}]}]"#;
        assert!(found(call).object_arguments);
        let part = r#"[{"role":"user","content":[{"type":"text","cache_control":{}}]}]"#;
        assert!(found(part).foreign);
        assert!(
            !found(r#"[{"role":"user","content":[{"type":"text","text":"cache_control"}]}]"#)
                .foreign
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_harmless(bytes: Vec<u8>) {
            let _ = Findings::of(&bytes, &["a"]);
        }
    }
}
