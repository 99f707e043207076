//! What a tile takes and what it gives.

/// Values of the largest tile: 8 rows of 16 columns.
pub const MAX_TILE: usize = 128;
/// Rows of the largest tile.
pub const MAX_TILE_ROWS: usize = 8;

/// One side of a tile: some packed vectors, and what decides which of their scores are selected.
///
/// A score passes for this side's vector when `score + other side's bias > threshold`; with a
/// threshold of `+inf` nothing does, nor does anything with a bias of `-inf` on the other side, nor
/// any NaN.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a, T> {
    /// The vectors, interleaved: value `k` of vector `i` at `k * width + i`.
    pub packed: &'a [T],
    /// Added to the scores before the *other* side's vectors compare them.
    pub bias: &'a [T],
    /// What a score must exceed to be selected for this side's vector.
    pub threshold: &'a [T],
}

/// The scores of one tile and which of them passed. Bit `j` of entry `i` is row `i`, column `j`.
#[derive(Clone, Debug)]
pub struct Hits<T> {
    /// Row after row, without any bias.
    pub scores: [T; MAX_TILE],
    /// What passed the rows' thresholds.
    pub for_rows: [u16; MAX_TILE_ROWS],
    /// What passed the columns' thresholds; zero when only rows select.
    pub for_columns: [u16; MAX_TILE_ROWS],
}

impl<T: Copy + Default> Default for Hits<T> {
    fn default() -> Self {
        Self {
            scores: [T::default(); MAX_TILE],
            for_rows: [0; MAX_TILE_ROWS],
            for_columns: [0; MAX_TILE_ROWS],
        }
    }
}

/// Panics unless the slices of both sides fit one tile.
///
/// The SIMD kernels rely on it: it runs before each of them.
pub(crate) fn check<T>(rows: &Side<'_, T>, columns: &Side<'_, T>, height: usize, width: usize) {
    assert!(
        rows.packed.len().is_multiple_of(height)
            && rows.packed.len() / height * width == columns.packed.len()
            && rows.bias.len() == height
            && rows.threshold.len() == height
            && columns.bias.len() == width
            && columns.threshold.len() == width,
        "the sides of a tile do not fit"
    );
}
