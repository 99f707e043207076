//! Decimal numbers to float32: each is rounded correctly to float64, and that to float32, which is
//! what `np.float32(float(text))` does. (Rounding once, from text to float32, would differ in rare
//! cases that lie next to the middle of two float32 values.)

/// 10^0 to 10^22: the powers of ten that float64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// 10^0 to 10^8 as integers.
const SHIFTS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Bytes that [`usual`] looks at.
pub(crate) const WINDOW: usize = 32;

/// Up to 2^53, float64 holds every integer.
const EXACT: u64 = 1 << 53;

/// The number at the start of `window` and how many bytes it takes, if it is written as nearly all
/// numbers in such files are: at most six digits, a point, at most fifteen digits, a separator.
/// It is always finite. `None` says nothing about the text.
///
/// This is the hot path: no loop over digits after the point, no branch on random data.
#[inline]
pub(crate) fn usual(window: &[u8; WINDOW]) -> Option<(f32, usize)> {
    let negative = window[0] == b'-';
    let first = usize::from(negative);
    let mut at = first;
    let mut whole = 0;
    while window[at].is_ascii_digit() && at < first + 6 {
        whole = whole * 10 + u64::from(window[at] - b'0');
        at += 1;
    }
    if window[at] != b'.' {
        return None;
    }
    let nothing = at == first;
    let fraction = at + 1;
    let (value, count, next) = leading_digits(window, fraction)?;
    let (mantissa, count, next) = if count < 8 {
        (whole * SHIFTS[count] + value, count, next)
    } else {
        let (more, count, next) = leading_digits(window, fraction + 8)?;
        let mantissa = (whole * SHIFTS[8] + value).checked_mul(SHIFTS[count])? + more;
        if count == 8 || mantissa > EXACT {
            return None;
        }
        (mantissa, count + 8, next)
    };
    if (next != b' ' && next != b'\t') || nothing && count == 0 {
        return None;
    }
    let value = exact(mantissa) / POWERS[count];
    Some((signed(value, negative), fraction + count))
}

/// [`eight`] in a window, with the byte that follows the digits, if that is in the same word.
#[inline]
fn leading_digits(window: &[u8; WINDOW], at: usize) -> Option<(u64, usize, u8)> {
    let word = u64::from_le_bytes(window.get(at..at + 8)?.try_into().ok()?);
    let (value, count) = eight(word);
    let next = word.checked_shr(8 * count as u32).unwrap_or(0) as u8;
    Some((value, count, next))
}

/// An integer up to [`EXACT`]. Its sign bit is free, and CPUs convert signed integers faster.
#[inline]
fn exact(mantissa: u64) -> f64 {
    mantissa as i64 as f64
}

/// Signs are random: a branch on one would be mispredicted every other time.
#[inline]
fn signed(magnitude: f64, negative: bool) -> f32 {
    f64::from_bits(magnitude.to_bits() | u64::from(negative) << 63) as f32
}

/// More decimal digits could overflow 64 bits.
const MAX_DIGITS: usize = 19;

/// The number at the start of `bytes` and how many bytes it takes, if it is one of the common
/// cases that two exact operands and one rounded operation get right (Clinger 1990): at most 2^53
/// times or divided by at most 10^22. Such a number is finite in float32. `None` says nothing about
/// the text.
#[inline]
pub(crate) fn common_prefix(bytes: &[u8]) -> Option<(f32, usize)> {
    let mut at = 0;
    let negative = bytes.first() == Some(&b'-');
    at += usize::from(negative);
    let start = at;
    let mut mantissa = 0_u64;
    while let Some(digit) = digit(bytes, at) {
        // Wraps only beyond MAX_DIGITS, which is refused below.
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let mut digits = at - start;
    let mut exponent = 0_i64;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let first = at;
        while let Some(digit) = digit(bytes, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        digits += at - first;
        exponent = -((at - first) as i64);
    }
    if digits == 0 || digits > MAX_DIGITS || mantissa > EXACT {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let (power, length) = power(&bytes[at + 1..])?;
        exponent += power;
        at += 1 + length;
    }
    let magnitude = exact(mantissa);
    let value = if exponent < 0 {
        magnitude / POWERS.get(exponent.unsigned_abs() as usize)?
    } else {
        magnitude * POWERS.get(exponent as usize)?
    };
    Some((signed(value, negative), at))
}

/// Any number, the whole of `text`. `None` if it is not one; infinite or NaN if that is what it is,
/// or if it is too large for float32.
pub(crate) fn parse(text: &[u8]) -> Option<f32> {
    fast_float2::parse::<f64, _>(text).ok().map(|value| value as f32)
}

#[inline]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// The value and count of the digits that begin eight bytes, the first of them the lowest of the
/// word.
#[inline]
fn eight(word: u64) -> (u64, usize) {
    let values = word ^ 0x3030_3030_3030_3030;
    // A byte over 9 gets its top bit here. A carry out of one spoils only bytes after it.
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    // Push out what follows the digits; zeros come in before them.
    let values = if count == 0 { 0 } else { values << (64 - 8 * count) };
    let pairs = (values.wrapping_mul(10).wrapping_add(values >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    let all = (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xFFFF_FFFF;
    (all, count)
}

/// A signed exponent of one to four digits and its length.
fn power(bytes: &[u8]) -> Option<(i64, usize)> {
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mut at = sign;
    let mut power = 0;
    while let Some(digit) = digit(bytes, at) {
        if at - sign == 4 {
            return None;
        }
        power = power * 10 + digit as i64;
        at += 1;
    }
    let negative = bytes.first() == Some(&b'-');
    (at > sign).then_some((if negative { -power } else { power }, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rust's own parser is correctly rounded.
    fn reference(text: &str) -> f32 {
        text.parse::<f64>().unwrap() as f32
    }

    #[track_caller]
    fn check(text: &str) {
        for tail in ["", " 1", " 0.123456789", "\t", " 0.5 0.25 0.125 0.0625 0.03125"] {
            let line = format!("{text}{tail}");
            let mut window = [b'7'; WINDOW];
            let length = line.len().min(WINDOW);
            window[..length].copy_from_slice(&line.as_bytes()[..length]);
            let usual = usual(&window);
            for (value, length) in usual.into_iter().chain(common_prefix(line.as_bytes())) {
                assert_eq!(length, text.len(), "{line:?}");
                assert_eq!(value.to_bits(), reference(text).to_bits(), "{line:?}");
            }
        }
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(value.to_bits(), reference(text).to_bits(), "{text:?}");
    }

    #[test]
    fn plain_numbers_take_the_short_way() {
        for text in ["0.1", "-0.012345", "1", "12.", "0.000001", "-0", "3e-5", "1.5E+3", ".5"] {
            assert!(common_prefix(text.as_bytes()).is_some(), "{text}");
            check(text);
        }
    }

    #[test]
    fn every_count_of_digits_on_both_sides_of_the_point() {
        let digits = "12345678909876543210123456789";
        for whole in 0..25 {
            for fraction in 0..25 {
                if whole + fraction > 0 {
                    check(&format!("{}.{}", &digits[..whole], &digits[..fraction]));
                    check(&format!("-{}.0000{}", &digits[..whole], &digits[..fraction]));
                }
            }
        }
    }

    #[test]
    fn exponents_far_out_take_the_long_way_and_round_right() {
        for text in [
            "1e-400",
            "4.9e-324",
            "1e22",
            "1e23",
            "9007199254740993",
            "9007199254740992e-22",
            "123456789012345678901234567890e-20",
            "1.17549435e-38",
            "7e-46",
            "7.1e-46",
            "1e-45",
            "0.00000000000000000000000000000000000000000000001401298464324817",
            // Next to the middle of two float32 values: rounding once would give another answer.
            "1.00000005960464477539062499999",
            "1.000000059604644775390625000001",
        ] {
            check(text);
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in
            ["", "-", ".", "e5", "1e", "1e+", "0x10", "1_0", "--1", "1.2.3", "1,5", "½", " 1"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
            // The short way may stop early; the caller then looks for a separator.
            if let Some((_, length)) = common_prefix(text.as_bytes()) {
                assert!(length < text.len(), "{text:?}");
            }
        }
    }

    #[test]
    fn a_pseudorandom_million() {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        for _ in 0..250_000 {
            let value = f64::from_bits(next() << 11 | next() & 0x7FF);
            if value.is_finite() {
                check(&format!("{value:e}"));
            }
            let small = (next() % 2_000_001) as f64 / 1e6 - 1.0;
            check(&format!("{small:.6}"));
            check(&format!("{small:.4}"));
            check(&format!("{}", small as f32));
        }
    }
}
