//! Exact money: prices and amounts in 10⁻²⁴ dollars, bills in whole nano-dollars.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Digits behind the point that [`Dollars`] holds.
const SCALE: u32 = 24;
const ONE: u128 = 10u128.pow(SCALE);
/// How many of the smallest units make a nano-dollar.
const NANO: u128 = 10u128.pow(SCALE - 9);

/// An exact, non-negative amount or unit price in dollars.
///
/// Held as an integer number of 10⁻²⁴ dollars: some price lists carry prices far below a nano-dollar per token, and
/// some carry floating-point dust, and neither may be rounded before the bill is.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dollars(u128);

/// What is billed: whole nano-dollars (10⁻⁹ dollars). Fits a 64-bit database column up to nine thousand million dollars.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NanoDollars(pub i64);

/// How much of something was consumed, in millionths: tokens are whole, seconds of audio are not.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u128);

/// A multiplier in millionths: 1.1 is 1 100 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(u64);

impl Dollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads a decimal such as `0.0000025` or `2.5e-6` exactly. `None` if it is negative, not a number, too large, or
    /// finer than 10⁻²⁴ dollars.
    pub fn parse(text: &str) -> Option<Self> {
        match Self::read(text)? {
            (amount, true) => Some(amount),
            (_, false) => None,
        }
    }

    /// Reads a decimal to the nearest 10⁻²⁴ dollars: what comes from outside may carry the dust of its arithmetic.
    pub fn parse_nearest(text: &str) -> Option<Self> {
        Self::read(text).map(|(amount, _)| amount)
    }

    /// Reads a JSON number as its shortest decimal, so that `2.5e-6` means exactly 2.5 millionths.
    pub fn from_number(number: &serde_json::Number) -> Option<Self> {
        Self::parse_nearest(&number.to_string())
    }

    /// Reads a JSON number, or a string that holds one as hand-written configuration does.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Number(number) => Self::from_number(number),
            serde_json::Value::String(text) => Self::parse_nearest(text.trim()),
            _ => None,
        }
    }

    /// The amount, and whether it is exactly the text's.
    fn read(text: &str) -> Option<(Self, bool)> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut digits: u128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| u128::from(byte - b'0'))?;
            digits = digits.checked_mul(10)?.checked_add(digit)?;
        }
        if digits == 0 {
            return Some((Self::ZERO, true));
        }
        let shift = (SCALE as i32)
            .checked_add(exponent)?
            .checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let power = 10u128.checked_pow(shift.unsigned_abs());
        match (power, shift >= 0) {
            (Some(power), true) => Some((Self(digits.checked_mul(power)?), true)),
            (Some(power), false) => {
                let amount = Self(round_div(digits, power));
                Some((amount, digits.is_multiple_of(power)))
            }
            (None, true) => None,
            (None, false) => Some((Self::ZERO, false)),
        }
    }

    /// The exact value of `nano` nano-dollars; a debt is nothing.
    pub fn from_nano(nano: NanoDollars) -> Self {
        Self(u128::from(u64::try_from(nano.0).unwrap_or(0)) * NANO)
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The price of `quantity` at this unit price; exact for whole quantities.
    pub fn times(self, quantity: Quantity) -> Self {
        let whole = self.0.saturating_mul(quantity.0 / Quantity::UNIT);
        let rest = round_div(
            self.0.saturating_mul(quantity.0 % Quantity::UNIT),
            Quantity::UNIT,
        );
        Self(whole.saturating_add(rest))
    }

    /// This price raised or lowered by `factor`, to the nearest 10⁻²⁴ dollars.
    pub fn scaled(self, factor: Factor) -> Self {
        let unit = u128::from(Factor::ONE.0);
        let factor = u128::from(factor.0);
        let whole = (self.0 / unit).saturating_mul(factor);
        let rest = round_div((self.0 % unit).saturating_mul(factor), unit);
        Self(whole.saturating_add(rest))
    }

    /// This price divided by `parts`, to the nearest 10⁻²⁴ dollars: prices per thousand, half prices.
    pub fn divided(self, parts: u32) -> Self {
        Self(round_div(self.0, u128::from(parts.max(1))))
    }

    /// Sum; stops at the largest amount instead of wrapping.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference; stops at nothing.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Rounded half up to whole nano-dollars: done once, on the total of one request.
    pub fn to_nano(self) -> NanoDollars {
        NanoDollars(i64::try_from(round_div(self.0, NANO)).unwrap_or(i64::MAX))
    }

    /// The nearest double, for display and for clients that expect a float.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::MAX)
    }
}

impl std::iter::Sum for Dollars {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

/// The exact decimal, without an exponent and without trailing zeros.
impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, self.0 / ONE, self.0 % ONE, SCALE as usize)
    }
}

impl fmt::Debug for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

/// As a float, as every client of a cost field expects.
impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

impl NanoDollars {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads a decimal number of dollars, rounded half up to the nano-dollar; it may be negative.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('-') {
            Some(rest) => Some(Self(-Dollars::parse_nearest(rest)?.to_nano().0)),
            None => Some(Dollars::parse_nearest(text)?.to_nano()),
        }
    }

    /// The nearest number of nano-dollars; `None` for what is not a number or too large.
    pub fn from_f64(dollars: f64) -> Option<Self> {
        let nano = (dollars * 1e9).round();
        (nano.is_finite() && nano.abs() < i64::MAX as f64).then_some(Self(nano as i64))
    }

    /// Dollars as a double, for display and for clients that expect a float: the one nearest to the exact decimal.
    pub fn to_f64(self) -> f64 {
        // Both numbers are doubles without an error, and so is their quotient but for its last rounding.
        const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
        if self.0.unsigned_abs() <= EXACT {
            return self.0 as f64 / 1e9;
        }
        self.to_string().parse().unwrap_or(0.0)
    }

    /// Sum; stops at the largest amount instead of wrapping.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The exact decimal number of dollars.
impl fmt::Display for NanoDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        // Eleven digits, the point, nine digits: no amount has more. Every request shows two, and a format string costs
        // many times as much as dividing.
        let mut text = *b"00000000000.000000000";
        let mut rest = self.0.unsigned_abs();
        for place in (0..11).chain(12..21).rev() {
            text[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let is_zero = |digit: &&u8| **digit == b'0';
        let begin = text[..10].iter().take_while(is_zero).count();
        let end = match text[12..].iter().rev().take_while(is_zero).count() {
            9 => 11,
            zeros => 21 - zeros,
        };
        f.write_str(str::from_utf8(&text[begin..end]).unwrap_or_default())
    }
}

impl Quantity {
    const UNIT: u128 = 1_000_000;
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A whole number of tokens, images, calls, ...
    pub fn count(count: u64) -> Self {
        Self(u128::from(count) * Self::UNIT)
    }

    /// A measured number, such as seconds, to the nearest millionth; what is negative or not a number is nothing.
    pub fn measured(value: f64) -> Self {
        let millionths = (value * Self::UNIT as f64).round();
        if millionths.is_finite() && millionths > 0.0 {
            Self(millionths.min(u64::MAX as f64) as u128)
        } else {
            Self::ZERO
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The whole units in it.
    pub fn whole(self) -> u64 {
        u64::try_from(self.0 / Self::UNIT).unwrap_or(u64::MAX)
    }

    /// Sum.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// As a double.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / Self::UNIT as f64
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(f, self.0 / Self::UNIT, self.0 % Self::UNIT, 6)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(Self::UNIT) {
            serializer.serialize_u64(self.whole())
        } else {
            serializer.serialize_f64(self.to_f64())
        }
    }
}

impl Factor {
    /// No change.
    pub const ONE: Self = Self(1_000_000);
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The nearest millionth; `None` for what is negative, not a number or beyond a million.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && (0.0..=1e6).contains(&value))
            .then(|| Self((value * 1e6).round() as u64))
    }

    /// Reads a JSON number, or a string that holds one.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
        Self::new(number)
    }

    /// As a double.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

fn round_div(amount: u128, by: u128) -> u128 {
    amount / by + u128::from(amount % by >= by.div_ceil(2))
}

fn decimal(f: &mut fmt::Formatter<'_>, whole: u128, fraction: u128, width: usize) -> fmt::Result {
    let fraction = format!("{fraction:0width$}");
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        write!(f, "{whole}")
    } else {
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        let read = |text| Dollars::parse(text).map(|d| d.to_string());
        assert_eq!(read("2.5e-6").as_deref(), Some("0.0000025"));
        assert_eq!(read("2.5E-10").as_deref(), Some("0.00000000025"));
        assert_eq!(read("0").as_deref(), Some("0"));
        assert_eq!(read("0.0e-99").as_deref(), Some("0"));
        assert_eq!(read("12").as_deref(), Some("12"));
        assert_eq!(read("1e3").as_deref(), Some("1000"));
        assert_eq!(
            read("3.0001999999999996e-7").as_deref(),
            Some("0.00000030001999999999996")
        );
        for wrong in ["", ".", "-1", "1e", "1e-25", "nan", "1e40", "1.2.3", "+1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dust_is_rounded_where_it_comes_from_outside() {
        let read = |text| Dollars::parse_nearest(text).map(|d| d.to_string());
        assert_eq!(
            read("3.3333333333333334e-9").as_deref(),
            Some("0.000000003333333333333333")
        );
        assert_eq!(read("1e-60").as_deref(), Some("0"));
        assert_eq!(read("1e60"), None);
        assert_eq!(read("-1e-9"), None);
    }

    #[test]
    fn a_bill_is_rounded_half_up() {
        let nano = |text| Dollars::parse(text).unwrap().to_nano().0;
        assert_eq!(nano("0.0000000004999"), 0);
        assert_eq!(nano("0.0000000005"), 1);
        assert_eq!(nano("0.0000000015"), 2);
        for (nano, text) in [
            (-1_500_000_000, "-1.5"),
            (0, "0"),
            (3_000_000_000, "3"),
            (10, "0.00000001"),
            (1_000_000_001, "1.000000001"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(NanoDollars(nano).to_string(), text);
        }
        assert_eq!(NanoDollars::parse("-0.25"), Some(NanoDollars(-250_000_000)));
        assert_eq!(NanoDollars::from_f64(0.1), Some(NanoDollars(100_000_000)));
        assert_eq!(NanoDollars::from_f64(f64::NAN), None);
    }

    #[test]
    fn parts_of_a_unit_are_priced() {
        let price = Dollars::parse("0.0001").unwrap();
        assert_eq!(price.times(Quantity::measured(12.5)).to_string(), "0.00125");
        assert_eq!(
            price.scaled(Factor::new(1.1).unwrap()).to_string(),
            "0.00011"
        );
        assert_eq!(price.divided(2).to_string(), "0.00005");
        assert_eq!(Quantity::measured(-1.0), Quantity::ZERO);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(units in 0..u128::MAX / 4) {
            let amount = Dollars(units);
            prop_assert_eq!(Dollars::parse(&amount.to_string()), Some(amount));
        }

        #[test]
        fn nano_dollars_are_the_nearest_double(nano: i64) {
            let amount = NanoDollars(nano);
            prop_assert_eq!(amount.to_f64(), amount.to_string().parse::<f64>().unwrap());
            let small = NanoDollars(nano >> 24);
            prop_assert_eq!(small.to_f64(), small.to_string().parse::<f64>().unwrap());
        }

        #[test]
        fn doubles_keep_their_shortest_decimal(mantissa in 1u64..1_000_000_000, exponent in -20i32..0) {
            let text = format!("{mantissa}e{exponent}");
            let number: serde_json::Number = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Dollars::from_number(&number), Dollars::parse(&text));
        }

        #[test]
        fn nothing_overflows(price in any::<u128>(), count in any::<u64>(), factor in any::<u64>()) {
            let amount = Dollars(price).times(Quantity::count(count)).scaled(Factor(factor));
            let _ = amount.plus(amount).to_nano();
            let _ = amount.to_f64();
        }
    }
}
