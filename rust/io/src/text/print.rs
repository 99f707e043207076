//! Numbers as C's `printf` prints them, byte by byte: `%.Nf` and `%.Ng`.

use std::io::Write;

/// Which of the two conversions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `%.Nf`: N decimals.
    Fixed,
    /// `%.Ng`: N significant digits, without zeros at the end.
    General,
}

/// The most digits that [`print_rows`] takes.
pub const MOST_DIGITS: usize = 6;

/// Powers of ten from -4 on, with which the exponent of a number is found. Where a negative power
/// is not exact, rounding brings the numbers beside it to the same digits.
const POWERS: [f64; 11] = [1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];
const LOWEST: i32 = -4;
const SCALES: [f64; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
/// Products below this have all their whole digits in float64, and a remainder that is exact.
const LARGEST: f64 = 1e15;

/// Print rows of `columns` numbers, a space before each and a line feed after each row, with
/// `digits` from 1 to [`MOST_DIGITS`].
pub fn print_rows<T: Copy + Into<f64>>(
    values: &[T],
    columns: usize,
    style: Style,
    digits: usize,
    text: &mut Vec<u8>,
) {
    text.reserve(values.len() * (digits + 6) + values.len() / columns.max(1));
    for row in values.chunks_exact(columns.max(1)) {
        for &value in row {
            text.push(b' ');
            let value: f64 = value.into();
            if value.is_sign_negative() {
                text.push(b'-');
            }
            match style {
                Style::Fixed => print_fixed(value.abs(), digits, text),
                Style::General => print_general(value.abs(), digits, text),
            }
        }
        text.push(b'\n');
    }
}

/// The whole number nearest to the exact product of a number and a power of ten, ties to even.
fn rounded(size: f64, scale: f64) -> u64 {
    let product = size * scale;
    let down = product.floor();
    let rest = product - down;
    let whole = down as u64;
    let up = if rest == 0.5 {
        // What rounding the product lost decides; nothing lost is a tie.
        let lost = size.mul_add(scale, -product);
        lost > 0.0 || (lost == 0.0 && whole % 2 == 1)
    } else {
        rest > 0.5
    };
    whole + u64::from(up)
}

fn print_fixed(size: f64, digits: usize, text: &mut Vec<u8>) {
    let scale = SCALES[digits];
    if size * scale >= LARGEST {
        append(text, format_args!("{size:.digits$}"));
        return;
    }
    let whole = rounded(size, scale);
    let unit = scale as u64;
    push_integer(text, whole / unit);
    text.push(b'.');
    text.extend_from_slice(&spelled(whole % unit, digits)[..digits]);
}

fn print_general(size: f64, digits: usize, text: &mut Vec<u8>) {
    if size == 0.0 {
        text.push(b'0');
        return;
    }
    let limit = digits as i32;
    let exponent = LOWEST - 1 + POWERS.iter().take_while(|&&power| size >= power).count() as i32;
    if exponent < LOWEST || exponent >= limit {
        let (whole, exponent) = scientific(size, digits);
        push_general(text, whole, exponent, digits);
        return;
    }
    let mut whole = rounded(size, SCALES[(limit - 1 - exponent) as usize]);
    let mut exponent = exponent;
    if whole == SCALES[digits] as u64 {
        (whole, exponent) = (whole / 10, exponent + 1);
    }
    push_general(text, whole, exponent, digits);
}

/// The digits of a number as a whole number, and its exponent.
fn scientific(size: f64, digits: usize) -> (u64, i32) {
    let printed = format!("{size:.*e}", digits - 1);
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let whole = mantissa.bytes().filter(u8::is_ascii_digit);
    let whole = whole.fold(0, |whole, digit| 10 * whole + u64::from(digit - b'0'));
    (whole, exponent.parse().unwrap_or(0))
}

/// Print `digits` digits with the point where `exponent` says.
fn push_general(text: &mut Vec<u8>, whole: u64, exponent: i32, digits: usize) {
    let cells = spelled(whole, digits);
    let kept = cells[..digits].iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
    let shown = &cells[..kept];
    if exponent < LOWEST || exponent >= digits as i32 {
        push_pointed(text, shown, 1);
        let sign = if exponent < 0 { '-' } else { '+' };
        append(text, format_args!("e{sign}{:02}", exponent.unsigned_abs()));
    } else if exponent < 0 {
        text.extend_from_slice(&b"0.000"[..1 + exponent.unsigned_abs() as usize]);
        text.extend_from_slice(shown);
    } else {
        let before = exponent as usize + 1;
        push_pointed(text, &cells[..kept.max(before)], before);
    }
}

fn push_pointed(text: &mut Vec<u8>, digits: &[u8], before: usize) {
    text.extend_from_slice(&digits[..before]);
    if digits.len() > before {
        text.push(b'.');
        text.extend_from_slice(&digits[before..]);
    }
}

fn push_integer(text: &mut Vec<u8>, value: u64) {
    if value < 10 {
        text.push(b'0' + value as u8);
    } else {
        append(text, format_args!("{value}"));
    }
}

/// The last digits of a number, in front.
fn spelled(value: u64, digits: usize) -> [u8; MOST_DIGITS] {
    let mut cells = [b'0'; MOST_DIGITS];
    let mut rest = value;
    for cell in cells[..digits].iter_mut().rev() {
        *cell = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    cells
}

fn append(text: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = text.write_fmt(arguments);
}
