//! Decimal numbers to float32: each is rounded correctly to float64, and that to float32, which is
//! what `np.float32(float(text))` does. (Rounding once, from text to float32, would differ in rare
//! cases that lie next to the middle of two float32 values.)

use super::line::is_separator;

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
/// This is the hot path: no loop over digits, no branch on random data.
#[inline]
pub(crate) fn usual(window: &[u8; WINDOW]) -> Option<(f32, usize)> {
    let negative = window[0] == b'-';
    let first = usize::from(negative);
    let units = window[first].wrapping_sub(b'0');
    let (whole, point) = if units < 10 && window[first + 1] == b'.' {
        (u64::from(units), first + 1)
    } else {
        whole_part(window, first)?
    };
    let fraction = point + 1;
    let word = word_at(window, fraction)?;
    let count = digits_in(word);
    if count == 8 {
        return long_fraction(window, whole, fraction, negative);
    }
    let end = end_of(window);
    if (count == 0 && point == first)
        || fraction + count != end
        || !is_separator(window[end % WINDOW])
    {
        return None;
    }
    // As if the digits were followed by zeros up to the eighth: below 10^14 over a constant.
    let value = exact(whole * 100_000_000 + value_of(digits_only(word))) / 1e8;
    Some((signed(value, negative), end))
}

/// Where the first byte of at most 0x20 after the first byte of `window` is, or 17.
///
/// This says where to go on without waiting for sign, point and digits: the CPU can then work on
/// several numbers at a time.
#[inline]
fn end_of(window: &[u8; WINDOW]) -> usize {
    let marks = |at| {
        let word = word_at(window, at).unwrap_or(0);
        word.wrapping_sub(0x2121_2121_2121_2121) & !word & 0x8080_8080_8080_8080
    };
    let (low, high) = (marks(1), marks(9));
    let (mark, base) = if low == 0 { (high, 9) } else { (low, 1) };
    base + mark.trailing_zeros() as usize / 8
}

/// Up to six digits before a point, and where the point is.
fn whole_part(window: &[u8; WINDOW], first: usize) -> Option<(u64, usize)> {
    let mut whole = 0;
    for at in first..first + 7 {
        match digit(window, at) {
            Some(digit) => whole = whole * 10 + digit,
            None => return (window[at] == b'.').then_some((whole, at)),
        }
    }
    None
}

/// The rest of [`usual`] for eight to fifteen digits after the point.
fn long_fraction(
    window: &[u8; WINDOW],
    whole: u64,
    fraction: usize,
    negative: bool,
) -> Option<(f32, usize)> {
    let high = value_of(word_at(window, fraction)? ^ ZEROS);
    let word = word_at(window, fraction + 8)?;
    let count = digits_in(word);
    // Push the digits to the end of the word; zeros come in before them.
    let low = value_of(digits_only(word).checked_shl(64 - 8 * count as u32).unwrap_or(0));
    let mantissa = (whole * 100_000_000 + high).checked_mul(SHIFTS[count])? + low;
    let end = fraction + 8 + count;
    if count == 8 || mantissa > EXACT || !is_separator(*window.get(end)?) {
        return None;
    }
    let value = exact(mantissa) / POWERS[8 + count];
    Some((signed(value, negative), end))
}

/// Eight times the character 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight bytes, the first of them the lowest of the word.
#[inline]
fn word_at(window: &[u8; WINDOW], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(window.get(at..at + 8)?.try_into().ok()?))
}

/// The highest bit of every byte of `word` that is not a digit, up to the first such byte. (A carry
/// out of that byte may spoil those after it.)
#[inline]
fn other_bytes(word: u64) -> u64 {
    let values = word ^ ZEROS;
    (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080
}

/// How many bytes of `word` are digits, before the first that is not.
#[inline]
fn digits_in(word: u64) -> usize {
    other_bytes(word).trailing_zeros() as usize / 8
}

/// The values of these digits, and zero in place of all bytes after them.
#[inline]
fn digits_only(word: u64) -> u64 {
    let others = other_bytes(word);
    let first = (others & others.wrapping_neg()) >> 7;
    (word ^ ZEROS) & first.wrapping_sub(1)
}

/// The number with these eight digit values: neighbours are joined to pairs, fours, all eight.
#[inline]
fn value_of(values: u64) -> u64 {
    let pairs = (values.wrapping_mul(10).wrapping_add(values >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xFFFF_FFFF
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
