//! How connections are made, as plain data.

use std::{fmt, time::Duration};

use hyper_util::client::proxy::matcher::Matcher;

use crate::resolve::{Surroundings, first};

/// How connections are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportSettings {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Whether to verify certificates. Off only on the user's explicit word: whoever sits in between then reads every
    /// key and every prompt.
    pub verify: bool,
    /// A PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<String>,
    /// The forward proxies to go through.
    pub proxies: Proxies,
}

/// Forward proxies, by what is called through them. `Debug` shows no passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// The proxy for `http` addresses.
    pub http: Option<String>,
    /// The proxy for `https` addresses.
    pub https: Option<String>,
    /// Hosts and networks that are called without one, as `NO_PROXY` lists them.
    pub except: Option<String>,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            verify: true,
            ca_file: None,
            proxies: Proxies::default(),
        }
    }
}

impl TransportSettings {
    /// The defaults, with what the environment says: `SSL_VERIFY` (a yes, a no, or a file of authorities),
    /// `SSL_CERT_FILE` and the variables of forward proxies.
    pub fn from_env(around: &dyn Surroundings) -> Self {
        let mut settings = Self {
            ca_file: first(&["SSL_CERT_FILE"], around),
            proxies: Proxies::from_env(around),
            ..Self::default()
        };
        if let Some(said) = first(&["SSL_VERIFY"], around) {
            settings.verify_as(said.trim());
        }
        settings
    }

    /// What `ssl_verify` means: a yes, a no, or a file of authorities.
    pub fn verify_as(&mut self, said: &str) {
        match said.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => self.verify = true,
            "0" | "false" | "no" | "off" => self.verify = false,
            _ => {
                self.verify = true;
                self.ca_file = Some(said.to_owned());
            }
        }
    }
}

impl Proxies {
    /// One proxy for everything.
    pub fn all(address: impl Into<String>) -> Self {
        let address = address.into();
        Self {
            http: Some(address.clone()),
            https: Some(address),
            except: None,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxies by the scheme of what is called through them, without their passwords.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("http", &self.http), ("https", &self.https)];
        all.into_iter()
            .filter_map(|(scheme, address)| Some((scheme, without_login(address.as_deref()?))))
    }

    fn from_env(around: &dyn Surroundings) -> Self {
        let all = first(&["ALL_PROXY", "all_proxy"], around);
        // A CGI server writes a client's `Proxy` header into HTTP_PROXY.
        let http = match around.var("REQUEST_METHOD") {
            Some(_) => None,
            None => first(&["HTTP_PROXY", "http_proxy"], around),
        };
        Self {
            http: http.or_else(|| all.clone()),
            https: first(&["HTTPS_PROXY", "https_proxy"], around).or(all),
            except: first(&["NO_PROXY", "no_proxy"], around),
        }
    }

    /// What tells whether an address is called through a proxy.
    pub(crate) fn matcher(&self) -> Matcher {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Matcher::builder()
            .http(text(&self.http))
            .https(text(&self.https))
            .no(text(&self.except))
            .build()
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.as_deref().map(without_login))
            .field("https", &self.https.as_deref().map(without_login))
            .field("except", &self.except)
            .finish()
    }
}

fn without_login(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or(address, |(_, address)| address)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Around(BTreeMap<&'static str, &'static str>);

    impl Surroundings for Around {
        fn var(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|text| (*text).to_owned())
        }
        fn file(&self, _: &str) -> Option<String> {
            None
        }
        fn provider_of(&self, _: &str) -> Option<String> {
            None
        }
    }

    fn settings(vars: &[(&'static str, &'static str)]) -> TransportSettings {
        TransportSettings::from_env(&Around(vars.iter().copied().collect()))
    }

    #[test]
    fn the_environment_says_whom_to_trust() {
        assert_eq!(settings(&[]), TransportSettings::default());
        let file = settings(&[("SSL_CERT_FILE", "/ca.pem")]);
        assert_eq!(file.ca_file.as_deref(), Some("/ca.pem"));
        assert!(!settings(&[("SSL_VERIFY", "False")]).verify);
        assert!(settings(&[("SSL_VERIFY", "true")]).verify);
        let both = settings(&[("SSL_VERIFY", "/Own.pem"), ("SSL_CERT_FILE", "/ca.pem")]);
        assert_eq!(both.ca_file.as_deref(), Some("/Own.pem"));
        assert!(both.verify);
    }

    #[test]
    fn the_environment_names_proxies_in_either_case() {
        let all = settings(&[
            ("all_proxy", "http://a"),
            ("HTTPS_PROXY", "http://s"),
            ("no_proxy", "b.example"),
        ]);
        let expected = Proxies {
            http: Some("http://a".into()),
            https: Some("http://s".into()),
            except: Some("b.example".into()),
        };
        assert_eq!(all.proxies, expected);
        let cgi = settings(&[("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")]);
        assert!(cgi.proxies.is_empty());
    }

    #[test]
    fn no_password_is_shown() {
        let shown = format!("{:?}", Proxies::all("http://me:hush@proxy.example:3128"));
        assert!(
            shown.contains("proxy.example:3128") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
