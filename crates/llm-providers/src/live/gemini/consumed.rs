//! What a session consumes.

use llm_types::Usage;

/// What was consumed: Gemini counts each answer anew, perhaps more than once.
#[derive(Debug, Default)]
pub(super) struct Consumed {
    before: Usage,
    total: Option<Usage>,
    answer: Option<Usage>,
}

impl Consumed {
    /// All of it.
    pub(super) fn total(&self) -> Option<&Usage> {
        self.total.as_ref()
    }

    /// Gemini has counted. While it answers it counts again what it counted before; at other times it is something else.
    pub(super) fn count(&mut self, usage: Usage, answering: bool) {
        let mut total = self.before.clone();
        total.add(&usage);
        if !answering {
            self.before = total.clone();
        } else {
            self.answer = Some(usage);
        }
        self.total = Some(total);
    }

    /// The answer is over: what it consumed.
    pub(super) fn settle(&mut self) -> Option<Usage> {
        if let Some(total) = &self.total {
            self.before = total.clone();
        }
        self.answer.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_once() {
        let mut consumed = Consumed::default();
        consumed.count(Usage::new(10, 1), true);
        consumed.count(Usage::new(10, 5), true);
        assert_eq!(consumed.settle(), Some(Usage::new(10, 5)));
        consumed.count(Usage::new(3, 0), false);
        consumed.count(Usage::new(20, 7), true);
        assert_eq!(consumed.settle(), Some(Usage::new(20, 7)));
        let total = consumed.total().map(|total| total.total_tokens);
        assert_eq!(total, Some(15 + 3 + 27));
        assert_eq!(consumed.settle(), None);
    }
}
