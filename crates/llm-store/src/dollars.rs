//! Money in JSON: dollars as a number, as clients send and expect them; nano-dollars everywhere else.

use llm_cost::{Dollars, NanoDollars};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Number;

pub(crate) fn serialize<S: Serializer>(
    amount: &NanoDollars,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // The nearest double prints as the shortest decimal, which is the amount below nine million dollars.
    let size = Dollars::from_nano(NanoDollars(amount.0.saturating_abs())).to_f64();
    serializer.serialize_f64(if amount.0 < 0 { -size } else { size })
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<NanoDollars, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let text = number.to_string();
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text.as_str()),
    };
    let size = Dollars::parse_nearest(size)
        .ok_or_else(|| D::Error::custom(format!("{text} is not an amount of dollars")))?
        .to_nano();
    Ok(NanoDollars(if negative { -size.0 } else { size.0 }))
}

/// An amount that may be absent: no limit.
pub(crate) mod optional {
    use super::{
        Deserialize, Deserializer, NanoDollars, Serialize, Serializer, deserialize as one,
        serialize as write,
    };

    #[derive(Serialize, Deserialize)]
    struct Amount(#[serde(serialize_with = "write", deserialize_with = "one")] NanoDollars);

    pub(crate) fn serialize<S: Serializer>(
        amount: &Option<NanoDollars>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        amount.map(Amount).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<NanoDollars>, D::Error> {
        Ok(Option::<Amount>::deserialize(deserializer)?.map(|Amount(amount)| amount))
    }
}

#[cfg(test)]
mod tests {
    use llm_cost::NanoDollars;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Row {
        #[serde(with = "super")]
        spend: NanoDollars,
        #[serde(with = "super::optional")]
        max_budget: Option<NanoDollars>,
    }

    #[test]
    fn an_absent_limit_is_null_and_money_is_dollars() {
        let row = Row {
            spend: NanoDollars(2_750_000),
            max_budget: None,
        };
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(json, r#"{"spend":0.00275,"max_budget":null}"#);
    }

    proptest! {
        #[test]
        fn amounts_below_a_million_dollars_survive_json(nano in -1_000_000_000_000_000i64..1_000_000_000_000_000) {
            let row = Row { spend: NanoDollars(nano), max_budget: Some(NanoDollars(nano)) };
            let json = serde_json::to_string(&row).unwrap();
            prop_assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
        }
    }
}
