//! The header of an npy file: a Python dictionary of three known keys.

use crate::source::Source;
use crate::{Error, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Headers of matrices take about a hundred bytes.
const LONGEST: u64 = 1 << 16;

/// The type of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// float16
    F16,
    /// float32
    F32,
    /// float64
    F64,
}

impl Float {
    /// NumPy's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    fn width(self) -> u64 {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A header that agrees with the size of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The type of the values.
    pub float: Float,
    /// Whether their bytes stand in the other order.
    pub big_endian: bool,
    /// Whether the first index runs fastest.
    pub fortran_order: bool,
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
}

/// Read and check a header, leaving `source` at the first value.
pub(super) fn read(source: &mut Source) -> Result<Header> {
    let path = source.path().to_path_buf();
    let cut = |offset| Error::NpyHeader {
        path: path.clone(),
        offset,
        reason: "the file ends here".to_string(),
    };
    let size = source.size();
    let mut start = vec![0; size.min(8) as usize];
    source.fill(&mut start)?;
    if !start.starts_with(MAGIC) {
        let got = start.escape_ascii().to_string();
        return Err(Error::NotNpy { path, got });
    }
    let &[.., major, minor] = &start[..] else { return Err(cut(size)) };
    if start.len() < 8 {
        return Err(cut(size));
    }
    let width = match (major, minor) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        _ => return Err(Error::NpyVersion { path, major, minor }),
    };
    let text_at = 8 + width as u64;
    if size < text_at {
        return Err(cut(size));
    }
    let mut length = [0; 4];
    source.fill(&mut length[..width])?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > LONGEST.min(size - text_at) {
        return Err(Error::NpyHeader {
            path,
            offset: 8,
            reason: format!(
                "its length is said to be {length}, but {} bytes follow and at most {LONGEST} are allowed",
                size - text_at
            ),
        });
    }
    let mut text = vec![0; length as usize];
    source.fill(&mut text)?;
    let entries = Parser { text: &text, at: 0 }.dictionary().map_err(|(at, reason)| {
        Error::NpyHeader { path: path.clone(), offset: text_at + at as u64, reason }
    })?;
    check(entries, text_at + length, source)
}

fn check(entries: Entries, offset: u64, source: &Source) -> Result<Header> {
    let path = source.path().to_path_buf();
    let Entries { descr, fortran_order, shape } = entries;
    let (big_endian, float) = match descr.as_str() {
        "<f2" => (false, Float::F16),
        "<f4" => (false, Float::F32),
        "<f8" => (false, Float::F64),
        ">f2" => (true, Float::F16),
        ">f4" => (true, Float::F32),
        ">f8" => (true, Float::F64),
        _ => return Err(Error::NpyType { path, descr }),
    };
    let [rows, columns] = shape[..] else { return Err(Error::NpyShape { path, shape }) };
    let expected = u128::from(rows)
        .saturating_mul(u128::from(columns))
        .saturating_mul(u128::from(float.width()));
    let got = source.size() - offset;
    // A zero would hide a dimension that no array can have.
    let possible = rows.max(columns) <= isize::MAX as u64 / 8;
    match (usize::try_from(rows), usize::try_from(columns)) {
        (Ok(rows), Ok(columns)) if expected == u128::from(got) && possible => {
            Ok(Header { float, big_endian, fortran_order, rows, columns })
        }
        _ => Err(Error::NpySize { path, offset, shape, descr, expected, got }),
    }
}

/// The bytes before the values of a matrix in C order: a multiple of 64, as NumPy has it.
pub(super) fn bytes(float: Float, rows: usize, columns: usize) -> Vec<u8> {
    let mut text = format!(
        "{{'descr': '<f{}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}",
        float.width()
    );
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // Two numbers of at most twenty digits: far below 2^16.
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

/// What the dictionary says.
struct Entries {
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// A reader of exactly the dictionaries that `numpy.save` writes, keys in any order.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

/// Where the parser stopped, and why.
type Parsed<T> = std::result::Result<T, (usize, String)>;

impl Parser<'_> {
    fn dictionary(mut self) -> Parsed<Entries> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.accept(b'}') {
            let start = self.at;
            let key = self.string()?;
            self.expect(b':')?;
            let repeated = match key.as_str() {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => return Err((start, format!("unknown key {key:?}"))),
            };
            if repeated {
                return Err((start, format!("the key {key:?} stands twice")));
            }
            if !self.accept(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        self.skip();
        if self.at < self.text.len() {
            return Err((self.at, "expected nothing after the dictionary".to_string()));
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => {
                Ok(Entries { descr, fortran_order, shape })
            }
            _ => {
                let reason = "expected the keys 'descr', 'fortran_order' and 'shape'";
                Err((self.at, reason.to_string()))
            }
        }
    }

    /// A type: a string, or the list of a structured type, which is refused by its text later.
    fn descr(&mut self) -> Parsed<String> {
        self.skip();
        if self.text.get(self.at) != Some(&b'[') {
            return self.string();
        }
        let start = self.at;
        let mut depth = 0_u32;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            depth = match byte {
                b'[' => depth + 1,
                b']' => depth - 1,
                _ => depth,
            };
            if depth == 0 {
                return Ok(String::from_utf8_lossy(&self.text[start..self.at]).into_owned());
            }
        }
        Err((start, "expected a type".to_string()))
    }

    fn boolean(&mut self) -> Parsed<bool> {
        self.skip();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err((self.at, "expected True or False".to_string()))
    }

    fn tuple(&mut self) -> Parsed<Vec<u64>> {
        let mut numbers = Vec::new();
        self.expect(b'(')?;
        while !self.accept(b')') {
            numbers.push(self.number()?);
            if !self.accept(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Parsed<u64> {
        self.skip();
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&self.text[self.at..self.at + digits])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| (self.at, "expected a number below 2^64".to_string()))?;
        self.at += digits;
        Ok(number)
    }

    /// A string without escapes, in either kind of quotes.
    fn string(&mut self) -> Parsed<String> {
        self.skip();
        let start = self.at;
        if let Some(&quote @ (b'\'' | b'"')) = self.text.get(start) {
            let rest = &self.text[start + 1..];
            if let Some(length) = rest.iter().position(|&byte| byte == quote) {
                self.at += length + 2;
                return Ok(String::from_utf8_lossy(&rest[..length]).into_owned());
            }
        }
        Err((start, "expected a quoted string".to_string()))
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err((self.at, format!("expected {:?}", char::from(byte))))
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn skip(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
}
