//! The labels of metrics, and what a request says for each.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
};

use super::own::OwnLabel;

/// What is said where there is nothing to say.
pub(super) const NONE: &str = "None";

/// What is said of those for whom there is no room.
pub(super) const OTHER: &str = "other";

/// The labels as they are given to the registry.
pub(super) type Labels = Vec<(Cow<'static, str>, String)>;

macro_rules! labels {
    ($($label:ident $name:literal)*) => {
        /// A label.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Label { $(#[doc = $name] $label,)* }

        impl Label {
            /// Every label.
            pub(crate) const ALL: &[Self] = &[$(Self::$label,)*];

            /// Its name, LiteLLM's.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$label => $name,)* }
            }
        }
    };
}

labels! {
    EndUser "end_user"
    Key "hashed_api_key"
    KeyAlias "api_key_alias"
    Team "team"
    TeamAlias "team_alias"
    User "user"
    UserEmail "user_email"
    Org "org_id"
    OrgAlias "org_alias"
    ClientIp "client_ip"
    UserAgent "user_agent"
    Requested "requested_model"
    Model "model"
    ModelName "litellm_model_name"
    Group "model_group"
    ModelId "model_id"
    ApiBase "api_base"
    Provider "api_provider"
    Route "route"
    Status "status_code"
    ExceptionStatus "exception_status"
    ExceptionClass "exception_class"
    Fallback "fallback_model"
    Tier "service_tier"
    Reason "reason"
    LimitKind "rate_limit_type"
    Project "project_id"
    ProjectAlias "project_alias"
}

/// Those that clients and administrators make as many of as they like.
const WHO: &[Label] = &[
    Label::EndUser,
    Label::Key,
    Label::KeyAlias,
    Label::Team,
    Label::TeamAlias,
    Label::User,
    Label::UserEmail,
    Label::Org,
    Label::OrgAlias,
    Label::ClientIp,
    Label::UserAgent,
    Label::Project,
    Label::ProjectAlias,
];

/// Those of them that anybody can make up.
const LOOSE: &[Label] = &[Label::EndUser, Label::ClientIp, Label::UserAgent];

/// What there is to say of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    said: [&'a str; Label::ALL.len()],
    /// For the operator's own labels, in their order.
    own: &'a [String],
    /// Nothing of that is told any more.
    hides_own: bool,
}

impl Default for Facts<'_> {
    fn default() -> Self {
        Self {
            said: [NONE; Label::ALL.len()],
            own: &[],
            hides_own: false,
        }
    }
}

impl<'a> Facts<'a> {
    /// Says this, unless it is empty.
    pub(crate) fn say(mut self, label: Label, value: &'a str) -> Self {
        if !value.is_empty() {
            self.said[label as usize] = value;
        }
        self
    }

    /// Says this for the operator's own labels.
    pub(super) fn own(self, own: &'a [String]) -> Self {
        Self { own, ..self }
    }

    /// Says this, if there is anything.
    pub(crate) fn may_say(self, label: Label, value: Option<&'a str>) -> Self {
        self.say(label, value.unwrap_or_default())
    }

    /// What is said.
    pub(super) fn said(&self, label: Label) -> &'a str {
        self.said[label as usize]
    }

    /// What is said, to be kept.
    pub(super) fn kept(&self) -> Vec<(Label, String)> {
        let all = Label::ALL.iter().map(|label| (*label, self.said(*label)));
        let told = all.filter(|(_, said)| *said != NONE);
        told.map(|(label, said)| (label, said.to_owned())).collect()
    }

    /// The same, of somebody among many.
    pub(super) fn without_loose(self) -> Self {
        self.hide(LOOSE)
    }

    /// The same, of anybody.
    pub(super) fn without_who(self) -> Self {
        self.hide(WHO)
    }

    fn hide(mut self, labels: &[Label]) -> Self {
        self.hides_own = true;
        for label in labels {
            if self.said(*label) != NONE {
                self.said[*label as usize] = OTHER;
            }
        }
        self
    }

    /// For the registry.
    pub(super) fn labels(&self, labels: &[Label], own: &[OwnLabel]) -> Labels {
        let usual = labels.iter().map(|label| {
            let said = self.said(*label).to_owned();
            (Cow::Borrowed(label.name()), said)
        });
        let own = own.iter().enumerate().map(|(at, label)| {
            let said = match self.own.get(at) {
                Some(said) if said != NONE && self.hides_own => OTHER,
                Some(said) => said,
                None => NONE,
            };
            (Cow::Owned(label.name.clone()), said.to_owned())
        });
        usual.chain(own).collect()
    }
}

impl Hash for Facts<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.said.hash(state);
        match self.hides_own && !self.own.is_empty() {
            true => state.write_u8(0),
            false => self.own.hash(state),
        }
    }
}
