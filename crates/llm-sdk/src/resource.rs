//! Requests for what a deployment keeps: where they go, and the ids in them and in their answers.

use std::sync::Arc;

use bytes::Bytes;
use llm_providers::{Error, Kind};
use llm_router::{Deployment, Router};
use llm_types::{JsonObject, Op, Verb};
use serde_json::value::RawValue;

use crate::{Beside, ids::Ids};

/// What a request refers to.
pub(crate) struct Referring<'a> {
    pub(crate) op: Op,
    pub(crate) verb: Verb,
    /// The name to route by; empty: none.
    pub(crate) model: &'a str,
    /// The vendor that is asked for, where no model is.
    pub(crate) provider: Option<&'a str>,
    pub(crate) id: &'a mut Option<String>,
    pub(crate) query: &'a mut Vec<(String, String)>,
    pub(crate) body: &'a mut JsonObject,
}

/// The keys of answers and requests that hold ids of kept things.
fn id_keys(op: Op) -> &'static [&'static str] {
    match op {
        Op::File => &["id", "first_id", "last_id"],
        Op::Batch => &[
            "id",
            "input_file_id",
            "output_file_id",
            "error_file_id",
            "first_id",
            "last_id",
        ],
        Op::Video => &["id", "remixed_from_video_id", "first_id", "last_id"],
        Op::FineTuning => &[
            "id",
            "training_file",
            "validation_file",
            "result_files",
            "first_id",
            "last_id",
        ],
        _ => &[],
    }
}

/// The keys of requests that do.
fn referring_keys(op: Op) -> &'static [&'static str] {
    match op {
        Op::Responses => &["previous_response_id"],
        _ => id_keys(op),
    }
}

/// The parameters of lists that hold the id of one of their items.
const PLACES: [&str; 2] = ["after", "before"];

impl Referring<'_> {
    /// Whether such a request goes to one deployment alone, and not to a group.
    pub(crate) fn is_needed(&self) -> bool {
        self.verb != Verb::Create || !id_keys(self.op).is_empty()
    }

    /// The deployment that it must go to; `None`: the model's group. Ids become the vendor's own.
    pub(crate) fn pin(mut self, ids: &Ids, router: &Router) -> Result<Option<String>, Error> {
        let mut keeper: Option<String> = None;
        if let Some(id) = self.id.as_mut()
            && let Some(handed) = ids.read(id)?
        {
            *id = handed.id;
            keeper = Some(handed.deployment);
        }
        for (key, id) in self.query.iter_mut() {
            if PLACES.contains(&key.as_str())
                && let Some(handed) = ids.read(id)?
            {
                keeper = Some(same(key, keeper, handed.deployment)?);
                *id = handed.id;
            }
        }
        for key in referring_keys(self.op) {
            let Some(id) = self.body.str(key) else {
                continue;
            };
            let Some(handed) = ids.read(&id)? else {
                continue;
            };
            keeper = Some(same(key, keeper, handed.deployment)?);
            self.body.set_str(*key, &handed.id);
        }
        if let Some(keeper) = keeper {
            let known = router.deployment(&keeper).is_some();
            let gone = || Error::new(Kind::NotFound, "the deployment that kept this is gone");
            return known.then_some(Some(keeper)).ok_or_else(gone);
        }
        // A job may train any model of an account, also one that answers nobody here.
        let is_placed = match self.op {
            Op::FineTuning => !router.deployments(self.model).is_empty(),
            _ => !self.model.is_empty(),
        };
        match is_placed {
            true => Ok(None),
            false => self.of_provider(router).map(Some),
        }
    }

    /// A deployment of the vendor that is asked for: the account that is named for such things, or else a model's. Where
    /// no vendor is asked for: of the only one that can do it, or of OpenAI.
    fn of_provider(&mut self, router: &Router) -> Result<String, Error> {
        let (op, verb) = (self.op, self.verb);
        let named = |name: &str| {
            let group = Beside::doing(op)?.group(name);
            let first = router.deployments(&group).first()?;
            (first.group == group).then_some(first)
        };
        let able = || {
            let all = router.groups().flat_map(|(_, deployments)| deployments);
            all.filter(|deployment| deployment.target.does(op, verb))
        };
        let of = |name: &str| {
            let is_its = |known: &&Arc<Deployment>| known.target.provider.name == name;
            named(name).or_else(|| able().find(is_its))
        };
        let found = match self.provider {
            Some(name) => of(name),
            None => of("openai").or_else(|| able().next()),
        };
        if let Some(found) = found {
            return Ok(found.id.clone());
        }
        let what = op.function(verb);
        Err(match self.provider {
            Some(name) => Error::bad_request(
                "custom_llm_provider",
                format!("no deployment of '{name}' can do {what}"),
            ),
            None => Error::bad_request(
                "model",
                format!(
                    "no deployment can do {what}: say which with 'model' or 'custom_llm_provider'"
                ),
            ),
        })
    }
}

/// `found`, unless it is another deployment than the one that keeps the rest of what a request refers to.
fn same(key: &str, keeper: Option<String>, found: String) -> Result<String, Error> {
    match keeper {
        Some(keeper) if keeper != found => {
            let message = format!("'{key}' is kept by another deployment than the rest");
            Err(Error::bad_request(key, message))
        }
        _ => Ok(found),
    }
}

/// A training job's model as its vendor knows it: a group stands for the model of its deployment.
pub(crate) fn name_trained(router: &Router, pin: Option<&str>, body: &mut JsonObject) {
    let Some(group) = body.str("model") else {
        return;
    };
    let members = router.deployments(&group);
    let pinned = members
        .iter()
        .find(|member| Some(member.id.as_str()) == pin);
    if let Some(member) = pinned.or(members.first()) {
        let model = member.target.model.clone();
        body.set_str("model", &model);
    }
}

/// An answer in which the ids of kept things say who keeps them.
pub(crate) fn hand_out(op: Op, json: Bytes, ids: &Ids, keeper: &Deployment) -> Bytes {
    if id_keys(op).is_empty() {
        return json;
    }
    let Ok(mut object) = JsonObject::parse(&json) else {
        return json;
    };
    rename(op, &mut object, ids, keeper);
    if let Ok(Some(items)) = object.get::<Vec<Box<RawValue>>>("data") {
        let items: Vec<_> = items
            .into_iter()
            .map(|item| item_of(op, item, ids, keeper))
            .collect();
        object.set("data", &items);
    }
    object.to_bytes()
}

fn item_of(op: Op, item: Box<RawValue>, ids: &Ids, keeper: &Deployment) -> Box<RawValue> {
    let bytes = Bytes::copy_from_slice(item.get().as_bytes());
    let Ok(mut object) = JsonObject::parse(&bytes) else {
        return item;
    };
    rename(op, &mut object, ids, keeper);
    let text = String::from_utf8(object.to_bytes().to_vec()).ok();
    text.and_then(|text| RawValue::from_string(text).ok())
        .unwrap_or(item)
}

fn rename(op: Op, object: &mut JsonObject, ids: &Ids, keeper: &Deployment) {
    for key in id_keys(op) {
        if let Some(id) = object.str(key) {
            let id = ids.hand_out(keeper, &id);
            object.set_str(*key, &id);
        } else if let Ok(Some(all)) = object.get::<Vec<String>>(key) {
            let all: Vec<_> = all.iter().map(|id| ids.hand_out(keeper, id)).collect();
            object.set(*key, &all);
        }
    }
}
