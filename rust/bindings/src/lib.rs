//! The compiled module `isomorph._core`: extract, validate, release the GIL, call, wrap.
//! No mathematics here. Its Python names are private; `python/isomorph` is what people see.

mod align;
mod arrays;
mod doorway;
mod errors;
mod hubness;
mod index;
mod induction;
mod io;
mod linalg;
mod maxsim;
mod mixing;
mod moments;
mod neighbors;
mod places;
mod pursuit;
mod remap;
mod runtime;
mod transport;
mod vocab;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::align::{
        apply_affine, column_means, column_norms, procrustes, procrustes_of_rows, transform_rows,
    };
    #[pymodule_export]
    use super::arrays::first_nonfinite_row;
    #[pymodule_export]
    use super::hubness::{count_below, distance_moments, log_sums, pair_cosines};
    #[pymodule_export]
    use super::index::{check_index, prepare_index};
    #[pymodule_export]
    use super::induction::{dropout_draws, induce};
    #[pymodule_export]
    use super::io::{
        TensorFile, npy_header, print_numbers, read_npy, read_rows, read_safetensors, read_text,
        read_words, safetensors_header, text_header, unique_rows, write_npy, write_safetensors,
        write_text,
    };
    #[pymodule_export]
    use super::linalg::{eigh, polar, svd, svdvals};
    #[pymodule_export]
    use super::maxsim::maxsim;
    #[pymodule_export]
    use super::mixing::mix_rows;
    #[pymodule_export]
    use super::moments::{accumulate_moments, merge_moments, multiply, procrustes_from_moments};
    #[pymodule_export]
    use super::neighbors::{csls, csls_both, csls_from_rows, csls_radii, topk};
    #[pymodule_export]
    use super::places::places;
    #[pymodule_export]
    use super::pursuit::{pursue, sparsemax};
    #[pymodule_export]
    use super::remap::{gather_rows, renumber_ids};
    #[pymodule_export]
    use super::runtime::{available_threads, build_info, fail_for_tests, fma_peak};
    #[pymodule_export]
    use super::transport::assign::{assign_codes, score_maxima};
    #[pymodule_export]
    use super::transport::batch::{scan_costs, sinkhorn_many};
    #[pymodule_export]
    use super::transport::dense::{sinkhorn, sum_values, transport_plan, transport_sums};
    #[pymodule_export]
    use super::transport::points::sinkhorn_points;
    #[pymodule_export]
    use super::vocab::{script_counts, script_mask};
}
