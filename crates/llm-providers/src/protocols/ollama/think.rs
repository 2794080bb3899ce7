//! Separates thinking that a model writes into its text, between `<think>` and `</think>`, from the answer.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Splits a text that arrives in pieces. Only a tag at the very start counts: later ones are the answer's own words.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    state: State,
    /// What may be the start of a tag.
    held: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Thinking,
    Answer,
}

/// A piece of text that is decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) thinking: String,
    pub(super) answer: String,
}

impl Splitter {
    /// Takes more text and returns what is decided by it.
    pub(super) fn push(&mut self, text: &str) -> Split {
        let mut split = Split::default();
        if self.state == State::Answer {
            split.answer.push_str(text);
            return split;
        }
        self.held.push_str(text);
        if self.state == State::Start {
            self.start(&mut split);
        }
        if self.state == State::Thinking {
            self.thinking(&mut split);
        }
        split
    }

    /// The text is over: what was held back is no tag.
    pub(super) fn finish(&mut self) -> Split {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Thinking => Split {
                thinking: held,
                answer: String::new(),
            },
            _ => Split {
                thinking: String::new(),
                answer: held,
            },
        }
    }

    fn start(&mut self, split: &mut Split) {
        let begin = self.held.trim_start();
        if let Some(rest) = begin.strip_prefix(OPEN) {
            self.held = rest.to_owned();
            self.state = State::Thinking;
        } else if !OPEN.starts_with(begin) {
            split.answer.push_str(&std::mem::take(&mut self.held));
            self.state = State::Answer;
        }
    }

    fn thinking(&mut self, split: &mut Split) {
        if let Some((thinking, answer)) = self.held.split_once(CLOSE) {
            split.thinking.push_str(thinking);
            split.answer.push_str(answer);
            self.held.clear();
            self.state = State::Answer;
            return;
        }
        let keep = (1..CLOSE.len())
            .rev()
            .find(|n| self.held.ends_with(&CLOSE[..*n]))
            .unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        split
            .thinking
            .push_str(&std::mem::replace(&mut self.held, rest));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&str]) -> (String, String) {
        let (mut splitter, mut all) = (Splitter::default(), (String::new(), String::new()));
        let mut add = |split: Split| {
            all.0.push_str(&split.thinking);
            all.1.push_str(&split.answer);
        };
        for piece in pieces {
            add(splitter.push(piece));
        }
        add(splitter.finish());
        all
    }

    #[test]
    fn only_a_tag_at_the_start_counts() {
        let cases = [
            ("<think>a</think>b", "a", "b"),
            ("\n<think>\na", "\na", ""),
            ("<think>a</thin", "a</thin", ""),
            ("<thin", "", "<thin"),
            ("a<think>b</think>", "", "a<think>b</think>"),
            ("<think></think>", "", ""),
            ("  ", "", "  "),
        ];
        for (text, thinking, answer) in cases {
            assert_eq!(split(&[text]), (thinking.into(), answer.into()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same(text in "(<think>)?[a-zé </thinkn>]{0,20}(</think>)?[a-z]{0,4}", at: prop::sample::Index) {
            let mut cut = at.index(text.len() + 1);
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            prop_assert_eq!(split(&[&text]), split(&[&text[..cut], &text[cut..]]));
        }
    }
}
