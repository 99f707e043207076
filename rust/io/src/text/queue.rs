//! The serial part of reading: chunks in order, and where their rows go.

use crate::text::feed::{self, Buffer, Feed};
use crate::text::line;
use crate::text::plan::Plan;
use crate::{Error, Result};

/// What a worker takes under the lock.
pub(crate) struct Chunk<'a> {
    pub index: usize,
    pub first_row: usize,
    pub first_line: u64,
    pub rows: usize,
    /// Bytes of the buffer that hold them.
    pub length: usize,
    /// Where the rows go.
    pub place: Option<&'a mut [f32]>,
}

/// The serial part: chunks in order, and where their rows go.
pub(crate) struct Queue<'w, 'a> {
    feed: Feed<'w>,
    dimension: usize,
    wanted: Option<usize>,
    limited: bool,
    header_rows: u64,
    whole: Option<&'a mut [f32]>,
    rows: usize,
    chunks: usize,
    ended: bool,
    pending: Option<Error>,
}

impl<'w, 'a> Queue<'w, 'a> {
    /// Rows go into `whole`, if it is given.
    pub fn new(feed: Feed<'w>, plan: &Plan, whole: Option<&'a mut [f32]>) -> Self {
        Self {
            feed,
            dimension: plan.dimension,
            wanted: plan.rows,
            limited: plan.limited,
            header_rows: plan.header.map_or(0, |header| header.rows),
            whole,
            rows: 0,
            chunks: 0,
            ended: false,
            pending: None,
        }
    }

    /// The next chunk with a row in it; its text is in `buffer`.
    pub fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Chunk<'a>>> {
        loop {
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            if self.ended || !self.feed.next(buffer)? {
                self.ended = true;
                return Ok(None);
            }
            let first_line = self.feed.lines() + 1;
            let (rows, length) = self.count(buffer);
            if rows > 0 {
                return Ok(Some(self.chunk(rows, length, first_line)));
            }
        }
    }

    /// Chunks handed out.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Rows handed out.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Lines handed out or skipped.
    pub fn lines(&self) -> u64 {
        self.feed.lines()
    }

    /// How many rows of the buffer are wanted, and in how many bytes they lie.
    fn count(&mut self, buffer: &Buffer) -> (usize, usize) {
        let room = self.wanted.map_or(usize::MAX, |wanted| wanted - self.rows);
        let (mut rows, mut length, mut lines) = (0, 0, 0);
        let mut beyond = false;
        if room == 0 && self.limited {
            self.ended = true;
            return (0, 0);
        }
        for line in feed::lines(buffer.text()) {
            if !line::is_blank(line) {
                if rows == room {
                    beyond = true;
                    break;
                }
                rows += 1;
            }
            lines += 1;
            length += line.len() + 1;
        }
        if beyond {
            self.ended = self.limited;
            if !self.limited {
                self.pending = Some(Error::RowsExtra {
                    path: self.feed.text().path().to_path_buf(),
                    line: self.feed.lines() + lines + 1,
                    expected: self.header_rows,
                });
            }
        }
        self.feed.count(lines);
        // The last line of a file may lack its line feed, which was counted.
        (rows, length.min(buffer.text().len()))
    }

    fn chunk(&mut self, rows: usize, length: usize, first_line: u64) -> Chunk<'a> {
        let place = self.whole.take().map(|whole| {
            let (place, rest) = whole.split_at_mut(rows * self.dimension);
            self.whole = Some(rest);
            place
        });
        let chunk =
            Chunk { index: self.chunks, first_row: self.rows, first_line, rows, length, place };
        self.chunks += 1;
        self.rows += rows;
        chunk
    }
}
