//! Sums of the plan in float64, whatever the type of the points is.

use rayon::prelude::*;

use super::panels::{Grid, Panels};
use super::products::{padded, scale_of};
use super::tiles::{Spaces, Tiles};
use super::{Clouds, Coordinate};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;
use crate::transport::Sums;
use crate::transport::dense::exponents::largest;
use crate::transport::dense::rows::{Rows, chosen};

/// The sums of the plan of `f` and `g`, in units of reg, once its rows are made right by their rule:
/// `right` becomes those row potentials.
pub fn settle<T: Coordinate>(
    clouds: &Clouds<'_, T>,
    f: &[f64],
    g: &[f64],
    right: &mut [f64],
    control: &Control,
) -> Result<Sums> {
    let (n, m, depth) = (clouds.x.rows(), clouds.y.rows(), clouds.x.cols());
    let grid = Grid::new::<f64>(n, m, depth);
    let panels = Panels::new(clouds.y, m, |j| j)?;
    let (potentials, quantum) = padded(g, largest(f), grid.columns)?;
    let tiles = Tiles {
        isa: chosen()?,
        grid,
        panels: &panels,
        g: &potentials,
        scale: scale_of(clouds.reg, clouds.scale, clouds.largest()),
        quantum,
    };
    let mut by_column = Rows::<f64>::new(clouds.rows, m, grid.share)?;
    let mut rows = filled(0.0, n)?;
    let mut values = filled(0.0, n.div_ceil(grid.share))?;
    let spaces = Spaces::new(grid, true);
    let extra = rows.par_chunks_mut(grid.share).zip(values.par_iter_mut());
    by_column.in_blocks(
        right,
        extra,
        control,
        || (),
        |(), share, (sums, value), side, _| {
            let mut wide = filled(0.0, grid.block * depth)?;
            spaces.lend(|space| {
                for (number, sums) in sums.chunks_mut(grid.block).enumerate() {
                    control.check()?;
                    let (at, count) = (number * grid.block, sums.len());
                    let first = share.start + at;
                    let points = clouds.x.slice(first, first + count);
                    for (wide, value) in wide.iter_mut().zip(points.data()) {
                        *wide = value.to_f64();
                    }
                    for (shift, f) in space.shifts.iter_mut().zip(&f[first..first + count]) {
                        *shift = tiles.split(*f);
                    }
                    tiles.raised(&wide[..count * depth], count, space);
                    for (r, sum) in sums.iter_mut().enumerate() {
                        let before = f[first + r];
                        let potential = side.potential(first + r, space.sums[r].ln() - before);
                        let known = potential.is_finite() && before.is_finite();
                        share.f[at + r] = if known { potential } else { f64::NEG_INFINITY };
                        let weight = if known { (potential - before).exp() } else { 0.0 };
                        space.weights[r] = weight;
                        *sum = space.sums[r] * weight;
                        *value -= clouds.scale * (space.products[r] * weight);
                    }
                    tiles.add_columns(count, space, share.sums);
                }
                Ok(())
            })
        },
    )?;
    let mut columns = filled(0.0, m)?;
    by_column.totals(&mut columns);
    Ok(Sums { rows, columns, value: values.iter().sum() })
}
