//! `additional_drop_params`: `seed`, `tools[*].function.strict`, `a.b[0].c`.

use llm_types::{JsonError, JsonObject};
use serde_json::Value;

/// One step into a value.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
    All,
}

/// Takes what `path` leads to out of `body`; whether anything was there.
pub(super) fn remove(body: &mut JsonObject, path: &str) -> Result<bool, JsonError> {
    if body.contains(path) {
        return Ok(body.remove(path).is_some());
    }
    let Some(steps) = parse(path) else {
        return Ok(false);
    };
    let [Step::Key(key), inner @ ..] = &steps[..] else {
        return Ok(false);
    };
    if inner.is_empty() || body.raw(key).is_none() {
        return Ok(false);
    }
    let Some(mut value) = body.get::<Value>(key)? else {
        return Ok(false);
    };
    let found = delete(&mut value, inner);
    if found {
        body.set((*key).to_owned(), &value);
    }
    Ok(found)
}

/// `None` for what is no path.
fn parse(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, mut rest) = match part.find('[') {
            Some(at) => part.split_at(at),
            None => (part, ""),
        };
        if !name.is_empty() {
            steps.push(Step::Key(name));
        }
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(match index {
                "*" => Step::All,
                digits => Step::Index(digits.parse().ok()?),
            });
            rest = after;
        }
    }
    Some(steps)
}

fn delete(value: &mut Value, steps: &[Step<'_>]) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return false;
    };
    match (step, value) {
        (Step::Key(key), Value::Object(map)) if rest.is_empty() => map.shift_remove(*key).is_some(),
        (Step::Key(key), Value::Object(map)) => {
            map.get_mut(*key).is_some_and(|inner| delete(inner, rest))
        }
        (Step::Index(at), Value::Array(list)) if rest.is_empty() => {
            let there = *at < list.len();
            if there {
                list.remove(*at);
            }
            there
        }
        (Step::Index(at), Value::Array(list)) => {
            list.get_mut(*at).is_some_and(|inner| delete(inner, rest))
        }
        (Step::All, Value::Array(list)) if rest.is_empty() => {
            let there = !list.is_empty();
            list.clear();
            there
        }
        (Step::All, Value::Array(list)) => {
            let mut found = false;
            for inner in list {
                found |= delete(inner, rest);
            }
            found
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn paths_reach_inside() {
        let cases = [
            ("seed", r#"{"seed":1,"b":2}"#, r#"{"b":2}"#),
            (
                "tools[*].function.strict",
                r#"{"tools":[{"function":{"strict":true,"name":"a"}},{"function":{"name":"b"}}]}"#,
                r#"{"tools":[{"function":{"name":"a"}},{"function":{"name":"b"}}]}"#,
            ),
            (
                "a.b[0].c",
                r#"{"a":{"b":[{"c":1,"d":2}]}}"#,
                r#"{"a":{"b":[{"d":2}]}}"#,
            ),
            ("a[1]", r#"{"a":[1,2,3]}"#, r#"{"a":[1,3]}"#),
            ("a[9].b", r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            ("a[", r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            ("", r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        ];
        for (path, before, after) in cases {
            let mut body =
                JsonObject::parse(&Bytes::copy_from_slice(before.as_bytes())).expect("an object");
            assert_eq!(
                remove(&mut body, path).expect("a path"),
                before != after,
                "{path}"
            );
            assert_eq!(body.to_bytes(), after, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_harmless(path in "[a-c.\\[\\]*0-9]{0,12}") {
            let mut body = JsonObject::parse(&Bytes::from_static(br#"{"a":[{"b":[1]},2],"c":{"a":3}}"#)).expect("an object");
            let _ = remove(&mut body, &path);
            proptest::prop_assert!(JsonObject::parse(&body.to_bytes()).is_ok());
        }
    }
}
