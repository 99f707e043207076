//! What the costs of a batch are like: looked at once, before anything is made of them.

use isomorph_kernels::Element;
use rayon::prelude::*;

use crate::Result;
use crate::matrix::MatRef;
use crate::runtime::Control;

/// Problems of a task.
const TASK: usize = 64;

/// Parts that are looked at side by side.
const PARTS: usize = 16;

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

/// The extremes of several strided parts, which the compiler puts into lanes, and then of these. As
/// long as sums of numbers do not overflow they tell whether all are numbers.
fn extent<T: Element>(costs: &[T]) -> Extent {
    let lesser = |x: T, y: T| if x < y { x } else { y };
    let greater = |x: T, y: T| if x > y { x } else { y };
    let (mut least, mut most) = ([T::INFINITY; PARTS], [T::NEG_INFINITY; PARTS]);
    let mut sums = [T::default(); PARTS];
    let (chunks, rest) = costs.as_chunks::<PARTS>();
    for chunk in chunks {
        for part in 0..PARTS {
            least[part] = lesser(chunk[part], least[part]);
            most[part] = greater(chunk[part], most[part]);
            sums[part] = sums[part].plus(chunk[part]);
        }
    }
    for (part, cost) in rest.iter().enumerate() {
        least[part] = lesser(*cost, least[part]);
        most[part] = greater(*cost, most[part]);
        sums[part] = sums[part].plus(*cost);
    }
    let least = least.into_iter().fold(T::INFINITY, lesser);
    let mut most = most.into_iter().fold(T::NEG_INFINITY, greater);
    let finite = sums.iter().all(|sum| sum.finite()) || costs.iter().all(|cost| cost.finite());
    if !finite {
        let open = costs.iter().filter(|cost| **cost < T::INFINITY);
        most = open.copied().fold(T::NEG_INFINITY, greater);
    }
    Extent { least: least.to_f64(), most: most.to_f64(), finite }
}
