//! Column sums that are lost to underflow, or larger than their type: by their maxima, in float64.

use isomorph_kernels::{Exponential, Isa};
use rayon::prelude::*;

use super::rows::height;
use crate::Result;
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use isomorph_kernels::Transport;

/// The logarithms of the sums of exp(f + g - C / reg) over the columns `lost`, into `logs`.
#[allow(clippy::too_many_arguments)]
pub fn log_sums<T: Transport>(
    isa: Isa,
    cost: MatRef<'_, T>,
    reg: f64,
    f: &[f64],
    g: &[f64],
    lost: &[usize],
    logs: &mut [f64],
    control: &Control,
) -> Result<()> {
    if lost.is_empty() {
        return Ok(());
    }
    let (width, high) = (lost.len(), height(f.len()));
    let blocks = f.len().div_ceil(high);
    let exponents = |i: usize, shift: &[f64], out: &mut [f64]| {
        let row = cost.row(i);
        for ((out, j), shift) in out.iter_mut().zip(lost).zip(shift) {
            let t = (f[i] + (g[*j] - row[*j].to_f64() / reg)) - shift;
            *out = if t.is_nan() { f64::NEG_INFINITY } else { t };
        }
    };
    // One row after the other of a block, into a line of its own; blocks are joined in order.
    let in_blocks = |lines: &mut [f64], shift: &[f64], sum: bool| {
        lines.par_chunks_mut(width).enumerate().try_for_each(|(number, line)| {
            let mut values = filled(0.0, width)?;
            for (i, f) in f.iter().enumerate().skip(number * high).take(high) {
                if *f == f64::NEG_INFINITY {
                    continue;
                }
                exponents(i, shift, &mut values);
                if sum {
                    f64::exp_in_place(isa, &mut values);
                    line.iter_mut().zip(&values).for_each(|(line, value)| *line += value);
                } else {
                    line.iter_mut().zip(&values).for_each(|(line, value)| *line = line.max(*value));
                }
            }
            control.check()
        })
    };
    let zeros = filled(0.0, width)?;
    let mut lines = filled(f64::NEG_INFINITY, blocks * width)?;
    in_blocks(&mut lines, &zeros, false)?;
    let mut tops = filled(f64::NEG_INFINITY, width)?;
    for line in lines.chunks_exact(width) {
        tops.iter_mut().zip(line).for_each(|(top, value)| *top = top.max(*value));
    }
    for top in &mut tops {
        if !top.is_finite() {
            *top = 0.0;
        }
    }
    lines.fill(0.0);
    in_blocks(&mut lines, &tops, true)?;
    let mut sums = zeros;
    for line in lines.chunks_exact(width) {
        sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
    }
    for ((j, sum), top) in lost.iter().zip(&sums).zip(&tops) {
        logs[*j] = if *sum > 0.0 { sum.ln() + top } else { f64::NEG_INFINITY };
    }
    Ok(())
}
