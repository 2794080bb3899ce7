//! Sessions: somebody signs in and gets a key for a day, in a token that pages read.

use std::{fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc};

use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use llm_cost::NanoDollars;
use llm_store::{
    hash_token,
    rows::{Key, User},
};
use serde_json::{Value, json};

use super::{
    register,
    sign_in::{Attempt, Tries},
    taken, unknown,
};
use crate::{
    Actor, Answer, Call, Governance, MASTER_USER, Refusal, Role, behind::is_deactivated,
    keys::secret, routes::Content,
};

/// The team that sessions are counted under.
const TEAM: &str = "litellm-dashboard";

/// How long a session lasts, in milliseconds.
const LASTS: i64 = 86_400_000;

/// Sessions of one user that are looked at.
const MOST: i64 = 200;

/// How people sign in.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// What sessions' tokens are signed with: the master key. Without it there are none.
    pub signing: Option<Hidden>,
    /// The name and the password of whoever runs the gateway (`UI_USERNAME`, `UI_PASSWORD`).
    pub admin: Option<(String, Hidden)>,
    /// The most that a session may spend (`max_ui_session_budget`).
    pub budget: Option<NanoDollars>,
    /// The gateway's own address (`PROXY_BASE_URL`); empty where nobody says.
    pub base_url: String,
    /// The path before every route.
    pub root_path: String,
    /// The header that sessions' keys are sent in.
    pub key_header: Option<String>,
    /// Whether only admins may sign in (`ui_access_mode: admin_only`).
    pub admins_only: bool,
    /// Whether pages keep to themselves what the first password is.
    pub hides_hint: bool,
    /// How often one address may fail.
    pub tries: Tries,
    /// Who knows people besides the gateway.
    pub people: Option<Arc<dyn People>>,
}

/// A secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// This secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    fn is(&self, given: &str) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), given.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Who knows people by their passwords: a directory of the operator's.
pub trait People: fmt::Debug + Send + Sync {
    /// Whoever has this name and password; `None` if nobody does.
    fn look<'a>(&'a self, name: &'a str, password: &'a str) -> Looked<'a>;
}

/// A look into a directory.
pub type Looked<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Recognized>, Refusal>> + Send + 'a>>;

/// Somebody whom a directory knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognized {
    /// Its id.
    pub id: String,
    /// Its address.
    pub email: Option<String>,
    /// What it may do; `None`: whatever it may already.
    pub role: Option<Role>,
}

/// `POST /v2/login`.
pub(super) async fn login(call: Call) -> Result<Answer, Refusal> {
    let user = signed_in(&call).await?;
    opened(&call.governance, &user.user_id, json!({})).await
}

/// `POST /login`.
pub(super) async fn login_form(call: Call) -> Result<Answer, Refusal> {
    let user = signed_in(&call).await?;
    let mut answer = opened(&call.governance, &user.user_id, json!({})).await?;
    if let Content::Json(body) = &answer.body {
        let place = body["redirect_url"].as_str().unwrap_or_default().to_owned();
        answer.headers.push(("location", place));
    }
    Ok(Answer {
        status: StatusCode::SEE_OTHER,
        body: Content::Text("text/plain", String::new()),
        ..answer
    })
}

/// `GET /.well-known/litellm-ui-config`.
pub(super) async fn page_settings(call: Call) -> Result<Answer, Refusal> {
    let settings = call.governance.settings();
    let rules = &settings.sign_in;
    let base = Some(&rules.base_url).filter(|base| !base.is_empty());
    Ok(json!({
        "server_root_path": rules.root_path,
        "proxy_base_url": base,
        "auto_redirect_to_sso": false,
        "admin_ui_disabled": false,
        "sso_configured": false,
        "hide_default_credentials_hint": rules.hides_hint,
        "is_control_plane": false,
        "mcp_stdio_enabled": false,
        "workers": [],
    })
    .into())
}

/// Whoever the name and the password are of.
async fn signed_in(call: &Call) -> Result<User, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let (name, password) = (form.need("username")?, form.need("password")?);
    governance.session_user(name, password, call.peer).await
}

impl Governance {
    async fn session_user(
        &self,
        name: &str,
        password: &str,
        from: Option<IpAddr>,
    ) -> Result<User, Refusal> {
        let settings = self.settings();
        let rules = &settings.sign_in;
        if rules.signing.is_none() {
            let message = "nobody can sign in to a gateway without a master key";
            return Err(Refusal::unauthenticated(message));
        }
        let attempt = Attempt::of(name, from, rules.tries);
        attempt.may_try(self.throttle())?;
        let user = self.recognized(name, password).await?;
        let Some(user) = user else {
            return Err(attempt.failed(self.throttle()));
        };
        attempt.succeeded(self.throttle());
        if is_deactivated(&user) {
            return Err(Refusal::unauthenticated("this user was deactivated"));
        }
        let role = user.user_role.as_deref().and_then(Role::of_user);
        if rules.admins_only && !role.is_some_and(Role::sees_all) {
            return Err(Refusal::forbidden("only admins sign in here"));
        }
        Ok(user)
    }

    /// The user of this name and password: whoever runs the gateway, one of ours, or one of the directory's.
    async fn recognized(&self, name: &str, password: &str) -> Result<Option<User>, Refusal> {
        let settings = self.settings();
        let rules = &settings.sign_in;
        if let Some((admin, secret)) = &rules.admin {
            let named = Hidden::new(admin.as_str()).is(name);
            // Both are looked at: time tells nobody which one was right.
            if secret.is(password) & named {
                return self.admin_user().await.map(Some);
            }
        }
        if let Some(user) = self.user_with(name, password).await? {
            return Ok(Some(user));
        }
        let Some(people) = &rules.people else {
            return Ok(None);
        };
        // An empty password is no question that directories take as one.
        if name.trim().is_empty() || password.is_empty() {
            return Ok(None);
        }
        match people.look(name, password).await? {
            // Whoever runs the gateway has this name, and nobody else.
            Some(person) if person.id == MASTER_USER => Ok(None),
            Some(person) => self.person(&person).await.map(Some),
            None => Ok(None),
        }
    }

    /// The user of whoever runs the gateway.
    async fn admin_user(&self) -> Result<User, Refusal> {
        let person = Recognized {
            id: MASTER_USER.to_owned(),
            email: None,
            role: Some(Role::ProxyAdmin),
        };
        self.person(&person).await
    }

    /// The user of somebody whom another party knows; made, if need be, and given the role that party says.
    async fn person(&self, person: &Recognized) -> Result<User, Refusal> {
        let id = person.id.as_str();
        let actor = Actor {
            user_id: Some(id.to_owned()),
            ..Actor::default()
        };
        let mut edit = self.edit(&actor).await?;
        let Some(before) = edit.get::<User>(&[id]).await? else {
            let email = person.email.as_deref();
            let user = register(self, &mut edit, id, email, person.role).await?;
            edit.commit().await?;
            return Ok(user);
        };
        let role = person.role.map(|role| role.name().to_owned());
        if role.is_none() || role == before.user_role {
            return Ok(before);
        }
        let after = User {
            user_role: role,
            updated_at: edit.now(),
            ..before.clone()
        };
        edit.update(&before, &after, taken(&after)).await?;
        edit.commit().await?;
        Ok(after)
    }

    /// A key of this user for a day. Those that are over are removed.
    async fn session_key(&self, user: &User) -> Result<String, Refusal> {
        let id = user.user_id.as_str();
        let plain = secret::new()?;
        let actor = Actor {
            user_id: Some(id.to_owned()),
            ..Actor::default()
        };
        let of_user = [("user_id", id), ("team_id", TEAM)];
        let known = self.store().list::<Key>(&of_user, MOST, 0).await?.rows;
        let mut edit = self.edit(&actor).await?;
        let now = edit.now();
        for over in known
            .iter()
            .filter(|key| key.expires.is_some_and(|end| end <= now))
        {
            if let Some(key) = edit.get::<Key>(&[&over.token]).await? {
                edit.delete_key(&key).await?;
            }
        }
        let key = Key {
            token: hash_token(&plain),
            key_name: Some(secret::name(&plain)),
            user_id: Some(id.to_owned()),
            team_id: Some(TEAM.to_owned()),
            expires: Some(now.plus(LASTS)),
            max_budget: self.settings().sign_in.budget,
            created_at: now,
            created_by: Some(id.to_owned()),
            updated_at: now,
            updated_by: Some(id.to_owned()),
            ..Key::default()
        };
        edit.insert(&key, Refusal::internal()).await?;
        edit.commit().await?;
        Ok(plain)
    }
}

/// Opens a session of a user: its token is added to `answer`, and to the browser's cookies.
pub(super) async fn opened(
    governance: &Governance,
    user: &str,
    mut answer: Value,
) -> Result<Answer, Refusal> {
    let settings = governance.settings();
    let rules = &settings.sign_in;
    let user = governance.store().get::<User>(&[user]).await?;
    let user = user.ok_or_else(unknown)?;
    let key = governance.session_key(&user).await?;
    let role = user.user_role.as_deref().and_then(Role::of_user);
    let ends = llm_store::Moment::now().plus(LASTS).0 / 1_000;
    let claims = json!({
        "user_id": user.user_id,
        "key": key,
        "user_email": user.user_email,
        "user_role": role.unwrap_or(Role::InternalUser).name(),
        "login_method": "username_password",
        "premium_user": true,
        "auth_header_name": rules.key_header.as_deref().unwrap_or("Authorization"),
        "disabled_non_admin_personal_key_creation": false,
        "server_root_path": rules.root_path,
        "password_reset_required": false,
        "exp": ends,
    });
    let token = signed(
        &claims,
        rules.signing.as_ref().ok_or_else(Refusal::internal)?,
    );
    answer["redirect_url"] = format!("{}/ui?login=success", place(rules)).into();
    answer["token"] = token.clone().into();
    // Pages read the key out of it, so it is no cookie that only the browser sees.
    let secure = match rules.base_url.starts_with("https://") {
        true => "; Secure",
        false => "",
    };
    let path = match rules.root_path.as_str() {
        "" => "/",
        path => path,
    };
    let seconds = LASTS / 1_000;
    let cookie = format!("token={token}; Path={path}; Max-Age={seconds}; SameSite=Lax{secure}");
    let mut answer: Answer = answer.into();
    answer.headers = vec![
        ("set-cookie", cookie),
        ("cache-control", "no-store".to_owned()),
    ];
    Ok(answer)
}

/// Where the gateway's pages are.
fn place(rules: &SignIn) -> String {
    let base = rules.base_url.trim_end_matches('/');
    match base.is_empty() {
        true => rules.root_path.clone(),
        false => base.to_owned(),
    }
}

/// A token of these claims, signed with HMAC and SHA-256.
fn signed(claims: &Value, secret: &Hidden) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let text = format!("{}.{}", part(&header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes());
    let signature = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}
