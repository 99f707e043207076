//! Our own thread pools: built when first used, one for each thread count, safe after `fork`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result};

/// The pools of one process.
struct Registry {
    process: u32,
    pools: Mutex<HashMap<usize, Arc<ThreadPool>>>,
}

/// Lock-free at the top: after a `fork` the child may inherit a lock that no living thread will
/// ever release, so the process id is compared before any lock is touched.
static REGISTRY: ArcSwapOption<Registry> = ArcSwapOption::const_empty();

fn registry() -> Arc<Registry> {
    let process = std::process::id();
    loop {
        let current = REGISTRY.load();
        if let Some(registry) = current.as_ref().filter(|r| r.process == process) {
            return Arc::clone(registry);
        }
        let fresh = Arc::new(Registry { process, pools: Mutex::default() });
        // Never dropped: in a forked child the pool's threads do not exist, and taking the pool
        // down would wait on their locks.
        std::mem::forget(Arc::clone(&fresh));
        REGISTRY.compare_and_swap(&current, Some(fresh));
    }
}

/// The pool with that many threads.
///
/// # Errors
/// [`Error::Pool`] when the system refuses the threads.
pub fn pool(threads: usize) -> Result<Arc<ThreadPool>> {
    let registry = registry();
    let mut pools = registry.pools.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = pools.get(&threads) {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("isomorph-{i}"))
        .build()
        .map(Arc::new)
        .map_err(|error| Error::Pool { threads, reason: error.to_string() })?;
    pools.insert(threads, Arc::clone(&pool));
    Ok(pool)
}

/// How many threads this process may keep busy: the cores that its affinity and cgroup allow.
#[must_use]
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pool_per_thread_count_kept_for_the_next_call() {
        let two = pool(2).unwrap();
        assert_eq!(two.current_num_threads(), 2);
        assert!(Arc::ptr_eq(&two, &pool(2).unwrap()));
        assert_eq!(pool(3).unwrap().current_num_threads(), 3);
    }
}
