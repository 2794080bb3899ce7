//! Where a JSON text ends, seen without parsing it.

/// Follows JSON text just far enough to know when its outermost object is closed.
#[derive(Debug, Default)]
pub(super) struct Depth {
    depth: u32,
    in_string: bool,
    escaped: bool,
    closed: bool,
}

impl Depth {
    /// Takes more of the text.
    pub(super) fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.closed |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// Whether the outermost object is closed.
    pub(super) fn is_complete(&self) -> bool {
        self.closed
    }
}
