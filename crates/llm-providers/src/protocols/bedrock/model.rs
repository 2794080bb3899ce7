//! What a Bedrock model string says: which API, which region, whose model.

use crate::{Call, Target};

/// Which of Bedrock's APIs serves a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// One chat format for every vendor.
    Converse,
    /// The vendor's own format.
    Invoke,
}

/// Whose model it is, as far as requests differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's Claude, with its version.
    Claude(u32, u32),
    /// Amazon Nova of the first generation.
    Nova,
    /// Amazon Nova 2.
    Nova2,
    /// OpenAI's models, open weights or not.
    OpenAi,
    /// Amazon Titan and everyone else.
    Other,
}

/// A model string taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model<'a> {
    /// The API that was asked for; none where the string does not say.
    pub(super) api: Option<Api>,
    /// The region in the string or in the ARN.
    pub(super) region: Option<&'a str>,
    /// The model id, inference profile or ARN, as it goes into the path.
    pub(super) id: &'a str,
    /// Whose model it is.
    pub(super) family: Family,
}

impl<'a> Model<'a> {
    /// The model of `target`. `model_id` is what goes into the path where the name only says what the model is.
    pub(super) fn of(target: &'a Target) -> Self {
        let mut model = Self::parse(&target.model);
        if let Some(id) = target.setting("model_id") {
            model.id = id;
        }
        model
    }

    /// Takes `text` apart: `[converse/|invoke/][us-east-1/][nova/]ID`.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut rest = text;
        let (mut api, mut region, mut hint) = (None, None, None);
        // An ARN has slashes of its own.
        while !rest.starts_with("arn:")
            && let Some((first, more)) = rest.split_once('/')
        {
            match first {
                "bedrock" => {}
                "converse" | "converse_like" => api = Some(Api::Converse),
                "invoke" => api = Some(Api::Invoke),
                "nova" => hint = Some(Family::Nova),
                "nova-2" => hint = Some(Family::Nova2),
                first if is_region(first) => region = Some(first),
                _ => break,
            }
            rest = more;
        }
        Self {
            api,
            region: arn_region(rest).or(region),
            id: rest,
            family: hint.unwrap_or_else(|| family(rest)),
        }
    }

    /// The vendor's part of the id: `anthropic` in `us.anthropic.claude-sonnet-4-5`.
    pub(super) fn vendor(&self) -> &'a str {
        let name = self.id.rsplit('/').next().unwrap_or(self.id);
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        match first {
            "us" | "eu" | "apac" | "global" | "us-gov" | "au" | "jp" | "ca" | "in" => {
                parts.next().unwrap_or(first)
            }
            _ => first,
        }
    }

    /// Claude, of any version.
    pub(super) fn is_claude(&self) -> bool {
        matches!(self.family, Family::Claude(..))
    }

    /// Claude of this version or a later one.
    pub(super) fn claude_since(&self, major: u32, minor: u32) -> bool {
        matches!(self.family, Family::Claude(a, b) if (a, b) >= (major, minor))
    }

    /// Whether cache points may be sent: known of the model, else of its family.
    pub(super) fn caches(&self, call: &Call<'_>) -> bool {
        let known = call.target.facts.supports("prompt_caching");
        known.unwrap_or(matches!(
            self.family,
            Family::Claude(..) | Family::Nova | Family::Nova2
        ))
    }
}

/// `us-east-1`, `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((last, names)) = parts.split_last() else {
        return false;
    };
    (2..=3).contains(&names.len())
        && names[0].len() <= 3
        && names
            .iter()
            .all(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()))
        && last.len() == 1
        && last.bytes().all(|b| b.is_ascii_digit())
}

/// The fourth field of `arn:aws:bedrock:REGION:ACCOUNT:...`.
pub(crate) fn arn_region(text: &str) -> Option<&str> {
    let region = text.strip_prefix("arn:")?.split(':').nth(2)?;
    is_region(region).then_some(region)
}

fn family(id: &str) -> Family {
    if let Some((_, name)) = id.split_once("claude-") {
        let (major, minor) = claude_version(name);
        return Family::Claude(major, minor);
    }
    if id.contains("amazon.nova-2") {
        return Family::Nova2;
    }
    if id.contains("amazon.nova") {
        return Family::Nova;
    }
    if id.contains("openai.") {
        return Family::OpenAi;
    }
    Family::Other
}

/// `sonnet-4-5-20250929-v1:0` is 4.5, `3-7-sonnet-...` is 3.7, `v2:1` is 2.
fn claude_version(name: &str) -> (u32, u32) {
    let small = |part: &str| part.parse().ok().filter(|n: &u32| *n < 100);
    if name.starts_with('v') {
        return (2, 0);
    }
    let mut parts = name
        .split(['-', ':', '@'])
        .map(small)
        .skip_while(Option::is_none);
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)),
        (None, _) => (2, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_strings() {
        let cases = [
            ("anthropic.claude-v2:1", None, None, Family::Claude(2, 0)),
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                None,
                None,
                Family::Claude(4, 5),
            ),
            (
                "invoke/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
                Some(Api::Invoke),
                None,
                Family::Claude(3, 7),
            ),
            (
                "anthropic.claude-sonnet-5",
                None,
                None,
                Family::Claude(5, 0),
            ),
            (
                "us.anthropic.claude-opus-4-6-v1",
                None,
                None,
                Family::Claude(4, 6),
            ),
            (
                "converse/eu-central-1/amazon.nova-2-lite-v1:0",
                Some(Api::Converse),
                Some("eu-central-1"),
                Family::Nova2,
            ),
            (
                "arn:aws:bedrock:us-gov-west-1:1:inference-profile/us.amazon.nova-pro-v1:0",
                None,
                Some("us-gov-west-1"),
                Family::Nova,
            ),
            (
                "nova/arn:aws:bedrock:eu-west-3:1:custom-model-deployment/x",
                None,
                Some("eu-west-3"),
                Family::Nova,
            ),
            ("openai.gpt-oss-20b-1:0", None, None, Family::OpenAi),
            ("meta.llama3-8b", None, None, Family::Other),
        ];
        for (text, api, region, family) in cases {
            let model = Model::parse(text);
            assert_eq!((model.api, model.region), (api, region), "{text}");
            assert_eq!(model.family, family, "{text}");
            assert!(text.ends_with(model.id));
        }
        assert_eq!(Model::parse("us.anthropic.claude-x").vendor(), "anthropic");
        assert_eq!(Model::parse("amazon.titan-embed").vendor(), "amazon");
    }
}
