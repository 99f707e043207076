//! What the costs of a batch are like: looked at once, before anything is made of them.

use isomorph_kernels::Element;
use rayon::prelude::*;

use crate::Result;
use crate::matrix::MatRef;
use crate::runtime::Control;

/// Problems of a task.
const TASK: usize = 64;

/// What the costs of a problem are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The least of them.
    pub least: f64,
    /// The largest that is finite.
    pub most: f64,
    /// Whether all are numbers; +inf is none.
    pub finite: bool,
}

/// Look at all of them.
///
/// # Errors
/// Cancellation.
pub fn scan<T: Element>(costs: &[MatRef<'_, T>], control: &Control) -> Result<Vec<Extent>> {
    let found: Result<Vec<Vec<Extent>>> = costs
        .par_chunks(TASK)
        .map(|costs| {
            control.check()?;
            Ok(costs.iter().map(|cost| extent(cost.data())).collect())
        })
        .collect();
    Ok(found?.concat())
}

fn extent<T: Element>(costs: &[T]) -> Extent {
    let (mut least, mut most) = (T::INFINITY, T::NEG_INFINITY);
    let mut finite = true;
    for cost in costs {
        least = if *cost < least { *cost } else { least };
        most = if *cost > most { *cost } else { most };
        finite &= *cost > T::NEG_INFINITY && *cost < T::INFINITY;
    }
    if !finite {
        most = T::NEG_INFINITY;
        for cost in costs {
            most = if *cost > most && *cost < T::INFINITY { *cost } else { most };
        }
    }
    Extent { least: least.to_f64(), most: most.to_f64(), finite }
}
