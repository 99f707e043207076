//! A text file cut into chunks of whole lines, handed out in order.
//!
//! Only this part is serial: it copies the file, or decompresses it, into the buffers that the
//! workers parse, and counts the lines, so that each worker knows where its rows go.

use crate::source::Text;
use crate::text::Params;
use crate::text::line::is_blank;
use crate::watch::step;
use crate::{Error, Result, Watch};

/// A buffer that is filled again and again: only what was never used before is cleared.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// What it holds.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// At least `count` bytes of room.
    fn reserve(&mut self, count: usize) -> &mut [u8] {
        let needed = self.filled + count;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.filled..needed]
    }
}

/// The lines of a file, in chunks.
pub(crate) struct Feed<'a> {
    text: Text,
    watch: &'a dyn Watch,
    /// What follows the last whole line that was handed out.
    carry: Vec<u8>,
    /// Lines before `carry`.
    lines: u64,
    ended: bool,
    /// An error that comes after the lines read so far.
    pending: Option<Error>,
    /// Bytes of the file that `watch` has heard of.
    reported: u64,
    params: Params,
}

impl<'a> Feed<'a> {
    /// Chunks of about `params.chunk` bytes, longer where a line is. `watch` hears of every read.
    pub fn new(text: Text, params: Params, watch: &'a dyn Watch) -> Self {
        Self {
            text,
            watch,
            carry: Vec::new(),
            lines: 0,
            ended: false,
            pending: None,
            reported: 0,
            params: Params { chunk: params.chunk.max(1), ..params },
        }
    }

    /// The file.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// Lines handed out or skipped so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The first line that is not blank, without its end; blank lines before it, and a byte order
    /// mark, are skipped. `None` if there is none.
    pub fn peek(&mut self) -> Result<Option<&[u8]>> {
        const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
        let mut first = true;
        loop {
            let mut buffer = Buffer::default();
            if !self.next(&mut buffer)? {
                return Ok(None);
            }
            let mut text = buffer.text();
            if first {
                text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
                first = false;
            }
            while let Some(length) = line_length(text) {
                if !is_blank(content(&text[..length])) {
                    // Before what `next` has kept for the next chunk.
                    self.carry = [text, self.carry.as_slice()].concat();
                    let length = line_length(&self.carry).unwrap_or(0);
                    return Ok(Some(content(&self.carry[..length])));
                }
                self.lines += 1;
                text = &text[length..];
            }
        }
    }

    /// Leave out the line that [`Feed::peek`] has shown.
    pub fn skip_peeked(&mut self) {
        if let Some(length) = line_length(&self.carry) {
            self.carry.drain(..length);
            self.lines += 1;
        }
    }

    /// Bytes of text that were read but not handed out.
    pub fn carried(&self) -> usize {
        self.carry.len()
    }

    /// Count lines that were handed out.
    pub fn count(&mut self, lines: u64) {
        self.lines += lines;
    }

    /// Fill `buffer` with the next whole lines; `false` if there are no more.
    pub fn next(&mut self, buffer: &mut Buffer) -> Result<bool> {
        if self.carry.is_empty()
            && let Some(error) = self.pending.take()
        {
            return Err(error);
        }
        buffer.filled = 0;
        buffer.append(&self.carry);
        self.carry.clear();
        let mut searched = 0;
        let mut end = memchr::memrchr(b'\n', buffer.text());
        while end.is_none() && !self.ended {
            searched = buffer.filled.max(searched);
            if searched > self.params.longest_line {
                return Err(Error::LineTooLong {
                    path: self.text.path().to_path_buf(),
                    line: self.lines + 1,
                    limit: self.params.longest_line,
                });
            }
            match self.text.fill(buffer.reserve(self.params.chunk)) {
                Ok(count) => {
                    buffer.filled += count;
                    self.ended = count < self.params.chunk;
                    let position = self.text.position();
                    step(self.watch, self.text.path(), position - self.reported)?;
                    self.reported = position;
                }
                Err(error) => {
                    self.pending = Some(error);
                    self.ended = true;
                }
            }
            end = memchr::memrchr(b'\n', &buffer.text()[searched..]).map(|at| searched + at);
        }
        let whole = end.map_or(0, |at| at + 1);
        if self.pending.is_some() {
            // The line in which the error happened is not known to be whole.
            buffer.filled = whole;
        } else if !self.ended || whole > 0 {
            self.carry.extend_from_slice(&buffer.bytes[whole..buffer.filled]);
            buffer.filled = whole;
        }
        if buffer.filled == 0 {
            return match self.pending.take() {
                Some(error) => Err(error),
                None => Ok(false),
            };
        }
        Ok(true)
    }
}

/// The bytes of the first line of `text`, with its end; `None` if there is nothing.
fn line_length(text: &[u8]) -> Option<usize> {
    (!text.is_empty()).then(|| memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1))
}

/// A line without its line feed.
fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// The lines of a chunk, without their line feeds.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let length = line_length(rest)?;
        let (line, after) = rest.split_at(length);
        rest = after;
        Some(content(line))
    })
}
