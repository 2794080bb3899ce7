use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

/// A JSON value as its text: written once, and read only where somebody asks what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// The JSON of a value, if it has one.
    pub fn of(value: &impl Serialize) -> Option<Self> {
        serde_json::to_string(value).ok().map(Self)
    }

    /// What it says, if that is a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.0).ok()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_text(text: String) -> Result<Self, String> {
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Among other JSON it is the value.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self(value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Json;

    #[test]
    fn among_json_it_is_the_value() {
        let usage = json!({"prompt_tokens": 3, "details": {"a": [1, null]}});
        let kept = Json::of(&usage).unwrap();
        assert_eq!(serde_json::to_value(&kept).unwrap(), usage);
        assert_eq!(serde_json::from_value::<Json>(usage.clone()).unwrap(), kept);
        assert_eq!(kept.read::<serde_json::Value>(), Some(usage));
    }

    #[test]
    fn what_is_no_json_is_not_taken() {
        assert!(Json::from_text("{".to_owned()).is_err());
    }
}
