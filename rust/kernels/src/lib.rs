//! SIMD arithmetic and nothing else: no threads, no Python, no allocation.
//!
//! An [`Isa`] value proves that the running CPU has the instructions; every operation takes one, so
//! the feature test happens once and never in a loop. [`Element`] has the operations, for `f32` and
//! `f64`:
//!
//! * a *tile* of dot products, compared with thresholds before it leaves the registers. Its error
//!   is that of recursive summation, `γ_d Σ|x||y|` with `γ_d = du / (1 - du)`, fused or not: a
//!   filter, never an answer;
//! * a tile of *integer* dot products, of rows given as codes of 7 or 8 bits ([`code_tile`]): exact in
//!   itself, several times as fast, and a coarser filter;
//! * the *canonical* dot product and squared distance, accumulated in `f64` in a fixed order of
//!   eight lanes: the same bits on every instruction set.
//!
//! [`Late`] has those of late interaction, where every product of a document is kept; [`Jacobi`]
//! decomposes many small matrices at a time; [`Balance`] solves many small transport problems, and
//! [`Evaluate`] tells what their potentials make of them; [`Reduction`] makes a symmetric matrix
//! tridiagonal, and [`inverse_iteration`] finds many eigenvectors of that; [`add_outer_products`]
//! sums up second moments, and [`add_weighted`] weighted rows, which [`subtract_four`] takes off; [`Exponential`] has exponentials,
//! [`Assignment`] those that powers of two keep in range, and [`Transport`] what passes over one large
//! transport problem do, [`Points`] what they do where costs are made of points.
//! [`gather_rows`] moves rows of bytes, for whoever has threads or files, and
//! [`ask_for_large_pages`] speaks to the system.
#![deny(missing_docs)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod above;
mod assignment;
mod balance;
mod dots;
mod element;
mod evaluate;
mod exp;
mod integer;
mod isa;
mod jacobi;
mod lanes;
mod late;
mod memory;
mod mixing;
mod outer;
mod peak;
mod points;
mod portable;
mod reduction;
mod residual;
mod rows;
mod tile;
mod transport;
mod tridiagonal;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use above::Above;
pub use assignment::Assignment;
pub use balance::{BALANCE_PASSES, Balance, Group, Single};
pub use dots::{DOTS, dots};
pub use element::Element;
pub use evaluate::{EVALUATED_ROWS, Evaluate, Place, Potentials};
pub use exp::Exponential;
pub use integer::{
    CODE_COLUMNS, CODE_DEPTH, CODE_GROUP, CODE_MAX_DEPTH, CODE_ROWS, CodeColumns, CodeRows,
    CodeWidth, Criterion, code_tile, code_tiles,
};
pub use isa::{ISA_VARIABLE, Isa};
pub use jacobi::{Jacobi, MAX_COLUMNS, Shape};
pub use late::{Late, MAX_PANEL, Narrow, TILE_ROWS};
pub use memory::ask_for_large_pages;
pub use mixing::{add_four, add_weighted, set_weighted};
pub use outer::{MAX_SLIVERS, SLIVER, add_outer_products};
pub use peak::fma_chains;
pub use points::{Points, Terms};
pub use reduction::{ROWS_MULTIPLE, Reduction};
pub use residual::{dot_wide, subtract_four};
pub use rows::{Table, gather_rows};
pub use tile::{Hits, MAX_TILE, Side};
pub use transport::{Exponents, GROUP, Transport};
pub use tridiagonal::{Tridiagonal, inverse_iteration, workspace};

#[cfg(test)]
mod balance_tests;
#[cfg(test)]
mod jacobi_tests;
#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod points_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transport_tests;
