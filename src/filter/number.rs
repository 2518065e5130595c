//! Numbers as they are written, without loss.

use arrow::datatypes::i256;

/// Digits that certainly fit a 256-bit integer.
const MAX_DIGITS: usize = 76;

/// A number as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    /// `digits` times ten to the `exponent`; no digits are zero.
    Finite {
        negative: bool,
        digits: String,
        exponent: i64,
    },
    Infinite {
        negative: bool,
    },
    Nan,
}

/// A number as an integer of some unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaled {
    /// The greatest integer that is not greater; whether it is the number itself.
    Floor(i256, bool),
    /// Beyond any integer of 76 digits.
    Beyond {
        negative: bool,
    },
    Nan,
}

impl Number {
    /// `None` for what is no number.
    pub(super) fn parse(text: &str) -> Option<Number> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        match rest.to_ascii_lowercase().as_str() {
            "nan" => return Some(Number::Nan),
            "inf" | "infinity" => return Some(Number::Infinite { negative }),
            _ => {}
        }
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let only_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !only_digits(whole) || !only_digits(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}").trim_start_matches('0').to_string();
        let exponent = exponent.parse::<i32>().ok()?;
        Some(Number::Finite { negative, digits, exponent: i64::from(exponent) - fraction.len() as i64 })
    }

    /// How many times ten to the minus `scale` it is.
    pub(super) fn scaled(&self, scale: i8) -> Scaled {
        let (negative, digits, exponent) = match self {
            Number::Finite { negative, digits, exponent } => (*negative, digits, exponent + i64::from(scale)),
            Number::Infinite { negative } => return Scaled::Beyond { negative: *negative },
            Number::Nan => return Scaled::Nan,
        };
        // The digits before the point; then whether any behind it counts.
        let before = digits.len() as i64 + exponent;
        if before > MAX_DIGITS as i64 && !digits.is_empty() {
            return Scaled::Beyond { negative };
        }
        let kept = before.clamp(0, digits.len() as i64) as usize;
        let zeros = exponent.clamp(0, MAX_DIGITS as i64) as usize;
        let text = format!("{}{}", &digits[..kept], if kept == 0 { String::new() } else { "0".repeat(zeros) });
        let exact = digits[kept..].bytes().all(|byte| byte == b'0');
        let magnitude = if text.is_empty() { Some(i256::ZERO) } else { i256::from_string(&text) };
        match magnitude {
            Some(magnitude) if negative && !exact => Scaled::Floor(magnitude.wrapping_neg() - i256::ONE, false),
            Some(magnitude) if negative => Scaled::Floor(magnitude.wrapping_neg(), true),
            Some(magnitude) => Scaled::Floor(magnitude, exact),
            None => Scaled::Beyond { negative },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_whatever_the_scale() {
        let floor = |value: i128, exact| Scaled::Floor(i256::from_i128(value), exact);
        for (text, scale, expected) in [
            ("12", 0, floor(12, true)),
            ("-12", 4, floor(-120_000, true)),
            ("1.5", 0, floor(1, false)),
            ("-1.5", 0, floor(-2, false)),
            ("-0.001", 2, floor(-1, false)),
            ("0.001", 2, floor(0, false)),
            ("1e3", 0, floor(1000, true)),
            ("1500e-3", 1, floor(15, true)),
            (".5", 1, floor(5, true)),
            ("0", 9, floor(0, true)),
            ("-0.0", 0, floor(0, true)),
            ("0e999999999", 9, floor(0, true)),
            ("1e-999999999", 9, floor(0, false)),
            ("120", -1, floor(12, true)),
            ("125", -1, floor(12, false)),
            ("1e77", 0, Scaled::Beyond { negative: false }),
            ("-1e99", 0, Scaled::Beyond { negative: true }),
            ("-inf", 0, Scaled::Beyond { negative: true }),
            ("NaN", 0, Scaled::Nan),
            ("170141183460469231731687303715884105728", 0, {
                Scaled::Floor(i256::from_i128(i128::MAX) + i256::ONE, true)
            }),
        ] {
            assert_eq!(Number::parse(text).unwrap().scaled(scale), expected, "{text} at {scale}");
        }
        for text in ["", "-", ".", "1.2.3", "1e", "e1", "0x10", "1_000", "--1", "word"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
