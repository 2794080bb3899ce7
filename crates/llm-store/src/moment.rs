use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time, in milliseconds since 1970 UTC; RFC 3339 in JSON, and the number in formats that nobody reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// The time of this machine's clock.
    pub fn now() -> Self {
        Self::from_system(SystemTime::now())
    }

    /// The moment of a clock's time.
    pub fn from_system(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// This moment, later by `milliseconds`.
    pub fn plus(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// The day of this moment in UTC, as `2026-11-21`.
    pub fn day(self) -> String {
        self.to_jiff()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .strftime("%Y-%m-%d")
            .to_string()
    }

    /// As the time library's; a moment out of its range is its first.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MIN)
    }
}

impl From<jiff::Timestamp> for Moment {
    fn from(time: jiff::Timestamp) -> Self {
        Self(time.as_millisecond())
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.to_jiff()))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(time.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn json_has_milliseconds_and_a_zone() {
        let moment = Moment(1_795_271_225_123);
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(json, "\"2026-11-21T14:27:05.123Z\"");
        assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), moment);
        assert_eq!(moment.day(), "2026-11-21");
    }
}
