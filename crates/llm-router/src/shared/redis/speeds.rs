//! How fast deployments answered, gathered to be told in one piece.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{News, Sample};

/// What is kept of one deployment at most: more than anybody looks at.
const MOST: usize = 1_000;

/// Samples that were not told yet.
#[derive(Debug, Default)]
pub(super) struct Speeds(Mutex<HashMap<String, VecDeque<Sample>>>);

impl Speeds {
    /// Keeps news that is a sample; whether it is the first since they were taken, or the news, if it is none.
    pub(super) fn add(&self, news: News) -> Result<bool, News> {
        let (deployment, sample) = match news {
            News::Answered {
                deployment,
                took,
                tokens,
                first_event,
            } => {
                let first = first_event.map(nanos);
                (deployment, Sample::Answered(nanos(took), tokens, first))
            }
            News::Silent { deployment } => (deployment, Sample::Silent),
            news => return Err(news),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = all.is_empty();
        let samples = all.entry(deployment).or_default();
        if samples.len() >= MOST {
            samples.pop_front();
        }
        samples.push_back(sample);
        Ok(is_first)
    }

    /// All there is, and none of the samples that later ones push out where `kept` of each kind are.
    pub(super) fn take(&self, kept: usize) -> News {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let all = all.into_iter();
        News::Speeds {
            all: all
                .map(|(deployment, samples)| (deployment, latest(samples, kept)))
                .collect(),
        }
    }
}

fn latest(samples: VecDeque<Sample>, kept: usize) -> Vec<Sample> {
    let (mut answers, mut first_events) = (0, 0);
    let mut latest: Vec<Sample> = samples
        .into_iter()
        .rev()
        .filter(|sample| {
            answers += 1;
            let has_first = matches!(sample, Sample::Answered(_, _, Some(_)));
            first_events += usize::from(has_first);
            answers <= kept || has_first && first_events <= kept
        })
        .collect();
    latest.reverse();
    latest
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(tokens: u64, first_event: Option<u64>) -> News {
        News::Answered {
            deployment: "a".into(),
            took: Duration::from_nanos(7),
            tokens,
            first_event: first_event.map(Duration::from_nanos),
        }
    }

    #[test]
    fn what_others_would_push_out_is_not_told() {
        let speeds = Speeds::default();
        let told = [(1, None), (2, Some(5)), (3, Some(6)), (4, None)];
        let firsts = told.map(|(tokens, first)| speeds.add(answered(tokens, first)).ok());
        assert_eq!(firsts, [Some(true), Some(false), Some(false), Some(false)]);
        let silent = News::Silent {
            deployment: "a".into(),
        };
        assert_eq!(speeds.add(silent), Ok(false));
        let sample = |tokens, first| Sample::Answered(7, tokens, first);
        // The two latest of all, and the two latest of streams.
        let latest = vec![
            sample(2, Some(5)),
            sample(3, Some(6)),
            sample(4, None),
            Sample::Silent,
        ];
        let all = vec![("a".to_owned(), latest)];
        assert_eq!(speeds.take(2), News::Speeds { all });
        assert_eq!(speeds.add(answered(1, None)), Ok(true));
        let other = News::Recovered {
            deployment: "a".into(),
        };
        assert_eq!(speeds.add(other.clone()), Err(other));
    }
}
