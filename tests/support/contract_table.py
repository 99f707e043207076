"""The contract of every public function; `tests/contracts/test_table.py` fails if one is missing.

A function that takes no float arrays stands in `WITHOUT_ARRAYS` with the reason.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import isomorph as iso
from isomorph.errors import DTypeError, MemoryBudgetError
from support.bridge_contracts import BRIDGES, BRIDGES_WITHOUT_ARRAYS
from support.contracts import Argument, Contract, like
from support.contrast_contracts import CONTRAST
from support.evidence_contracts import EVIDENCE, EVIDENCE_WITHOUT_ARRAYS
from support.learning_contracts import LEARNING
from support.many_spaces_contracts import MANY_SPACES, MANY_SPACES_WITHOUT_ARRAYS, SHAPES
from support.rcsls_contracts import RCSLS
from support.transport_contracts import TRANSPORT, TRANSPORT_WITHOUT_ARRAYS
from support.unbalanced_contracts import GRADIENTS_WITHOUT_ARRAYS, UNBALANCED
from support.vocab_mixing_contracts import MIXING, MIXING_WITHOUT_ARRAYS
from support.vocab_planning_contracts import PLANNING
from support.vocab_remap_contracts import REMAPS
from support.vocab_tokenizers_contracts import TOKENIZERS
from support.vocab_transfer_contracts import SPELLED, TRANSFERS
from support.vocab_trimming_contracts import TRIMMING

#: An odd number of columns, more than one canonical chunk of 8, and no multiple of any SIMD width.
COLUMNS = 19

Refused = tuple[tuple[dict[str, Any], type[Exception], str], ...]


def _sides(rows: int, other: int, names: tuple[str, str]) -> dict[str, Argument]:
    return {names[0]: Argument((rows, COLUMNS)), names[1]: Argument((other, COLUMNS))}


def _counts(name: str, largest: int) -> Refused:
    """List what a count refuses: everything but an integer from 1 to `largest`."""
    return (
        ({name: 0}, ValueError, f"{name}: expected 1 to {largest}"),
        ({name: -1}, ValueError, f"{name}: expected 1 to {largest}"),
        ({name: largest + 1}, ValueError, f"{name}: expected 1 to {largest}"),
        ({name: 2**70}, ValueError, f"{name}: expected 1 to {largest}"),
        ({name: True}, ValueError, f"{name}: expected 1 to {largest}"),
        ({name: 1.5}, DTypeError, f"{name}: expected an integer"),
        ({name: "3"}, DTypeError, f"{name}: expected an integer"),
    )


def _topk(queries, corpus, k=3, **options):
    return iso.topk(queries, corpus, k, **options)


def _within(queries, **options):
    return iso.topk(queries, queries, 3, exclude_self=True, **options)


def _csls_like(function, source, target, k=2, neighborhood=4, **options):
    return function(source, target, k, neighborhood=neighborhood, **options)


def _mine(source, target, **options):
    return iso.mine_bitext(source, target, **options)


def _reduced(function, source, target, **options):
    return function(source, target, **{"k": 2, **options})


def _neighbor(name: str, arguments: dict[str, Argument], call: Any, **more: Any) -> Contract:
    """Make the contract of a neighbour function: exact selections on every backend."""
    second = tuple(arguments)[1:2]
    return Contract(
        name,
        arguments,
        call,
        selects=True,
        takes_progress=True,
        takes_memory=name in ("topk", "csls", "csls_both", "csls_radii"),
        same_columns=second,
        **more,
    )


#: What a budget of memory refuses.
_MEMORY: Refused = (
    ({"memory": 0}, ValueError, "memory: expected a positive number of bytes"),
    ({"memory": True}, ValueError, "memory: expected a positive number of bytes"),
    ({"memory": 1.5}, DTypeError, "memory: expected an integer or a string"),
    ({"memory": "much"}, ValueError, "memory: expected bytes, as 500_000_000 or '500MB'"),
    ({"memory": 1}, MemoryBudgetError, "memory: expected at least [0-9,]+ bytes"),
)

_CSLS_SIDES = _sides(11, 23, ("source", "target"))
_WITH_RADII = _CSLS_SIDES | {
    "source_radii": Argument((11,), follows=True),
    "target_radii": Argument((23,), follows=True),
}

NEIGHBORS = (
    *(
        _neighbor(
            "topk",
            _sides(11, 23, ("queries", "corpus")),
            functools.partial(_topk, metric=metric),
            variant=metric,
            refused=_counts("k", 23) + _MEMORY,
        )
        for metric in ("cosine", "dot", "l2")
    ),
    _neighbor(
        "topk",
        {"queries": Argument((13, COLUMNS))},
        _within,
        variant="within one set",
        refused=(({"metric": "manhattan"}, ValueError, "metric: expected one of cosine, dot, l2"),),
    ),
    _neighbor(
        "csls",
        _CSLS_SIDES,
        functools.partial(_csls_like, iso.csls),
        refused=_counts("k", 23) + _counts("neighborhood", 11) + _MEMORY,
    ),
    _neighbor("csls", _WITH_RADII, functools.partial(_csls_like, iso.csls), variant="radii given"),
    _neighbor(
        "csls_both",
        _CSLS_SIDES,
        functools.partial(_csls_like, iso.csls_both),
        refused=_counts("k", 11) + _counts("neighborhood", 11) + _MEMORY,
    ),
    _neighbor(
        "csls_both",
        _WITH_RADII,
        functools.partial(_csls_like, iso.csls_both),
        variant="radii given",
    ),
    _neighbor(
        "csls_radii", _CSLS_SIDES, iso.csls_radii, refused=_counts("neighborhood", 11) + _MEMORY
    ),
    *(
        _neighbor(
            "mutual_nearest",
            _CSLS_SIDES,
            functools.partial(iso.mutual_nearest, method=method),
            variant=method,
            refused=refused,
        )
        for method, refused in (("csls", _counts("neighborhood", 11)), ("nn", ()))
    ),
    *(
        _neighbor(
            "mine_bitext",
            _CSLS_SIDES,
            functools.partial(_mine, margin=margin, retrieval=retrieval),
            variant=f"{margin}, {retrieval}",
        )
        for margin, retrieval in (
            ("distance", "max"),
            ("distance", "intersection"),
            ("absolute", "forward"),
            ("absolute", "backward"),
        )
    ),
    _neighbor(
        "mine_bitext",
        _CSLS_SIDES,
        _mine,
        variant="ratio",
        refused=(
            *_counts("k", 11),
            ({"margin": "best"}, ValueError, "margin: expected one of ratio, distance"),
            ({"retrieval": "all"}, ValueError, "retrieval: expected one of max, intersection"),
            ({"threshold": float("nan")}, ValueError, "threshold: expected a finite number"),
        ),
    ),
)


def _induced(source, target, neighborhood=4, **options):
    return iso.induce_dictionary(source, target, neighborhood=neighborhood, **options)


_INDUCTION_REFUSALS: Refused = (
    ({"direction": "both"}, ValueError, "direction: expected one of union, intersection, forward"),
    ({"method": "cosine"}, ValueError, "method: expected one of csls, nn"),
    ({"neighborhood": -1}, ValueError, "neighborhood: expected 0 to 11"),
    ({"neighborhood": 12}, ValueError, "neighborhood: expected 0 to 11"),
    ({"neighborhood": 1.5}, DTypeError, "neighborhood: expected an integer"),
    ({"neighborhood": True}, ValueError, "neighborhood: expected 0 to 11"),
    *(
        ({"keep": keep}, ValueError, "keep: expected")
        for keep in (0, -0.1, 1.1, float("nan"), float("inf"), True, "0.5")
    ),
    ({"keep": "half"}, DTypeError, "keep: expected a number"),
    ({"keep": None}, DTypeError, "keep: expected a number"),
    ({"seed": -1}, ValueError, "seed: expected 0 to 18446744073709551615"),
    ({"seed": 2**64}, ValueError, "seed: expected 0 to"),
    ({"seed": None}, DTypeError, "seed: expected an integer"),
    ({"step": 2**32}, ValueError, "step: expected 0 to 4294967295"),
    ({"max_rank": 0}, ValueError, "max_rank: expected 1 to"),
    ({"max_size": 0}, ValueError, "max_size: expected 1 to"),
    ({"min_size": -1}, ValueError, "min_size: expected 0 to"),
    ({"threshold": float("nan")}, ValueError, "threshold: expected a finite number"),
    ({"threshold": "high"}, DTypeError, "threshold: expected a number"),
)

INDUCTION = tuple(
    _neighbor(
        "induce_dictionary",
        _CSLS_SIDES,
        functools.partial(_induced, **options),
        variant=variant,
        refused=refused,
    )
    for variant, options, refused in (
        ("union", {}, _INDUCTION_REFUSALS),
        ("dropout", {"keep": 0.3, "seed": 2**63, "step": 7}, ()),
        ("all dropped", {"keep": 1e-9, "direction": "forward"}, ()),
        ("nn", {"method": "nn", "keep": 0.5, "direction": "backward"}, ()),
        ("MUSE", {"direction": "intersection", "threshold": 0.01, "max_rank": 9}, ()),
        ("sizes", {"unique": True, "threshold": 0.1, "min_size": 3, "max_size": 5}, ()),
    )
)


def _parts(array: Any, cuts: tuple[int, ...]) -> Any:
    """Cut the rows of a matrix at some tenths: offsets of ragged parts, some of them empty."""
    shape = getattr(array, "shape", ())
    if len(shape) != 2:
        return None
    return np.array([0, *(shape[0] * cut // 10 for cut in cuts), shape[0]])


def _maxsim(function, queries, documents, **options):
    return function(
        queries,
        documents,
        query_offsets=_parts(queries, (3, 3)),
        document_offsets=_parts(documents, (1, 4, 4, 7)),
        **options,
    )


def _late(name: str, call: Any, variant: str, shapes: Any, refused: Refused = ()) -> Contract:
    sides = zip(("queries", "documents"), shapes, strict=True)
    return Contract(
        name,
        {side: Argument(shape, ndims=(2, 3)) for side, shape in sides},
        functools.partial(_maxsim, call),
        variant=variant,
        selects=True,
        takes_progress=True,
        same_columns=("documents",),
        refused=refused,
    )


_RAGGED, _AXES = ((11, COLUMNS), (23, COLUMNS)), ((4, 5, COLUMNS), (6, 7, COLUMNS))
_best = functools.partial(iso.maxsim_topk, k=3)


def _hard_negatives(queries, corpus, k=3, **options):
    n = 23 if getattr(queries, "shape", ())[:1] == (23,) else 11
    positives = [{0, 3}, *([query] for query in range(1, n))]
    return iso.hard_negatives(queries, corpus, positives, k, relative_margin=0.01, **options)


def _retrieval(queries, corpus, **options):
    n = 23 if getattr(queries, "shape", ())[:1] == (23,) else 11
    graded = [{query: 1, 2 * query % 11: 2} for query in range(2, n)]
    relevant = [[2, 3], [], *graded]
    return iso.metrics.retrieval_metrics(queries, corpus, relevant, **options)


NEGATIVES = (
    *(
        Contract(
            "metrics.retrieval_metrics",
            _sides(11, 23, ("queries", "corpus")),
            functools.partial(_retrieval, metric=metric),
            variant=metric,
            selects=True,
            takes_progress=True,
            same_columns=("corpus",),
            typed=("nothing",),
            on_host=tuple(
                f"per_query['{name}']"
                for name in (
                    "mrr",
                    *(
                        f"{measure}@{k}"
                        for measure in ("recall", "precision", "hit_rate", "ndcg")
                        for k in (1, 5, 10)
                    ),
                )
            ),
            refused=(({"metric": "l2"}, ValueError, "metric: expected 'cosine' or 'dot'"),),
        )
        for metric in ("cosine", "dot")
    ),
    Contract(
        "hard_negatives",
        _sides(11, 23, ("queries", "corpus")),
        _hard_negatives,
        selects=True,
        takes_progress=True,
        same_columns=("corpus",),
        on_host=("offsets", "indices", "ranks", "scores"),
        refused=_counts("k", 23),
    ),
)

LATE = (
    _late("maxsim", iso.maxsim, "ragged", _RAGGED),
    _late("maxsim", iso.maxsim, "three axes", _AXES),
    _late("maxsim_topk", _best, "ragged", _RAGGED, _counts("k", 5)),
    _late("maxsim_topk", _best, "three axes", _AXES, _counts("k", 6)),
)

#: Those that rank by values of neighbours have exact bytes; the others add sums of all pairs.
HUBNESS = tuple(
    Contract(
        name,
        _CSLS_SIDES,
        functools.partial(_reduced, getattr(iso, name), **options),
        variant=variant,
        selects=exact,
        takes_progress=True,
        same_columns=("target",),
        refused=refused + _counts("k", 23),
    )
    for name, variant, options, exact, refused in (
        (
            "inverted_softmax",
            "",
            {},
            False,
            (
                ({"beta": 0.0}, ValueError, "beta: expected a finite number above 0"),
                ({"beta": float("nan")}, ValueError, "beta: expected a finite number above 0"),
            ),
        ),
        ("local_scaling", "", {"neighborhood": 4}, True, ()),
        ("nicdm", "", {"neighborhood": 4}, True, _counts("neighborhood", 11)),
        ("dissim_local", "", {"neighborhood": 4}, False, ()),
        (
            "mutual_proximity",
            "empirical",
            {},
            True,
            (({"method": "exact"}, ValueError, "method: expected 'empirical' or 'gaussian'"),),
        ),
        ("mutual_proximity", "gaussian", {"method": "gaussian"}, False, ()),
    )
)

LINALG = tuple(
    Contract(
        f"linalg.{function.__name__}",
        {"a": Argument(shape, ndims=(2, 3, 4, 5))},
        function,
        variant="x".join(map(str, shape)),
        takes_progress=True,
        unique=unique,
    )
    for function, unique in (
        (iso.linalg.svd, ("s",)),
        (iso.linalg.svdvals, ()),
        (iso.linalg.polar, ("r", "h")),
    )
    for shape in ((9, 5), (3, 5, 9), (70, 6, 6))
) + tuple(
    Contract(
        "linalg.eigh",
        {"a": Argument(shape, ndims=(2, 3, 4, 5))},
        # What the tests draw is not symmetric.
        functools.partial(iso.linalg.eigh, check_symmetric=False),
        variant="x".join(map(str, shape)),
        takes_progress=True,
        unique=("values",),
        refused=(({"check_symmetric": True}, ValueError, "a: expected symmetric matrices"),),
    )
    for shape in ((7, 7), (70, 6, 6))
)


def _weighted(source, target, **options):
    weights = like(source, np.linspace(0.0, 2.0, 31))
    return iso.procrustes(source, target, weights=weights, **options)


def _fit(variant: str, shapes: tuple[tuple[int, ...], ...], call: Any) -> Contract:
    arguments = {
        name: Argument(shape, ndims=(2, 3))
        for name, shape in zip(("source", "target"), shapes, strict=True)
    }
    return Contract(
        "procrustes",
        arguments,
        call,
        variant=variant,
        takes_progress=True,
        typed=(".matrix",),
        unique=("matrix", "singular_values", "source_mean", "target_mean"),
    )


#: What fitted transforms are fitted on.
_FITTED_ON = np.random.default_rng(0).standard_normal((29, COLUMNS))
_CHAIN = iso.transforms.Chain.parse("unit centre unitdim centeremb iternorm:2 unit")


def _fitted(x):
    return _CHAIN.fit(like(x, _FITTED_ON))


def _alignment(x):
    turned = iso.procrustes(*(like(x, rows) for rows in (_FITTED_ON, _FITTED_ON[:, ::-1])))
    return iso.Alignment(_fitted(x), turned, _fitted(x))


def _mapped(x, matrix, **options):
    mean = like(matrix, np.linspace(-1.0, 1.0, COLUMNS))
    return iso.LinearMap(matrix, mean, scale=1.5).apply(x, **options)


_ROWS = {"x": Argument((37, COLUMNS))}

_VECMAP_REFUSALS: Refused = (
    *_counts("dimensions", 7),
    ({"mode": "best"}, ValueError, "mode: expected one of supervised, aaai2018"),
    (
        {"source_reweight": -0.5},
        ValueError,
        "source_reweight: expected a finite number of",
    ),
    ({"target_reweight": float("nan")}, ValueError, "target_reweight: expected a finite number"),
    ({"target_reweight": "much"}, DTypeError, "target_reweight: expected a number"),
    ({"source_dewhiten": "both"}, ValueError, "source_dewhiten: expected 'source', 'target' or"),
    (
        {"whiten": False, "target_dewhiten": "source"},
        ValueError,
        "target_dewhiten: expected 'none' with whiten=False",
    ),
)


def _map_fit(method: str, shapes: tuple[tuple[int, ...], ...], **more: Any) -> Contract:
    refused = more.pop("refused", ())
    arguments = {
        name: Argument(shape, ndims=(2, 3))
        for name, shape in zip(("source", "target"), shapes, strict=True)
    }
    stack = "stack" if len(shapes[0]) == 3 else "pairs"
    return Contract(
        "fit_map",
        arguments,
        functools.partial(iso.fit_map, method=method, **more),
        variant=", ".join([method, stack, *more]),
        takes_progress=True,
        typed=(".matrix",),
        unique=("matrix", "source_mean", "target_mean"),
        refused=refused,
    )


_MAP_REFUSALS: Refused = (
    ({"method": "magic"}, ValueError, "method: expected one of procrustes, rectangular, rotation"),
    ({"alpha": 1.0}, ValueError, "alpha: method 'procrustes' takes scale"),
)
_RIDGE_REFUSALS: Refused = (
    ({"alpha": 0.0}, ValueError, "alpha: expected positive numbers"),
    ({"alpha": [1.0, float("nan")]}, ValueError, "alpha: expected positive numbers"),
    ({"choose_by": "hand"}, ValueError, "choose_by: expected one of folds, loo"),
    ({"folds": 1}, ValueError, "folds: expected an integer of 2 or more"),
    ({"folds": 2.5}, DTypeError, "folds: expected an integer"),
    ({"seed": -1}, ValueError, "seed: expected an integer of 0 or more"),
    ({"group": 1.5}, DTypeError, "group: expected integers"),
    ({"scale": True}, ValueError, "scale: method 'ridge' takes alpha"),
)
_ROBUST_REFUSALS: Refused = (
    ({"rounds": 0}, ValueError, "rounds: expected an integer of 1 or more"),
    ({"rounds": True}, ValueError, "rounds: expected an integer"),
    ({"delta": 0.0}, ValueError, "delta: expected a finite number above 0"),
)
_OLS_REFUSALS: Refused = (({"k": 1}, ValueError, "k: method 'ols' takes no options"),)

MAPS = (
    _map_fit("procrustes", ((31, 7), (31, 7)), refused=_MAP_REFUSALS),
    _map_fit("rectangular", ((31, 7), (31, 5))),
    _map_fit("rotation", ((3, 31, 7), (3, 31, 7)), translate=True),
    _map_fit("robust", ((31, 7), (31, 7)), refused=_ROBUST_REFUSALS),
    _map_fit("robust", ((3, 31, 7), (3, 31, 5)), translate=True, scale=True),
    _map_fit("ols", ((31, 7), (31, 5)), refused=_OLS_REFUSALS),
    _map_fit("ols", ((3, 31, 7), (3, 31, 5)), translate=True),
    _map_fit("ridge", ((31, 7), (31, 5)), refused=_RIDGE_REFUSALS),
    _map_fit("ridge", ((31, 7), (31, 5)), choose_by="loo", translate=True),
    _map_fit("ridge", ((3, 31, 7), (3, 31, 5)), alpha=2.0),
    _map_fit("cca", ((31, 7), (31, 5))),
    _map_fit("vecmap", ((31, 7), (31, 7))),
)

ALIGN = (
    _fit("plain", ((31, 7), (31, 7)), iso.procrustes),
    _fit(
        "scale and translation",
        ((31, 7), (31, 7)),
        functools.partial(iso.procrustes, scale=True, translate=True),
    ),
    _fit("rotation", ((31, 7), (31, 7)), functools.partial(iso.procrustes, allow_reflection=False)),
    _fit("more columns", ((31, 5), (31, 9)), iso.procrustes),
    _fit("fewer columns", ((31, 9), (31, 5)), iso.procrustes),
    _fit("stack", ((4, 31, 7), (4, 31, 7)), iso.procrustes),
    _fit("weights", ((31, 7), (31, 7)), _weighted),
    Contract(
        "LinearMap.apply",
        {
            "x": Argument((37, COLUMNS), ndims=(2, 3), not_empty=False),
            "matrix": Argument((COLUMNS, 11), ndims=(2, 3), follows=True),
        },
        _mapped,
        takes_progress=True,
    ),
    *(
        Contract(
            "align.vecmap",
            {"source": Argument((31, 7)), "target": Argument((31, columns))},
            functools.partial(iso.align.vecmap, **options),
            variant=variant,
            takes_progress=True,
            typed=(".matrix",),
            # Maps of both sides change sign together; what is compared is one map.
            unique=unique,
            refused=refused,
        )
        for variant, columns, options, unique, refused in (
            ("supervised", 7, {}, ("singular_values",), _VECMAP_REFUSALS),
            ("aaai2018", 9, {"mode": "aaai2018", "dimensions": 3}, ("singular_values",), ()),
            (
                "orthogonal",
                7,
                {"mode": "orthogonal"},
                ("matrix", "singular_values"),
                (
                    ({"whiten": True}, ValueError, "whiten: expected None for mode 'orthogonal'"),
                    ({"dimensions": 3}, ValueError, "dimensions: expected None for a map that is"),
                ),
            ),
            ("unconstrained", 5, {"mode": "unconstrained"}, ("matrix",), ()),
        )
    ),
    *(
        Contract(f"transforms.{function.__name__}", _ROWS, function, takes_progress=False)
        for function in (
            iso.transforms.unit,
            iso.transforms.centre,
            iso.transforms.unitdim,
            iso.transforms.centeremb,
            iso.transforms.iterative_normalize,
        )
    ),
    Contract("Chain.fit", _ROWS, _CHAIN.fit, typed=("nothing",)),
    Contract(
        "Chain.fit_apply", _ROWS, lambda x, **o: _CHAIN.fit_apply(x, **o), typed=("result[1]",)
    ),
    Contract("FittedChain.apply", _ROWS, lambda x, **o: _fitted(x).apply(x, **o)),
    Contract("Alignment.apply_source", _ROWS, lambda x, **o: _alignment(x).apply_source(x, **o)),
    Contract("Alignment.apply_target", _ROWS, lambda x, **o: _alignment(x).apply_target(x, **o)),
)


def _word_translation(source, target, neighborhood=4, **options):
    pairs = iso.Pairs(np.arange(11), np.arange(11))
    return iso.metrics.word_translation(
        source, target, pairs, neighborhood=neighborhood, at=(1, 5), resamples=50, **options
    )


def _forecast(source, target, neighborhood=4, **options):
    return iso.metrics.csls_forecast(
        source, target, neighborhood=neighborhood, resamples=50, **options
    )


def _verdict(source, target, neighborhood=4, **options):
    pairs = iso.Pairs(np.arange(30), np.arange(30))
    return iso.metrics.csls_verdict(
        source, target, pairs, neighborhood=neighborhood, resamples=50, **options
    )


METRICS = (
    Contract(
        "metrics.csls_forecast",
        _sides(37, 41, ("source", "target")),
        _forecast,
        takes_progress=True,
        same_columns=("target",),
        refused=_counts("neighborhood", 37),
    ),
    Contract(
        "metrics.csls_verdict",
        _sides(37, 41, ("source", "target")),
        _verdict,
        takes_progress=True,
    ),
    *(
        Contract(
            "metrics.word_translation",
            sides,
            functools.partial(_word_translation, method=method),
            variant=variant,
            selects=True,
            takes_progress=True,
            same_columns=("target",),
            on_host=("queries", "ranks"),
        )
        for variant, method, sides in (
            ("nn", "nn", _CSLS_SIDES),
            ("csls", "csls", _CSLS_SIDES),
            ("radii given", "csls", _WITH_RADII),
        )
    ),
)


def _moments(x, y, **options):
    moments = iso.linalg.Moments(7, 5, norms=True)
    moments.update(x, y, group=_thirds(x), **options)
    found = moments.scatter()
    return {"xx": found.xx, "xy": found.xy, "yy": found.yy, "means": (found.x_mean, found.y_mean)}


def _thirds(x):
    return np.arange(x.shape[0]) % 3 if getattr(x, "ndim", 0) == 2 and x.shape[0] < 100 else None


_MOMENT_SIDES = {name: Argument((31, d), not_empty=False) for name, d in (("x", 7), ("y", 5))}

MOMENTS = (
    Contract("Moments.update", _MOMENT_SIDES, _moments, takes_progress=True, typed=("nothing",)),
)

CONTRACTS: tuple[Contract, ...] = (
    NEIGHBORS
    + INDUCTION
    + LATE
    + HUBNESS
    + NEGATIVES
    + LINALG
    + MOMENTS
    + ALIGN
    + MAPS
    + LEARNING
    + MANY_SPACES
    + CONTRAST
    + RCSLS
    + SHAPES
    + BRIDGES
    + METRICS
    + EVIDENCE
    + MIXING
    + SPELLED
    + TRANSPORT
    + UNBALANCED
)

#: Public functions that take no float arrays.
_REMAP = "renumbers whatever has rows; tests/unit and tests/properties hold it to its laws"
_MAP = "takes a map or a file; tests/unit and tests/properties hold it to its laws"
_RESULT = "a result tells about itself; tests/unit"
_FILES = "reads or writes files; tests/unit, tests/properties and tests/hostile"
_MOMENTS = "works on sums that were accumulated; tests/unit, tests/properties and tests/oracles"
WITHOUT_ARRAYS = {
    **MANY_SPACES_WITHOUT_ARRAYS,
    **EVIDENCE_WITHOUT_ARRAYS,
    **BRIDGES_WITHOUT_ARRAYS,
    **MIXING_WITHOUT_ARRAYS,
    **TRANSPORT_WITHOUT_ARRAYS,
    **GRADIENTS_WITHOUT_ARRAYS,
    "patch": "names of libraries; drop-ins have the contracts of their originals (tests/compat)",
    **{
        f"Moments.{name}": _MOMENTS
        for name in (
            "bootstrap",
            "cca",
            "cka",
            "copy",
            "folds",
            "group",
            "jackknife",
            "load",
            "merge",
            "ols",
            "procrustes",
            "ridge",
            "ridge_path",
            "save",
            "scatter",
            "whitening",
        )
    },
    "Index.load": "takes a path; tests/unit/test_index.py",
    "Index.save": "takes a path; tests/unit/test_index.py",
    "FileEvaluation.as_dict": _RESULT,
    "Translations.as_dict": _RESULT,
    "Forecast.as_dict": _RESULT,
    "Verdict.as_dict": _RESULT,
    "metrics.evaluate_files": _FILES,
    "pipeline.align_vocabularies": "takes embeddings or files; tests/cli",
    "pipeline.peak_memory": "takes nothing",
    "translate": "takes embeddings and words; tests/unit",
    "Embeddings.take": "takes rows of what it holds; tests/unit",
    "io.dask_array": "maps a file; tests/unit/test_dask.py",
    "io.inspect": _FILES,
    "io.load": _FILES,
    "io.load_dictionary": _FILES,
    "io.load_matrix": _FILES,
    "io.save": _FILES,
    "io.save_matrix": _FILES,
    "Convention.csls_scores": _RESULT,
    "Hubness.as_dict": _RESULT,
    "Hubness.explain": _RESULT,
    "RankMetrics.as_dict": _RESULT,
    "WordTranslation.as_dict": _RESULT,
    "WordTranslation.hits": _RESULT,
    "metrics.bootstrap_mean": "takes any numbers; tests/unit/test_metrics_intervals.py",
    "metrics.hubness": "takes indices; tests/unit/test_hubness.py",
    "metrics.paired_difference": "takes any numbers; tests/unit/test_metrics_intervals.py",
    "metrics.rank_metrics": "takes scores of any numbers; tests/unit/test_rank_metrics.py",
    "metrics.wilson": "takes two numbers; tests/unit/test_metrics_intervals.py",
    "Alignment.direct": _MAP,
    "Alignment.load": _MAP,
    "Alignment.save": _MAP,
    "Chain.parse": "takes text",
    "FittedChain.from_arrays": _MAP,
    "FittedChain.to_arrays": _MAP,
    "LinearMap.inverse": _MAP,
    "LinearMap.load": _MAP,
    "LinearMap.save": _MAP,
    "LinearMap.then": _MAP,
    "Remap.apply": _REMAP,
    "Remap.compose": _REMAP,
    "Remap.from_kept": _REMAP,
    "Remap.gather": _REMAP,
    "Remap.ids": _REMAP,
    "Remap.inverse": _REMAP,
    "Remap.load": _REMAP,
    "Remap.save": _REMAP,
    "Remap.scatter": _REMAP,
    "Remap.then": _REMAP,
    **PLANNING,
    **REMAPS,
    **TRANSFERS,
    **TRIMMING,
    **TOKENIZERS,
    "vocab.prune": "takes words",
    "vocab.script_counts": "takes words",
    "runtime.build_info": "takes nothing",
    "runtime.device": "takes a name; tests/runtime/test_device.py",
    "runtime.resolve_device": "takes a name; tests/runtime/test_device.py",
    "runtime.precision": "takes a name; tests/unit/test_cuda_neighbors.py",
    "runtime.resolve_threads": "takes a number; tests/runtime/test_threads.py",
    "runtime.show_versions": "takes nothing",
    "runtime.threads": "takes a number; tests/runtime/test_threads.py",
    "runtime.use_backend": "takes a name; tests/runtime/test_threads.py",
}
