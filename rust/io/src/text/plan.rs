//! What a file's first line says about the rest, checked before anything is allocated.

use crate::text::feed::Feed;
use crate::text::{ReadOptions, line};
use crate::{Error, Result};

/// The header of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// The rows it announces.
    pub rows: u64,
}

/// How the rows will be read.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Numbers in a row.
    pub dimension: usize,
    /// The header, if there is one.
    pub header: Option<Header>,
    /// Rows to be read, if that is known.
    pub rows: Option<usize>,
    /// Whether the file may go on after them.
    pub limited: bool,
}

/// Look at the first line of `feed`, and leave the feed at the first row.
pub(crate) fn plan(feed: &mut Feed<'_>, options: &ReadOptions) -> Result<Plan> {
    let path = feed.text().path().to_path_buf();
    let Some(first) = feed.peek()?.map(<[u8]>::to_vec) else {
        return Err(Error::Empty { path });
    };
    let at = feed.lines() + 1;
    let header = match options.header {
        Some(false) => None,
        _ => line::header(&first),
    };
    let Some((rows, dimension)) = header else {
        let text = line::shown(&first);
        if options.header == Some(true) {
            return Err(Error::NoHeader { path, line: at, text });
        }
        let dimension = line::count_numbers(&first);
        if dimension == 0 {
            return Err(if first.contains(&0) {
                Error::Binary { path, line: at }
            } else {
                Error::NoNumbers { path, line: at, text }
            });
        }
        return Ok(Plan { dimension, header: None, rows: options.limit, limited: true });
    };
    feed.skip_peeked();
    let most = options.params.longest_line as u64 / 2;
    if dimension == 0 {
        return Err(Error::DimensionZero { path, line: at });
    }
    if dimension > most {
        return Err(Error::DimensionTooLarge { path, line: at, dimension, limit: most });
    }
    let limit = options.limit.map_or(u64::MAX, |limit| limit as u64);
    let wanted = rows.min(limit);
    // A row takes a byte for its word, two for each number, and a line feed, which the last row
    // may lack. Compressed text cannot be measured so; its rows are allocated as they come.
    let text = feed.text();
    let got = (text.size() - text.position().min(text.size())) + feed.carried() as u64;
    let needed = (u128::from(wanted) * (u128::from(dimension) * 2 + 2)).saturating_sub(1);
    if !text.is_gzip() && needed > u128::from(got) {
        return Err(Error::HeaderExceedsFile { path, line: at, rows, dimension, needed, got });
    }
    Ok(Plan {
        // Fits: checked against `most`, which came from a usize.
        dimension: dimension as usize,
        header: Some(Header { rows }),
        // For compressed text, a number that does not fit will not be reached either.
        rows: Some(usize::try_from(wanted).unwrap_or(usize::MAX)),
        limited: wanted < rows,
    })
}
