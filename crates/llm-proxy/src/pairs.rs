//! What a request's query says.

use http::Uri;
use percent_encoding::percent_decode_str;

/// The names and values of a query, decoded.
pub(crate) fn of(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    read(uri.query().unwrap_or_default())
}

/// The names and values of a query, or of a form that is written as one.
pub(crate) fn read(text: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = text.split('&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_and_values_are_decoded() {
        let uri = "/v1/files?after=a%2Fb&q=x+y&&flag&model=%C3%A9"
            .parse()
            .unwrap();
        let pairs: Vec<_> = super::of(&uri).collect();
        let expected = [("after", "a/b"), ("q", "x y"), ("flag", ""), ("model", "é")];
        assert!(pairs.iter().map(|(n, v)| (&**n, &**v)).eq(expected));
        assert_eq!(super::of(&"/v1/files".parse().unwrap()).count(), 0);
    }
}
