//! Lists of words: packed, read from a file, searched for duplicates.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::{BuildHasher, RandomState};

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
pub fn unique_rows(words: &Words, policy: Duplicates) -> Result<Option<Vec<usize>>, Repeated> {
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
    fn words_keep_their_boundaries() {
        let mut words: Words = ["ab", "", "é"].into_iter().collect();
        words.append(&words.clone());
        assert_eq!(words.iter().collect::<Vec<_>>(), ["ab", "", "é", "ab", "", "é"]);
    }
}
