//! Every way in which the algorithms can fail: one variant a cause.

/// What went wrong: the argument, what was expected, what came.
#[derive(Debug, thiserror::Error, Clone, PartialEq)]
pub enum Error {
    /// An array has the wrong shape.
    #[error("{argument}: expected {expected}, got {got}")]
    Shape {
        /// The argument's public name.
        argument: &'static str,
        /// What was expected.
        expected: String,
        /// What came.
        got: String,
    },
    /// A number is out of its range.
    #[error("{argument}: expected {expected}, got {got}")]
    Value {
        /// The argument's public name.
        argument: &'static str,
        /// What was expected.
        expected: String,
        /// What came.
        got: String,
    },
    /// A value is NaN or infinite.
    #[error("{argument}: row {row} has a NaN or an infinity; drop or repair such rows first")]
    NonFinite {
        /// The argument's public name.
        argument: &'static str,
        /// The first bad row.
        row: usize,
    },
    /// A score does not fit the output type.
    #[error(
        "the score of row {row} of {argument} overflows {dtype}; scale the vectors down or pass float64"
    )]
    ScoreOverflow {
        /// The argument whose row has the score.
        argument: &'static str,
        /// The row.
        row: usize,
        /// The output type.
        dtype: &'static str,
    },
    /// The work needs more memory than it may use.
    #[error("{what} needs {needed} bytes, more than can be had; {hint}")]
    Memory {
        /// What needs it.
        what: &'static str,
        /// How much.
        needed: u128,
        /// What to do.
        hint: &'static str,
    },
    /// A factorisation did not converge.
    #[error("{routine} did not converge for matrix {index} of the stack")]
    NoConvergence {
        /// The routine.
        routine: &'static str,
        /// Which matrix of the stack.
        index: usize,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The thread pool could not be started.
    #[error("the thread pool of {threads} threads could not be started: {reason}")]
    Pool {
        /// How many threads were asked for.
        threads: usize,
        /// The system's reason.
        reason: String,
    },
    /// The instruction set that the environment asks for is not there.
    #[error("{0}")]
    Isa(String),
}

/// The result of an algorithm.
pub type Result<T> = std::result::Result<T, Error>;
