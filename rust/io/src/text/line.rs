//! One line of a text file: a word, then its numbers.
//!
//! Only the ASCII space and the tab separate; any number of them, also before the word and after
//! the last number. Every other character belongs to the word or the number it stands in: no-break
//! spaces, line separators and other Unicode white space occur in real words. The last `d` fields
//! are the numbers and the word is everything before them, so it may contain spaces; but a word
//! whose last part is itself a number is taken for a line with too many numbers, which is far more
//! often what happened.

use std::ops::Range;

use super::number;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Fewer or more numbers than expected.
    Count { got: usize },
    /// Numbers, but no word before them.
    NoWord,
    /// A field that should be a number is not.
    NotNumber { field: String },
    /// A number that float32 cannot hold.
    NonFinite { field: String },
}

pub(crate) fn is_separator(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether there is nothing in the line.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    strip_return(line).iter().all(|&byte| is_separator(byte))
}

/// Without the carriage return of a CRLF line end.
pub(crate) fn strip_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Parse `line` (without its line end) into `row`; returns the word.
#[inline]
pub(crate) fn parse<'a>(line: &'a [u8], row: &mut [f32]) -> Result<&'a [u8], Fault> {
    let line = strip_return(line);
    match parse_simple(line, row) {
        Some(word) => Ok(word),
        None => parse_any(line, row),
    }
}

/// The usual line: a word without spaces and exactly as many finite numbers as there should be.
/// `None` for every other line, right or wrong.
fn parse_simple<'a>(line: &'a [u8], row: &mut [f32]) -> Option<&'a [u8]> {
    let length = memchr::memchr2(b' ', b'\t', line)?;
    let (word, mut rest) = line.split_at(length);
    if word.is_empty() {
        return None;
    }
    for slot in row.iter_mut() {
        // Usually one separator, a number, and another separator.
        let (value, taken) = match rest.split_first().and_then(|(_, number)| number.first_chunk()) {
            Some(window) => match number::usual(window) {
                Some((value, taken)) => (value, 1 + taken),
                None => parse_number(rest)?,
            },
            None => parse_number(rest)?,
        };
        *slot = value;
        rest = rest.get(taken..)?;
    }
    skip(rest).is_empty().then_some(word)
}

/// The finite number at the start of `text`, after separators, and where it ends.
#[inline(never)]
fn parse_number(text: &[u8]) -> Option<(f32, usize)> {
    let field = skip(text);
    let before = text.len() - field.len();
    if let Some((value, taken)) = number::common_prefix(field)
        && field.get(taken).is_none_or(|&byte| is_separator(byte))
    {
        return Some((value, before + taken));
    }
    let taken = memchr::memchr2(b' ', b'\t', field).unwrap_or(field.len());
    let value = number::parse(&field[..taken])?;
    value.is_finite().then_some((value, before + taken))
}

#[inline]
fn skip(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_separator(*first) {
            break;
        }
        text = rest;
    }
    text
}

/// Any line, right or wrong.
#[cold]
fn parse_any<'a>(line: &'a [u8], row: &mut [f32]) -> Result<&'a [u8], Fault> {
    let spans = spans(line);
    let Some(words) = spans.len().checked_sub(row.len()).filter(|&words| words > 0) else {
        return Err(too_few(line, row.len()));
    };
    let is_number = |span: &Range<usize>| number::parse(&line[span.clone()]).is_some();
    if words > 1 && is_number(&spans[words - 1]) {
        let named = 1 + spans[1..].iter().take_while(|span| !is_number(span)).count();
        return Err(Fault::Count { got: spans.len() - named });
    }
    for (slot, span) in row.iter_mut().zip(&spans[words..]) {
        let field = &line[span.clone()];
        *slot = match number::parse(field) {
            Some(value) if value.is_finite() => value,
            Some(_) => {
                return Err(Fault::NonFinite { field: shown(field) });
            }
            None => {
                return Err(Fault::NotNumber { field: shown(field) });
            }
        };
    }
    Ok(&line[spans[0].start..spans[words - 1].end])
}

/// Whether `line` cannot have a word and `dimension` numbers, a byte and a separator each.
#[inline]
pub(crate) fn is_too_short(line: &[u8], dimension: usize) -> bool {
    line.len() / 2 < dimension
}

/// What is wrong with a line that has too few fields.
pub(crate) fn too_few(line: &[u8], dimension: usize) -> Fault {
    let fields = spans(strip_return(line)).len();
    if fields == dimension && line.first().copied().is_some_and(is_separator) {
        Fault::NoWord
    } else {
        Fault::Count { got: fields.saturating_sub(1) }
    }
}

/// Where the fields of a line lie.
fn spans(line: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    for field in line.split(|&byte| is_separator(byte)) {
        if !field.is_empty() {
            spans.push(at..at + field.len());
        }
        at += field.len() + 1;
    }
    spans
}

/// How many numbers the line of a file without a header holds: all fields at its end that are
/// numbers, but never the first field, which is the word.
pub(crate) fn count_numbers(line: &[u8]) -> usize {
    let line = strip_return(line);
    spans(line)
        .iter()
        .skip(1)
        .rev()
        .take_while(|span| number::parse(&line[(*span).clone()]).is_some())
        .count()
}

/// A field for an error message.
pub(crate) fn shown(field: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(&field[..field.len().min(LONGEST)]).into_owned();
    if field.len() > LONGEST { text + "..." } else { text }
}

/// The two numbers of a word2vec header, if `line` is one: two fields of ASCII digits.
pub(crate) fn header(line: &[u8]) -> Option<(u64, u64)> {
    let line = strip_return(line);
    let [rows, columns] = &spans(line)[..] else {
        return None;
    };
    let number = |span: &Range<usize>| {
        let digits = &line[span.clone()];
        digits.iter().all(u8::is_ascii_digit).then(|| {
            digits.iter().fold(0_u64, |number, digit| {
                number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
            })
        })
    };
    Some((number(rows)?, number(columns)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn good(line: &str, word: &str, numbers: &[f32]) {
        let mut row = vec![0.0; numbers.len()];
        assert_eq!(parse(line.as_bytes(), &mut row), Ok(word.as_bytes()), "{line:?}");
        assert_eq!(row, numbers, "{line:?}");
    }

    fn fault(line: &str, dimension: usize) -> Fault {
        parse(line.as_bytes(), &mut vec![0.0; dimension]).unwrap_err()
    }

    #[test]
    fn spaces_and_tabs_in_any_number() {
        good("a 1 2", "a", &[1.0, 2.0]);
        good("a 1 2 ", "a", &[1.0, 2.0]);
        good("a\t1\t2", "a", &[1.0, 2.0]);
        good("  a \t 1   2 \t", "a", &[1.0, 2.0]);
        good("a 1 2\r", "a", &[1.0, 2.0]);
        good("a 1 2 \r", "a", &[1.0, 2.0]);
    }

    #[test]
    fn only_ascii_space_and_tab_separate() {
        for odd in
            ["a\u{a0}b", "\u{2028}", "x\u{85}y", "\u{3000}", "a\u{b}b", "\u{c}", "a\rb", "\u{0}"]
        {
            good(&format!("{odd} 1 2"), odd, &[1.0, 2.0]);
        }
    }

    #[test]
    fn a_word_may_hold_spaces_and_may_be_a_number() {
        good("new  york 1 2", "new  york", &[1.0, 2.0]);
        good(". . . 1 2", ". . .", &[1.0, 2.0]);
        good("1999 1 2", "1999", &[1.0, 2.0]);
        good("nan 1 2", "nan", &[1.0, 2.0]);
    }

    #[test]
    fn each_fault_has_its_name() {
        assert_eq!(fault("a 1", 2), Fault::Count { got: 1 });
        assert_eq!(fault("a", 2), Fault::Count { got: 0 });
        assert_eq!(fault("a 1 2 3", 2), Fault::Count { got: 3 });
        assert_eq!(fault("new york 1 2 3", 2), Fault::Count { got: 3 });
        assert_eq!(fault("1 2", 2), Fault::Count { got: 1 });
        assert_eq!(fault(" 1 2", 2), Fault::NoWord);
        let field = |text: &str| text.to_string();
        assert_eq!(fault("a 1 x", 2), Fault::NotNumber { field: field("x") });
        assert_eq!(fault("a 1 1_0", 2), Fault::NotNumber { field: field("1_0") });
        assert_eq!(fault("a 1 0x1", 2), Fault::NotNumber { field: field("0x1") });
        for odd in ["\u{1}", "\r", "\u{b}", "\0"] {
            // Long enough for the short way, which must not take these for separators.
            let joined = format!("0.5{odd}0.25");
            let line = format!("a {joined} 0.125 0.0625 0.03125 0.015625 0.0078125");
            assert_eq!(fault(&line, 6), Fault::NotNumber { field: joined });
        }
        assert_eq!(fault("a 1\u{a0}1 2", 2), Fault::NotNumber { field: field("1\u{a0}1") });
        assert_eq!(fault("a 1 nan", 2), Fault::NonFinite { field: field("nan") });
        assert_eq!(fault("a 1 1e39", 2), Fault::NonFinite { field: field("1e39") });
        assert_eq!(fault("a -inf 1", 2), Fault::NonFinite { field: field("-inf") });
    }

    #[test]
    fn headers_are_two_integers() {
        assert_eq!(header(b"20000 300"), Some((20_000, 300)));
        assert_eq!(header(b" 5\t7 \r"), Some((5, 7)));
        assert_eq!(header(b"99999999999999999999 1"), Some((u64::MAX, 1)));
        for text in ["5", "5 7 9", "a 7", "5 7.0", "-5 7", "", "5 +7"] {
            assert_eq!(header(text.as_bytes()), None, "{text:?}");
        }
    }
}
