//! A transcript, and the forms in which it is written.

use bytes::Bytes;
use llm_types::{Map, Usage};
use serde::{Deserialize, Serialize};

use crate::{Answer, Call, Error, Kind, Payload};

/// What was heard, in the shape of OpenAI's `verbose_json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Heard {
    pub(super) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) words: Vec<Word>,
    #[serde(flatten)]
    pub(super) extra: Map,
}

/// A stretch of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Segment {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) text: String,
    #[serde(flatten)]
    pub(super) extra: Map,
}

/// A word of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Word {
    pub(super) word: String,
    pub(super) start: f64,
    pub(super) end: f64,
    #[serde(flatten)]
    pub(super) extra: Map,
}

/// How the client wants a transcript written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Verbose,
    Text,
    Srt,
    Vtt,
}

/// A line of subtitles is no longer than this, and stands no longer.
const LONGEST_LINE: usize = 80;
const LONGEST_STAY: f64 = 6.0;

impl Form {
    /// What `call` asks for.
    pub(super) fn asked(call: &Call<'_>) -> Result<Self, Error> {
        Ok(match call.fields().str("response_format").as_deref() {
            None | Some("json") => Self::Json,
            Some("verbose_json") => Self::Verbose,
            Some("text") => Self::Text,
            Some("srt") => Self::Srt,
            Some("vtt") => Self::Vtt,
            Some(other) => {
                let message = format!("'{other}' is none of json, text, srt, verbose_json, vtt");
                return Err(Error::bad_request("response_format", message));
            }
        })
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Verbose => "verbose_json",
            Self::Text => "text",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// Whether a transcript must know when things were said.
    pub(super) fn needs_times(self) -> bool {
        matches!(self, Self::Verbose | Self::Srt | Self::Vtt)
    }
}

impl Heard {
    /// The transcript as `call` asks for it.
    pub(super) fn written(mut self, call: &Call<'_>, usage: Usage) -> Result<Answer, Error> {
        let name = call.target.provider.name;
        let body = match Form::asked(call)? {
            form @ (Form::Json | Form::Verbose) => {
                if form == Form::Verbose {
                    self.segments = match self.segments.is_empty() {
                        true => self.cues(),
                        false => self.segments,
                    };
                    let task = self.extra.entry("task");
                    task.or_insert_with(|| "transcribe".into());
                } else {
                    self.segments.clear();
                }
                let bytes = serde_json::to_vec(&self).map_err(|e| Error::decode(name, e))?;
                return Ok(Answer::raw(bytes.into(), Some(usage)));
            }
            Form::Text => format!("{}\n", self.text.trim()),
            Form::Srt => subtitles(&self.timed(call)?, ",", true),
            Form::Vtt => format!("WEBVTT\n\n{}", subtitles(&self.timed(call)?, ".", false)),
        };
        Ok(Answer {
            payload: Payload::Raw {
                body: Bytes::from(body),
                content_type: "text/plain; charset=utf-8".into(),
            },
            usage: Some(usage),
        })
    }

    fn timed(&self, call: &Call<'_>) -> Result<Vec<Segment>, Error> {
        let cues = match self.segments.is_empty() {
            true => self.cues(),
            false => self.segments.clone(),
        };
        if cues.is_empty() && !self.text.trim().is_empty() {
            let mut error = Error::new(
                Kind::UnsupportedParams,
                format!("{} does not say when it heard what", call.target.model),
            );
            error.param = Some("response_format".into());
            return Err(error);
        }
        Ok(cues)
    }

    /// Lines made of words, or of the whole text where only its length is known.
    fn cues(&self) -> Vec<Segment> {
        let mut cues: Vec<Segment> = Vec::new();
        let mut open = false;
        for word in &self.words {
            let said = word.word.trim();
            if said.is_empty() {
                continue;
            }
            let fits = |cue: &Segment| {
                cue.text.len() + said.len() < LONGEST_LINE && word.end - cue.start <= LONGEST_STAY
            };
            match cues.last_mut().filter(|cue| open && fits(cue)) {
                Some(cue) => {
                    cue.text.push(' ');
                    cue.text.push_str(said);
                    cue.end = word.end;
                }
                None => cues.push(Segment {
                    start: word.start,
                    end: word.end,
                    text: said.to_owned(),
                    extra: Map::new(),
                }),
            }
            open = !said.ends_with(['.', '!', '?', '。', '！', '？']);
        }
        if cues.is_empty()
            && let Some(end) = self.duration
        {
            cues.push(Segment {
                end,
                text: self.text.clone(),
                ..Segment::default()
            });
        }
        cues
    }
}

fn subtitles(cues: &[Segment], point: &str, numbered: bool) -> String {
    let mut out = String::new();
    for (at, cue) in cues.iter().enumerate() {
        if numbered {
            out.push_str(&format!("{}\n", at + 1));
        }
        let (start, end) = (clock(cue.start, point), clock(cue.end, point));
        // An empty line would end the cue early, and an arrow would be read as its times.
        let text = cue.text.trim().replace("-->", "->");
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        out.push_str(&format!("{start} --> {end}\n{}\n\n", lines.join("\n")));
    }
    out
}

/// `01:02:03,456`
fn clock(seconds: f64, point: &str) -> String {
    // The cast stops at 0 below, and at the largest number above.
    let millis = (seconds * 1000.0).round() as u64;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!(
        "{:02}:{:02}:{seconds:02}{point}{millis:03}",
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(word: &str, start: f64, end: f64) -> Word {
        Word {
            word: word.to_owned(),
            start,
            end,
            extra: Map::new(),
        }
    }

    #[test]
    fn words_become_lines() {
        let heard = Heard {
            words: vec![
                word("Hello,", 0.0, 0.4),
                word(" ", 0.4, 0.4),
                word("world.", 0.4, 1.0),
                word("Late", 1.5, 2.0),
                word("again", 9.0, 9.5),
            ],
            ..Heard::default()
        };
        let cues: Vec<_> = heard
            .cues()
            .into_iter()
            .map(|c| (c.text, c.start, c.end))
            .collect();
        let expected = [
            ("Hello, world.", 0.0, 1.0),
            ("Late", 1.5, 2.0),
            ("again", 9.0, 9.5),
        ];
        assert_eq!(
            cues,
            expected.map(|(text, start, end)| (text.to_owned(), start, end))
        );
    }

    #[test]
    fn a_clock_carries_over_and_takes_any_number() {
        assert_eq!(clock(3723.4567, ","), "01:02:03,457");
        assert_eq!(clock(59.9999, "."), "00:01:00.000");
        for odd in [-1.0, f64::NAN] {
            assert_eq!(clock(odd, "."), "00:00:00.000");
        }
    }

    #[test]
    fn nothing_in_a_text_breaks_a_subtitle() {
        let cue = Segment {
            start: 0.0,
            end: 1.0,
            text: " a\n\n00:00 --> 00:01\nb ".to_owned(),
            extra: Map::new(),
        };
        assert_eq!(
            subtitles(&[cue], ",", true),
            "1\n00:00:00,000 --> 00:00:01,000\na\n00:00 -> 00:01\nb\n\n"
        );
    }
}
