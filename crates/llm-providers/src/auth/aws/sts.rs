//! AWS's token service: taking on a role.

use std::{borrow::Cow, time::SystemTime};

use http::{Method, Request, header::CONTENT_TYPE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{AwsKeys, Role, Secret, Temporary, refused, time};
use crate::{Error, Outgoing, Reply, auth::sign};

/// `AssumeRole`, signed with the keys that may take the role on.
pub(super) fn assume_role(
    role: &Role,
    keys: &AwsKeys,
    now: SystemTime,
) -> Result<Request<Outgoing>, Error> {
    let mut fields = fields("AssumeRole", role);
    if let Some(id) = &role.external_id {
        fields.push(("ExternalId".into(), id.as_str().into()));
    }
    for (i, (key, value)) in role.tags.iter().enumerate() {
        fields.push((
            format!("Tags.member.{}.Key", i + 1).into(),
            key.as_str().into(),
        ));
        fields.push((
            format!("Tags.member.{}.Value", i + 1).into(),
            value.as_str().into(),
        ));
    }
    let mut request = request(role, &fields)?;
    sign(&mut request, keys, &role.region, "sts", now)?;
    Ok(request)
}

/// `AssumeRoleWithWebIdentity`: the token is all there is, so nothing is signed.
pub(super) fn assume_role_with(token: &str, role: &Role) -> Result<Request<Outgoing>, Error> {
    let mut fields = fields("AssumeRoleWithWebIdentity", role);
    fields.push(("WebIdentityToken".into(), token.trim().into()));
    request(role, &fields)
}

/// The keys in the answer.
pub(super) fn read(reply: &Reply) -> Result<Temporary, Error> {
    let text = std::str::from_utf8(&reply.body).unwrap_or_default();
    if !reply.status.is_success() {
        let code = element(text, "Code").unwrap_or_default();
        let message = element(text, "Message").unwrap_or_default();
        let mut error = refused(format!(
            "AWS refuses the role ({}): {code} {message}",
            reply.status.as_u16()
        ));
        error.status = Some(reply.status);
        error.code = Some(code.into_owned()).filter(|code| !code.is_empty());
        return Err(error);
    }
    let credentials = raw_element(text, "Credentials").unwrap_or_default();
    let get = |name: &str| element(credentials, name).map(Cow::into_owned);
    let missing = || refused("AWS's token service answered without credentials");
    Ok(Temporary {
        keys: AwsKeys {
            access_key_id: get("AccessKeyId").ok_or_else(missing)?,
            secret_access_key: Secret::new(get("SecretAccessKey").ok_or_else(missing)?),
            session_token: get("SessionToken").map(Secret::new),
        },
        expires: get("Expiration").and_then(|text| time(&text)),
    })
}

type Field<'a> = (Cow<'a, str>, Cow<'a, str>);

fn fields<'a>(action: &'static str, role: &'a Role) -> Vec<Field<'a>> {
    let mut fields: Vec<Field<'a>> = vec![
        ("Action".into(), action.into()),
        ("Version".into(), "2011-06-15".into()),
        ("RoleArn".into(), role.arn.as_str().into()),
        ("RoleSessionName".into(), role.session.as_str().into()),
    ];
    if let Some(seconds) = role.seconds {
        fields.push(("DurationSeconds".into(), seconds.to_string().into()));
    }
    fields
}

fn request(role: &Role, fields: &[Field<'_>]) -> Result<Request<Outgoing>, Error> {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    Request::builder()
        .method(Method::POST)
        .uri(format!("{}/", role.sts.trim_end_matches('/')))
        .header(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8",
        )
        .body(pairs.join("&").into())
        .map_err(|e| {
            refused(format!(
                "'{}' is no address of a token service: {e}",
                role.sts
            ))
        })
}

/// The text of the first element `name`. The answer has no attributes and no nesting of a name in itself.
fn raw_element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner)
}

fn element<'a>(text: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let inner = raw_element(text, name)?.trim();
    if !inner.contains('&') {
        return Some(inner.into());
    }
    // `&amp;` last, or `&amp;lt;` would be read twice.
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(inner.to_owned(), |text, (from, to)| text.replace(from, to));
    Some(plain.into())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn reply(status: StatusCode, body: &'static str) -> Reply {
        Reply {
            status,
            ..Reply::ok(body)
        }
    }

    #[test]
    fn keys_are_read() {
        let got = read(&reply(
            StatusCode::OK,
            "<R xmlns=\"x\"><Credentials>\n <AccessKeyId>AK</AccessKeyId><SecretAccessKey>a/b+c&amp;lt;</SecretAccessKey>\
             <SessionToken>t==</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials></R>",
        ))
        .expect("keys");
        assert_eq!(got.keys.secret_access_key.expose(), "a/b+c&lt;");
        assert_eq!(got.expires, time("2030-01-02T03:04:05Z"));
        assert!(got.expires.is_some());
    }

    #[test]
    fn a_refusal_keeps_its_words() {
        let error = read(&reply(
            StatusCode::FORBIDDEN,
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x is not authorized</Message></Error></ErrorResponse>",
        ))
        .expect_err("refused");
        assert_eq!(error.kind, crate::Kind::Auth);
        assert!(
            error
                .to_string()
                .contains("AccessDenied User: x is not authorized")
        );
        assert!(read(&reply(StatusCode::OK, "<Credentials></Credentials>")).is_err());
    }

    #[test]
    fn a_role_becomes_a_form() {
        let role = Role {
            arn: "arn:aws:iam::1:role/a b".into(),
            session: "s&x=1".into(),
            sts: "https://sts.example".into(),
            ..Role::default()
        };
        let request = assume_role_with(" tok\n", &role).expect("a request");
        assert_eq!(
            request.body().bytes().expect("in memory"),
            "Action=AssumeRoleWithWebIdentity&Version=2011%2D06%2D15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b&RoleSessionName=s%26x%3D1&WebIdentityToken=tok"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_keys_or_an_error(text: String) {
            let _ = read(&Reply::ok(text));
        }
    }
}
