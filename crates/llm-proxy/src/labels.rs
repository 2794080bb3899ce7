//! For whom a request is, and to what it belongs, as far as it says: what logs group by.

use http::{HeaderMap, HeaderName};
use llm_types::{JsonObject, Map};
use serde_json::Value;

use crate::error::show;

/// Whose id a header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Someone of the operator's own people.
    InternalUser,
    /// A customer: the end user.
    Customer,
}

/// What a request says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) session: Option<String>,
    pub(crate) end_user: Option<String>,
    pub(crate) user: Option<String>,
    /// The program that asks.
    pub(crate) agent: Option<String>,
    /// The agent that it says it is.
    pub(crate) agent_id: Option<String>,
    /// What its client wants to find in its row again (`spend_logs_metadata`).
    pub(crate) note: Option<Box<Map>>,
}

/// The longest note that is kept, in bytes of JSON.
const LONGEST_NOTE: usize = 16 << 10;

/// A header that is shorter than this names no session.
const SHORTEST_SESSION: usize = 8;

/// The best label so far, and how much its place counts: the lowest wins.
#[derive(Default)]
struct Best(Option<(u8, String)>);

impl Best {
    fn offer(&mut self, rank: u8, value: &str) {
        let value = value.trim();
        if !value.is_empty() && self.0.as_ref().is_none_or(|(best, _)| rank < *best) {
            self.0 = Some((rank, show(value).into_owned()));
        }
    }

    fn label(self) -> Option<String> {
        self.0.map(|(_, label)| label)
    }
}

impl Labels {
    /// What `headers` and `body` say. `users` are the operator's own headers.
    pub(crate) fn of(headers: &HeaderMap, body: &JsonObject, users: &[(HeaderName, Role)]) -> Self {
        let (mut session, mut end_user, mut user) =
            (Best::default(), Best::default(), Best::default());
        let (mut agent, mut agent_id) = (None, Best::default());
        let mut note = None;
        // One walk over the names is cheaper than a lookup of each.
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            match name.as_str() {
                "user-agent" => agent = Some(show(value).into_owned()),
                "x-litellm-agent-id" => agent_id.offer(0, value),
                "x-litellm-spend-logs-metadata" => note = serde_json::from_str(value).ok(),
                "x-litellm-customer-id" => end_user.offer(0, value),
                "x-litellm-end-user-id" => end_user.offer(1, value),
                "x-litellm-trace-id" => session.offer(0, value),
                "x-litellm-session-id" => session.offer(1, value),
                "traceparent" => session.offer(8, trace(value).unwrap_or_default()),
                name if names_session(name) && value.len() >= SHORTEST_SESSION => {
                    session.offer(7, value);
                }
                _ => {}
            }
            for (own, role) in users {
                match role {
                    Role::Customer if own == name => end_user.offer(2, value),
                    Role::InternalUser if own == name => user.offer(0, value),
                    _ => {}
                }
            }
        }
        for (key, _) in body.iter() {
            match key {
                "user" => end_user.offer(3, &body.str(key).unwrap_or_default()),
                "safety_identifier" => end_user.offer(6, &body.str(key).unwrap_or_default()),
                "litellm_trace_id" => session.offer(2, &body.str(key).unwrap_or_default()),
                "litellm_session_id" => session.offer(3, &body.str(key).unwrap_or_default()),
                "litellm_metadata" => {
                    let metadata = Metadata::of(body, key);
                    end_user.offer(4, metadata.get("user"));
                    session.offer(4, metadata.get("session_id"));
                    note = note.or_else(|| metadata.note());
                }
                "metadata" => {
                    let metadata = Metadata::of(body, key);
                    end_user.offer(5, metadata.get("user_id"));
                    session.offer(5, metadata.get("session_id"));
                    session.offer(6, metadata.get("trace_id"));
                    note = note.or_else(|| metadata.note());
                }
                _ => {}
            }
        }
        Self {
            session: session.label(),
            end_user: end_user.label(),
            user: user.label(),
            agent,
            agent_id: agent_id.label(),
            note: note.filter(is_short).map(Box::new),
        }
    }
}

/// `metadata`, read only where it is there.
struct Metadata(Option<Map>);

impl Metadata {
    fn of(body: &JsonObject, key: &str) -> Self {
        Self(body.get(key).ok().flatten())
    }

    fn get(&self, key: &str) -> &str {
        let value = self.0.as_ref().and_then(|map| map.get(key));
        value.and_then(Value::as_str).unwrap_or_default()
    }

    fn note(&self) -> Option<Map> {
        let note = self.0.as_ref()?.get("spend_logs_metadata")?;
        note.as_object().cloned()
    }
}

fn is_short(note: &Map) -> bool {
    serde_json::to_vec(note).is_ok_and(|json| json.len() <= LONGEST_NOTE)
}

/// A session as coding agents name theirs: `session-id`, `x-session-id`, `x-VENDOR-session-id`.
fn names_session(name: &str) -> bool {
    name.strip_suffix("session-id")
        .is_some_and(|start| start.is_empty() || (start.starts_with("x-") && start.ends_with('-')))
}

/// The trace that a W3C `traceparent` belongs to.
fn trace(parent: &str) -> Option<&str> {
    let trace = parent.split('-').nth(1)?;
    let hex = trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && trace.bytes().any(|byte| byte != b'0')).then_some(trace)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn labels(headers: &[(&str, &str)], body: Value) -> Labels {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let body = JsonObject::from_serialize(&body).expect("an object");
        let users = [
            (HeaderName::from_static("x-customer"), Role::Customer),
            (HeaderName::from_static("x-employee"), Role::InternalUser),
        ];
        Labels::of(&map, &body, &users)
    }

    fn end_user(headers: &[(&str, &str)], body: Value) -> Option<String> {
        labels(headers, body).end_user
    }

    #[test]
    fn the_first_word_on_the_end_user_wins() {
        let body = json!({
            "user": "by-body", "litellm_metadata": {"user": "by-ours"},
            "metadata": {"user_id": "by-theirs"}, "safety_identifier": "by-safety",
        });
        let mut headers = vec![
            ("x-litellm-customer-id", "by-customer-id"),
            ("x-litellm-end-user-id", "by-end-user-id"),
            ("x-customer", "by-own-header"),
        ];
        let mut order = Vec::new();
        while !headers.is_empty() {
            order.extend(end_user(&headers, body.clone()));
            headers.remove(0);
        }
        let mut body = body;
        for key in ["user", "litellm_metadata", "metadata", "safety_identifier"] {
            order.extend(end_user(&[], body.clone()));
            body.as_object_mut().expect("an object").remove(key);
        }
        assert_eq!(
            order,
            [
                "by-customer-id",
                "by-end-user-id",
                "by-own-header",
                "by-body",
                "by-ours",
                "by-theirs",
                "by-safety"
            ]
        );
        assert_eq!(end_user(&[], body), None);
        assert_eq!(end_user(&[("x-customer", " ")], json!({"user": 7})), None);
    }

    #[test]
    fn sessions_are_found_where_clients_put_them() {
        let session = |headers: &[(&str, &str)], body: Value| labels(headers, body).session;
        for (headers, body, wanted) in [
            (vec![("x-litellm-session-id", "s1")], json!({}), Some("s1")),
            (vec![], json!({"litellm_session_id": "s2"}), Some("s2")),
            (
                vec![],
                json!({"metadata": {"session_id": "s3"}}),
                Some("s3"),
            ),
            (
                vec![("x-claude-code-session-id", "12345678")],
                json!({}),
                Some("12345678"),
            ),
            (
                vec![("session-id", "12345678")],
                json!({}),
                Some("12345678"),
            ),
            (vec![("x-some-session-id", "short")], json!({}), None),
            (
                vec![(
                    "traceparent",
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                )],
                json!({}),
                Some("0af7651916cd43dd8448eb211c80319c"),
            ),
            (
                vec![("traceparent", "00-00000000000000000000000000000000-b7-01")],
                json!({}),
                None,
            ),
            (
                vec![("traceparent", "nonsense")],
                json!({"metadata": 3}),
                None,
            ),
        ] {
            assert_eq!(session(&headers, body).as_deref(), wanted, "{headers:?}");
        }
    }

    #[test]
    fn labels_are_fit_for_a_log() {
        let long = "x".repeat(5000);
        let label = end_user(&[], json!({"user": format!("a\nb{long}")})).expect("a label");
        assert!(label.starts_with("a\u{fffd}b") && label.chars().count() < 300);
        assert_eq!(
            labels(&[("x-employee", "e1")], json!({})).user.as_deref(),
            Some("e1")
        );
    }
}
