//! Lists of words: packed, read from a file, searched for duplicates.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::atomic::{AtomicFile, Finished};
use crate::source::Text;
use crate::text::InvalidUtf8;
use crate::watch::step;
use crate::{Error, Result, Watch};

/// Words in the order of their rows, one after the other in one string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    /// An empty list with room for all words of `parts`.
    #[must_use]
    pub fn with_capacity(parts: &[&Self]) -> Self {
        Self {
            text: String::with_capacity(parts.iter().map(|part| part.text.len()).sum()),
            ends: Vec::with_capacity(parts.iter().map(|part| part.len()).sum()),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The word of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row]]
    }

    /// All words, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Append `word`.
    pub fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.ends.push(self.text.len());
    }

    /// Append all of `other`.
    pub fn append(&mut self, other: &Self) {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| end + offset));
    }

    /// The words of the given rows.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut taken = Self::default();
        for &row in rows {
            taken.push(self.get(row));
        }
        taken
    }
}

impl<S: AsRef<str>> FromIterator<S> for Words {
    fn from_iter<I: IntoIterator<Item = S>>(words: I) -> Self {
        let mut all = Self::default();
        for word in words {
            all.push(word.as_ref());
        }
        all
    }
}

/// Which of several rows with the same word stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// The first, as in MUSE and fastText.
    #[default]
    First,
    /// The last, as in VecMap.
    Last,
    /// None: a repeated word is an error.
    Error,
}

/// A word that occurs twice, with its first two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// The word.
    pub word: String,
    /// The row where it stood first.
    pub first: usize,
    /// The row where it came again.
    pub again: usize,
}

/// The rows that stay, in order; `None` if no word occurs twice.
///
/// # Errors
/// The first repeated word, if `policy` is [`Duplicates::Error`].
pub fn unique_rows(
    words: &Words,
    policy: Duplicates,
) -> std::result::Result<Option<Vec<usize>>, Repeated> {
    let hasher = RandomState::new();
    let hash = |row: usize| hasher.hash_one(words.get(row));
    let mut seen = HashTable::with_capacity(words.len());
    let mut repeated = Vec::new();
    for row in 0..words.len() {
        let entry = seen.entry(
            hash(row),
            |&other| words.get(other) == words.get(row),
            |&other| hash(other),
        );
        match entry {
            Entry::Vacant(entry) => {
                entry.insert(row);
            }
            Entry::Occupied(mut entry) => match policy {
                Duplicates::First => repeated.push(row),
                Duplicates::Last => repeated.push(std::mem::replace(entry.get_mut(), row)),
                Duplicates::Error => {
                    return Err(Repeated {
                        word: words.get(row).to_string(),
                        first: *entry.get(),
                        again: row,
                    });
                }
            },
        }
    }
    if repeated.is_empty() {
        return Ok(None);
    }
    let mut stays = vec![true; words.len()];
    for row in repeated {
        stays[row] = false;
    }
    Ok(Some((0..words.len()).filter(|&row| stays[row]).collect()))
}

/// Read a list of words, one a line, plain or gzip text. A line is a word as it stands, spaces
/// included; only the line feed, or CRLF, ends it. An empty file is an empty list.
///
/// # Errors
/// [`Error::NotUtf8`], [`Error::Gzip`], [`Error::Io`], [`Error::NotRegular`],
/// [`Error::Cancelled`].
pub fn read_list(path: &Path, invalid_utf8: InvalidUtf8, watch: &dyn Watch) -> Result<Words> {
    let mut text = match Text::open(path) {
        Ok(text) => text,
        Err(Error::Empty { .. }) => return Ok(Words::default()),
        Err(error) => return Err(error),
    };
    watch.start(text.size());
    let mut bytes = Vec::new();
    let mut block = vec![0; 1 << 18];
    loop {
        let before = text.position();
        let count = text.fill(&mut block)?;
        bytes.extend_from_slice(&block[..count]);
        step(watch, path, text.position() - before)?;
        if count < block.len() {
            break;
        }
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut words = Words::default();
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(word) => words.push(word),
            Err(_) if invalid_utf8 == InvalidUtf8::Replace => {
                words.push(&String::from_utf8_lossy(line));
            }
            Err(_) => {
                return Err(Error::NotUtf8 {
                    path: path.to_path_buf(),
                    line: number as u64 + 1,
                    text: String::from_utf8_lossy(line).into_owned(),
                });
            }
        }
    }
    Ok(words)
}

/// Write a list of words, one a line; the file appears whole or not at all.
///
/// # Errors
/// [`Error::Unwritable`] for a word that could not be read back; [`Error::Io`].
pub fn write_list(path: &Path, words: &Words) -> Result<()> {
    prepare_list(path, words)?.commit()
}

/// Write a list, but do not put it in place yet.
pub(crate) fn prepare_list(path: &Path, words: &Words) -> Result<Finished> {
    let mut file = AtomicFile::create(path)?;
    for (row, word) in words.iter().enumerate() {
        if word.contains('\n') || word.ends_with('\r') || row == 0 && word.starts_with('\u{feff}') {
            return Err(Error::Unwritable {
                path: path.to_path_buf(),
                reason: format!("row {row}: the word {word:?} could not be read back from a list"),
            });
        }
        file.write(word.as_bytes())?;
        file.write(b"\n")?;
    }
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_of_the_repeated_rows_stay() {
        let words: Words = ["a", "b", "a", "", "b", "a", "c"].into_iter().collect();
        let rows = |policy| unique_rows(&words, policy);
        assert_eq!(rows(Duplicates::First), Ok(Some(vec![0, 1, 3, 6])));
        assert_eq!(rows(Duplicates::Last), Ok(Some(vec![3, 4, 5, 6])));
        let error = rows(Duplicates::Error).unwrap_err();
        assert_eq!((error.word.as_str(), error.first, error.again), ("a", 0, 2));
        assert_eq!(unique_rows(&words.take(&[0, 1, 3]), Duplicates::Error), Ok(None));
    }

    #[test]
    fn a_list_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        for list in [vec![], vec![""], vec!["a", " b ", "", "\u{2028}", "c\rd", ""]] {
            let words: Words = list.into_iter().collect();
            write_list(&path, &words).unwrap();
            assert_eq!(read_list(&path, InvalidUtf8::Error, &crate::Quiet).unwrap(), words);
        }
        std::fs::write(&path, "\u{feff}a\r\nb").unwrap();
        let read = read_list(&path, InvalidUtf8::Error, &crate::Quiet).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn words_keep_their_boundaries() {
        let mut words: Words = ["ab", "", "é"].into_iter().collect();
        words.append(&words.clone());
        assert_eq!(words.iter().collect::<Vec<_>>(), ["ab", "", "é", "ab", "", "é"]);
    }
}
