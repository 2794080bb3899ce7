//! The management routes, as data: path, who may call, what fields, and who answers.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use llm_store::rows::Object;
use serde::Serialize;
use serde_json::Value;

use crate::{Access, Actor, Caller, Field, Form, Governance, Refusal};

/// How long a reader waits for what was spent before it asked.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// A management route.
#[derive(Clone, Copy)]
pub struct Route {
    /// The method, by its name.
    pub method: Verb,
    /// The path: `{name}` is one part of it, `{*name}` the rest.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it does, in one line.
    pub about: &'static str,
    /// The fields of its body.
    pub body: &'static [&'static [Field]],
    /// The fields of its query.
    pub query: &'static [&'static [Field]],
    /// Who answers.
    pub answer: fn(Call) -> Answering,
}

/// The methods of management routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads.
    Get,
    /// Makes, or whatever else.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Verb {
    /// As HTTP has it.
    pub fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

/// An answer that is being made.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send>>;

/// What a management route answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Content,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// JSON.
    Json(Value),
    /// An object of JSON that was written already.
    Written(String),
    /// A text of this type.
    Text(&'static str, String),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Content::Json(value),
            headers: Vec::new(),
        }
    }
}

impl Answer {
    /// What is too much to be built as a tree before it is written: an object.
    pub(crate) fn written(object: &impl Serialize) -> Result<Self, Refusal> {
        let text = serde_json::to_string(object).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written");
            Refusal::internal()
        })?;
        Ok(Self {
            body: Content::Written(text),
            ..Value::Null.into()
        })
    }

    /// Adds a field to an answer that is an object.
    fn add(&mut self, name: &str, value: Value) {
        match &mut self.body {
            Content::Json(Value::Object(body)) => drop(body.insert(name.to_owned(), value)),
            Content::Written(text) if text.ends_with('}') => {
                text.pop();
                let between = if text.ends_with('{') { "" } else { "," };
                let field = format!("{between}{}:{value}}}", Value::from(name));
                text.push_str(&field);
            }
            _ => {}
        }
    }
}

/// A request to a management route. Its fields were checked.
pub struct Call {
    /// Who governs.
    pub governance: Governance,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// Who is written down for what it changes.
    pub actor: Actor,
    /// The parts of the path.
    pub path: Vec<(String, String)>,
    /// The body.
    pub body: Form,
    /// The query.
    pub query: Form,
    /// Where the request comes from.
    pub peer: Option<IpAddr>,
}

/// A request as it came.
#[derive(Debug, Default)]
pub struct Raw {
    /// The parts of the path.
    pub path: Vec<(String, String)>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Object,
    /// Whom the request says it is made for (`litellm-changed-by`).
    pub changed_by: Option<String>,
    /// Where the request comes from.
    pub peer: Option<IpAddr>,
}

impl Call {
    /// A part of the path.
    pub fn part(&self, name: &str) -> &str {
        let part = self.path.iter().find(|(key, _)| key == name);
        part.map_or("", |(_, value)| value)
    }
}

/// Every management route.
pub fn all() -> impl Iterator<Item = &'static Route> {
    [
        crate::keys::ROUTES,
        crate::users::ROUTES,
        crate::teams::ROUTES,
        crate::organizations::ROUTES,
        crate::budget::ROUTES,
        crate::customers::ROUTES,
        crate::tags::ROUTES,
        crate::access_groups::ROUTES,
        crate::projects::ROUTES,
        crate::credentials::ROUTES,
        crate::audit::ROUTES,
        crate::spend::ROUTES,
        crate::identity::ROUTES,
    ]
    .into_iter()
    .flatten()
}

impl Governance {
    /// Answers a request to `route`: who may not call it is refused, and so is a field that is wrong.
    pub async fn answer(
        &self,
        route: &Route,
        caller: Arc<Caller>,
        raw: Raw,
    ) -> Result<Answer, Refusal> {
        let caller = match route.access {
            Access::Public | Access::Model => caller,
            _ => self.placed(caller).await?,
        };
        self.may_call(&caller, route.access, &route.method.method(), route.path)?;
        let mut body = Form::check(route.body, raw.body, "body")?;
        self.check_routing(&mut body)?;
        let call = Call {
            governance: self.clone(),
            actor: Actor::of(&caller, raw.changed_by),
            caller,
            path: raw.path,
            body,
            query: Form::query(route.query, raw.query)?,
            peer: raw.peer,
        };
        let notices = [call.body.notices.clone(), call.query.notices.clone()].concat();
        if route.method == Verb::Get {
            self.caught_up().await;
        }
        let mut answer = (route.answer)(call).await?;
        if !notices.is_empty() {
            answer.add("notices", notices.into());
        }
        Ok(answer)
    }

    /// Who reads sees what was answered before it asked: rows gather for a moment on their way to the database. One that
    /// is slow is not waited for.
    async fn caught_up(&self) {
        if !self.store().is_away() {
            let _ = tokio::time::timeout(CATCHING_UP, self.ledger().flush()).await;
        }
    }

    /// What is said of routing has to mean something to who routes.
    pub(crate) fn check_routing(&self, form: &mut Form) -> Result<(), Refusal> {
        const FIELD: &str = "router_settings";
        let Some(said) = form.get(FIELD) else {
            return Ok(());
        };
        match (self.settings().check_routing)(said) {
            Ok(notices) => form.notices.extend(notices),
            Err((place, message)) => {
                let place = match place.as_str() {
                    "" => FIELD.to_owned(),
                    place => format!("{FIELD}.{place}"),
                };
                return Err(Refusal::bad(place.clone(), format!("{place}: {message}")));
            }
        }
        Ok(())
    }
}

/// A route in one line of a table.
macro_rules! route {
    ($verb:ident $path:literal, $access:ident, $answer:path, $about:literal $(, body $body:expr)? $(, query $query:expr)?) => {
        $crate::routes::Route {
            method: $crate::routes::Verb::$verb,
            path: $path,
            access: $crate::Access::$access,
            about: $about,
            body: $crate::routes::route!(@fields $($body)?),
            query: $crate::routes::route!(@fields $($query)?),
            answer: |call| Box::pin($answer(call)),
        }
    };
    (@fields) => { &[] };
    (@fields $fields:expr) => { $fields };
}
pub(crate) use route;
