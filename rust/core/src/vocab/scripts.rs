//! Words by script, as the Unicode `Script` property (UAX 24) gives it to each character.

use std::collections::BTreeMap;

use rayon::prelude::*;
use unicode_script::{Script, UnicodeScript};

use crate::runtime::Control;
use crate::{Error, Result};

/// Words handled between two looks at the control.
const BLOCK: usize = 4096;

/// ISO 15924 codes of writing systems that mix several Unicode scripts.
const COMBINED: [(&str, &[Script]); 5] = [
    ("Hans", &[Script::Han]),
    ("Hant", &[Script::Han]),
    ("Hrkt", &[Script::Hiragana, Script::Katakana]),
    ("Jpan", &[Script::Han, Script::Hiragana, Script::Katakana]),
    ("Kore", &[Script::Han, Script::Hangul]),
];

/// A set of scripts.
#[derive(Clone, Debug)]
pub struct ScriptSet([bool; 256]);

impl ScriptSet {
    /// The scripts called `names`: Unicode names (`Latin`, `Old_Italic`) or ISO 15924 codes
    /// (`Latn`, also `Jpan`, `Kore`, `Hans`, `Hant`, `Hrkt`), in any case; blanks and `-` for `_`.
    ///
    /// # Errors
    /// [`Error::Value`] for a name that is no script's, or for no name at all.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        let mut set = [false; 256];
        for name in names {
            for script in named(name.as_ref())? {
                set[script as usize] = true;
            }
        }
        if names.is_empty() {
            return Err(unknown("no script".to_string()));
        }
        Ok(Self(set))
    }

    /// Whether `script` is in the set.
    #[must_use]
    pub fn contains(&self, script: Script) -> bool {
        self.0[script as usize]
    }
}

fn named(name: &str) -> Result<Vec<Script>> {
    let spelled = spelled_as_unicode_does(name);
    if let Some((_, scripts)) = COMBINED.iter().find(|(code, _)| *code == spelled) {
        return Ok(scripts.to_vec());
    }
    Script::from_full_name(name)
        .or_else(|| Script::from_full_name(&spelled))
        .or_else(|| Script::from_short_name(&spelled))
        .filter(|script| !matches!(script, Script::Common | Script::Inherited | Script::Unknown))
        .map(|script| vec![script])
        .ok_or_else(|| unknown(format!("{name:?}")))
}

/// `old italic`, `OLD-ITALIC` as `Old_Italic`. (`SignWriting` alone has a capital elsewhere.)
fn spelled_as_unicode_does(name: &str) -> String {
    name.split(['_', '-', ' '])
        .map(|part| match part.split_at_checked(1) {
            Some((first, rest)) => first.to_uppercase() + &rest.to_lowercase(),
            None => part.to_string(),
        })
        .collect::<Vec<_>>()
        .join("_")
}

fn unknown(got: String) -> Error {
    Error::Value {
        argument: "scripts",
        expected: "Unicode script names or ISO 15924 codes, such as Latin, Cyrillic or Sinh"
            .to_string(),
        got,
    }
}

/// The script of `c` if it belongs to one: digits, punctuation, symbols, emoji (Common), combining
/// marks (Inherited) and unassigned characters (Unknown) do not.
#[must_use]
pub fn own_script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphabetic().then_some(Script::Latin);
    }
    match c.script() {
        Script::Common | Script::Inherited | Script::Unknown => None,
        script => Some(script),
    }
}

/// Whether every character of `word` that belongs to a script belongs to one of `set`;
/// `None` when no character does.
#[must_use]
pub fn written_in(word: &str, set: &ScriptSet) -> Option<bool> {
    let mut scripts = word.chars().filter_map(own_script).peekable();
    scripts.peek()?;
    Some(scripts.all(|script| set.contains(script)))
}

/// For each word, whether it is written in the scripts of `set` alone; words without a character
/// of any script give `without_script`.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn mask<S: AsRef<str> + Sync>(
    words: &[S],
    set: &ScriptSet,
    without_script: bool,
    control: &Control,
) -> Result<Vec<bool>> {
    control.start(words.len() as u64);
    let mut kept = vec![false; words.len()];
    kept.par_chunks_mut(BLOCK).zip(words.par_chunks(BLOCK)).try_for_each(|(kept, words)| {
        control.check()?;
        for (kept, word) in kept.iter_mut().zip(words) {
            *kept = written_in(word.as_ref(), set).unwrap_or(without_script);
        }
        control.advance(words.len() as u64);
        Ok(())
    })?;
    Ok(kept)
}

/// How many words are written in which scripts: full Unicode names, joined by `+` where a word
/// mixes several, empty for words without a character of any script; the most frequent first.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn counts<S: AsRef<str> + Sync>(
    words: &[S],
    control: &Control,
) -> Result<Vec<(String, usize)>> {
    control.start(words.len() as u64);
    let mut totals: BTreeMap<Vec<&'static str>, usize> = BTreeMap::new();
    for block in words.chunks(BLOCK) {
        control.check()?;
        for word in block {
            let mut names: Vec<_> =
                word.as_ref().chars().filter_map(own_script).map(Script::full_name).collect();
            names.sort_unstable();
            names.dedup();
            *totals.entry(names).or_default() += 1;
        }
        control.advance(block.len() as u64);
    }
    let mut totals: Vec<_> =
        totals.into_iter().map(|(names, count)| (names.join("+"), count)).collect();
    totals.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> ScriptSet {
        ScriptSet::parse(names).unwrap()
    }

    #[test]
    fn names_and_codes_are_read_in_any_case() {
        for names in [["Sinhala"], ["SINH"], ["sinh"], ["sinhala"]] {
            assert!(set(&names).contains(Script::Sinhala));
        }
        assert!(set(&["old italic"]).contains(Script::Old_Italic));
        assert!(set(&["SignWriting"]).contains(Script::SignWriting));
        assert!(set(&["Jpan"]).contains(Script::Katakana));
        assert!(!set(&["Jpan"]).contains(Script::Hangul));
    }

    #[test]
    fn an_unknown_or_missing_name_is_an_error() {
        assert!(ScriptSet::parse(&["Klingon"]).is_err());
        assert!(ScriptSet::parse(&["Common"]).is_err());
        assert!(ScriptSet::parse::<&str>(&[]).is_err());
    }

    #[test]
    fn a_word_is_judged_by_its_letters_alone() {
        let latin = set(&["Latin"]);
        assert_eq!(written_in("d'été-2", &latin), Some(true));
        assert_eq!(written_in("кот", &latin), Some(false));
        assert_eq!(written_in("USB-кабель", &latin), Some(false));
        assert_eq!(written_in("2026", &latin), None);
        assert_eq!(written_in("", &latin), None);
        // Sinhala with a zero-width joiner, which is Inherited.
        assert_eq!(written_in("ශ්\u{200d}රී", &set(&["Sinh"])), Some(true));
    }

    #[test]
    fn the_ascii_shortcut_agrees_with_the_table() {
        for byte in 0..128u8 {
            let c = char::from(byte);
            let table = match c.script() {
                Script::Common | Script::Inherited | Script::Unknown => None,
                script => Some(script),
            };
            assert_eq!(own_script(c), table, "{c:?}");
        }
    }

    #[test]
    fn masks_and_counts_follow() {
        let words = ["cat", "кот", "5", "catкот", "été"];
        let control = Control::default();
        let kept = mask(&words, &set(&["Latin"]), false, &control).unwrap();
        assert_eq!(kept, [true, false, false, false, true]);
        let found = counts(&words, &control).unwrap();
        let expected = [("Latin", 2), ("", 1), ("Cyrillic", 1), ("Cyrillic+Latin", 1)];
        assert_eq!(found.len(), 4);
        for ((name, count), (wanted, times)) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), *count), (wanted, times));
        }
    }

    #[test]
    fn a_cancelled_mask_stops() {
        let control = Control::default();
        control.cancel();
        assert!(mask(&["a"], &set(&["Latin"]), true, &control).is_err());
    }
}
