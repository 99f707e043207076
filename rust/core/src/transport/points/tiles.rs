//! What passes and sums do with a block of rows: products, exponentials, and their sums.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use isomorph_kernels::{Isa, Points, Terms};

use super::panels::{Grid, Panels};
use crate::Result;
use crate::memory::{Aligned, filled};
use crate::transport::dense::exponents::{Potentials, split};

/// What all blocks have in common.
pub struct Tiles<'p, C> {
    pub isa: Isa,
    pub grid: Grid,
    pub panels: &'p Panels<C>,
    pub g: &'p Potentials<C>,
    /// What a product counts, in base 2.
    pub scale: [C; 2],
    pub quantum: f64,
}

/// What one thread works with.
#[derive(Debug)]
pub struct Space<C> {
    /// Of a block the products, and then their exponentials.
    pub tiles: Aligned<C>,
    /// Sums by row and lane, of a chunk, and what they cost.
    lanes: Vec<C>,
    spent: Vec<C>,
    /// Row potentials.
    pub shifts: Vec<[C; 2]>,
    /// What rows count in the sums by column.
    pub weights: Vec<C>,
    /// Those sums.
    columns: Vec<C>,
    /// The sums by row.
    pub sums: Vec<f64>,
    /// The sums of products times exponentials; empty if not asked for.
    pub products: Vec<f64>,
}

impl<C: Points> Space<C> {
    fn new(grid: Grid, products: bool) -> Result<Self> {
        let block = grid.block;
        let spent = if products { block } else { 0 };
        Ok(Self {
            tiles: Aligned::new(block * grid.columns)?,
            lanes: filled(C::default(), block * C::PANEL)?,
            spent: filled(C::default(), spent * C::PANEL)?,
            shifts: filled([C::default(); 2], block)?,
            weights: filled(C::default(), block)?,
            columns: filled(C::default(), grid.columns)?,
            sums: filled(0.0, block)?,
            products: filled(0.0, spent)?,
        })
    }
}

/// Space that is kept from one block to the next, and from pass to pass.
#[derive(Debug)]
pub struct Spaces<C> {
    grid: Grid,
    products: bool,
    free: Mutex<Vec<Space<C>>>,
}

impl<C: Points> Spaces<C> {
    pub const fn new(grid: Grid, products: bool) -> Self {
        Self { grid, products, free: Mutex::new(Vec::new()) }
    }

    /// Do that work with a space.
    pub fn lend<R>(&self, work: impl FnOnce(&mut Space<C>) -> Result<R>) -> Result<R> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let held = free().pop();
        let mut space = match held {
            Some(space) => space,
            None => Space::new(self.grid, self.products)?,
        };
        let done = work(&mut space)?;
        free().push(space);
        Ok(done)
    }
}

impl<C: Points> Tiles<'_, C> {
    /// The products of `rows` of points, then their exponentials by the shifts of the space, and the
    /// sums of these.
    pub fn raised(&self, x: &[C], rows: usize, space: &mut Space<C>) {
        self.clear(rows, space);
        for chunk in self.grid.chunks() {
            self.multiply(x, rows, &chunk, space);
            self.raise(rows, &chunk, space);
        }
    }

    /// The same, with shifts that are found: by the largest exponent of each row.
    pub fn raised_by_maxima(&self, x: &[C], rows: usize, space: &mut Space<C>) {
        self.clear(rows, space);
        space.shifts[..rows].fill([C::default(); 2]);
        space.lanes.fill(C::NEG_INFINITY);
        for chunk in self.grid.chunks() {
            self.multiply(x, rows, &chunk, space);
            let tiles = &space.tiles.get()[chunk.start * rows..chunk.end * rows];
            let terms = self.terms(&chunk, &space.shifts[..rows]);
            C::raise_tops(self.isa, &terms, tiles, &mut space.lanes[..rows * C::PANEL]);
        }
        for r in 0..rows {
            let lanes = &space.lanes[r * C::PANEL..(r + 1) * C::PANEL];
            let top = lanes.iter().fold(f64::NEG_INFINITY, |top, lane| top.max(lane.to_f64()));
            if top.is_finite() {
                let high = -(top / self.quantum).round() * self.quantum;
                space.shifts[r] = [C::from_f64(high), C::default()];
            }
        }
        for chunk in self.grid.chunks() {
            self.raise(rows, &chunk, space);
        }
    }

    /// The sums of the exponentials by column, times the weights of the space, added to `to`.
    pub fn add_columns(&self, rows: usize, space: &mut Space<C>, to: &mut [f64]) {
        let tiles = &space.tiles.get()[..rows * self.grid.columns];
        C::weigh_columns(self.isa, tiles, &space.weights[..rows], &mut space.columns);
        for (to, sum) in to.iter_mut().zip(&space.columns) {
            *to += sum.to_f64();
        }
    }

    /// A potential of `nats` as what is added to exponents.
    pub fn split(&self, nats: f64) -> [C; 2] {
        split(nats, self.quantum)
    }

    fn clear(&self, rows: usize, space: &mut Space<C>) {
        space.sums[..rows].fill(0.0);
        space.products.fill(0.0);
    }

    fn terms<'t>(&'t self, chunk: &Range<usize>, shifts: &'t [[C; 2]]) -> Terms<'t, C> {
        Terms { f: shifts, g: self.g.of(chunk.start, chunk.end), scale: self.scale }
    }

    fn multiply(&self, x: &[C], rows: usize, chunk: &Range<usize>, space: &mut Space<C>) {
        let tiles = &mut space.tiles.values()[chunk.start * rows..chunk.end * rows];
        C::products(self.isa, x, x.len() / rows, self.panels.of(chunk), tiles, &mut []);
    }

    fn raise(&self, rows: usize, chunk: &Range<usize>, space: &mut Space<C>) {
        let terms = self.terms(chunk, &space.shifts[..rows]);
        let tiles = &mut space.tiles.values()[chunk.start * rows..chunk.end * rows];
        let lanes = &mut space.lanes[..rows * C::PANEL];
        let kept = space.spent.len().min(lanes.len());
        let spent = &mut space.spent[..kept];
        lanes.fill(C::default());
        spent.fill(C::default());
        C::raise(self.isa, &terms, tiles, lanes, spent);
        add_lanes(lanes, &mut space.sums);
        add_lanes(spent, &mut space.products);
    }
}

/// Add the lanes of each row to its sum.
fn add_lanes<C: Points>(lanes: &[C], sums: &mut [f64]) {
    for (sum, lanes) in sums.iter_mut().zip(lanes.chunks_exact(C::PANEL)) {
        *sum += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
}
