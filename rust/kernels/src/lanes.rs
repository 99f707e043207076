//! One value of each of several problems, side by side: a register, or an array that the compiler
//! makes registers of.
//!
//! No operation looks across lanes, so what a lane holds never depends on its neighbours.

/// `L` values of type `T`.
///
/// Registers are made only inside functions that enable their instruction set.
pub trait Lanes<T, const L: usize>: Copy {
    /// One truth value a lane.
    type Mask: Copy;

    /// From memory.
    fn load(values: &[T; L]) -> Self;
    /// To memory.
    fn store(self, values: &mut [T; L]);
    /// The same value in every lane.
    fn splat(value: T) -> Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
    /// The quotient.
    fn over(self, other: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// The square root of a number in the range of `f32`, to the precision of `f32`.
    fn rough_root(self) -> Self;
    /// The inverse of a number in the range of `f32`, to the precision of `f32`.
    fn rough_inverse(self) -> Self;
    /// 2^-e for a normal number in [2^e, 2^(e + 1)); of no meaning, but finite, for others.
    fn inverse_power(self) -> Self;
    /// `self` times 2^n, where `steps` is n + 1.5 2^f, f being the number of stored fraction bits: for
    /// normal numbers that stay so; of no meaning for others.
    fn raised(self, steps: Self) -> Self;
    /// `self * x + y`, rounded once where there is an instruction for it.
    fn times_plus(self, x: Self, y: Self) -> Self;
    /// `self - x * y`, rounded as `times_plus`.
    fn minus_times(self, x: Self, y: Self) -> Self;
    /// The absolute value.
    fn magnitude(self) -> Self;
    /// The larger one; either if one is NaN.
    fn larger(self, other: Self) -> Self;
    /// The smaller one; either if one is NaN.
    fn smaller(self, other: Self) -> Self;
    /// `self < other`, so false for NaN.
    fn below(self, other: Self) -> Self::Mask;
    /// Both.
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// At least one.
    fn either(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// `a` where the mask is set, else `b`.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// Lane `l` as bit `l`.
    fn bits(mask: Self::Mask) -> u32;
}

/// Lanes in plain Rust.
#[derive(Clone, Copy, Debug)]
pub struct Array<T, const L: usize>([T; L]);

/// Two registers: where one problem at a time waits for divisions and roots, two wait together.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub struct Pair<V>(V, V);

#[cfg(target_arch = "x86_64")]
macro_rules! pair {
    ($type:ident, $half:literal, $both:literal) => {
        impl<V: Lanes<$type, $half>> Lanes<$type, $both> for Pair<V> {
            type Mask = (V::Mask, V::Mask);

            #[inline(always)]
            fn load(values: &[$type; $both]) -> Self {
                let (halves, _) = values.as_chunks();
                Self(V::load(&halves[0]), V::load(&halves[1]))
            }
            #[inline(always)]
            fn store(self, values: &mut [$type; $both]) {
                let (halves, _) = values.as_chunks_mut();
                self.0.store(&mut halves[0]);
                self.1.store(&mut halves[1]);
            }
            #[inline(always)]
            fn splat(value: $type) -> Self {
                Self(V::splat(value), V::splat(value))
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                Self(self.0.plus(other.0), self.1.plus(other.1))
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                Self(self.0.minus(other.0), self.1.minus(other.1))
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                Self(self.0.times(other.0), self.1.times(other.1))
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                Self(self.0.over(other.0), self.1.over(other.1))
            }
            #[inline(always)]
            fn root(self) -> Self {
                Self(self.0.root(), self.1.root())
            }
            #[inline(always)]
            fn rough_root(self) -> Self {
                Self(self.0.rough_root(), self.1.rough_root())
            }
            #[inline(always)]
            fn rough_inverse(self) -> Self {
                Self(self.0.rough_inverse(), self.1.rough_inverse())
            }
            #[inline(always)]
            fn inverse_power(self) -> Self {
                Self(self.0.inverse_power(), self.1.inverse_power())
            }
            #[inline(always)]
            fn raised(self, steps: Self) -> Self {
                Self(self.0.raised(steps.0), self.1.raised(steps.1))
            }
            #[inline(always)]
            fn times_plus(self, x: Self, y: Self) -> Self {
                Self(self.0.times_plus(x.0, y.0), self.1.times_plus(x.1, y.1))
            }
            #[inline(always)]
            fn minus_times(self, x: Self, y: Self) -> Self {
                Self(self.0.minus_times(x.0, y.0), self.1.minus_times(x.1, y.1))
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                Self(self.0.magnitude(), self.1.magnitude())
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                Self(self.0.larger(other.0), self.1.larger(other.1))
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                Self(self.0.smaller(other.0), self.1.smaller(other.1))
            }
            #[inline(always)]
            fn below(self, other: Self) -> Self::Mask {
                (self.0.below(other.0), self.1.below(other.1))
            }
            #[inline(always)]
            fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask {
                (V::both(a.0, b.0), V::both(a.1, b.1))
            }
            #[inline(always)]
            fn either(a: Self::Mask, b: Self::Mask) -> Self::Mask {
                (V::either(a.0, b.0), V::either(a.1, b.1))
            }
            #[inline(always)]
            fn select(mask: Self::Mask, a: Self, b: Self) -> Self {
                Self(V::select(mask.0, a.0, b.0), V::select(mask.1, a.1, b.1))
            }
            #[inline(always)]
            fn bits(mask: Self::Mask) -> u32 {
                V::bits(mask.0) | V::bits(mask.1) << $half
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod pairs {
    use super::*;

    pair!(f32, 8, 16);
    pair!(f32, 16, 32);
    pair!(f64, 4, 8);
    pair!(f64, 8, 16);
}

macro_rules! array {
    ($type:ident, $bits:ident) => {
        impl<const L: usize> Array<$type, L> {
            #[inline(always)]
            fn map(self, f: impl Fn($type) -> $type) -> Self {
                Self(self.0.map(f))
            }

            #[inline(always)]
            fn zip(self, other: Self, f: impl Fn($type, $type) -> $type) -> Self {
                Self(std::array::from_fn(|l| f(self.0[l], other.0[l])))
            }
        }

        impl<const L: usize> Lanes<$type, L> for Array<$type, L> {
            type Mask = [bool; L];

            #[inline(always)]
            fn load(values: &[$type; L]) -> Self {
                Self(*values)
            }
            #[inline(always)]
            fn store(self, values: &mut [$type; L]) {
                *values = self.0;
            }
            #[inline(always)]
            fn splat(value: $type) -> Self {
                Self([value; L])
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.zip(other, |a, b| a + b)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.zip(other, |a, b| a - b)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.zip(other, |a, b| a * b)
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                self.zip(other, |a, b| a / b)
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.map($type::sqrt)
            }
            #[inline(always)]
            fn rough_root(self) -> Self {
                self.map(|x| (x as f32).sqrt() as $type)
            }
            #[inline(always)]
            fn rough_inverse(self) -> Self {
                self.map(|x| (1.0 / x as f32) as $type)
            }
            #[inline(always)]
            fn inverse_power(self) -> Self {
                const FRACTION: u32 = $type::MANTISSA_DIGITS - 1;
                let bias = ($type::MAX_EXP as $bits - 1) << FRACTION;
                let exponent = $type::INFINITY.to_bits();
                self.map(|x| $type::from_bits((2 * bias).wrapping_sub(x.to_bits() & exponent)))
            }
            #[inline(always)]
            fn raised(self, steps: Self) -> Self {
                const FRACTION: u32 = $type::MANTISSA_DIGITS - 1;
                let add = |x: $type, n: $type| x.to_bits().wrapping_add(n.to_bits() << FRACTION);
                self.zip(steps, |x, n| $type::from_bits(add(x, n)))
            }
            #[inline(always)]
            fn times_plus(self, x: Self, y: Self) -> Self {
                self.times(x).plus(y)
            }
            #[inline(always)]
            fn minus_times(self, x: Self, y: Self) -> Self {
                self.minus(x.times(y))
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.map($type::abs)
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                self.zip(other, |a, b| if a > b { a } else { b })
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                self.zip(other, |a, b| if a < b { a } else { b })
            }
            #[inline(always)]
            fn below(self, other: Self) -> [bool; L] {
                std::array::from_fn(|l| self.0[l] < other.0[l])
            }
            #[inline(always)]
            fn both(a: [bool; L], b: [bool; L]) -> [bool; L] {
                std::array::from_fn(|l| a[l] & b[l])
            }
            #[inline(always)]
            fn either(a: [bool; L], b: [bool; L]) -> [bool; L] {
                std::array::from_fn(|l| a[l] | b[l])
            }
            #[inline(always)]
            fn select(mask: [bool; L], a: Self, b: Self) -> Self {
                Self(std::array::from_fn(|l| if mask[l] { a.0[l] } else { b.0[l] }))
            }
            #[inline(always)]
            fn bits(mask: [bool; L]) -> u32 {
                mask.iter().enumerate().fold(0, |bits, (l, &set)| bits | u32::from(set) << l)
            }
        }
    };
}

array!(f32, u32);
array!(f64, u64);
