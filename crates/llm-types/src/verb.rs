//! What is done with a thing that an operation makes and a vendor keeps: a file, a batch, a video, a response, a job.

use serde::{Deserialize, Serialize};

use crate::Op;

/// What is done. Most operations know [`Create`](Self::Create) alone.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verb {
    /// Make one, or simply answer.
    #[default]
    Create,
    /// Show those that there are, a page at a time.
    List,
    /// Show one.
    Get,
    /// Remove one.
    Delete,
    /// Stop one that is under way.
    Cancel,
    /// Its bytes.
    Content,
    /// What a response was made of.
    InputItems,
    /// How many tokens a response's input has.
    InputTokens,
    /// Make a conversation shorter.
    Compact,
    /// Make another video of one.
    Remix,
    /// What happened to a training job.
    Events,
    /// The models that a training job kept on its way.
    Checkpoints,
    /// Hold a training job.
    Pause,
    /// Let a held training job go on.
    Resume,
}

/// An HTTP method of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Writes or acts.
    Post,
    /// Removes.
    Delete,
}

impl Verb {
    /// Its method.
    pub fn method(self) -> Method {
        match self {
            Self::List
            | Self::Get
            | Self::Content
            | Self::InputItems
            | Self::Events
            | Self::Checkpoints => Method::Get,
            Self::Delete => Method::Delete,
            _ => Method::Post,
        }
    }

    /// Whether it is done to one thing, by its id.
    pub fn needs_id(self) -> bool {
        !matches!(
            self,
            Self::Create | Self::List | Self::Compact | Self::InputTokens
        )
    }

    /// Whether its request has a body.
    pub fn has_body(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Compact | Self::InputTokens | Self::Remix
        )
    }

    /// What its path has after the operation's own path and the id.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Create | Self::List | Self::Get | Self::Delete => "",
            Self::Cancel => "/cancel",
            Self::Content => "/content",
            Self::InputItems => "/input_items",
            Self::InputTokens => "/input_tokens",
            Self::Compact => "/compact",
            Self::Remix => "/remix",
            Self::Events => "/events",
            Self::Checkpoints => "/checkpoints",
            Self::Pause => "/pause",
            Self::Resume => "/resume",
        }
    }
}

impl Op {
    /// What can be done with what it makes.
    pub fn verbs(self) -> &'static [Verb] {
        use Verb::{
            Cancel, Checkpoints, Compact, Content, Create, Delete, Events, Get, InputItems,
            InputTokens, List, Pause, Remix, Resume,
        };
        match self {
            Op::File => &[Create, List, Get, Delete, Content],
            Op::Batch => &[Create, List, Get, Cancel],
            Op::Video => &[Create, List, Get, Delete, Content, Remix],
            Op::Responses => &[
                Create,
                Get,
                Delete,
                Cancel,
                InputItems,
                Compact,
                InputTokens,
            ],
            Op::FineTuning => &[
                Create,
                List,
                Get,
                Cancel,
                Events,
                Checkpoints,
                Pause,
                Resume,
            ],
            _ => &[Create],
        }
    }

    /// Whether a request names the model in its body. Of the others, whoever asks says where it goes.
    pub fn names_model(self) -> bool {
        !matches!(self, Op::File | Op::Batch)
    }

    /// The name of one verb's Python function, and its name in logs and metrics.
    pub fn function(self, verb: Verb) -> &'static str {
        match (self, verb) {
            (Op::File, Verb::List) => "file_list",
            (Op::File, Verb::Get) => "file_retrieve",
            (Op::File, Verb::Delete) => "file_delete",
            (Op::File, Verb::Content) => "file_content",
            (Op::Batch, Verb::List) => "list_batches",
            (Op::Batch, Verb::Get) => "retrieve_batch",
            (Op::Batch, Verb::Cancel) => "cancel_batch",
            (Op::Video, Verb::List) => "video_list",
            (Op::Video, Verb::Get) => "video_status",
            (Op::Video, Verb::Delete) => "video_delete",
            (Op::Video, Verb::Content) => "video_content",
            (Op::Video, Verb::Remix) => "video_remix",
            (Op::Responses, Verb::Get) => "get_responses",
            (Op::Responses, Verb::Delete) => "delete_responses",
            (Op::Responses, Verb::Cancel) => "cancel_responses",
            (Op::Responses, Verb::InputItems) => "list_input_items",
            (Op::Responses, Verb::Compact) => "compact_responses",
            (Op::Responses, Verb::InputTokens) => "count_response_tokens",
            (Op::FineTuning, Verb::List) => "list_fine_tuning_jobs",
            (Op::FineTuning, Verb::Get) => "retrieve_fine_tuning_job",
            (Op::FineTuning, Verb::Cancel) => "cancel_fine_tuning_job",
            (Op::FineTuning, Verb::Events) => "list_fine_tuning_events",
            (Op::FineTuning, Verb::Checkpoints) => "list_fine_tuning_checkpoints",
            (Op::FineTuning, Verb::Pause) => "pause_fine_tuning_job",
            (Op::FineTuning, Verb::Resume) => "resume_fine_tuning_job",
            _ => self.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_verb_of_every_operation_has_a_name_of_its_own() {
        let all = Op::all().flat_map(|op| op.verbs().iter().map(move |verb| op.function(*verb)));
        let names: Vec<_> = all.collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn every_verb_of_an_operation_has_an_address_of_its_own() {
        for op in Op::all() {
            let all: BTreeSet<_> = op
                .verbs()
                .iter()
                .map(|verb| {
                    (
                        format!("{:?}", verb.method()),
                        verb.needs_id(),
                        verb.suffix(),
                    )
                })
                .collect();
            assert_eq!(all.len(), op.verbs().len(), "{}", op.name());
        }
    }
}
