//! How large a picture is: OpenAI says it in pixels, others by the ratio of the sides.

use llm_types::ImageRequest;

use crate::Error;

/// Width to height.
pub(crate) type Ratio = (u32, u32);

/// The sides that were asked for; `None` where the vendor may choose. An error where the size is no sides.
pub(crate) fn sides(request: &ImageRequest) -> Result<Option<(u32, u32)>, Error> {
    match request.size.as_deref() {
        None | Some("auto") => Ok(None),
        Some(size) => match request.sides() {
            Some(sides) => Ok(Some(sides)),
            None => Err(Error::bad_request(
                "size",
                format!("'{size}' is not a width and a height such as 1024x1024"),
            )),
        },
    }
}

/// The one of `allowed` that is most like what was asked for, as `16:9`. A size that is a ratio itself stays.
pub(crate) fn ratio(request: &ImageRequest, allowed: &[Ratio]) -> Result<Option<String>, Error> {
    if let Some(size) = request.size.as_deref().filter(|size| is_ratio(size)) {
        return Ok(Some(size.to_owned()));
    }
    let found = sides(request)?.and_then(|sides| nearest(sides, allowed));
    Ok(found.map(|(width, height)| format!("{width}:{height}")))
}

/// The one of `allowed` that is most like `sides`.
fn nearest((width, height): (u32, u32), allowed: &[Ratio]) -> Option<Ratio> {
    let like = |(a, b): (u32, u32)| (f64::from(a) / f64::from(b)).ln();
    let asked = like((width, height));
    let far = |ratio: &Ratio| (like(*ratio) - asked).abs();
    allowed
        .iter()
        .copied()
        .min_by(|a, b| far(a).total_cmp(&far(b)))
}

fn is_ratio(size: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    size.split_once(':')
        .is_some_and(|(width, height)| digits(width) && digits(height))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use llm_types::JsonObject;

    use super::*;

    fn of(size: &str) -> ImageRequest {
        let text = format!(r#"{{"prompt":"a","size":"{size}"}}"#);
        let object = JsonObject::parse(&Bytes::from(text)).expect("an object");
        ImageRequest::from_object(&object).expect("a request")
    }

    #[test]
    fn pixels_become_the_nearest_ratio() {
        let allowed = [(1, 1), (16, 9), (9, 16), (4, 3), (3, 4)];
        let shape = |size| ratio(&of(size), &allowed).ok().flatten();
        assert_eq!(shape("1024x1024").as_deref(), Some("1:1"));
        assert_eq!(shape("1792x1024").as_deref(), Some("16:9"));
        assert_eq!(shape("1024x1536").as_deref(), Some("3:4"));
        assert_eq!(shape("21:9").as_deref(), Some("21:9"));
        assert_eq!(shape("auto"), None);
        let wrong = ratio(&of("large"), &allowed).expect_err("an error");
        assert_eq!(wrong.param.as_deref(), Some("size"));
    }
}
