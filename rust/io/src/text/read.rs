//! The parallel reader.
//!
//! Every worker, in turn and under a lock, takes the next chunk of lines and the part of the result
//! where its rows belong; then it parses without looking at the others. With a header the rows go
//! straight into the result; without one, or from compressed text, whose header cannot be checked
//! against the file's size, each chunk's rows wait in a piece of their own until their number is
//! known. What is read, and which error is reported, depends on neither chunks nor threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::source::Text;
use crate::tensor::allocate;
use crate::text::feed::{self, Buffer, Feed};
use crate::text::line::{self, Fault};
use crate::text::plan::{Plan, plan};
use crate::text::queue::{Chunk, Queue};
use crate::text::{InvalidUtf8, ReadOptions};
use crate::words::{Words, unique_rows};
use crate::{Error, Quiet, Result, Watch};

/// Word vectors read from text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextVectors {
    /// The words.
    pub words: Words,
    /// Their vectors, one after the other.
    pub vectors: Vec<f32>,
    /// Numbers in a vector.
    pub dimension: usize,
    /// Rows read from the file, before repeated words were dropped.
    pub rows_read: usize,
}

/// Read `path`, plain or gzip text, on the threads of rayon's current pool.
///
/// Each number is rounded correctly to float64 and that to float32. Peak memory: the result and
/// less than a megabyte for each thread; for a file without a header or a compressed one, twice
/// the result.
///
/// # Errors
/// Most of [`Error`]; the one that stands first in the file.
pub fn read(path: &Path, options: &ReadOptions, watch: &dyn Watch) -> Result<TextVectors> {
    let text = Text::open(path)?;
    watch.start(text.size());
    let direct = !text.is_gzip();
    let mut feed = Feed::new(text, options.params, watch);
    let plan = plan(&mut feed, options)?;
    let mut vectors = Vec::new();
    if let (true, Some(_), Some(rows)) = (direct, &plan.header, plan.rows) {
        vectors = zeros(rows * plan.dimension, path)?;
    }
    let whole = (!vectors.is_empty()).then_some(&mut vectors[..]);
    let job = Reader {
        path,
        options,
        plan: &plan,
        queue: Mutex::new(Queue::new(feed, &plan, whole)),
        parts: Mutex::default(),
        failure: Mutex::default(),
        failed: AtomicBool::new(false),
    };
    rayon::scope(|scope| {
        for _ in 0..rayon::current_num_threads() {
            scope.spawn(|_| job.work());
        }
    });
    if let Some((_, error)) = into_inner(job.failure) {
        return Err(error);
    }
    let queue = into_inner(job.queue);
    let (rows, lines) = (queue.rows(), queue.lines());
    if let (Some(header), Some(wanted)) = (plan.header, plan.rows)
        && rows < wanted
    {
        return Err(Error::RowsMissing {
            path: path.to_path_buf(),
            line: lines,
            expected: header.rows,
            got: rows as u64,
        });
    }
    let mut parts = into_inner(job.parts);
    parts.sort_unstable_by_key(|part| part.first_row);
    if vectors.is_empty() {
        vectors = join(&mut parts, rows * plan.dimension, path)?;
    }
    let mut words = Words::with_capacity(&parts.iter().map(|part| &part.words).collect::<Vec<_>>());
    for part in &parts {
        words.append(&part.words);
    }
    finish(words, vectors, &plan, &parts, options, path)
}

/// What the first line of a text file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextHeader {
    /// Rows, if there is a header.
    pub rows: Option<u64>,
    /// Numbers in a vector.
    pub dimension: usize,
    /// Whether the file is compressed.
    pub gzip: bool,
}

/// Look at the first line of `path` only.
///
/// # Errors
/// As [`read`], as far as the first line shows it.
pub fn read_header(path: &Path, options: &ReadOptions) -> Result<TextHeader> {
    let text = Text::open(path)?;
    let gzip = text.is_gzip();
    let mut feed = Feed::new(text, options.params, &Quiet);
    let plan = plan(&mut feed, options)?;
    let rows = plan.header.map(|header| header.rows);
    Ok(TextHeader { rows, dimension: plan.dimension, gzip })
}

/// Drop repeated words.
fn finish(
    mut words: Words,
    mut vectors: Vec<f32>,
    plan: &Plan,
    parts: &[Part],
    options: &ReadOptions,
    path: &Path,
) -> Result<TextVectors> {
    let rows_read = words.len();
    let kept = unique_rows(&words, options.duplicates).map_err(|repeated| Error::Duplicate {
        path: path.to_path_buf(),
        line: line_of(parts, repeated.again),
        first: line_of(parts, repeated.first),
        word: repeated.word,
    })?;
    if let Some(kept) = kept {
        for (to, &from) in kept.iter().enumerate() {
            let from = from * plan.dimension;
            vectors.copy_within(from..from + plan.dimension, to * plan.dimension);
        }
        vectors.truncate(kept.len() * plan.dimension);
        vectors.shrink_to_fit();
        words = words.take(&kept);
    }
    Ok(TextVectors { words, vectors, dimension: plan.dimension, rows_read })
}

/// `count` zeros whose pages the system provides when they are first written, by whichever thread.
fn zeros(count: usize, path: &Path) -> Result<Vec<f32>> {
    // `vec!` would abort where there is no room; this asks first.
    allocate::<f32>(count, path)?;
    Ok(vec![0.0; count])
}

/// The pieces, one after the other. Each is freed as soon as it is copied.
fn join(parts: &mut [Part], count: usize, path: &Path) -> Result<Vec<f32>> {
    let mut vectors = zeros(count, path)?;
    let mut rest = &mut vectors[..];
    let mut places = Vec::with_capacity(parts.len());
    for part in parts.iter_mut() {
        let (place, after) = rest.split_at_mut(part.own.len().min(rest.len()));
        rest = after;
        places.push((std::mem::take(&mut part.own), place));
    }
    places.into_par_iter().for_each(|(own, place)| place.copy_from_slice(&own[..place.len()]));
    Ok(vectors)
}

/// The rows of one chunk.
#[derive(Debug)]
struct Part {
    first_row: usize,
    first_line: u64,
    /// For each blank line, how many rows of the chunk come before it.
    blanks: Vec<usize>,
    words: Words,
    /// The vectors, if they could not go straight into the result.
    own: Vec<f32>,
}

impl Part {
    fn line_of(&self, row: usize) -> u64 {
        let inside = row - self.first_row;
        let blanks = self.blanks.iter().filter(|&&before| before <= inside);
        self.first_line + inside as u64 + blanks.count() as u64
    }
}

/// The line of a row. `parts` are sorted by row.
fn line_of(parts: &[Part], row: usize) -> u64 {
    let after = parts.partition_point(|part| part.first_row <= row);
    after.checked_sub(1).map_or(0, |at| parts[at].line_of(row))
}

/// What the workers share.
struct Reader<'a> {
    path: &'a Path,
    options: &'a ReadOptions,
    plan: &'a Plan,
    queue: Mutex<Queue<'a, 'a>>,
    parts: Mutex<Vec<Part>>,
    /// The first error and the chunk it is in.
    failure: Mutex<Option<(usize, Error)>>,
    failed: AtomicBool,
}

impl Reader<'_> {
    fn work(&self) {
        let mut buffer = Buffer::default();
        while !self.failed.load(Ordering::Relaxed) {
            let mut queue = lock(&self.queue);
            let index = queue.chunks();
            let next = queue.next(&mut buffer);
            drop(queue);
            let (index, outcome) = match next {
                Ok(None) => return,
                Ok(Some(chunk)) => (chunk.index, self.parse(chunk, &buffer)),
                Err(error) => (index, Err(error)),
            };
            match outcome {
                Ok(part) => lock(&self.parts).push(part),
                Err(error) => self.fail(index, error),
            }
        }
    }

    /// Keep the error that comes first in the file. Every chunk before it was handed out before
    /// it, so whoever has one of them will still report what is wrong there.
    fn fail(&self, index: usize, error: Error) {
        let mut failure = lock(&self.failure);
        if failure.as_ref().is_none_or(|(first, _)| index < *first) {
            *failure = Some((index, error));
        }
        self.failed.store(true, Ordering::Relaxed);
    }

    fn parse(&self, chunk: Chunk<'_>, buffer: &Buffer) -> Result<Part> {
        let dimension = self.plan.dimension;
        let text = &buffer.text()[..chunk.length];
        let mut part = Part {
            first_row: chunk.first_row,
            first_line: chunk.first_line,
            blanks: Vec::new(),
            words: Words::default(),
            own: Vec::new(),
        };
        let place = if let Some(place) = chunk.place {
            place
        } else {
            // No more than the text can hold, whatever the dimension is said to be: the first
            // line that is too short for it comes before these rows are used up.
            let rows = chunk.rows.min(text.len() / (2 * dimension));
            part.own = vec![0.0; rows * dimension];
            &mut part.own
        };
        let mut places = place.chunks_exact_mut(dimension);
        let mut rows = 0;
        for (number, line) in feed::lines(text).enumerate() {
            if line::is_blank(line) {
                part.blanks.push(rows);
                continue;
            }
            let word = match places.next() {
                Some(row) if !line::is_too_short(line, dimension) => line::parse(line, row),
                _ => Err(line::too_few(line, dimension)),
            };
            let at = chunk.first_line + number as u64;
            let first = chunk.first_row + rows == 0;
            let word = word.map_err(|fault| self.name(fault, line, at, first))?;
            self.push(word, line, at, &mut part.words)?;
            rows += 1;
        }
        Ok(part)
    }

    fn push(&self, word: &[u8], line: &[u8], at: u64, words: &mut Words) -> Result<()> {
        match std::str::from_utf8(word) {
            Ok(word) => words.push(word),
            Err(_) if self.options.invalid_utf8 == InvalidUtf8::Replace => {
                words.push(&String::from_utf8_lossy(word));
            }
            Err(_) if line.contains(&0) => {
                return Err(Error::Binary { path: self.owned_path(), line: at });
            }
            Err(_) => {
                return Err(Error::NotUtf8 {
                    path: self.owned_path(),
                    line: at,
                    text: line::shown(word),
                });
            }
        }
        Ok(())
    }

    fn owned_path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// The error for a fault of a line.
    fn name(&self, fault: Fault, text: &[u8], line: u64, first: bool) -> Error {
        let path = self.owned_path();
        let expected = self.plan.dimension;
        match fault {
            Fault::NonFinite { field: text } => Error::NonFinite { path, line, text },
            _ if text.contains(&0) => Error::Binary { path, line },
            Fault::NotNumber { field: text } => Error::NotNumber { path, line, text },
            Fault::NoWord => Error::NoWord { path, line },
            Fault::Count { got } if first && self.plan.header.is_some() => {
                Error::HeaderDimension { path, line, expected, got }
            }
            Fault::Count { got } if got < expected => {
                Error::TooFewNumbers { path, line, expected, got }
            }
            Fault::Count { got } => Error::TooManyNumbers { path, line, expected, got },
        }
    }
}

/// A panic elsewhere is reported elsewhere; the data behind the lock are whole either way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
