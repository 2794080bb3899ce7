//! Tools that a vendor ran for a chat answer, as its messages tell: Groq's `executed_tools`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

/// The tools that were run for one answer. A stream tells of a tool more than once: when it begins, and when it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    searches: BTreeSet<u64>,
    others: BTreeSet<u64>,
}

/// A whole answer, or a piece of one.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "delta")]
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executed_tools: Option<Vec<Tool>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    index: Option<u64>,
    #[serde(rename = "type")]
    kind: Value,
}

impl Executed {
    /// Looks at an answer, at its choices, or at a piece of a stream; `false`: it tells nothing of tools.
    pub(crate) fn hear(&mut self, piece: &[u8]) -> bool {
        if memchr::memmem::find(piece, b"executed_tools").is_none() {
            return false;
        }
        let choices = match piece.trim_ascii_start().starts_with(b"[") {
            true => serde_json::from_slice::<Vec<Choice>>(piece).ok(),
            false => serde_json::from_slice::<Document>(piece)
                .ok()
                .map(|d| d.choices),
        };
        let messages = choices.into_iter().flatten().filter_map(|c| c.message);
        let tools = messages.filter_map(|m| m.executed_tools).flatten();
        for (at, tool) in tools.enumerate() {
            let index = tool.index.unwrap_or(at as u64);
            let kind = tool.kind.as_str().unwrap_or_default();
            match kind.contains("search") {
                true => self.searches.insert(index),
                false => self.others.insert(index),
            };
        }
        true
    }

    /// How many searches of the web there were.
    pub(crate) fn searches(&self) -> u64 {
        self.searches.len() as u64
    }

    /// How many other tools were run: pages that were visited, programs.
    pub(crate) fn others(&self) -> Option<u64> {
        Some(self.others.len() as u64).filter(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_counted_once_however_often_they_are_told() {
        let mut told = Executed::default();
        let begun = br#"{"choices":[{"delta":{"executed_tools":[{"index":0,"type":"browser_search","arguments":"{}"}]}}]}"#;
        let done = br#"{"choices":[{"delta":{"executed_tools":[{"index":0,"type":"browser_search","output":"x"},{"index":1,"type":"browser.open"}]}}]}"#;
        assert!(told.hear(begun) && told.hear(done));
        assert!(told.hear(
            br#"{"choices":[{"delta":{"executed_tools":[{"index":2,"type":"browser.search"}]}}]}"#
        ));
        assert_eq!((told.searches(), told.others()), (2, Some(1)));

        let mut whole = Executed::default();
        assert!(
            whole
                .hear(br#"[{"message":{"executed_tools":[{"type":"search"},{"type":"python"}]}}]"#)
        );
        assert_eq!((whole.searches(), whole.others()), (1, Some(1)));
        for odd in [
            &br#"{"choices":[{"delta":{"content":"executed_tools"}}]}"#[..],
            br#"{"choices":[{"delta":{"executed_tools":null}}]}"#,
            b"executed_tools",
        ] {
            let mut nothing = Executed::default();
            nothing.hear(odd);
            assert_eq!(nothing, Executed::default());
        }
    }
}
