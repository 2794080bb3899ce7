//! Where the Redis is over which instances share their state.

use llm_router::RedisSettings;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Place, RouterSettings, read::Reader};

impl RouterSettings {
    /// `redis_url`, or `redis_host` and its companions.
    pub(super) fn redis(&mut self, reader: &mut Reader<'_>) {
        let url: Option<String> = reader.take("redis_url");
        let host: Option<String> = reader.take("redis_host");
        let username: Option<String> = reader.take("redis_username");
        let password: Option<String> = reader.take("redis_password");
        let port = number("redis_port", u64::from(u16::MAX), reader);
        let db = number("redis_db", u64::from(u16::MAX), reader);
        let tls: Option<bool> = reader.take("redis_ssl");
        let url = url.or_else(|| {
            let host = host?;
            let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let scheme = if tls == Some(true) { "rediss" } else { "redis" };
            let login = match (username, password) {
                (None, None) => String::new(),
                (name, password) => format!(
                    "{}:{}@",
                    encoded(&name.unwrap_or_default()),
                    encoded(&password.unwrap_or_default())
                ),
            };
            let port = port.unwrap_or(6379);
            let db = db.map(|db| format!("/{db}")).unwrap_or_default();
            Some(format!("{scheme}://{login}{host}:{port}{db}"))
        });
        if let Some(url) = url {
            self.router.redis = Some(RedisSettings::at(url));
        }
    }
}

/// A number, which in LiteLLM's files is often text: it comes from the environment.
fn number(key: &str, most: u64, reader: &mut Reader<'_>) -> Option<u64> {
    let value = reader.value(key)?;
    let read = match &value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64(),
    };
    let read = read.filter(|number| *number <= most);
    if read.is_none() {
        let message = format!("'{key}' must be a number up to {most}");
        reader.mistake(Place::of(key), message);
    }
    read
}
