//! What is asked of the system for memory.

use std::mem::MaybeUninit;

/// A large page on nearly every system.
#[cfg(target_os = "linux")]
const PAGE: usize = 1 << 21;

/// Ask for large pages for `memory` that was not written to yet, where there is such a thing.
///
/// What is read from memory again and again then waits less for the addresses of pages. The system may
/// refuse, which changes nothing else.
pub fn ask_for_large_pages<T>(memory: &mut [MaybeUninit<T>]) {
    #[cfg(target_os = "linux")]
    {
        let start = memory.as_mut_ptr().cast::<u8>();
        let (skipped, length) = (start.align_offset(PAGE), size_of_val(memory));
        let whole = length.saturating_sub(skipped) / PAGE * PAGE;
        if whole > 0 {
            // SAFETY: the bytes lie in `memory`, which is borrowed; the advice leaves contents as they
            // are.
            let _ = unsafe {
                rustix::mm::madvise(
                    start.add(skipped).cast(),
                    whole,
                    rustix::mm::Advice::LinuxHugepage,
                )
            };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_and_place_is_only_advised() {
        for length in [0, 1, 1000, (1 << 18) + 3, 3 << 19] {
            let mut values: Vec<f64> = Vec::with_capacity(length + 1);
            for skipped in 0..2 {
                ask_for_large_pages(&mut values.spare_capacity_mut()[skipped..]);
            }
            values.resize(length, 0.5);
            ask_for_large_pages(values.spare_capacity_mut());
            assert!(values.iter().all(|value| *value == 0.5));
        }
    }
}
