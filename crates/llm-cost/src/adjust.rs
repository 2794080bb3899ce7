//! Discounts that a vendor grants and margins that an operator adds.

use serde::Serialize;

use crate::{Dollars, Factor, NanoDollars};

/// What is taken off and put on a bill of one provider.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// The fraction taken off first: 0.05 is five per cent.
    pub discount: f64,
    /// The fraction of the discounted bill put on: 0.1 is ten per cent.
    pub margin: f64,
    /// Dollars put on every bill that is not zero before them.
    pub fixed: Dollars,
}

/// A bill after discount and margin, with every step of the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Adjusted {
    /// The bill before.
    pub original_cost: Dollars,
    /// The fraction taken off.
    pub discount_percent: f64,
    /// Dollars taken off.
    pub discount_amount: Dollars,
    /// The fraction put on.
    pub margin_percent: f64,
    /// Dollars put on every bill.
    pub margin_fixed_amount: Dollars,
    /// Dollars put on in all.
    pub margin_total_amount: Dollars,
    /// The bill after, exactly.
    pub total_cost: Dollars,
    /// The bill after, rounded half up once.
    pub total: NanoDollars,
}

/// Takes off the discount, then puts on the margin. Fractions that are not numbers, negative or (for the discount)
/// above one change nothing.
pub fn adjust(amount: Dollars, terms: &Terms) -> Adjusted {
    let fraction = |value: f64| Factor::new(value).unwrap_or(Factor::ZERO);
    let discount = if terms.discount <= 1.0 {
        fraction(terms.discount)
    } else {
        Factor::ZERO
    };
    let margin = fraction(terms.margin);
    let discount_amount = amount.scaled(discount);
    let discounted = amount.minus(discount_amount);
    let fixed = if amount.is_zero() {
        Dollars::ZERO
    } else {
        terms.fixed
    };
    let margin_total = discounted.scaled(margin).plus(fixed);
    let total_cost = discounted.plus(margin_total);
    Adjusted {
        original_cost: amount,
        discount_percent: discount.to_f64(),
        discount_amount,
        margin_percent: margin.to_f64(),
        margin_fixed_amount: fixed,
        margin_total_amount: margin_total,
        total_cost,
        total: total_cost.to_nano(),
    }
}

impl Terms {
    /// Reads the two settings of LiteLLM for one provider: `discounts` is `{provider: fraction}`, `margins` is
    /// `{provider: fraction | {percentage?, fixed_amount?}}`, where `global` stands for providers not named.
    pub fn of(
        provider: &str,
        discounts: Option<&serde_json::Value>,
        margins: Option<&serde_json::Value>,
    ) -> Self {
        let discount = discounts.and_then(|all| all.get(provider)?.as_f64());
        let margin = margins.and_then(|all| all.get(provider).or_else(|| all.get("global")));
        let part = |name: &str| margin.and_then(|entry| entry.get(name));
        let percentage = margin
            .and_then(serde_json::Value::as_f64)
            .or_else(|| part("percentage")?.as_f64());
        Self {
            discount: discount.unwrap_or(0.0),
            margin: percentage.unwrap_or(0.0),
            fixed: part("fixed_amount")
                .and_then(Dollars::from_json)
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_discount_comes_first() {
        let margins =
            json!({"global": 0.05, "openai": {"percentage": 0.1, "fixed_amount": 0.0005}});
        let terms = Terms::of("openai", Some(&json!({"openai": 0.05})), Some(&margins));
        let bill = adjust(Dollars::parse("2").unwrap(), &terms);
        assert_eq!(bill.discount_amount.to_string(), "0.1");
        assert_eq!(bill.margin_total_amount.to_string(), "0.1905");
        assert_eq!(bill.total_cost.to_string(), "2.0905");
        assert_eq!(bill.total, NanoDollars(2_090_500_000));

        let others = Terms::of("groq", None, Some(&margins));
        assert_eq!((others.discount, others.margin), (0.0, 0.05));
        assert_eq!(adjust(Dollars::ZERO, &terms).total, NanoDollars::ZERO);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let terms = Terms {
            discount: 1.5,
            margin: f64::NAN,
            fixed: Dollars::ZERO,
        };
        let bill = adjust(Dollars::parse("1").unwrap(), &terms);
        assert_eq!(bill.total_cost.to_string(), "1");
    }
}
