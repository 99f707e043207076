//! The machine's fused multiply-add rate: the limit that benchmarks compare with.

use crate::isa::{Isa, Level};

/// Run `steps` rounds of independent chains of fused multiply-adds on registers, and return how
/// many floating point operations that was, with a value that keeps them from being removed.
#[must_use]
pub fn fma_chains(isa: Isa, steps: u64) -> (u64, f32) {
    match isa.level() {
        Level::Portable => portable(steps),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the Isa value proves that the CPU has AVX2 and FMA.
        Level::Avx2 => unsafe { avx2(steps) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the Isa value proves that the CPU has AVX-512 F.
        Level::Avx512 => unsafe { avx512(steps) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => portable(steps),
    }
}

/// Chains: enough to hide the latency (4 or 5 cycles on two ports) with registers to spare.
const CHAINS: usize = 12;

fn portable(steps: u64) -> (u64, f32) {
    let mut acc = [[1.0f32; 4]; CHAINS];
    let factor = std::hint::black_box(0.999_f32);
    for _ in 0..steps {
        for chain in &mut acc {
            for value in chain {
                *value = *value * factor + 0.001;
            }
        }
    }
    (steps * (CHAINS * 4 * 2) as u64, acc.iter().flatten().sum())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(steps: u64) -> (u64, f32) {
    use std::arch::x86_64::*;
    let mut acc = [_mm256_set1_ps(1.0); CHAINS];
    let factor = _mm256_set1_ps(std::hint::black_box(0.999));
    let shift = _mm256_set1_ps(std::hint::black_box(0.001));
    for _ in 0..steps {
        for chain in &mut acc {
            *chain = _mm256_fmadd_ps(*chain, factor, shift);
        }
    }
    let mut sum = acc[0];
    for &chain in &acc[1..] {
        sum = _mm256_add_ps(sum, chain);
    }
    let mut values = [0.0f32; 8];
    // SAFETY: the array has exactly as many values as the register.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), sum) };
    (steps * (CHAINS * 8 * 2) as u64, values.iter().sum())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(steps: u64) -> (u64, f32) {
    use std::arch::x86_64::*;
    let mut acc = [_mm512_set1_ps(1.0); CHAINS];
    let factor = _mm512_set1_ps(std::hint::black_box(0.999));
    let shift = _mm512_set1_ps(std::hint::black_box(0.001));
    for _ in 0..steps {
        for chain in &mut acc {
            *chain = _mm512_fmadd_ps(*chain, factor, shift);
        }
    }
    let mut sum = acc[0];
    for &chain in &acc[1..] {
        sum = _mm512_add_ps(sum, chain);
    }
    (steps * (CHAINS * 16 * 2) as u64, _mm512_reduce_add_ps(sum))
}
