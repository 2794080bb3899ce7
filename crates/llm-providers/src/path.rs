//! The only place where a model's name enters a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Error, Kind};

/// Everything but RFC 3986's unreserved characters is escaped: a name can never end a segment or start a query.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same, but `/` stays: for vendors whose model names are paths (`publishers/x/models/y`).
const SEGMENTS: &AsciiSet = &SEGMENT.remove(b'/').remove(b'@').remove(b':');

/// A model's name as one path segment.
pub fn segment(name: &str) -> Result<String, Error> {
    check(name)?;
    Ok(utf8_percent_encode(name, SEGMENT).to_string())
}

/// A model's name as path segments of its own: `/`, `:` and `@` stay as they are.
pub fn segments(name: &str) -> Result<String, Error> {
    if name.starts_with('/') || name.split('/').any(|part| part.is_empty()) {
        return Err(hostile());
    }
    name.split('/').try_for_each(check)?;
    Ok(utf8_percent_encode(name, SEGMENTS).to_string())
}

/// A name or a value in a query string.
pub fn query(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A base URL without the version at its end, for APIs whose paths name it themselves.
pub(crate) fn unversioned(base: &str) -> &str {
    let base = base.trim_end_matches('/');
    base.strip_suffix("/v1").unwrap_or(base)
}

/// Joins a base URL and a path.
pub fn join(base: &str, path: &str) -> String {
    format!(
        "{}/{}",
        base.trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}

/// `.` and `..` survive escaping, and URL parsers act on them.
fn check(name: &str) -> Result<(), Error> {
    if name.is_empty() || name == "." || name == ".." || name.chars().any(char::is_control) {
        Err(hostile())
    } else {
        Ok(())
    }
}

fn hostile() -> Error {
    let mut error = Error::new(Kind::BadRequest, "this is not a valid model name");
    error.param = Some("model".into());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(
            segment("anthropic.claude:0/x?y#z").expect("a segment"),
            "anthropic.claude%3A0%2Fx%3Fy%23z"
        );
        for hostile in ["", ".", "..", "a\nb", "\0"] {
            assert!(segment(hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn a_path_of_names_cannot_climb() {
        assert_eq!(
            segments("openai/gpt-oss:20b").expect("segments"),
            "openai/gpt-oss:20b"
        );
        for hostile in ["a/../b", "/a", "a//b", "a/", "..", "a/./b"] {
            assert!(segments(hostile).is_err(), "{hostile:?}");
        }
    }
}
