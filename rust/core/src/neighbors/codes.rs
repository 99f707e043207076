//! Rows as integer codes: what the integer tile reads, and how far it is from the rows.
//!
//! A row `x` of norm at most 1 is rotated ([`Rotation`]) and rounded: `R x = s q + e` with codes
//! `|q_k| <= 63` or, where the tile takes 8 bits, 127. With `E >= |e|` plus the rotation's own error, any two rows satisfy
//!
//! `|x . y - s_x s_y q_x . q_y| <= |x| E_y + |s_y q_y| E_x`
//!
//! which follows from `x . y = R x . R y` and the inequality of Cauchy and Schwarz.

use std::borrow::Cow;

use isomorph_kernels::{CODE_COLUMNS, CODE_DEPTH, CODE_GROUP, CODE_ROWS, CodeWidth, Element};
use rayon::prelude::*;

pub(super) use super::rotation::LANES;
use super::rotation::Rotation;
use super::score::Rows;
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// Which side of a tile the codes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Rows,
    Columns,
}

impl Side {
    /// Vectors of a panel.
    const fn width(self) -> usize {
        match self {
            Self::Rows => CODE_ROWS,
            Self::Columns => CODE_COLUMNS,
        }
    }

    /// What is added to every code.
    const fn offset(self, bits: CodeWidth) -> u8 {
        match self {
            Self::Rows => 0,
            Self::Columns => bits.offset(),
        }
    }
}

/// All rows of one side as codes, in panels as the tile reads them.
pub(super) struct Codes<'a> {
    side: Side,
    bits: CodeWidth,
    rows: usize,
    depth: usize,
    bytes: Cow<'a, [u8]>,
    /// `s` and `E` of each row; zero for those that fill the last block of [`LANES`].
    pub scale: Cow<'a, [f32]>,
    pub error: Cow<'a, [f32]>,
    /// Minus the offset of columns, times `Σ q` of each row, for the side of the rows.
    pub correction: Vec<i32>,
    /// The largest `|x|` and `|s q|`.
    pub largest: Norms,
}

/// Bounds of the norms of some rows and of what their codes stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Norms {
    /// Of the rows.
    pub row: f64,
    /// Of what their codes stand for.
    pub code: f64,
}

impl Norms {
    fn or(self, other: Self) -> Self {
        Self { row: self.row.max(other.row), code: self.code.max(other.code) }
    }
}

/// Codes that are stored for a row of `cols` values.
pub(super) const fn depth(cols: usize) -> usize {
    cols.next_multiple_of(CODE_DEPTH)
}

impl<'a> Codes<'a> {
    /// Codes of `rows`, each shifted by `centre` and multiplied by its `scale`, which leaves a norm
    /// of at most 1; rows that are not finite become zero.
    pub(super) fn new<T: Element>(
        (side, bits): (Side, CodeWidth),
        rows: &Rows<'_, T>,
        centre: Option<&[f64]>,
        scale: &[f64],
        control: &Control,
    ) -> Result<Codes<'static>> {
        let (count, depth) = (rows.len().next_multiple_of(LANES), depth(rows.cols()));
        let rotation = Rotation::new(rows.cols());
        let mut bytes = filled(side.offset(bits), count * depth)?;
        let (mut scales, mut errors) = (filled(0.0f32, count)?, filled(0.0f32, count)?);
        let largest = bytes
            .par_chunks_mut(LANES * depth)
            .zip(scales.par_chunks_mut(LANES).zip(errors.par_chunks_mut(LANES)))
            .enumerate()
            .map_init(
                || vec![[0.0f32; LANES]; 2 * rows.cols()],
                |buffer, (block, (bytes, (scales, errors)))| {
                    control.check()?;
                    let (panel, scratch) = buffer.split_at_mut(rows.cols());
                    let first = block * LANES;
                    for lane in 0..LANES {
                        let i = first + lane;
                        let sound = i < rows.len() && rows.sound(i);
                        fill(panel, lane, sound.then(|| (rows.row(i), scale[i])), centre);
                    }
                    rotation.apply(panel, scratch);
                    Ok(quantise(panel, (side, bits), rotation.error(), bytes, scales, errors))
                },
            )
            .try_reduce(Norms::default, |a, b| Ok(a.or(b)))?;
        let (bytes, scale, error) = (Cow::Owned(bytes), Cow::Owned(scales), Cow::Owned(errors));
        let mut codes = Codes {
            side,
            bits,
            rows: rows.len(),
            depth,
            bytes,
            scale,
            error,
            correction: Vec::new(),
            largest,
        };
        codes.correct();
        Ok(codes)
    }

    pub(super) const fn bits(&self) -> CodeWidth {
        self.bits
    }

    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    /// The codes of panel `number`.
    pub(super) fn panel(&self, number: usize) -> &[u8] {
        let length = self.side.width() * self.depth;
        &self.bytes[number * length..][..length]
    }

    /// The codes of rows `order`, in that order, for either side.
    pub(super) fn gather(&self, order: &[u32], side: Side) -> Result<Codes<'static>> {
        let count = order.len().next_multiple_of(LANES);
        let bits = self.bits;
        let mut bytes = filled(side.offset(bits), count * self.depth)?;
        let (width, length) = (side.width(), side.width() * self.depth);
        let own_width = self.side.width();
        let shift = side.offset(bits).wrapping_sub(self.side.offset(bits));
        bytes.par_chunks_mut(length).zip(order.par_chunks(width)).for_each(|(panel, order)| {
            for (lane, &i) in order.iter().enumerate() {
                let from = self.panel(i as usize / own_width).as_chunks::<CODE_GROUP>().0;
                let from = from.iter().skip(i as usize % own_width).step_by(own_width);
                let to = panel.as_chunks_mut::<CODE_GROUP>().0;
                for (to, from) in to.iter_mut().skip(lane).step_by(width).zip(from) {
                    *to = add_to_each(*from, shift);
                }
            }
        });
        let pick = |values: &[f32]| -> Result<Cow<'static, [f32]>> {
            let mut picked = filled(0.0, count)?;
            for (out, &i) in picked.iter_mut().zip(order) {
                *out = values[i as usize];
            }
            Ok(Cow::Owned(picked))
        };
        let mut codes = Codes {
            side,
            bits,
            rows: order.len(),
            depth: self.depth,
            bytes: Cow::Owned(bytes),
            scale: pick(&self.scale)?,
            error: pick(&self.error)?,
            correction: Vec::new(),
            largest: self.largest,
        };
        codes.correct();
        Ok(codes)
    }

    /// The codes of 7 bits of columns `0..rows` that are stored as `bytes`, without a copy; every
    /// slice is filled to a multiple of [`LANES`] rows.
    pub(super) fn stored(
        rows: usize,
        depth: usize,
        bytes: &'a [u8],
        scale: &'a [f32],
        error: &'a [f32],
        largest: Norms,
    ) -> Self {
        Self {
            side: Side::Columns,
            bits: CodeWidth::Seven,
            rows,
            depth,
            bytes: Cow::Borrowed(bytes),
            scale: Cow::Borrowed(scale),
            error: Cow::Borrowed(error),
            correction: Vec::new(),
            largest,
        }
    }

    /// The same rows for the other side of a tile.
    #[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
    pub(super) fn as_rows(&self) -> Result<Codes<'static>> {
        self.gather(&(0..self.rows as u32).collect::<Vec<_>>(), Side::Rows)
    }

    /// The parts that an index stores.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<f32>, Vec<f32>, Norms) {
        let Self { bytes, scale, error, largest, .. } = self;
        (bytes.into_owned(), scale.into_owned(), error.into_owned(), largest)
    }

    fn correct(&mut self) {
        if self.side == Side::Columns {
            return;
        }
        let (width, depth) = (self.side.width(), self.depth);
        let offset = i32::from(self.bits.offset());
        let sums = |panel: &[u8]| -> [i32; CODE_ROWS] {
            let mut sums = [0; CODE_ROWS];
            for (at, group) in panel.as_chunks::<CODE_GROUP>().0.iter().enumerate() {
                let sum: i32 = group.iter().map(|&code| i32::from(code.cast_signed())).sum();
                sums[at % CODE_ROWS] -= offset * sum;
            }
            sums
        };
        self.correction = self.bytes.par_chunks(width * depth).flat_map_iter(sums).collect();
    }
}

/// The codes of a group plus `shift`, all at once: the carries of the low seven bits stay in their
/// byte, and the highest bit is a sum without one.
const fn add_to_each(group: [u8; CODE_GROUP], shift: u8) -> [u8; CODE_GROUP] {
    const LOW: u32 = 0x7f7f_7f7f;
    let (codes, shift) = (u32::from_le_bytes(group), u32::from_le_bytes([shift; CODE_GROUP]));
    (((codes & LOW) + (shift & LOW)) ^ ((codes ^ shift) & !LOW)).to_le_bytes()
}

/// Put one row in a lane of a panel; zeros without one.
fn fill<T: Element>(
    panel: &mut [[f32; LANES]],
    lane: usize,
    row: Option<(&[T], f64)>,
    centre: Option<&[f64]>,
) {
    let out = panel.iter_mut().map(|values| &mut values[lane]);
    // Norms are at most 1, so that no value leaves f32.
    #[allow(clippy::cast_possible_truncation)]
    match (row, centre) {
        (None, _) => out.for_each(|out| *out = 0.0),
        (Some((row, scale)), None) => {
            out.zip(row).for_each(|(out, x)| *out = (x.to_f64() * scale) as f32);
        }
        (Some((row, scale)), Some(centre)) => {
            for (out, (x, mean)) in out.zip(row.iter().zip(centre)) {
                *out = ((x.to_f64() - mean) * scale) as f32;
            }
        }
    }
}

/// 1.5 x 2^23: added to a value below 2^22, it leaves the nearest integer in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;
/// More than all underflow of a row's rotation can take from its norm, and less than matters.
const UNDERFLOW: f64 = 1e-36;

/// Round a rotated panel to codes, with the scale and the error of each row.
fn quantise(
    panel: &[[f32; LANES]],
    (side, bits): (Side, CodeWidth),
    rotation_error: f64,
    bytes: &mut [u8],
    scales: &mut [f32],
    errors: &mut [f32],
) -> Norms {
    let mut largest = [0.0f32; LANES];
    for values in panel {
        for (largest, x) in largest.iter_mut().zip(values) {
            *largest = largest.max(x.abs());
        }
    }
    let bound = f32::from(bits.largest());
    let scale = largest.map(|x| x / bound);
    // A row so small that its scale is subnormal keeps codes of zero: all of it is error.
    let scale = scale.map(|s| if s < f32::MIN_POSITIVE { 0.0 } else { s });
    let inverse = scale.map(|s| if s == 0.0 { 0.0 } else { (1.0 / s).min(f32::MAX) });
    let (mut squares, mut residuals, mut norms) = ([0.0; LANES], [0.0; LANES], [0i32; LANES]);
    let width = side.width();
    let length = bytes.len() / LANES * width;
    for (k, values) in panel.iter().enumerate() {
        let base = k / CODE_GROUP * width * CODE_GROUP + k % CODE_GROUP;
        let shifted: [f32; LANES] =
            std::array::from_fn(|l| (values[l] * inverse[l]).clamp(-bound, bound) + ROUNDER);
        for lane in 0..LANES {
            let code = shifted[lane] - ROUNDER;
            let residual = f64::from(values[lane] - code * scale[lane]);
            squares[lane] += f64::from(values[lane]) * f64::from(values[lane]);
            residuals[lane] += residual * residual;
        }
        for (lane, shifted) in shifted.iter().enumerate() {
            let low = shifted.to_bits().to_le_bytes()[0];
            norms[lane] += i32::from(low.cast_signed()) * i32::from(low.cast_signed());
            bytes[lane / width * length + base + lane % width * CODE_GROUP] =
                low.wrapping_add(side.offset(bits));
        }
    }
    let mut bounds = Norms::default();
    let roundoff = f64::from(f32::EPSILON) / 2.0;
    for lane in 0..LANES {
        let norm = squares[lane].sqrt() * (1.0 + rotation_error) + UNDERFLOW;
        let code_norm = f64::from(scale[lane]) * f64::from(norms[lane]).sqrt();
        // The residual is computed in f32: two roundings of values no larger than the row's.
        let error = residuals[lane].sqrt() + norm * (rotation_error + 3.0 * roundoff) + UNDERFLOW;
        scales[lane] = scale[lane];
        errors[lane] = if squares[lane] == 0.0 { 0.0 } else { up(error) };
        bounds = bounds.or(Norms { row: norm, code: code_norm });
    }
    bounds
}

/// Rounded to `f32`, upwards.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn up(x: f64) -> f32 {
    let rounded = x as f32;
    if f64::from(rounded) < x { rounded.next_up() } else { rounded }
}
