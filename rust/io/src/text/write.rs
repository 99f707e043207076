//! The parallel writer.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::*;

use crate::atomic::AtomicFile;
use crate::text::{Params, line, number};
use crate::watch::step;
use crate::words::Words;
use crate::{Error, Result, Watch};

/// Word vectors to be written.
#[derive(Debug, Clone, Copy)]
pub struct Vectors<'a> {
    /// The words.
    pub words: &'a Words,
    /// Their vectors, one after the other.
    pub values: &'a [f32],
    /// Numbers in a vector.
    pub dimension: usize,
}

/// Write `vectors` as text with a header, compressed if `gzip`, on rayon's current pool. The file
/// appears whole or not at all.
///
/// Each number is written with the fewest digits that give the same float32 back.
///
/// # Errors
/// [`Error::Unwritable`] for a word that could not be read back or a value that is not finite;
/// [`Error::Io`]; [`Error::Cancelled`].
pub fn write(
    path: &Path,
    vectors: Vectors<'_>,
    gzip: bool,
    params: Params,
    watch: &dyn Watch,
) -> Result<()> {
    let rows = vectors.words.len();
    if vectors.dimension == 0 || vectors.values.len() != rows * vectors.dimension {
        return Err(unwritable(
            path,
            format!(
                "expected {rows} words with a vector of dimension 1 or more each, got {} numbers and dimension {}",
                vectors.values.len(),
                vectors.dimension
            ),
        ));
    }
    watch.start(vectors.values.len() as u64 * 4);
    let header = format!("{rows} {}\n", vectors.dimension).into_bytes();
    let mut file = AtomicFile::create(path)?;
    let block = params.rows.max(1);
    let blocks = rows.div_ceil(block);
    let batch = 4 * rayon::current_num_threads();
    let format = |index| {
        let text = format_block(path, vectors, index * block, block, watch)?;
        if gzip { compress(&text, path) } else { Ok(text) }
    };
    let mut ready = vec![if gzip { compress(&header, path)? } else { header }];
    // While one batch of blocks is being written, the next is being formatted.
    for first in (0..blocks).step_by(batch) {
        let last = (first + batch).min(blocks);
        let (written, formatted) = rayon::join(
            || write_blocks(&mut file, &ready),
            || (first..last).into_par_iter().map(format).collect::<Result<Vec<_>>>(),
        );
        written?;
        ready = formatted?;
    }
    write_blocks(&mut file, &ready)?;
    file.commit()
}

/// A gzip member of its own: members one after the other are one text, for every reader of gzip.
fn compress(text: &[u8], path: &Path) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 2), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).map_err(Error::io(path))
}

fn write_blocks(file: &mut AtomicFile, blocks: &[Vec<u8>]) -> Result<()> {
    blocks.iter().try_for_each(|block| file.write(block))
}

fn format_block(
    path: &Path,
    vectors: Vectors<'_>,
    first: usize,
    count: usize,
    watch: &dyn Watch,
) -> Result<Vec<u8>> {
    let last = (first + count).min(vectors.words.len());
    let mut text = Vec::with_capacity((last - first) * (vectors.dimension * 13 + 16));
    let mut digits = zmij::Buffer::new();
    for row in first..last {
        let word = vectors.words.get(row);
        check_word(word).map_err(|reason| unwritable(path, format!("row {row}: {reason}")))?;
        text.extend_from_slice(word.as_bytes());
        let start = row * vectors.dimension;
        for &value in &vectors.values[start..start + vectors.dimension] {
            if !value.is_finite() {
                return Err(unwritable(
                    path,
                    format!("row {row}, word {word:?}: expected finite values, got {value}"),
                ));
            }
            text.push(b' ');
            text.extend_from_slice(digits.format_finite(value).as_bytes());
        }
        text.push(b'\n');
    }
    step(watch, path, ((last - first) * vectors.dimension * 4) as u64)?;
    Ok(text)
}

fn unwritable(path: &Path, reason: String) -> Error {
    Error::Unwritable { path: path.to_path_buf(), reason }
}

/// Whether the reader would give the word back.
fn check_word(word: &str) -> std::result::Result<(), String> {
    let bytes = word.as_bytes();
    let edge = |byte: Option<&u8>| byte.copied().is_some_and(line::is_separator);
    if word.is_empty() {
        return Err("the word is empty".to_string());
    }
    if bytes.contains(&b'\n') || edge(bytes.first()) || edge(bytes.last()) {
        return Err(format!(
            "the word {word:?} has a line feed, or a space or tab at its start or end"
        ));
    }
    let last = bytes.rsplit(|&byte| line::is_separator(byte)).next();
    if bytes.iter().copied().any(line::is_separator)
        && last.is_some_and(|last| number::parse(last).is_some())
    {
        return Err(format!(
            "the word {word:?} ends with a space and a number, which could not be told from its vector"
        ));
    }
    Ok(())
}
