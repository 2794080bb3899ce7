use http::Method;
use llm_types::{Op, Verb};

/// What a vendor made on its own and shows: who asked for it was answered before anybody knew what it would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What kind of thing.
    pub op: Op,
    /// What of it.
    pub(crate) verb: Verb,
    /// Its id.
    pub id: String,
}

impl Shown {
    /// What is shown at `path`, percent-decoded or without what would have to be.
    pub fn at(method: &Method, path: &str) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        let mut parts = path.trim_matches('/').rsplit('/');
        let last = [parts.next()?, parts.next()?];
        let before = [
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        ];
        let (op, verb, id) = match (last, before) {
            // Anthropic's answers; the batch itself says nothing of tokens.
            (["results", id], ["batches", "messages"]) => (Op::File, Verb::Content, id),
            ([_, "batches"], ["messages", _]) => return None,
            (["content", id], ["files", _]) => (Op::File, Verb::Content, id),
            ([id, "batches"], _) => (Op::Batch, Verb::Get, id),
            ([id, "responses"], _) => (Op::Responses, Verb::Get, id),
            _ => return None,
        };
        (!id.is_empty()).then(|| Self {
            op,
            verb,
            id: id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_something_when_it_is_shown() {
        for (path, shown) in [
            ("v1/messages/batches/b/results", Some((Op::File, "b"))),
            ("messages/batches/b/results", Some((Op::File, "b"))),
            ("v1/messages/batches/b", None),
            ("v1/messages/batches", None),
            ("v1/files/f/content", Some((Op::File, "f"))),
            ("v1/files/f", None),
            ("openai/batches/b", Some((Op::Batch, "b"))),
            ("v1/batches", None),
            ("batches/b/", Some((Op::Batch, "b"))),
            ("v1/responses/r", Some((Op::Responses, "r"))),
            ("v1/responses/r/input_items", None),
            ("", None),
        ] {
            let found = Shown::at(&Method::GET, path);
            let found = found.as_ref().map(|shown| (shown.op, shown.id.as_str()));
            assert_eq!(found, shown, "{path}");
        }
        assert_eq!(Shown::at(&Method::DELETE, "v1/batches/b"), None);
    }
}
