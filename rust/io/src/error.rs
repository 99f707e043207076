//! Every way in which a file can be wrong: one variant a cause.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: missing file, permission, disk full.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A pipe, a socket or a device: it cannot be sized before it is read.
    #[error("{}: not a regular file; copy its contents into one first", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in the file.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A gzip stream that is cut short or damaged.
    #[error("{}: byte {offset}: the gzip data are cut short or damaged: {reason}", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// How many compressed bytes had been read.
        offset: u64,
        /// What the decoder says.
        reason: String,
    },
    /// A header announces vectors of dimension 0.
    #[error("{}: line {line}: the header says dimension 0; expected at least 1", path.display())]
    DimensionZero {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: u64,
    },
    /// A header announces vectors that no line can hold.
    #[error("{}: line {line}: the header says dimension {dimension}; expected at most {limit}", path.display())]
    DimensionTooLarge {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: u64,
        /// What it says.
        dimension: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The caller says that there is a header, and there is none.
    #[error("{}: line {line}: expected a header of two integers (rows and dimension), got {text:?}", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// The line where it should be.
        line: u64,
        /// Its beginning.
        text: String,
    },
    /// A header announces more rows than the file has bytes for.
    #[error("{}: line {line}: the header says {rows} rows of {dimension} numbers, which take at least {needed} bytes, but only {got} follow; the file is cut short, or line {line} is a vector itself (then put a line with the numbers of rows and columns above it, or pass header=False in Python)", path.display())]
    HeaderExceedsFile {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: u64,
        /// The rows it announces.
        rows: u64,
        /// The numbers in each.
        dimension: u64,
        /// The bytes that they take at least.
        needed: u128,
        /// The bytes after the header.
        got: u64,
    },
    /// The header announces another dimension than the first row has.
    #[error("{}: line {line}: expected {expected} numbers, as the header says, got {got}; if the first line is a vector itself, put a line with the numbers of rows and columns above it, or pass header=False in Python", path.display())]
    HeaderDimension {
        /// The file.
        path: PathBuf,
        /// The line of the first row.
        line: u64,
        /// The header's dimension.
        expected: usize,
        /// The numbers in the first row.
        got: usize,
    },
    /// The file ends before the header's last row.
    #[error("{}: line {line}: the header says {expected} rows, but the file ends here after {got}; it is cut short", path.display())]
    RowsMissing {
        /// The file.
        path: PathBuf,
        /// The last line.
        line: u64,
        /// The header's rows.
        expected: u64,
        /// The rows in the file.
        got: u64,
    },
    /// The file goes on after the header's last row.
    #[error("{}: line {line}: the header says {expected} rows, but here is another one", path.display())]
    RowsExtra {
        /// The file.
        path: PathBuf,
        /// The line of the first row too many.
        line: u64,
        /// The header's rows.
        expected: u64,
    },
    /// The first line of a file without a header has no numbers.
    #[error("{}: line {line}: expected a word and its numbers, or a header of two integers, got {text:?}", path.display())]
    NoNumbers {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// Its beginning.
        text: String,
    },
    /// A line has too few numbers.
    #[error("{}: line {line}: too few numbers: expected a word and {expected} numbers, got {got}", path.display())]
    TooFewNumbers {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A line has too many numbers.
    #[error("{}: line {line}: too many numbers: expected a word and {expected} numbers, got {got}", path.display())]
    TooManyNumbers {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// A line begins with a separator and has numbers only.
    #[error("{}: line {line}: expected a word before the numbers, got none", path.display())]
    NoWord {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// A field is not a decimal number.
    #[error("{}: line {line}: expected a decimal number, got {text:?}", path.display())]
    NotNumber {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The field.
        text: String,
    },
    /// A number is NaN, infinite, or too large for float32.
    #[error("{}: line {line}: expected a finite number within the range of float32, got {text:?}", path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The field.
        text: String,
    },
    /// Bytes that are not UTF-8.
    #[error("{}: line {line}: not valid UTF-8: {text:?}; save the file as UTF-8, or pass errors=\"replace\"", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The word, with U+FFFD where it is invalid.
        text: String,
    },
    /// NUL bytes: not a text file.
    #[error("{}: line {line}: expected text, got binary data (a word2vec or fastText .bin file must be exported as text first)", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
    },
    /// A line without an end.
    #[error("{}: line {line}: longer than {limit} bytes; this is not a file of word vectors", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The longest allowed.
        limit: usize,
    },
    /// A word occurs twice, and the caller has forbidden that.
    #[error("{}: line {line}: the word {word:?} is already on line {first}; keep one with duplicates=\"first\" or \"last\"", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The line of the second.
        line: u64,
        /// The line of the first.
        first: u64,
        /// The word.
        word: String,
    },
    /// A word occurs twice in a list, and the caller has forbidden that.
    #[error("{}: row {row}: the word {word:?} is already in row {first}; keep one with duplicates=\"first\" or \"last\"", path.display())]
    DuplicateRow {
        /// The file.
        path: PathBuf,
        /// The row of the second, from 0.
        row: usize,
        /// The row of the first.
        first: usize,
        /// The word.
        word: String,
    },
    /// The file does not begin as npy files do.
    #[error("{}: byte 0: not an npy file: expected the bytes \\x93NUMPY, got {got:?}", path.display())]
    NotNpy {
        /// The file.
        path: PathBuf,
        /// What it begins with.
        got: String,
    },
    /// An npy version from the future.
    #[error("{}: byte 6: npy version {major}.{minor} is not known; expected 1.0, 2.0 or 3.0", path.display())]
    NpyVersion {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u8,
        /// Its minor version.
        minor: u8,
    },
    /// The npy header is cut short or malformed.
    #[error("{}: byte {offset}: the npy header is not valid: {reason}", path.display())]
    NpyHeader {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The array has a type that vectors do not have.
    #[error("{}: the array has type {descr}; expected float16, float32 or float64", path.display())]
    NpyType {
        /// The file.
        path: PathBuf,
        /// Its type, as the header writes it.
        descr: String,
    },
    /// The array is not a matrix.
    #[error("{}: the array has shape {shape:?}; expected a matrix of rows x dimension", path.display())]
    NpyShape {
        /// The file.
        path: PathBuf,
        /// Its shape.
        shape: Vec<u64>,
    },
    /// The header and the size of the file disagree.
    #[error("{}: byte {offset}: the npy header says shape {shape:?} of {descr}, which takes {expected} bytes, but {got} follow", path.display())]
    NpySize {
        /// The file.
        path: PathBuf,
        /// Where the values begin.
        offset: u64,
        /// The shape in the header.
        shape: Vec<u64>,
        /// The type in the header.
        descr: String,
        /// The bytes that the header promises.
        expected: u128,
        /// The bytes that there are.
        got: u64,
    },
    /// The safetensors header is broken, or does not describe the bytes that follow it.
    #[error("{}: byte {offset}: not a valid safetensors file: {reason}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Where the part that is wrong begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor has a type that NumPy cannot hold.
    #[error("{}: tensor {name:?} has type {dtype}, which is not supported; expected F16, BF16, F32, F64, BOOL or an integer type", path.display())]
    TensorType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type, as the header writes it.
        dtype: String,
    },
    /// A number that is no row of a stored table.
    #[error("{}: entry {entry}: expected a row below {rows}, got {got}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// How many rows there are.
        rows: usize,
        /// Which entry of the row numbers.
        entry: usize,
        /// What it is.
        got: String,
    },
    /// What should be written has no place in the format.
    #[error("{}: cannot be written: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// More memory than can be had.
    #[error("{}: its contents need {bytes} bytes of memory, which cannot be had", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// How much was asked for.
        bytes: u64,
    },
    /// The caller asked to stop.
    #[error("{}: cancelled", path.display())]
    Cancelled {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// An adapter for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}

/// The result of reading or writing a file.
pub type Result<T> = std::result::Result<T, Error>;
