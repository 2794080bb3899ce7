//! A text that was cut, and the text that another attempt continues it with.

/// How far back a repetition may reach, in bytes, unless it repeats all that was sent.
const TAIL: usize = 4096;
/// A repetition of several words counts from this many characters on.
const SEVERAL_WORDS: usize = 8;
/// A repetition of one word counts from this many letters on.
const ONE_WORD: usize = 3;
/// The same where every sign is a word.
const IDEOGRAPHS: usize = 4;
/// The longest first line of a fence: three ticks and a language.
const FENCE_LINE: usize = 32;

/// Lets through what a continuation adds to the text that was sent.
///
/// Text is held back only as long as it could still be a repetition: a few characters as a rule, and never more than
/// what it could repeat.
#[derive(Debug)]
pub struct Seam {
    filters: Vec<Filter>,
}

/// One thing that a continuation may begin with and that was sent already. Each is looked for once.
#[derive(Debug)]
enum Filter {
    /// A text, word for word or not at all.
    Echo { expected: String, held: String },
    /// A text, as far as it goes.
    Common { expected: String, at: usize },
    /// A code fence that is open already.
    Fence { held: String },
    /// The end of what was sent.
    Overlap(Overlap),
    /// Nothing any more.
    Open,
}

#[derive(Debug)]
struct Overlap {
    sent: String,
    /// Where in `sent` a repetition may have begun.
    starts: Vec<usize>,
    /// Of those that `held` repeats to the end of `sent`, the first.
    found: Option<usize>,
    held: String,
}

impl Seam {
    /// After a model that began its answer with the first `given` bytes of `sent` as its own words.
    ///
    /// `echoes`: the vendor's answer repeats those.
    pub fn prefilled(sent: &str, given: usize, echoes: bool) -> Self {
        let (given, rest) = sent.split_at_checked(given).unwrap_or((sent, ""));
        let mut filters = Vec::new();
        if echoes {
            filters.push(Filter::Echo {
                expected: given.to_owned(),
                held: String::new(),
            });
        }
        filters.push(Filter::Common {
            expected: rest.to_owned(),
            at: 0,
        });
        Self { filters }
    }

    /// After a model that was asked to go on after `sent`, and may begin a little earlier all the same.
    pub fn asked(sent: &str) -> Self {
        let mut filters = Vec::new();
        if in_fence(sent) {
            filters.push(Filter::Fence {
                held: String::new(),
            });
        }
        filters.push(Filter::Overlap(Overlap::after(sent)));
        Self { filters }
    }

    /// Takes more of the continuation; gives what may be sent.
    pub fn push(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for filter in &mut self.filters {
            if text.is_empty() {
                break;
            }
            text = filter.push(text);
        }
        text
    }

    /// The continuation is over: gives what was held back.
    pub fn finish(&mut self) -> String {
        let mut text = String::new();
        for filter in &mut self.filters {
            if !text.is_empty() {
                text = filter.push(text);
            }
            text.push_str(&filter.finish());
        }
        text
    }
}

impl Filter {
    fn push(&mut self, text: String) -> String {
        match self {
            Self::Open => text,
            Self::Echo { expected, held } => {
                held.push_str(&text);
                if held.len() < expected.len() && expected.starts_with(held.as_str()) {
                    return String::new();
                }
                let new = held.strip_prefix(expected.as_str()).unwrap_or(held);
                let new = new.to_owned();
                *self = Self::Open;
                new
            }
            Self::Common { expected, at } => {
                let same = common(&expected[*at..], &text);
                *at += same;
                if same < text.len() || *at == expected.len() {
                    *self = Self::Open;
                }
                text[same..].to_owned()
            }
            Self::Fence { held } => {
                held.push_str(&text);
                let Some(new) = after_fence(held) else {
                    return String::new();
                };
                let new = new.to_owned();
                *self = Self::Open;
                new
            }
            Self::Overlap(overlap) => {
                let Some(new) = overlap.push(&text) else {
                    return String::new();
                };
                *self = Self::Open;
                new
            }
        }
    }

    fn finish(&mut self) -> String {
        match std::mem::replace(self, Self::Open) {
            Self::Open | Self::Common { .. } => String::new(),
            Self::Echo { expected, held } => {
                if held == expected {
                    String::new()
                } else {
                    held
                }
            }
            Self::Fence { held } => held,
            Self::Overlap(overlap) => overlap.decided(),
        }
    }
}

impl Overlap {
    fn after(sent: &str) -> Self {
        let tail = sent.len().saturating_sub(TAIL);
        let mut starts = Vec::new();
        let mut before = None;
        for (at, c) in sent.char_indices() {
            if at == 0 || (at >= tail && begins_word(before, c)) {
                starts.push(at);
            }
            before = Some(c);
        }
        Self {
            sent: sent.to_owned(),
            starts,
            found: None,
            held: String::new(),
        }
    }

    /// What may be sent; `None` while all of it may be a repetition.
    fn push(&mut self, text: &str) -> Option<String> {
        self.held.push_str(text);
        let Self {
            sent,
            starts,
            found,
            held,
        } = self;
        starts.retain(|start| {
            let suffix = &sent[*start..];
            if held.len() <= suffix.len() {
                // One that is repeated to its end is kept until something follows it.
                return suffix.starts_with(held.as_str());
            }
            if held.starts_with(suffix) && is_repetition(sent, *start) {
                *found = Some(found.map_or(*start, |first| first.min(*start)));
            }
            false
        });
        // A longer repetition beats a shorter one: wait as long as one is possible.
        if starts
            .iter()
            .any(|start| found.is_none_or(|found| *start < found))
        {
            return None;
        }
        Some(self.rest())
    }

    fn decided(mut self) -> String {
        let whole = |start: &usize| self.sent[*start..] == self.held;
        let repeated = self.starts.iter().copied().find(whole);
        if let Some(start) = repeated.filter(|start| is_repetition(&self.sent, *start)) {
            self.found = Some(self.found.map_or(start, |first| first.min(start)));
        }
        self.rest()
    }

    fn rest(&self) -> String {
        if let Some(start) = self.found {
            return self.held[self.sent.len() - start..].to_owned();
        }
        // A second space between two words.
        let mut end = self.sent.chars().rev();
        let one_space = end.next() == Some(' ') && end.next().is_some_and(|c| !c.is_whitespace());
        match self.held.strip_prefix(' ') {
            Some(rest) if one_space && !rest.starts_with(char::is_whitespace) => rest.to_owned(),
            _ => self.held.clone(),
        }
    }
}

/// Whether a repetition of words may begin with `c`.
fn begins_word(before: Option<char>, c: char) -> bool {
    before.is_none_or(|before| !before.is_alphanumeric() || !c.is_alphanumeric() || is_ideograph(c))
}

/// Whether a text that begins with what `sent` ends with, from `start` on, repeats it, and does not only look so: the
/// last letters of a word may well be the first of what comes next, and some texts say the same thing twice.
fn is_repetition(sent: &str, start: usize) -> bool {
    let repeated = &sent[start..];
    let letters = repeated.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 {
        return false;
    }
    let needed = if repeated.chars().any(is_ideograph) {
        IDEOGRAPHS
    } else {
        ONE_WORD
    };
    if start == 0 {
        return letters >= needed;
    }
    let one_word = !repeated.trim_end().contains(char::is_whitespace);
    if one_word && letters < needed {
        return false;
    }
    // A word that was cut, or that ended there, and is said again from its beginning: nobody writes `thethe`.
    let glued = repeated.ends_with(char::is_alphanumeric)
        && repeated.starts_with(char::is_alphanumeric)
        && !repeated.chars().any(is_ideograph)
        && letters >= ONE_WORD;
    if glued {
        return true;
    }
    // What has been said before may be said once more.
    let from = floor(sent, start.saturating_sub(TAIL));
    let new_before = sent[from..sent.len() - last_len(sent)].contains(repeated);
    (one_word || repeated.chars().count() >= SEVERAL_WORDS) && !new_before
}

fn last_len(text: &str) -> usize {
    text.chars().next_back().map_or(0, char::len_utf8)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Scripts that are written without spaces: every sign may begin a word.
fn is_ideograph(c: char) -> bool {
    matches!(c as u32, 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

/// How many bytes two texts have in common at their beginning; whole characters only.
fn common(a: &str, b: &str) -> usize {
    let pairs = a.chars().zip(b.chars());
    pairs
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum()
}

/// Whether `text` ends within a code block.
fn in_fence(text: &str) -> bool {
    let fences = text
        .lines()
        .filter(|line| line.trim_start().starts_with("```"));
    // A last line that is only being begun opens nothing yet.
    fences.count() % 2 == 1
        && text
            .rsplit('\n')
            .next()
            .is_none_or(|l| !l.trim_start().starts_with("```"))
}

/// What follows a fence that opens a code block once more; all of it where there is none; `None` while that is open.
/// Three ticks alone close the block, and are the answer's own.
fn after_fence(text: &str) -> Option<&str> {
    let begin = text.trim_start();
    let ticks = begin.len() - begin.trim_start_matches('`').len();
    if ticks < 3 {
        return (ticks < begin.len()).then_some(text);
    }
    let Some((line, rest)) = begin.split_once('\n') else {
        return (begin.len() > FENCE_LINE).then_some(text);
    };
    let language = line[ticks..].trim();
    let is_name = |c: char| c.is_alphanumeric() || "+-#._".contains(c);
    let opens = ticks == 3 && !language.is_empty() && language.chars().all(is_name);
    Some(if opens { rest } else { text })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(mut seam: Seam, pieces: &[&str]) -> String {
        let mut out = String::new();
        for piece in pieces {
            out.push_str(&seam.push(piece));
        }
        out + &seam.finish()
    }

    fn asked(sent: &str, new: &str) -> String {
        let whole = sent.to_owned() + &through(Seam::asked(sent), &[new]);
        let singles: Vec<String> = new.chars().map(String::from).collect();
        let singles: Vec<&str> = singles.iter().map(String::as_str).collect();
        let pieced = sent.to_owned() + &through(Seam::asked(sent), &singles);
        assert_eq!(whole, pieced, "the pieces change the answer");
        whole
    }

    #[test]
    fn what_goes_on_exactly_is_left_alone() {
        for (sent, new) in [
            ("I said hel", "lo to him"),
            ("one, two, ", "three"),
            ("0, 0, 0", ", 0, 0"),
            ("| a | b |\n| --- |", " --- |\n| 1 | 2 |"),
            ("ha ha", " ha"),
            ("no no ", "no no."),
            ("very, very, ", "very good"),
            ("fn main() {\n    ", "    let x = 1;"),
            ("end.\n", "\nNext"),
            ("costs 10", "100 dollars"),
            ("", "anything"),
        ] {
            assert_eq!(asked(sent, new), format!("{sent}{new}"), "{sent:?}");
        }
    }

    #[test]
    fn what_is_said_again_is_left_out() {
        for (sent, new, whole) in [
            ("I said hel", "hello to him", "I said hello to him"),
            ("The cat sat on the", "the mat", "The cat sat on the mat"),
            (
                "The cat sat on the",
                "sat on the mat",
                "The cat sat on the mat",
            ),
            (
                "The cat sat",
                "The cat sat on the mat",
                "The cat sat on the mat",
            ),
            ("The cat sat ", " on the mat", "The cat sat on the mat"),
            ("Grüße aus Köl", "aus Köln!", "Grüße aus Köln!"),
            (
                "今天天气很好,我们去公园",
                "我们去公园散步",
                "今天天气很好,我们去公园散步",
            ),
            ("The cat sat", "cat sat", "The cat sat"),
        ] {
            assert_eq!(asked(sent, new), whole, "{sent:?}");
        }
    }

    #[test]
    fn a_code_block_is_not_opened_twice() {
        let sent = "Look:\n```python\nx = 1\n";
        assert_eq!(
            asked(sent, "```python\ny = 2\n```\n"),
            format!("{sent}y = 2\n```\n")
        );
        assert_eq!(asked(sent, "```\nDone."), format!("{sent}```\nDone."));
        assert_eq!(asked(sent, "y = `2`\n"), format!("{sent}y = `2`\n"));
        let closed = "Look:\n```python\nx = 1\n```\n";
        let more = "```python\ny = 2\n```";
        assert_eq!(asked(closed, more), format!("{closed}{more}"));
    }

    #[test]
    fn a_prefill_may_be_echoed_and_loses_its_last_spaces() {
        let sent = "Hello \n";
        let given = sent.trim_end().len();
        for (new, whole) in [
            ("world", "Hello \nworld"),
            (" world", "Hello \nworld"),
            (" \n\nworld", "Hello \n\nworld"),
        ] {
            assert_eq!(
                sent.to_owned() + &through(Seam::prefilled(sent, given, false), &[new]),
                whole
            );
            let echo = format!("Hello{new}");
            for pieces in [vec![echo.as_str()], vec!["He", &echo[2..]], vec![new]] {
                let seam = Seam::prefilled(sent, given, true);
                assert_eq!(sent.to_owned() + &through(seam, &pieces), whole);
            }
        }
        // Without an echo nothing is one.
        assert_eq!(
            through(Seam::prefilled("ha", 2, false), &["ha", "!"]),
            "ha!"
        );
    }

    const WORDS: [&str; 24] = [
        "harbour", "Möwe", "lantern", "quickly", "under", "seven", "bridges", "winter", "copper",
        "velvet", "déjà", "storm", "ginger", "monday", "puzzle", "kraft", "yonder", "zephyr",
        "tablet", "orchid", "falcon", "island", "nectar", "rhythm",
    ];

    fn cut(text: &str, share: f64) -> usize {
        floor(text, (text.len() as f64 * share) as usize)
    }

    fn pieces(text: &str, size: usize) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(size).map(|c| c.iter().collect()).collect()
    }

    proptest! {
        #[test]
        fn any_cut_any_overlap_any_pieces(
            order in Just(WORDS.to_vec()).prop_shuffle(), share in 0.0..=1.0f64,
            back in 0usize..8, size in 1usize..9, comma in any::<bool>(),
        ) {
            let ideal = order.join(if comma { ", " } else { " " });
            let at = cut(&ideal, share);
            // The second model goes on exactly there, or begins some whole words earlier.
            let starts: Vec<usize> = ideal[..at].match_indices(' ').map(|(i, _)| i + 1).collect();
            let begin = match back {
                0 => at,
                back => starts.len().checked_sub(back).map_or(0, |i| starts[i]),
            };
            let repeated = &ideal[begin..at];
            prop_assume!(repeated.is_empty() || repeated.chars().filter(|c| c.is_alphabetic()).count() >= 3);
            let mut seam = Seam::asked(&ideal[..at]);
            let mut whole = ideal[..at].to_owned();
            for piece in pieces(&ideal[begin..], size) {
                whole.push_str(&seam.push(&piece));
            }
            whole.push_str(&seam.finish());
            prop_assert_eq!(whole, ideal);
        }

        #[test]
        fn prefills_join_at_any_cut(text in "[a-c é\\n]{1,24}", share in 0.0..=1.0f64, size in 1usize..5, trim in any::<bool>()) {
            let at = cut(&text, share);
            let sent = &text[..at];
            let given = if trim { sent.trim_end().len() } else { sent.len() };
            let mut seam = Seam::prefilled(sent, given, false);
            let mut whole = sent.to_owned();
            for piece in pieces(&text[given..], size) {
                whole.push_str(&seam.push(&piece));
            }
            whole.push_str(&seam.finish());
            prop_assert_eq!(whole, text);
        }

        #[test]
        fn nothing_new_is_ever_lost(sent in "[a-d `\\n]{0,20}", new in "[a-d `\\n]{0,20}", size in 1usize..5) {
            let mut seam = Seam::asked(&sent);
            let mut out = String::new();
            for piece in pieces(&new, size) {
                out.push_str(&seam.push(&piece));
            }
            out.push_str(&seam.finish());
            prop_assert!(new.ends_with(&out));
            let one = through(Seam::asked(&sent), &[&new]);
            prop_assert_eq!(out, one);
        }
    }
}
