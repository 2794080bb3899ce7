//! Requests with tags go to deployments with tags.

use std::sync::Arc;

use serde::Serialize;

use crate::{Ask, Deployment, Field, Filter, Reason, SettingsError, View};

/// The tag of deployments for requests that ask for no other.
const DEFAULT: &str = "default";

/// Matches requests to deployments by tags.
///
/// A request's `!x` leaves out deployments with the tag x, `&x` demands it, and of plain tags one must fit (or all of
/// them). A deployment may also be for clients whose `User-Agent` matches a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRules {
    /// Whether tags decide anything. A group's `model_info.enable_tag_filtering` goes before it, and a request can switch
    /// it on.
    pub enabled: bool,
    /// Whether one common plain tag is enough: otherwise a deployment needs all those of the request.
    pub match_any: bool,
    /// What marks a tag as certainly meant for routing; empty: nothing does.
    pub prefix: String,
}

impl Default for TagRules {
    fn default() -> Self {
        Self {
            enabled: false,
            match_any: true,
            prefix: String::new(),
        }
    }
}

/// A pattern for `User-Agent: ...`, found anywhere in it.
#[derive(Debug, Clone)]
pub struct TagPattern(Arc<fancy_regex::Regex>);

impl TagPattern {
    /// Reads a regular expression.
    pub fn parse(pattern: &str) -> Result<Self, SettingsError> {
        let regex = fancy_regex::RegexBuilder::new(pattern)
            // Clients choose what is searched: a search must end.
            .backtrack_limit(10_000)
            .build();
        match regex {
            Ok(regex) => Ok(Self(Arc::new(regex))),
            Err(error) => Err(SettingsError(format!("tag_regex '{pattern}': {error}"))),
        }
    }

    fn fits(&self, header: &str) -> bool {
        self.0.is_match(header).unwrap_or(false)
    }
}

/// What of a request led to a deployment by its tags: LiteLLM's `tag_routing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagMatch {
    /// The deployment's group.
    pub matched_deployment: String,
    /// `tags`, or `tag_regex` where a pattern fits the client.
    pub matched_via: &'static str,
    /// The tag or the pattern.
    pub matched_value: String,
    /// All tags of the request.
    pub request_tags: Vec<String>,
    /// The client's `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A request's tags, by what they want.
#[derive(Debug, Default)]
struct Wanted<'a> {
    plain: Vec<&'a str>,
    banned: Vec<Constraint<'a>>,
    required: Vec<Constraint<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Constraint<'a> {
    tag: &'a str,
    /// It was marked as meant for routing.
    marked: bool,
    /// It came with the caller's key or team, who may not be disobeyed.
    inherited: bool,
}

impl Filter for TagRules {
    fn apply(&self, field: &mut Field<'_>, view: &View<'_>) {
        if !self.is_on(view) {
            return;
        }
        let wanted = self.read(view.ask);
        let header = view
            .ask
            .user_agent
            .as_ref()
            .map(|agent| format!("User-Agent: {agent}"));
        let kept = self.kept(field.open(), view, &wanted, header.as_deref());
        let mut kept = kept.into_iter();
        field.skip(|_| (!kept.next().unwrap_or(false)).then_some(Reason::Tags));
    }
}

impl TagRules {
    fn is_on(&self, view: &View<'_>) -> bool {
        view.ask.tag_filtering || view.traits.tag_filtering.unwrap_or(self.enabled)
    }

    fn read<'a>(&self, ask: &'a Ask) -> Wanted<'a> {
        let mut wanted = Wanted::default();
        for whole in &ask.tags {
            let marked = Some(self.prefix.as_str())
                .filter(|prefix| !prefix.is_empty())
                .and_then(|prefix| whole.strip_prefix(prefix));
            let tag = marked.unwrap_or(whole);
            let constraint = |tag| Constraint {
                tag,
                marked: marked.is_some(),
                inherited: ask.inherited_tags.contains(whole),
            };
            if let Some(tag) = tag.strip_prefix('!') {
                wanted.banned.push(constraint(tag));
            } else if let Some(tag) = tag.strip_prefix('&') {
                wanted.required.push(constraint(tag));
            } else {
                wanted.plain.push(tag);
            }
        }
        wanted
    }

    /// Which of the open deployments stay.
    fn kept(
        &self,
        open: &[&Arc<Deployment>],
        view: &View<'_>,
        wanted: &Wanted<'_>,
        header: Option<&str>,
    ) -> Vec<bool> {
        let pick = |keep: &dyn Fn(&Deployment) -> bool| -> Vec<bool> {
            open.iter().map(|d| keep(d)).collect()
        };
        let by_pattern = |d: &Deployment| {
            header.is_some_and(|header| d.tag_patterns.iter().any(|p| p.fits(header)))
        };
        let allowed = |d: &Deployment| wanted.allow(d);
        let fits = |d: &Deployment| {
            let plain = self.plain_fits(d, &wanted.plain);
            // A pattern does not overrule tags of which all must fit.
            let strict = !self.match_any && !wanted.plain.is_empty() && !d.tags.is_empty();
            plain || (!strict && by_pattern(d))
        };
        // Demands are met by whoever meets them: a pattern does not choose among those.
        if !wanted.plain.is_empty() || wanted.required.is_empty() {
            let matched = pick(&|d| allowed(d) && fits(d));
            if matched.contains(&true) {
                return matched;
            }
        }
        let default = |d: &Deployment| d.tags.iter().any(|tag| tag == DEFAULT);
        let has_default = open.iter().any(|d| default(d));
        let in_pool = |d: &Deployment| match wanted.plain.is_empty() {
            true => !has_default || default(d),
            false => default(d) && !self.is_known(view, &wanted.plain),
        };
        let kept = pick(&|d| in_pool(d) && allowed(d));
        if kept.contains(&true) || wanted.is_unconstrained() || !fails_open(view) {
            return kept;
        }
        // Only demands fail open: plain tags have said what to do without them.
        if !wanted.plain.is_empty() && open.iter().any(|d| allowed(d)) {
            return kept;
        }
        // An invented demand must not hide that the others can be met.
        let known = wanted.only(|c| c.marked || self.is_known(view, &[c.tag]));
        let all_known = known.count() == wanted.count();
        if !all_known && open.iter().any(|d| in_pool(d) && known.allow(d)) {
            return kept;
        }
        let inherited = wanted.only(|c| c.inherited);
        pick(&|d| default(d) && inherited.allow(d))
    }

    /// What led to `deployment`, where tags decide and one of its own fits.
    pub(crate) fn matched(&self, deployment: &Deployment, view: &View<'_>) -> Option<TagMatch> {
        if !self.is_on(view) {
            return None;
        }
        let ask = view.ask;
        let plain = self.read(ask).plain;
        let (matched_via, value) = if self.plain_fits(deployment, &plain) {
            let is_own = |tag: &&str| deployment.tags.iter().any(|own| own == tag);
            ("tags", plain.into_iter().find(is_own)?)
        } else {
            let header = format!("User-Agent: {}", ask.user_agent.as_ref()?);
            let mut patterns = deployment.tag_patterns.iter();
            let pattern = patterns.find(|pattern| pattern.fits(&header))?;
            ("tag_regex", pattern.0.as_str())
        };
        Some(TagMatch {
            matched_deployment: deployment.group.clone(),
            matched_via,
            matched_value: value.to_owned(),
            request_tags: ask.tags.clone(),
            user_agent: ask.user_agent.clone(),
        })
    }

    fn plain_fits(&self, deployment: &Deployment, plain: &[&str]) -> bool {
        let has = |tag: &&str| deployment.tags.iter().any(|own| own == tag);
        match self.match_any {
            true => plain.iter().any(has),
            false => !plain.is_empty() && plain.iter().all(has),
        }
    }

    /// Whether any deployment of the group, be it available or not, has one of these tags.
    fn is_known(&self, view: &View<'_>, tags: &[&str]) -> bool {
        let any = |d: &Arc<Deployment>| d.tags.iter().any(|own| tags.contains(&own.as_str()));
        view.deployments.iter().any(any)
    }
}

impl<'a> Wanted<'a> {
    fn allow(&self, deployment: &Deployment) -> bool {
        let has = |c: &Constraint<'_>| deployment.tags.iter().any(|own| own == c.tag);
        !self.banned.iter().any(has) && self.required.iter().all(has)
    }

    fn is_unconstrained(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        self.banned.len() + self.required.len()
    }

    /// The constraints that `stay`.
    fn only(&self, stay: impl Fn(&Constraint<'a>) -> bool) -> Self {
        let some = |all: &[Constraint<'a>]| all.iter().copied().filter(|c| stay(c)).collect();
        Self {
            plain: self.plain.clone(),
            banned: some(&self.banned),
            required: some(&self.required),
        }
    }
}

/// Whether the group would rather be asked against a request's wish than not at all.
fn fails_open(view: &View<'_>) -> bool {
    view.deployments
        .iter()
        .find_map(|d| d.model_info.get("allow_fail_open")?.as_bool())
        == Some(true)
}
